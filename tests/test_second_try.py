"""A wrong result in a matrix is tried once more, alone, and the result says so."""

from __future__ import annotations

from conformance.selftest.fault_report import as_summary
from conformance.selftest.fault_row import Matrix, Row, is_killed
from conformance.selftest.second_try import MOST, with_second_try

RIGHT = Row("right", breaks=("COPY-03",), fell=("COPY-03",))
LATE = Row("late", breaks=("COPY-04",), fell=())
ON_TIME = Row("late", breaks=("COPY-04",), fell=("COPY-04",))


def name(row: Row) -> str:
    return row.fault


def test_what_was_right_the_second_time_counts_and_is_told() -> None:
    asked: list[list[str]] = []

    def run(names: list[str]) -> list[Row]:
        asked.append(names)
        return [ON_TIME]

    rows, again = with_second_try([RIGHT, LATE], is_killed, name, run)
    assert (rows, again, asked) == ([RIGHT, ON_TIME], ("late",), [["late"]])
    matrix = Matrix(tuple(rows), partial=True, profile="full", duration_s=1.0, again=again)
    assert matrix.sharp
    assert "1 tried again: late" in as_summary(matrix)


def test_what_is_wrong_twice_is_wrong() -> None:
    rows, _ = with_second_try([RIGHT, LATE], is_killed, name, lambda _: [LATE])
    assert not Matrix(tuple(rows), partial=True, profile="full", duration_s=1.0).sharp


def test_nothing_is_tried_twice_if_all_is_right_or_very_much_is_wrong() -> None:
    def run(_names: list[str]) -> list[Row]:
        raise AssertionError("tried again")

    assert with_second_try([RIGHT], is_killed, name, run) == ([RIGHT], ())
    many = [Row(str(each), breaks=("COPY-04",), fell=()) for each in range(MOST + 1)]
    assert with_second_try(many, is_killed, name, run) == (many, ())

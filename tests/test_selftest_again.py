"""`selftest --again`: what was right in an earlier run is kept, and only the rest is tried."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.contract.catalogue import PROFILES, load_catalogue
from conformance.faults.registry import all_faults
from conformance.freedoms.registry import all_freedoms
from conformance.selftest import try_faults, try_freedoms
from conformance.selftest.fault_row import Row
from conformance.selftest.freedom_row import BETWEEN, FreedomRow, Red, Undecided

FAULTS = tuple(all_faults())[:3]
FREEDOMS = tuple(name for name, each in all_freedoms().items() if each.within(PROFILES[0]))[:3]

Ran = list[Sequence[str]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Replace the runs of both matrices; the names that were to be run are noted.

    The second name of the first run of several is not as it should be; all is well from then on.
    """
    noted: Ran = []

    def run_faults(
        names: Sequence[str],
        _workers: int,
        on_row: Any,
        _profile: str,
        _requirements: Any,
        narrow: frozenset[str],
        parts: int,
    ) -> list[Row]:
        noted.append(tuple(names))
        rows = [
            Row(
                name,
                all_faults()[name].breaks,
                fell=() if bad else all_faults()[name].breaks,
                narrow=name in narrow,
                catalogue=load_catalogue().digest,
            )
            for name, bad in _with_bad(names, noted)
        ]
        list(map(on_row, rows))
        return rows

    def run_freedoms(
        chosen: Sequence[Sequence[Any]], _workers: int, on_row: Any, *_: Any, **__: Any
    ) -> list[FreedomRow]:
        names = tuple(BETWEEN.join(each.name for each in some) for some in chosen)
        noted.append(names)
        undecided = {"check": Undecided("blocked", "why", (), ("COPY-01",), ())}
        rows = [
            FreedomRow(
                tuple(name.split(BETWEEN)),
                red={"check": Red("fail", ("COPY-01",), "a sentence")} if bad else {},
                undecided=undecided if bad else {},
                checks=5,
            )
            for name, bad in _with_bad(names, noted)
        ]
        list(map(on_row, rows))
        return rows

    monkeypatch.setattr(try_faults, "run_matrix", run_faults)
    monkeypatch.setattr(try_freedoms, "run_freedoms", run_freedoms)
    return noted


def _with_bad(names: Sequence[str], noted: Ran) -> list[tuple[str, bool]]:
    first = not any(len(each) > 1 for each in noted[:-1])
    return [(name, first and place == 1) for place, name in enumerate(names)]


@pytest.fixture
def selftest(tmp_path: Path) -> Callable[..., Result]:
    """Run `selftest` on three faults or freedoms, with its files in a folder of the test."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            cli,
            ["selftest", *arguments, "--report-dir", str(tmp_path)],
            catch_exceptions=False,
        )

    return run


def _options(option: str, names: Sequence[str]) -> list[str]:
    return [part for name in names for part in (option, name)]


@pytest.mark.parametrize(
    ("option", "names", "member"),
    [("--fault", FAULTS, "faults"), ("--freedom", FREEDOMS, "alone")],
    ids=["faults", "freedoms"],
)
def test_only_what_was_wrong_is_tried_again(
    option: str,
    names: tuple[str, ...],
    member: str,
    ran: Ran,
    selftest: Callable[..., Result],
    tmp_path: Path,
) -> None:
    chosen = _options(option, names)
    file = tmp_path / "selftest.json"

    def read_matrix() -> tuple[dict[str, Any], dict[str, Any]]:
        data = json.loads(file.read_text(encoding="utf-8"))
        return data, data if member == "faults" else data["freedoms"]

    assert selftest(*chosen).exit_code == 1
    data, matrix = read_matrix()
    matrix["duration_s"] = 1000.0
    file.write_text(json.dumps(data), encoding="utf-8")
    assert selftest(*chosen, "--again").exit_code == 0
    assert ran == [names, (names[1],)]
    _, matrix = read_matrix()
    assert matrix["duration_s"] >= 1000.0
    assert len(matrix[member]) == 3
    assert matrix["again"] == [names[1]]
    assert "tried again" in (tmp_path / "selftest.md").read_text(encoding="utf-8")


def test_what_is_new_is_tried_as_well(ran: Ran, selftest: Callable[..., Result]) -> None:
    selftest(*_options("--fault", FAULTS[:2]))
    assert selftest(*_options("--fault", FAULTS), "--again").exit_code == 0
    assert ran[1] == (FAULTS[1], FAULTS[2])


def test_the_pairs_of_an_earlier_run_are_kept(ran: Ran, selftest: Callable[..., Result]) -> None:
    chosen = [*_options("--freedom", FREEDOMS), "--pairs", "3"]
    assert selftest(*chosen).exit_code == 1
    assert selftest(*chosen, "--again").exit_code == 0
    assert ran[1] == (FREEDOMS[1],)


def test_what_few_checks_tried_is_tried_by_all(
    ran: Ran, selftest: Callable[..., Result], tmp_path: Path
) -> None:
    chosen = _options("--fault", FAULTS)
    told = selftest(*chosen, "--all-checks", "0")
    assert "3 tried only by the checks of what they break" in told.output
    assert selftest(*chosen, "--again", "--all-checks", "0").exit_code == 0
    told = selftest(*chosen, "--again")
    assert told.exit_code == 0
    assert "tried only by" not in told.output
    assert ran == [FAULTS, (FAULTS[1],), FAULTS]
    data = json.loads((tmp_path / "selftest.json").read_text(encoding="utf-8"))
    assert [row["narrow"] for row in data["faults"]] == [False] * 3
    # They were right before.
    assert data["again"] == []


def test_what_was_interrupted_is_continued(
    ran: Ran,
    selftest: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = _options("--fault", FAULTS)
    whole = vars(try_faults)["run_matrix"]

    def interrupted(names: Sequence[str], workers: int, on_row: Any, *rest: Any) -> list[Row]:
        whole(names[:1], workers, on_row, *rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(try_faults, "run_matrix", interrupted)
        told = selftest(*chosen)
    assert told.exit_code == 3
    assert "interrupted: --again continues" in told.output
    assert selftest(*chosen, "--again").exit_code == 1
    assert selftest(*chosen, "--again").exit_code == 0
    assert ran == [FAULTS[:1], FAULTS[1:], (FAULTS[2],)]
    rows = json.loads((tmp_path / "selftest.json").read_text(encoding="utf-8"))["faults"]
    assert [row["fault"] for row in rows] == list(FAULTS)


def test_without_an_earlier_run_nothing_can_be_kept(
    ran: Ran, selftest: Callable[..., Result]
) -> None:
    told = selftest(*_options("--fault", FAULTS), "--again")
    assert (told.exit_code, ran) == (2, [])
    assert "holds no earlier run to continue: leave --again out" in told.output


def test_rows_of_another_profile_are_not_kept(ran: Ran, selftest: Callable[..., Result]) -> None:
    selftest(*_options("--fault", FAULTS))
    told = selftest(*_options("--fault", FAULTS), "--again", "--profile", "extended")
    assert told.exit_code == 2
    assert "was made with --profile full: give the same" in told.output
    assert len(ran) == 1


def test_rows_of_some_requirements_are_not_kept(ran: Ran, selftest: Callable[..., Result]) -> None:
    some = all_faults()[FAULTS[0]].breaks[0]
    chosen = _options("--fault", FAULTS[:1])
    selftest(*chosen, "--requirement", some)
    told = selftest(*chosen, "--again")
    assert told.exit_code == 2
    assert f"was made with --requirement ['{some}']: give the same" in told.output
    selftest(*chosen)
    told = selftest(*chosen, "--again", "--requirement", some)
    assert told.exit_code == 2
    assert "was made without --requirement: give the same" in told.output
    assert len(ran) == 2


def test_a_fault_that_breaks_something_else_now_is_tried(
    ran: Ran, selftest: Callable[..., Result], tmp_path: Path
) -> None:
    chosen = _options("--fault", FAULTS)
    selftest(*chosen)
    file = tmp_path / "selftest.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    data["faults"][0]["breaks"] = data["faults"][0]["fell"] = ["COPY-01"]
    file.write_text(json.dumps(data), encoding="utf-8")
    selftest(*chosen, "--again")
    assert ran[1] == FAULTS[:2]


def test_rows_of_earlier_requirements_are_told(
    ran: Ran, selftest: Callable[..., Result], tmp_path: Path
) -> None:
    chosen = _options("--fault", FAULTS)
    told = "tried before the requirements were last changed"
    assert told not in selftest(*chosen).output
    file = tmp_path / "selftest.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    data["faults"][0]["catalogue"] = "another"
    file.write_text(json.dumps(data), encoding="utf-8")
    assert f"1 {told}" in selftest(*chosen, "--again").output
    assert len(ran) == 2


@pytest.mark.parametrize("text", ["{", "[]", '{"faults": 7, "profile": "full"}'])
def test_a_file_that_cannot_be_read_is_no_earlier_run(
    text: str, ran: Ran, selftest: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "selftest.json").write_text(text, encoding="utf-8")
    told = selftest(*_options("--fault", FAULTS), "--again")
    assert (told.exit_code, ran) == (2, [])
    assert "leave --again out" in told.output


def test_rows_of_another_version_are_not_kept(
    ran: Ran, selftest: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "selftest.json"
    file.write_text(json.dumps({"profile": PROFILES[-1], "faults": [{"fault": 7}]}), "utf-8")
    told = selftest(*_options("--fault", FAULTS), "--again")
    assert told.exit_code == 2
    assert "was made by another version" in told.output
    assert ran == []

"""The file of a baseline: what is written into it, and what is told where that is impossible."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from conformance.contract.causes import Cause
from conformance.report.baseline.file import (
    BaselineError,
    add_entries,
    check_names,
    check_writable,
    read_baseline,
)
from conformance.report.baseline.judgement import Entry, Judgement, apply_baseline, new_entries
from tests.report_examples import REQUIREMENTS, check, failure, report_of

TODAY = date(2026, 11, 21)
COPY, AGAIN = REQUIREMENTS["COPY-03"], REQUIREMENTS["COPY-05"]
FORGETS = failure("m", expected="4\nstates", actual="3 states", fingerprint="a" * 16)
ADDS = failure("m", expected="4 states", actual="5 " * 200, fingerprint="b" * 16)
HEAD = 'format = "threads-conformance-baseline/1"\n'


def judged() -> Judgement:
    """A run in which one requirement fails in two ways and one is blocked; nothing is accepted."""
    checks = [
        check("test_history", COPY.id, "fail", failure=FORGETS),
        check("test_other", COPY.id, "fail", failure=ADDS),
        check(
            "test_again",
            AGAIN.id,
            "blocked",
            reason="no runs",
            blocked_by=(Cause.broken("RUN-01"),),
        ),
    ]
    return apply_baseline(report_of(checks, [COPY, AGAIN]), (), TODAY)


def add(file: Path, *entries: Entry) -> str:
    found = judged()
    add_entries(file, entries or new_entries(found, (), TODAY), found)
    return file.read_bytes().decode()


def test_a_new_file_says_what_it_is_of_and_each_entry_what_it_accepts(tmp_path: Path) -> None:
    text = add(tmp_path / "made" / "here" / "baseline.toml")
    head, first, second = text.split("\n[[accepted]]\n")
    assert head.splitlines()[0].startswith("# Deviations of langgraph-api 0.16.7 that are accepted")
    assert head.endswith(f"\n{HEAD}")
    assert first.splitlines() == [
        f"# MUST: {COPY.title}",
        "# fail: expected <n> states; got <n> states",
        'requirement = "COPY-03"',
        'reason = ""',
        f'fingerprints = ["{"a" * 16}", "{"b" * 16}"]',
    ]
    assert second.splitlines()[:4] == [
        f"# MUST: {AGAIN.title}",
        "# blocked: no runs",
        'requirement = "COPY-05"',
        'reason = ""',
    ]
    assert second.splitlines()[4].startswith("fingerprints = [")


def test_a_long_symptom_is_cut(tmp_path: Path) -> None:
    found = apply_baseline(
        report_of([check("test_other", COPY.id, "fail", failure=ADDS)], [COPY]), (), TODAY
    )
    file = tmp_path / "baseline.toml"
    add_entries(file, new_entries(found, (), TODAY), found)
    line = next(each for each in file.read_text().splitlines() if each.startswith("# fail"))
    assert 160 < len(line) < 210


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r\n\r\n"])
def test_what_stands_in_a_file_is_kept_to_the_byte(end: str, tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    before = f'# mine: é\r\n{HEAD}[[accepted]]\nrequirement = "COPY-01"{end}'
    file.write_bytes(before.encode())
    added = add(file, Entry(requirement=COPY.id)).removeprefix(before)
    assert added.startswith("\n[[accepted]]\n" if end else "\n\n[[accepted]]\n")
    assert [each.name for each in read_baseline(file)] == ["COPY-01", COPY.id]
    assert list(tmp_path.iterdir()) == [file]


def test_entries_without_fingerprints_accept_any_failure(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    added = (Entry(requirement=COPY.id), Entry(requirement=COPY.id, flaky=True))
    add(file, *added)
    assert read_baseline(file) == added


def test_a_file_that_cannot_be_written_is_told_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    beyond = tmp_path / "file" / "baseline.toml"
    for attempt in (lambda: check_writable(beyond), lambda: add(beyond)):
        with pytest.raises(BaselineError, match=r"--write-baseline") as refused:
            attempt()
        assert str(beyond) in str(refused.value)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "baseline.toml"
    before = add(file)

    def refuse(self: Path, target: Path) -> Path:
        assert target == file
        assert self.parent == file.parent
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(BaselineError, match="not permitted"):
        add(file)
    assert file.read_bytes().decode() == before
    assert list(tmp_path.iterdir()) == [file]


def test_whether_a_file_can_be_written_is_tried_without_a_trace(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "baseline.toml"
    check_writable(file)
    assert list(file.parent.iterdir()) == []
    file.write_text("mine")
    check_writable(file)
    assert file.read_text() == "mine"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("COPY-33", ": did you mean COPY-32 or COPY-03?"),
        ("SEARCH-01", "; remove it"),
    ],
)
def test_an_unknown_name_is_told_with_at_most_two_near_ones(
    name: str, hint: str, tmp_path: Path
) -> None:
    known = ["COPY-03", "COPY-32", "COPY-05", "COPY-06"]
    with pytest.raises(BaselineError) as refused:
        check_names([Entry(requirement=name)], known, (), tmp_path)
    assert str(refused.value).startswith(str(tmp_path))
    assert str(refused.value).endswith(f"{name}{hint}")


def test_a_file_that_is_not_there_is_told_with_how_to_start_one(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    with pytest.raises(BaselineError, match=f"--write-baseline {file}"):
        read_baseline(file)


def test_a_baseline_may_accept_nothing(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text(HEAD)
    assert read_baseline(file) == ()


def test_the_blanks_around_a_reason_are_none(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text(f'{HEAD}[[accepted]]\ncheck = "x"\nreason = "  known \\n"')
    assert read_baseline(file) == (Entry(check="x", reason="known"),)


@pytest.mark.parametrize(
    ("kind", "name"), [("requirement", "A-01"), ("check", "test_a.py::test_b")]
)
def test_a_day_that_is_none_is_told_with_its_entry(kind: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text(f'{HEAD}[[accepted]]\n{kind} = "{name}"\nexpires = "soon"')
    with pytest.raises(BaselineError, match=f": {name}: expires"):
        read_baseline(file)

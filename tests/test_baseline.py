"""Baselines: the file of accepted deviations, what it covers, and which entries are out of date."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.commands.serve import ServedProcess
from conformance.contract.causes import Cause
from conformance.contract.verdicts import RunVerdict, Stability
from conformance.data import schemas_dir
from conformance.report.baseline.file import (
    BaselineError,
    add_entries,
    check_names,
    read_baseline,
)
from conformance.report.baseline.judgement import (
    Entry,
    Judgement,
    Stale,
    apply_baseline,
    new_entries,
)
from conformance.report.record import CheckResult, Report, load_report
from tests.conftest import command, written_report
from tests.report_examples import REQUIREMENTS, check, failure, report_of

TODAY = date(2026, 11, 21)
COPY = REQUIREMENTS["COPY-03"]
AGAIN = REQUIREMENTS["COPY-05"]
FORGETS = failure("the copy has 3 states")
ADDS = failure("the copy has a state too many", fingerprint="0123456789abcdef")
SEEN = FORGETS.fingerprint
HEAD = 'format = "threads-conformance-baseline/1"\n'


def short(name: str = "test_history", of: str = COPY.id, **more: Any) -> CheckResult:
    return check(name, of, "fail", **{"failure": FORGETS, **more})


def report(*checks: CheckResult, partial: bool = False) -> Report:
    return report_of(
        checks, [COPY, AGAIN][: len({c.requirements for c in checks})], partial=partial
    )


def judged(made: Report, *entries: Entry) -> Judgement:
    return apply_baseline(made, entries, TODAY)


def names(judgement: Judgement) -> dict[str, list[str]]:
    """What is out of date, by kind."""
    found = {
        "stale": [each.entry.name for each in judgement.stale],
        "expired": [each.name for each in judgement.expired],
        "changed": [each.entry.name for each in judgement.changed],
    }
    return {kind: which for kind, which in found.items() if which}


# ---- what is accepted ---------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        Entry(requirement=COPY.id),
        Entry(requirement=COPY.id, fingerprints=(SEEN,)),
        Entry(check="test_copy.py::test_history"),
        Entry(check="test_copy.py::test_history", fingerprints=("f" * 16, SEEN)),
        Entry(requirement=COPY.id, expires=TODAY),
    ],
    ids=["any", "seen", "check", "one of two", "the last day"],
)
def test_an_entry_accepts_a_failure(entry: Entry) -> None:
    found = judged(report(short()), entry)
    assert found.report.requirements[0].baselined
    assert found.report.verdict is RunVerdict.CONFORMANT
    assert found.unaccepted == ()
    assert names(found) == {}


def test_without_an_entry_nothing_is_accepted() -> None:
    found = judged(report(short()))
    assert found.report.verdict is RunVerdict.NON_CONFORMANT
    assert [(result.id, each.id) for result, each in found.unaccepted] == [
        (COPY.id, "test_copy.py::test_history")
    ]


def test_a_changed_failure_is_a_new_one() -> None:
    entry = Entry(requirement=COPY.id, fingerprints=(SEEN,))
    found = judged(report(short(failure=ADDS)), entry)
    assert not found.report.requirements[0].baselined
    assert found.report.verdict is RunVerdict.NON_CONFORMANT
    assert names(found) == {"changed": [COPY.id]}


def test_a_new_failure_of_the_same_requirement_is_not_accepted() -> None:
    entry = Entry(requirement=COPY.id, fingerprints=(SEEN,))
    found = judged(report(short(), short("test_other", failure=ADDS)), entry)
    assert found.report.verdict is RunVerdict.NON_CONFORMANT
    assert [each.id for each in found.changed[0].checks] == ["test_copy.py::test_other"]


def test_an_entry_for_a_check_accepts_no_other_check() -> None:
    entry = Entry(check="test_copy.py::test_history")
    found = judged(report(short(), short("test_other")), entry)
    assert found.report.verdict is RunVerdict.NON_CONFORMANT
    assert names(found) == {}


@pytest.mark.parametrize("verdict", ["error", "not_run"])
def test_what_was_not_seen_is_never_accepted(verdict: str) -> None:
    entry = Entry(requirement=COPY.id)
    found = judged(report(check("test_history", COPY.id, verdict)), entry)
    assert found.report.verdict is RunVerdict.INCOMPLETE
    assert names(found) == {}


def test_an_entry_does_not_hide_what_was_not_seen_of_its_requirement() -> None:
    made = report(short(), check("test_other", COPY.id, "error"))
    assert not judged(made, Entry(requirement=COPY.id)).report.requirements[0].baselined


def test_an_expired_entry_accepts_nothing() -> None:
    entry = Entry(requirement=COPY.id, expires=date(2026, 11, 20))
    found = judged(report(short()), entry)
    assert found.report.verdict is RunVerdict.NON_CONFORMANT
    assert names(found) == {"expired": [COPY.id]}


def test_what_is_blocked_by_what_is_accepted_needs_no_entry() -> None:
    blocked = check("test_again", AGAIN.id, "blocked", blocked_by=(Cause.broken(COPY.id),))
    found = judged(report(short(), blocked), Entry(requirement=COPY.id))
    assert all(each.baselined for each in found.report.requirements)
    assert names(found) == {}


def test_what_is_blocked_by_something_else_may_have_an_entry() -> None:
    def blocked(cause: Cause, reason: str) -> Report:
        return report(check("test_again", COPY.id, "blocked", reason=reason, blocked_by=(cause,)))

    made = blocked(Cause.at("case.graph"), "no graph answers")
    (entry,) = new_entries(judged(made), (), TODAY)
    found = judged(made, entry)
    assert found.report.verdict is RunVerdict.CONFORMANT
    assert names(found) == {}
    reworded = blocked(Cause.at("case.graph"), "there is no such graph")
    assert judged(reworded, entry).report.verdict is RunVerdict.CONFORMANT
    other = blocked(Cause.at("asking.history"), "no graph answers")
    assert judged(other, entry).report.verdict is RunVerdict.INCOMPLETE


# ---- what is out of date ------------------------------------------------------------


def test_an_entry_whose_requirement_passes_is_stale() -> None:
    passed = report(check("test_history", COPY.id))
    assert names(judged(passed, Entry(requirement=COPY.id))) == {"stale": [COPY.id]}
    of_check = Entry(check="test_copy.py::test_history")
    assert names(judged(passed, of_check)) == {"stale": [of_check.check]}


def test_a_fingerprint_that_is_seen_no_more_is_stale() -> None:
    entry = Entry(requirement=COPY.id, fingerprints=(SEEN, "f" * 16))
    found = judged(report(short()), entry)
    assert found.stale == (Stale(entry, ("f" * 16,)),)
    assert found.report.verdict is RunVerdict.CONFORMANT


@pytest.mark.parametrize(
    ("made", "entry"),
    [
        (report(check("test_history", COPY.id)), Entry(requirement="SEARCH-01")),
        (report(check("test_history", COPY.id)), Entry(requirement=COPY.id, flaky=True)),
        (report(check("test_history", COPY.id, "error")), Entry(requirement=COPY.id)),
    ],
    ids=["not judged", "flaky", "undecided"],
)
def test_what_the_run_cannot_say_is_not_stale(made: Report, entry: Entry) -> None:
    assert names(judged(made, entry)) == {}


def test_where_checks_were_picked_only_their_own_entries_can_be_stale() -> None:
    made = report(check("test_history", COPY.id))
    entries = (Entry(requirement=COPY.id), Entry(check="test_copy.py::test_history"))
    assert apply_baseline(made, entries, TODAY, whole=False).stale == (Stale(entries[1]),)


# ---- the file -----------------------------------------------------------------------


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "baseline.toml"
    file.write_text(HEAD + text, encoding="utf-8")
    return file


def test_a_file_is_read_back(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[[accepted]]\nrequirement = "COPY-03"\nreason = "known"\nlink = "https://x"\n'
        'expires = 2027-01-31\nfingerprints = ["0123456789abcdef"]\n'
        '[[accepted]]\ncheck = "test_copy.py::test_a"\nexpires = "2027-01-31"\n',
    )
    day = date(2027, 1, 31)
    assert read_baseline(file) == (
        Entry("COPY-03", "", "known", "https://x", day, ("0123456789abcdef",)),
        Entry("", "test_copy.py::test_a", "", "", day),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[[accepted]]\nreason = 'x'",
            "entry 1: give either `requirement` or `check`, and not both",
        ),
        (
            "[[accepted]]\nrequirement = 'A-01'\ncheck = 'x'",
            "entry 1 (A-01): give either `requirement` or `check`",
        ),
        ("[[accepted]]\nrequirement = 'A-01'\nreasons = 'x'", "'reasons' was unexpected"),
        ("[[accepted]]\nrequirement = 'A-01'\nreason = 1", "entry 1 (A-01): reason: 1 is not of"),
        ("[[accepted]]\nrequirement = 'copy'", "'copy' does not match"),
        ("[[accepted]]\nrequirement = 'A-01'\nfingerprints = ['no']", "'no' does not match"),
        (
            "[[accepted]]\nrequirement = 'A-01'\nexpires = 'soon'",
            "expires must be a date, such as 2027-01-31",
        ),
        (
            "[[accepted]]\nrequirement = 'A-01'\nexpires = 2026-01-01T00:00:00Z",
            "expires must be a date, such as 2027-01-31",
        ),
        ("accepted = 'COPY-03'", "write each entry as an [[accepted]] table"),
        ("failures = []", "unknown setting failures"),
        ("[[accepted]", "is not TOML"),
    ],
)
def test_a_slip_in_the_file_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(BaselineError) as refused:
        read_baseline(file)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("text", ["", 'format = "threads-conformance-baseline/2"\n'])
def test_another_format_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text(text)
    with pytest.raises(BaselineError, match=r"write format = .* before the first entry"):
        read_baseline(file)


def test_unknown_names_are_refused_with_near_ones(tmp_path: Path) -> None:
    known = ({"COPY-03": 1}, {"test_copy.py::test_a_copy"}, tmp_path)
    with pytest.raises(BaselineError, match="no requirement COPY-33: did you mean COPY-03"):
        check_names([Entry(requirement="COPY-33")], *known)
    with pytest.raises(BaselineError, match=r"no check test_copy.py::test_copy: did you mean"):
        check_names([Entry(check="test_copy.py::test_copy")], *known)
    check_names([Entry(requirement="COPY-03"), Entry(check="test_copy.py::test_a_copy")], *known)


def test_what_is_written_accepts_the_run_it_came_from(tmp_path: Path) -> None:
    made = report(
        short(),
        short("test_other", failure=ADDS),
        check("test_again", AGAIN.id, "blocked", blocked_by=(Cause.broken(COPY.id),)),
    )
    file = tmp_path / "new" / "baseline.toml"
    found = judged(made)
    add_entries(file, new_entries(found, (), TODAY), found)
    entries = read_baseline(file)
    assert [(each.name, each.reason) for each in entries] == [(COPY.id, "")]
    assert set(entries[0].fingerprints) == {SEEN, ADDS.fingerprint}
    assert judged(made, *entries).report.verdict is RunVerdict.CONFORMANT
    schema = json.loads((schemas_dir() / "baseline.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(file.read_text(encoding="utf-8")), schema)


def test_a_may_needs_no_entry() -> None:
    made = report_of(
        [check("test_recipe", "COPY-09", "fail", failure=FORGETS)], [REQUIREMENTS["COPY-09"]]
    )
    assert new_entries(judged(made), (), TODAY) == ()


def test_a_flaky_failure_is_written_as_such(tmp_path: Path) -> None:
    made = report(short(stability=Stability.FLAKY))
    found = judged(made)
    file = tmp_path / "baseline.toml"
    add_entries(file, new_entries(found, (), TODAY), found)
    assert read_baseline(file) == (Entry(requirement=COPY.id, flaky=True),)


def test_a_file_is_only_added_to(tmp_path: Path) -> None:
    file = write(tmp_path, '# mine\n[[accepted]]\nrequirement = "COPY-03" # why\nreason = "old"')
    before = file.read_text()
    old = read_baseline(file)
    hostile = failure("x", expected="a\nb\x00]]", actual="\ud800 = 'x'", fingerprint="f" * 16)
    made = report(short(), short("test_again", AGAIN.id, failure=hostile))
    found = judged(made, *old)
    add_entries(file, new_entries(found, old, TODAY), found)
    assert file.read_text().startswith(before)
    assert read_baseline(file) == (*old, Entry(requirement=AGAIN.id, fingerprints=("f" * 16,)))


def test_what_changed_is_added_and_the_old_entry_becomes_stale(tmp_path: Path) -> None:
    old = Entry(requirement=COPY.id, reason="known", fingerprints=(SEEN,))
    made = report(short(failure=ADDS))
    added = new_entries(judged(made, old), (old,), TODAY)
    assert added == (Entry(requirement=COPY.id, fingerprints=(ADDS.fingerprint,)),)
    then = judged(made, old, *added)
    assert then.report.verdict is RunVerdict.CONFORMANT
    assert then.stale == (Stale(old),)


def test_an_entry_on_its_last_day_needs_no_new_one() -> None:
    old = Entry(requirement=COPY.id, expires=TODAY)
    made = report(
        short(),
        check("test_again", AGAIN.id, "blocked", blocked_by=(Cause.broken(COPY.id),)),
    )
    assert new_entries(judged(made, old), (old,), TODAY) == ()
    assert new_entries(judged(made), (), TODAY)[0].name == COPY.id


# ---- the command --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--baseline", "none.toml"], "no baseline at none.toml"),
        (["--strict-baseline"], "needs --baseline"),
        (
            ["--baseline", "a.toml", "--write-baseline", "b.toml"],
            "leave out --baseline, or name the same file",
        ),
        (["--write-baseline", "empty.toml/b.toml"], "cannot write empty.toml/b.toml"),
        (["--write-baseline", "none.toml", "--baseline", "none.toml", "-k", "("], "-k"),
        (["--strict-baseline", "--write-baseline", "a.toml"], "fill in the reasons"),
        (["--baseline", "unknown.toml"], "no requirement COPY-99"),
        (["--baseline", "check.toml"], "no check test_copy.py::test_nothing"),
        (["--baseline", "empty.toml", "--strict-baseline"], "no reason is given for COPY-03"),
    ],
)
def test_wrong_usage_is_told_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, entry in (
        ("unknown", 'requirement = "COPY-99"'),
        ("check", 'check = "test_copy.py::test_nothing"'),
        ("empty", 'requirement = "COPY-03"\nreason = " "'),
    ):
        (tmp_path / f"{name}.toml").write_text(f"{HEAD}[[accepted]]\n{entry}\n")
    ended: Result = CliRunner().invoke(cli, ["run", *options])
    assert ended.exit_code == 2
    assert said in ended.output


@pytest.mark.slow
def test_a_baseline_from_its_start_to_its_end(tmp_path: Path) -> None:
    """Written for one broken server, held against it, against a worse one and a mended one."""

    only = ("--requirement", "COPY-01", "--requirement", "COPY-03")

    def run(fault: str | None, *options: str) -> tuple[int, str]:
        with ServedProcess(*(["--fault", fault] if fault else [])) as server:
            ended = command(tmp_path, "run", "--url", server.url, *only, *options)
        assert "Traceback" not in ended.stderr
        return ended.returncode, " ".join((ended.stdout + ended.stderr).split())

    file = tmp_path / "baseline.toml"
    status, said = run("copy-adds-a-state-of-its-own", "--write-baseline", "baseline.toml")
    assert (status, "1 entry added" in said) == (1, True)
    assert [each.name for each in read_baseline(file)] == ["COPY-03"]

    status, said = run("copy-adds-a-state-of-its-own", "--baseline", "baseline.toml")
    assert (status, "no reason is given" in said) == (0, True)
    accepted = {
        each.id for each in load_report(written_report(tmp_path)).requirements if each.baselined
    }
    assert accepted == {"COPY-03"}

    file.write_text(file.read_text().replace('reason = ""', 'reason = "known"'))
    strict = ("--baseline", "baseline.toml", "--strict-baseline")
    status, said = run("copy-makes-the-oldest-state-anew", *strict)
    assert (status, "changed COPY-03 failed, but not as the entry accepts" in said) == (1, True)

    status, said = run(None, *strict)
    assert (status, "stale COPY-03 no longer deviates: remove the entry" in said) == (1, True)
    assert "Exit status 1 because of --strict-baseline." in said

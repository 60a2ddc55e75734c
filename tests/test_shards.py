"""Shards of a run: how checks are divided, and one report of those of all shards."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.contract.catalogue import Catalogue, load_catalogue
from conformance.contract.verdicts import RunVerdict, Stability, Verdict
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.faults.registry import all_faults, faulty_deployment
from conformance.report.record import (
    CheckResult,
    Cleanup,
    LeftThreads,
    OperationTiming,
    Report,
    ReportError,
    load_report,
)
from conformance.report.run.write import write_all
from conformance.runner import check_durations
from conformance.runner.check_durations import balanced, dealt, expected_s
from conformance.runner.merging import merge
from conformance.runner.session import NothingSelectedError, collect_checks, run_suite
from conformance.runner.shards import Shard, parse_shard
from tests.conftest import served
from tests.report_examples import REQUIREMENTS, check, checks_of, exchange, failure, report_of

MakeSettings = Callable[..., Settings]
SERVER = ServerInfo("reference", "1")
IDS = [f"test_a.py::test_{number}" for number in range(40)]


# ---- how checks are divided ------------------------------------------------------------


@pytest.fixture
def long_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some checks take long."""
    seconds = {each: float(number % 7) for number, each in enumerate(IDS)}
    monkeypatch.setattr(check_durations, "_recorded", lambda: seconds)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 60])
def test_every_check_is_in_exactly_one_shard(parts: int) -> None:
    found = [Shard(number, parts).of(IDS) for number in range(1, parts + 1)]
    assert sorted(each for part in found for each in part) == sorted(IDS)


@pytest.mark.usefixtures("long_and_short")
def test_shards_do_not_depend_on_the_order_of_the_checks() -> None:
    assert Shard(2, 3).of(IDS) == Shard(2, 3).of(reversed(IDS))


@pytest.mark.usefixtures("long_and_short")
def test_shards_are_of_about_the_same_duration() -> None:
    lasts = [sum(map(expected_s, part)) for part in balanced(IDS, 4)]
    # No more apart than one check, the longest.
    assert max(lasts) - min(lasts) <= 6


@pytest.mark.usefixtures("long_and_short")
def test_the_slices_of_the_workers_begin_with_what_takes_long() -> None:
    order = dealt(IDS, 4, str)
    assert sorted(order) == sorted(IDS)
    slices = [order[start : start + 10] for start in range(0, 40, 10)]
    for each in slices:
        lasts = list(map(expected_s, each))
        assert all(one >= other for one, other in pairwise(lasts))
    assert {expected_s(each[0]) for each in slices} == {6.0}


def test_the_recorded_checks_are_nearly_all_of_the_profile_full(
    settings_for: MakeSettings,
) -> None:
    planned = collect_checks(settings_for("http://127.0.0.1:9", profile="full"))
    names = {each.partition("[")[0] for each in planned}
    # New checks are recorded with the next measurement.
    assert len(names & check_durations._recorded().keys()) > 0.9 * len(names)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/3", "1/10000"])
def test_what_is_no_shard_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 2/5"):
        parse_shard(text)
    ended = CliRunner().invoke(cli, ["run", "--shard", text])
    assert ended.exit_code == 2
    assert "such as 2/5" in ended.output


def test_a_restart_would_disturb_the_other_shards() -> None:
    arguments = ["run", "--url", "http://127.0.0.1:9", "--shard", "1/2", "--restart-command", "ls"]
    ended = CliRunner().invoke(cli, arguments)
    assert ended.exit_code == 2
    assert "--capability durability" in ended.output


# ---- one report of all -----------------------------------------------------------------


def verdicts(report: Report) -> dict[str, Any]:
    """Return what merged shards have in common with the whole run."""
    return {
        "checks": {
            each.id: (each.verdict, each.failure.fingerprint if each.failure else "")
            for each in report.checks
        },
        "requirements": [(each.id, each.verdict, set(each.checks)) for each in report.requirements],
        "totals": report.totals,
        "verdict": report.verdict,
        "partial": report.run.partial,
    }


@pytest.mark.parametrize(
    ("options", "keyword"),
    [({"capabilities": ("get",)}, ""), ({"capabilities": ("create",)}, "empty")],
    ids=["another capability", "another -k"],
)
def test_shards_of_different_selections_are_no_run(
    options: dict[str, Any], keyword: str, settings_for: MakeSettings, reference: str
) -> None:
    one = run_suite(settings_for(reference, shard="1/2", capabilities=("create",)), SERVER)
    other = run_suite(settings_for(reference, shard="2/2", **options), SERVER, keyword=keyword)
    with pytest.raises(ReportError, match="shards 1/2 and 2/2 are of different selections"):
        merge([one, other], load_catalogue(), {})


def test_more_parts_than_checks_are_refused(settings_for: MakeSettings, reference: str) -> None:
    settings = settings_for(reference, requirements=("GET-02",), shard="9/9")
    with pytest.raises(NothingSelectedError, match=r"9/9 of \d checks? is empty: divide .* fewer"):
        run_suite(settings, SERVER)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["copy-forgets-the-oldest-state", "delete-is-answered-500"])
def test_merged_shards_equal_the_whole(fault: str, settings_for: MakeSettings) -> None:
    assert fault in all_faults()

    def run(shard: str) -> Report:
        with served_with(fault) as url:
            return run_suite(settings_for(url, shard=shard), SERVER)

    whole = run("")
    shards = [run(f"{number}/3") for number in (1, 2, 3)]
    assert all(each.run.partial and len(each.checks) < len(whole.checks) / 2 for each in shards)
    merged = merge(shards[::-1], load_catalogue(), {})
    assert verdicts(merged) == verdicts(whole)
    assert merged.verdict is not RunVerdict.CONFORMANT
    assert merged.run.requests == sum(each.run.requests for each in shards)
    assert merged.cleanup.created == sum(each.cleanup.created for each in shards) > 0


def served_with(fault: str) -> AbstractContextManager[str]:
    deployment, app = faulty_deployment(all_faults()[fault])
    return served(deployment.store, lambda _app: app)


#: The catalogue of the reports that are made by hand.
CATALOGUE = Catalogue(REQUIREMENTS, (), report_of(()).catalogue_digest)
ANSWERED_BY_500 = check("answers::state", "CREATE-01", "fail", failure=failure("500"))
ANSWERED_BY_500 = replace(ANSWERED_BY_500, id="answers::state")
HISTORY = check("test_history", "COPY-03", "fail", failure=failure("3 states"))
PARTS = (
    (check("test_own_id", "COPY-01"), check("test_history[short]", "COPY-03")),
    (HISTORY, check("test_empty_thread", "COPY-04")),
)


def shard(number: int, checks: Sequence[CheckResult], parts: int = 2, **run: Any) -> Report:
    """Return the report of a shard with these checks."""
    judged = [each for each in REQUIREMENTS.values() if each.id in checks_of(checks)]
    made = report_of(checks, judged, partial=True)
    return replace(made, run=replace(made.run, shard=f"{number}/{parts}", **run))


def shards(**run: Any) -> list[Report]:
    return [shard(number, part, **run) for number, part in enumerate(PARTS, 1)]


def test_a_requirement_has_the_worst_verdict_of_all_shards() -> None:
    merged = merge(shards(), CATALOGUE, {})
    assert {each.id: str(each.verdict) for each in merged.requirements} == {
        "COPY-01": "pass",
        "COPY-03": "fail",
        "COPY-04": "pass",
    }
    [copied] = [each for each in merged.requirements if each.id == "COPY-03"]
    assert set(copied.checks) == {"test_copy.py::test_history[short]", HISTORY.id}
    assert merged.totals["MUST"][Verdict.FAIL] == 1
    assert merged.run.partial is False
    assert merged.run.shard == ""


def test_a_result_that_was_lost_stays_lost() -> None:
    one, other = shards()
    lost = replace(other, checks=tuple(each for each in other.checks if each.id != HISTORY.id))
    merged = merge([one, lost], CATALOGUE, {})
    assert {each.id: str(each.verdict) for each in merged.requirements}["COPY-03"] == "not_run"


@pytest.mark.parametrize("name", ["interrupted", "given_up"])
def test_a_shard_that_ended_early_leaves_the_whole_partial(name: str) -> None:
    one, other = shards()
    ended: dict[str, Any] = {name: True}
    merged = merge([one, replace(other, run=replace(other.run, **ended))], CATALOGUE, {})
    assert merged.run.partial
    assert getattr(merged.run, name) is True


def test_a_selection_stays_one() -> None:
    assert merge(shards(narrowed=True), CATALOGUE, {}).run.partial


def test_what_is_left_on_the_deployments_is_added_up() -> None:
    left = Cleanup(3, 2, ("a",), (LeftThreads(1, "DELETE answers 500"),), ())
    more = Cleanup(5, 4, ("b",), (LeftThreads(1, "DELETE answers 500"),), (LeftThreads(2, "?"),))
    one, other = shards()
    merged = merge([replace(one, cleanup=left), replace(other, cleanup=more)], CATALOGUE, {})
    assert merged.cleanup == Cleanup(
        8, 6, ("a", "b"), (LeftThreads(2, "DELETE answers 500"),), (LeftThreads(2, "?"),)
    )


def test_answers_by_500_count_once_and_recur_if_they_do_in_one_shard() -> None:
    by_chance = replace(ANSWERED_BY_500, stability=Stability.FLAKY)
    merged = merge(
        [shard(1, [*PARTS[0], ANSWERED_BY_500]), shard(2, [*PARTS[1], by_chance])], CATALOGUE, {}
    )
    [found] = [each for each in merged.checks if each.id == ANSWERED_BY_500.id]
    assert found.stability is Stability.STABLE


def test_answers_by_500_that_a_check_of_another_shard_tells_are_not_told_twice() -> None:
    failed = exchange(operation="state", status=500)
    told = check("test_empty_thread", "COPY-04", "fail", failure=failure("500", failed))
    merged = merge([shard(1, [*PARTS[0], ANSWERED_BY_500]), shard(2, [told])], CATALOGUE, {})
    assert ANSWERED_BY_500.id not in {each.id for each in merged.checks}
    assert not any(ANSWERED_BY_500.id in each.checks for each in merged.requirements)


ONE, OTHER = shards()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([ONE], "not all shards are given: 2/2 missing"),
        ([ONE, ONE], "shard 1/2 is given twice"),
        ([ONE, report_of(PARTS[1])], "is of no shard"),
        ([ONE, shard(2, PARTS[1], 3)], "divided differently: 1/2, 2/3"),
        ([ONE, shard(2, PARTS[1], seed=7)], "shards 1/2 and 2/2 are of different seeds"),
        ([ONE, shard(2, PARTS[1], profile="full")], "different profiles: extended and full"),
        ([ONE, shard(2, PARTS[1], divided="of other checks")], "different selections"),
        ([ONE, replace(OTHER, catalogue_digest="sha256:00")], "of different requirements"),
        ([ONE, replace(OTHER, run=replace(OTHER.run, shard="x"))], "a report is damaged"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_is_not_one_run_is_refused_with_the_reason(given: list[Report], said: str) -> None:
    with pytest.raises(ReportError, match=said):
        merge(given, CATALOGUE, {})


def test_reports_of_another_catalogue_are_refused() -> None:
    with pytest.raises(ReportError, match=r"merge them with the threads-conformance 0\.1\.0"):
        merge(shards(), replace(CATALOGUE, digest="sha256:ff"), {})


# ---- the command -----------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return two folders with the reports of two shards, below the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("conformance.commands.merge.load_catalogue", lambda: CATALOGUE)
    for number, made in enumerate(shards(), 1):
        at = f"2026-11-30T10:00:0{3 - number}+00:00"
        lines = [exchange(started_at=at, elapsed_ms=float(number)).to_json()]
        source = tmp_path / f"{number}.jsonl"
        source.write_text("\n".join(lines) + "\n")
        write_all(made, REQUIREMENTS, source, tmp_path / f"s{number}")
    return ["s1", "s2"]


def merged_by(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["merge", *arguments])


def test_the_files_of_the_whole_run_are_written(folders: list[str]) -> None:
    ended = merged_by(*folders, "--report-dir", "whole")
    assert ended.exit_code == 1, ended.output
    assert "NON-CONFORMANT" in ended.output
    report = load_report(Path("whole"))
    assert report == merge([load_report(Path(each)) for each in folders], CATALOGUE, COPIES)
    entries = json.loads(Path("whole/exchanges.har").read_text())["log"]["entries"]
    assert [each["time"] for each in entries] == [2.0, 1.0]


#: The durations of the two exchanges.
COPIES = {"copy": OperationTiming(requests=2, p50_ms=1.5, p95_ms=2.0)}


def test_without_exchanges_the_report_has_none_and_says_so(folders: list[str]) -> None:
    Path("s2/exchanges.har").unlink()
    ended = merged_by(*folders, "--report-dir", "whole")
    assert ended.exit_code == 1
    assert "s2/exchanges.har is missing" in ended.output
    assert load_report(Path("whole")).operations == {}


@pytest.mark.parametrize(
    "text", ["", "{}", '{"log": {"entries": [{}]}}', '{"log": {"entries": 1}}']
)
def test_damaged_exchanges_are_named(folders: list[str], text: str) -> None:
    Path("s1/exchanges.har").write_text(text)
    ended = merged_by(*folders, "--report-dir", "whole")
    assert ended.exit_code == 2
    assert "cannot read s1/exchanges.har" in ended.output
    assert not Path("whole").exists()


def test_a_missing_shard_is_wrong_usage(folders: list[str]) -> None:
    ended = merged_by("s1")
    assert ended.exit_code == 2
    assert "2/2 missing" in ended.output


def test_a_baseline_accepts_what_the_whole_run_shows(folders: list[str]) -> None:
    written = merged_by(*folders, "--write-baseline", "accepted.toml", "--report-dir", "whole")
    assert "1 entry added" in written.output
    ended = merged_by(*folders, "--baseline", "accepted.toml", "--report-dir", "whole")
    assert ended.exit_code == 0, ended.output

"""The comparison of two reports: what changed, and what only seems to have changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.commands.serve import ServedProcess
from conformance.contract.verdicts import Stability
from conformance.data import schemas_dir
from conformance.report.compare.comparison_json import comparison_json
from conformance.report.compare.html import comparison_html
from conformance.report.compare.markdown import comparison_markdown
from conformance.report.compare.model import (
    Kind,
    ReportComparison,
    RequirementChange,
    compare_reports,
)
from conformance.report.compare.speed import compare_timings
from conformance.report.compare.terminal import comparison_text
from conformance.report.record import CheckResult, OperationTiming, Report
from conformance.report.run.html import html_report
from conformance.report.run.write import report_json
from tests.conftest import command
from tests.report_examples import REQUIREMENTS, check, failure, report_of, requirement

ONE = [REQUIREMENTS["COPY-03"]]
SCHEMA = json.loads((schemas_dir() / "report.json").read_text(encoding="utf-8"))
FORGETS = failure("the copy has 3 states", expected="4 states", actual="3 states")
ADDS = failure("the copy has a state too many", expected="4 states", actual="another order")


def ended(
    verdict: str, name: str = "test_history", of: str = "COPY-03", **more: Any
) -> CheckResult:
    if verdict == "fail":
        more.setdefault("failure", FORGETS)
    elif verdict != "pass":
        more.setdefault("reason", "the history cannot be read")
    return check(name, of, verdict, **more)


def report(*checks: CheckResult, requirements: Iterable[Any] = ONE, **more: Any) -> Report:
    made = report_of(checks, requirements, **more)
    jsonschema.validate(json.loads(report_json(made)), SCHEMA)
    return made


def run_of(made: Report, **changed: Any) -> Report:
    return dataclasses.replace(made, run=dataclasses.replace(made.run, **changed))


def only_change(old: Report, new: Report) -> RequirementChange:
    (change,) = compare_reports(old, new).changes
    return change


# ---- what kind of change ------------------------------------------------------------


def test_equal_reports_have_no_change() -> None:
    same = report(ended("fail"), ended("pass", "test_other"))
    compared = compare_reports(same, same)
    assert (compared.changes, compared.notes) == ((), ())
    assert (compared.only_old, compared.only_new) == ((), ())
    assert not compared.regressed
    assert (compared.compared_requirements, compared.compared_checks) == (1, 2)


@pytest.mark.parametrize("verdict", ["fail", "error", "blocked", "unsupported", "not_run"])
def test_what_passed_and_does_not_any_more_is_a_regression(verdict: str) -> None:
    old, new = report(ended("pass")), report(ended(verdict))
    compared = compare_reports(old, new)
    assert [each.kind for each in compared.changes] == [Kind.REGRESSION]
    assert compared.regressed
    (back,) = compare_reports(new, old).changes
    assert back.kind is Kind.REPAIR
    assert not compare_reports(new, old).regressed


def test_a_result_that_was_lost_is_a_regression() -> None:
    old = report(ended("pass"), ended("pass", "test_other"))
    new = dataclasses.replace(old, checks=old.checks[:1])
    change = only_change(old, new)
    assert (change.kind, str(change.after)) == (Kind.REGRESSION, "not_run")


@pytest.mark.parametrize(("level", "counts"), [("MUST", True), ("SHOULD", True), ("MAY", False)])
def test_the_regression_of_a_may_is_told_and_does_not_count(level: str, counts: bool) -> None:
    catalogue = [requirement("COPY-03", "A copy has the whole history", level)]
    old = report(ended("pass"), requirements=catalogue)
    compared = compare_reports(old, report(ended("fail"), requirements=catalogue))
    assert len(compared.of_kind(Kind.REGRESSION)) == 1
    assert compared.regressed is counts
    assert ("reported, but does not count" in comparison_text(compared)) is not counts


def test_a_new_failure_of_what_failed_before_is_a_regression() -> None:
    old = report(ended("fail"), ended("pass", "test_other"))
    new = report(ended("fail"), ended("fail", "test_other", failure=ADDS))
    change = only_change(old, new)
    assert change.kind is Kind.REGRESSION
    assert change.is_counted_regression
    assert [each.id for each in change.checks] == ["test_copy.py::test_other"]
    assert "1 of 2 checks no longer pass" in comparison_text(compare_reports(old, new))


def test_another_symptom_is_a_changed_failure() -> None:
    old, new = report(ended("fail")), report(ended("fail", failure=ADDS))
    compared = compare_reports(old, new)
    assert [each.kind for each in compared.changes] == [Kind.CHANGED_FAILURE]
    assert not compared.regressed
    text = comparison_text(compared)
    assert "was: expected 4 states; got 3 states" in text
    assert "now: expected 4 states; got another order" in text


def test_what_is_mended_in_part_is_a_changed_failure() -> None:
    old = report(ended("fail"), ended("fail", "test_other"))
    new = report(ended("fail"), ended("pass", "test_other"))
    assert only_change(old, new).kind is Kind.CHANGED_FAILURE
    assert "1 check repaired" in comparison_text(compare_reports(old, new))


def test_what_passes_in_neither_is_no_regression() -> None:
    compared = compare_reports(report(ended("blocked")), report(ended("fail")))
    assert [each.kind for each in compared.changes] == [Kind.OTHER]
    assert not compared.regressed


def test_a_flaky_failure_is_a_regression_and_told_as_flaky() -> None:
    new = report(ended("fail", stability=Stability.FLAKY))
    compared = compare_reports(report(ended("pass")), new)
    assert compared.regressed
    for told in (comparison_text(compared), comparison_markdown(compared)):
        assert "flaky: it did not fail on every repetition" in told
    assert comparison_json(compared)["changes"][0]["flaky"] is True


def test_the_symptoms_of_a_flaky_failure_are_not_told_apart() -> None:
    old = report(ended("fail", stability=Stability.FLAKY))
    new = report(ended("fail", stability=Stability.FLAKY, failure=ADDS))
    assert compare_reports(old, new).changes == ()
    assert only_change(old, report(ended("fail"))).kind is Kind.CHANGED_FAILURE


def test_what_the_baseline_accepts_does_not_count() -> None:
    new = report(ended("fail"), baselined=frozenset({"COPY-03"}))
    compared = compare_reports(report(ended("pass")), new)
    assert len(compared.of_kind(Kind.REGRESSION)) == 1
    assert not compared.regressed
    text = comparison_text(compared)
    assert "accepted by the baseline" in text
    assert "CONFORMANT (the baseline accepts 1 MUST)" in text


# ---- a change of the suite is none of the server -------------------------------------


def test_a_requirement_of_one_catalogue_only_is_no_regression() -> None:
    old = report(ended("pass"))
    both = [*ONE, REQUIREMENTS["COPY-05"]]
    new = report(ended("pass"), ended("fail", "test_copy_of_a_copy", "COPY-05"), requirements=both)
    new = dataclasses.replace(new, catalogue_digest="sha256:another")
    compared = compare_reports(old, new)
    assert compared.changes == ()
    assert not compared.regressed
    (only,) = compared.only_new
    assert (only.id, only.no_common_check, only.why) == ("COPY-05", True, "the suites differ")
    assert "The suites differ" in comparison_text(compared)
    (vanished,) = compare_reports(new, old).only_old
    assert vanished.id == "COPY-05"


def test_a_failure_that_only_a_new_check_finds_is_no_regression() -> None:
    old = report(ended("pass"))
    new = report(ended("pass"), ended("fail", "test_sharper"))
    new = dataclasses.replace(new, suite_version="0.2.0")
    compared = compare_reports(old, new)
    assert compared.changes == ()
    (only,) = compared.only_new
    assert (only.no_common_check, only.checks) == (False, ("test_copy.py::test_sharper",))
    assert str(only.verdict) == "fail"
    assert "MUST 1 check of COPY-03 failed" in comparison_text(compared)


def test_a_change_of_level_is_told_and_the_new_level_counts() -> None:
    was = [requirement("COPY-03", "A copy has the whole history", "SHOULD")]
    now = [requirement("COPY-03", "A copy has the whole history", "MAY")]
    compared = compare_reports(
        report(ended("pass"), requirements=was), report(ended("fail"), requirements=now)
    )
    assert compared.notes == ("COPY-03 was a SHOULD and is a MAY now.",)
    assert not compared.regressed


def test_runs_that_differ_are_told_first_and_compared_in_what_both_judged() -> None:
    extended = [*ONE, REQUIREMENTS["PRUNE-01"]]
    old = run_of(report(ended("pass")), profile="documented", seed=1)
    new = report(ended("fail"), ended("fail", "test_prune", "PRUNE-01"), requirements=extended)
    compared = compare_reports(old, run_of(new, partial=True))
    assert [each.id for each in compared.changes] == ["COPY-03"]
    (only,) = compared.only_new
    assert only.why == "the other run's profile is documented"
    differing, partial = compared.notes
    assert differing == (
        "The runs differ: profiles documented and extended, seeds 1 and 20241121. "
        "Only what both judged is compared."
    )
    assert partial.startswith("The new run judged only a selection")


def test_what_needs_a_greater_effort_is_told_so() -> None:
    cron = dataclasses.replace(requirement("CRON-09", "A cron fires"), effort="thorough")
    new = report(ended("fail", "test_fires", "CRON-09"), requirements=[cron])
    compared = compare_reports(
        report(ended("pass")), run_of(new, effort="thorough"), {cron.id: cron}
    )
    assert compared.only_new[0].why == "the other run's effort is standard"


# ---- speed --------------------------------------------------------------------------

STEADY = {f"operation_{number}": OperationTiming(50, 10.0, 30.0) for number in range(6)}


def with_copy(p50: float, p95: float, requests: int = 50, by: float = 1.0) -> dict[str, Any]:
    scaled = {
        name: OperationTiming(50, each.p50_ms * by, each.p95_ms * by)
        for name, each in STEADY.items()
    }
    return {**scaled, "copy": OperationTiming(requests, p50, p95)}


BEFORE = with_copy(10.0, 20.0)


def test_slower_and_faster_are_found() -> None:
    after = with_copy(40.0, 60.0)
    (slower,) = compare_timings(BEFORE, after).changes
    assert (slower.operation, slower.slower, slower.factor) == ("copy", True, 4.0)
    (faster,) = compare_timings(after, BEFORE).changes
    assert (faster.operation, faster.slower, faster.factor) == ("copy", False, 0.25)


@pytest.mark.parametrize(
    "after",
    [
        with_copy(19.0, 100.0),
        with_copy(21.0, 29.0),
        with_copy(40.0, 60.0, requests=29),
        with_copy(40.0, 80.0, by=4.0),
    ],
    ids=["less than twice", "few milliseconds", "few requests", "all alike"],
)
def test_noise_is_no_change(after: dict[str, OperationTiming]) -> None:
    assert compare_timings(BEFORE, after).changes == ()
    assert compare_timings(after, BEFORE).changes == ()


def test_a_median_within_the_old_spread_is_no_change() -> None:
    assert compare_timings(with_copy(10.0, 45.0), with_copy(40.0, 60.0)).changes == ()


def test_what_all_have_in_common_is_told() -> None:
    assert compare_timings(BEFORE, with_copy(40.0, 80.0, by=4.0)).common == 4.0


@pytest.mark.parametrize(
    "changed", [{"seed": 1}, {"effort": "quick"}, {"profile": "full"}], ids=str
)
def test_speed_is_compared_only_where_the_same_was_asked(changed: dict[str, Any]) -> None:
    one = dataclasses.replace(report(ended("pass")), operations=BEFORE)
    other = dataclasses.replace(report(ended("pass")), operations=with_copy(40.0, 60.0))
    assert len(compare_reports(one, other).speed.changes) == 1
    speed = compare_reports(one, run_of(other, **changed)).speed
    assert speed.changes == ()
    assert speed.why_not.startswith("the runs did not ask the same")


def test_slower_is_no_regression() -> None:
    one = dataclasses.replace(report(ended("pass")), operations=BEFORE)
    other = dataclasses.replace(report(ended("pass")), operations=with_copy(40.0, 60.0))
    compared = compare_reports(one, other)
    assert not compared.regressed
    line = "copy: slower, median 10.0 → 40.0 ms (×4), 95th percentile 20.0 → 60.0 ms"
    for told in (comparison_text(compared), comparison_markdown(compared)):
        assert line in told
    assert comparison_json(compared)["speed"]["changes"][0]["change"] == "slower"


# ---- how it is written --------------------------------------------------------------


def broken_copy() -> ReportComparison:
    return compare_reports(report(ended("pass")), report(ended("fail")))


def test_the_markdown_is_short_and_folds_the_details() -> None:
    text = comparison_markdown(broken_copy())
    head, _, folded = text.partition("<details>")
    assert head.startswith("### ❌ threads-conformance: 1 regression\n")
    assert "| MUST | COPY-03 | passed → failed | A copy has the whole history |" in head
    assert "curl" not in head
    assert "curl" in folded
    assert text.count("<details>") == text.count("</details>") == text.count("<details><summary>")


def test_the_markdown_fits_into_a_comment() -> None:
    long = failure("x", expected="e" * 5000, actual="a" * 5000)
    ids = [requirement(f"COPY-{number:02}", "A promise") for number in range(99)]
    old = report(*(ended("pass", f"test_{e.id}", e.id) for e in ids), requirements=ids)
    new = report(
        *(ended("fail", f"test_{e.id}", e.id, failure=long) for e in ids), requirements=ids
    )
    text = comparison_markdown(compare_reports(old, new))
    assert len(text) < 65_536
    assert "more changes: give --format html" in text
    assert all(f"| {each.id} |" in text for each in ids)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "```\n# x", "</details>", "a|b"])
def test_text_of_a_server_breaks_out_of_nothing(hostile: str) -> None:
    broken = failure(hostile, expected=hostile, actual=hostile, diff=(hostile,), curl=hostile)
    catalogue = [requirement("COPY-03", hostile)]
    compared = compare_reports(
        report(ended("pass"), requirements=catalogue),
        report(ended("fail", reason=hostile, failure=broken), requirements=catalogue),
    )
    page = comparison_html(compared)
    assert "<script" not in page
    assert page.count("</details>") == page.count("<details>")
    markdown = comparison_markdown(compared)
    summaries = [line for line in markdown.splitlines() if "<summary>" in line]
    assert not any("<script" in line or "</details>" in line for line in summaries)


def test_the_page_stands_alone_and_says_all() -> None:
    page = comparison_html(broken_copy())
    assert "1 regression: langgraph-api 0.16.7" in page
    assert 'id="regression-COPY-03"' in page
    assert "http" not in page.replace("http://127.0.0.1:2024", "").replace("http-equiv", "")
    # The pages of a run and of a comparison have one style.
    assert page.partition("<style>")[2].partition("</style>")[0] in html_report(
        report(ended("pass")), REQUIREMENTS
    )


# ---- the command --------------------------------------------------------------------


def compare(tmp_path: Path, old: Report | str, new: Report | str, *options: str) -> Result:
    for name, each in (("old", old), ("new", new)):
        text = each if isinstance(each, str) else report_json(each)
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    paths = [str(tmp_path / "old.json"), str(tmp_path / "new.json")]
    return CliRunner().invoke(cli, ["compare", *paths, *options])


def test_the_command_ends_with_1_on_a_regression(tmp_path: Path) -> None:
    passed, failed = report(ended("pass")), report(ended("fail"))
    worse = compare(tmp_path, passed, failed)
    assert (worse.exit_code, "Result: 1 regression." in worse.output) == (1, True)
    better = compare(tmp_path, failed, passed)
    assert (better.exit_code, "Result: no regression." in better.output) == (0, True)


def test_the_command_writes_json_and_files(tmp_path: Path) -> None:
    shown = compare(tmp_path, report(ended("pass")), report(ended("fail")), "--format", "json")
    data = json.loads(shown.output)
    assert (data["format"], data["result"]) == ("threads-conformance-comparison/1", "regression")
    assert data["changes"][0]["checks"][0]["after"]["failure"]["actual"] == "3 states"
    out = tmp_path / "deep" / "page.html"
    written = compare(
        tmp_path,
        report(ended("pass")),
        report(ended("fail")),
        "--format",
        "html",
        "--output",
        str(out),
    )
    assert (written.exit_code, written.output) == (1, f"1 regression; written to {out}\n")
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_folder_with_a_report_is_taken(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(report_json(report(ended("pass"))))
    assert CliRunner().invoke(cli, ["compare", str(tmp_path), str(tmp_path)]).exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "not a report of format"),
        ('{"format": "threads-conformance-report/2"}', "not a report of format"),
        ('{"format": "threads-conformance-report/1"}', "the report is damaged"),
        ("[" * 100_000, "nested too deeply"),
    ],
    ids=["cut off", "a list", "another version", "nothing in it", "deep"],
)
def test_what_is_no_report_is_refused_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    refused = compare(tmp_path, text, report(ended("pass")))
    assert refused.exit_code == 2
    assert said in refused.output
    assert "old.json" in refused.output
    assert refused.exception is None or isinstance(refused.exception, SystemExit)


@pytest.mark.parametrize(
    ("member", "value"),
    [("operations", []), ("requirements", [1]), ("totals", {"MUST": 1}), ("verdict", "fine")],
)
def test_a_damaged_report_is_refused(tmp_path: Path, member: str, value: Any) -> None:
    data = json.loads(report_json(report(ended("pass"))))
    refused = compare(tmp_path, report(ended("pass")), json.dumps({**data, member: value}))
    assert refused.exit_code == 2
    assert "new.json" in refused.output
    assert "damaged" in refused.output


def test_a_missing_report_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.json")
    refused = CliRunner().invoke(cli, ["compare", missing, missing])
    assert (refused.exit_code, "no report at" in refused.output) == (2, True)


# ---- with real runs -----------------------------------------------------------------


@pytest.mark.slow
def test_a_broken_promise_is_the_one_change_and_its_mending_too(tmp_path: Path) -> None:
    only = ("--requirement", "COPY-01", "--requirement", "COPY-03")
    fault = ("--fault", "copy-makes-the-oldest-state-anew")
    for server, options in (("right", ()), ("broken", fault)):
        with ServedProcess(*options) as deployment:
            command(tmp_path, "run", "--url", deployment.url, *only, "--report-dir", server)
    for sides, status, kind in (
        (("right", "broken"), 1, "regression"),
        (("broken", "right"), 0, "repair"),
    ):
        ended = command(tmp_path, "compare", *sides, "--format", "json")
        assert ended.returncode == status
        compared = json.loads(ended.stdout)
        assert [(each["requirement"], each["kind"]) for each in compared["changes"]] == [
            ("COPY-03", kind)
        ]
        assert compared["only_old"] == compared["only_new"] == []

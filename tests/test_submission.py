"""What is said of a report and of a launcher that a vendor sends for the board."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.commands.submission import _checks_of_a_whole_run
from conformance.contract.catalogue import EFFORTS, SCALE_CAPABILITY, load_catalogue
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.report.record import CheckResult, Report, load_report
from conformance.report.run.write import report_json
from conformance.report.score import requirement_results, run_verdict, totals
from conformance.report.submission import releases
from conformance.report.submission.releases import Release, this_suite
from conformance.report.submission.report_problems import report_problems
from conformance.report.suite_digest import _files, suite_digest
from tests.report_examples import RICH, failure

LAUNCHERS = Path(__file__).parent.parent / "fixtures" / "deployments" / "launchers"


def judged(report: Report, checks: tuple[CheckResult, ...]) -> Report:
    """Return the report with these checks, and all that is computed of them."""
    requirements = [
        each
        for each in load_catalogue().in_profile("full")
        if each.capability != SCALE_CAPABILITY and each.effort != EFFORTS[-1]
    ]
    checks_of: dict[str, list[str]] = {}
    for check in checks:
        for each in check.requirements:
            checks_of.setdefault(each, []).append(check.id)
    results = requirement_results(checks, requirements, checks_of)
    return replace(
        report,
        checks=checks,
        requirements=results,
        totals=totals(results),
        verdict=run_verdict(results),
    )


@pytest.fixture(scope="module")
def whole() -> Report:
    """A report that can be added: of this suite, with one failure."""
    this = this_suite()
    catalogue = load_catalogue().requirements
    checks = tuple(
        CheckResult(each, tuple(ids), Verdict.PASS, catalogue[ids[0]].capability)
        for each, ids in sorted(_checks_of_a_whole_run().items())
    )
    fails = replace(checks[100], verdict=Verdict.FAIL, failure=failure("no"))
    report = replace(
        RICH,
        suite_version=this.version,
        catalogue_digest=this.catalogue_digest,
        suite_digest=this.digest,
        run=replace(RICH.run, profile="full"),
    )
    return judged(report, (*checks[:100], fails, *checks[101:]))


def problems(report: Report, *released: Release) -> tuple[str, ...]:
    return report_problems(
        report, load_catalogue(), _checks_of_a_whole_run(), this_suite(), released
    )


def submit(tmp_path: Path, report: Report) -> Result:
    file = tmp_path / "ours-1.0.0" / "report.json.gz"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(gzip.compress(report_json(report).encode()))
    return CliRunner().invoke(cli, ["submission", "check", str(file)])


@pytest.mark.slow
def test_a_report_that_can_be_added(whole: Report, tmp_path: Path) -> None:
    assert whole.verdict is RunVerdict.NON_CONFORMANT
    ended = submit(tmp_path, whole)
    assert ended.exit_code == 0, ended.output
    assert "langgraph-api 0.16.7, profile full, NON-CONFORMANT" in ended.output
    assert ended.output.endswith("; it can be added to the board.\n")


def of_run(**changed: Any) -> Callable[[Report], Report]:
    return lambda report: replace(report, run=replace(report.run, **changed))


def first_requirement(**changed: Any) -> Callable[[Report], Report]:
    return lambda report: replace(
        report, requirements=(replace(report.requirements[0], **changed), *report.requirements[1:])
    )


def without_failure(report: Report) -> Report:
    """Leave out the check that fails, and compute everything again."""
    return judged(report, tuple(each for each in report.checks if not each.failure))


def with_a_hidden_failure(report: Report) -> Report:
    """Say of what fails that it passed, in the requirements and the totals, not in the checks."""
    passing = tuple(replace(each, verdict=Verdict.PASS) for each in report.requirements)
    return replace(
        report, requirements=passing, totals=totals(passing), verdict=run_verdict(passing)
    )


SLIPS: dict[str, tuple[Callable[[Report], Report], str]] = {
    "profile": (of_run(profile="extended"), "run with --profile full"),
    "effort": (of_run(effort="quick"), "run with --effort standard"),
    "partial": (of_run(partial=True), "it is partial"),
    "narrowed": (of_run(partial=True, narrowed=True), "options chose some of the checks"),
    "shard": (of_run(partial=True, shard="1/2"), "it is shard 1/2 of a run: merge"),
    "interrupted": (of_run(partial=True, interrupted=True), "was interrupted"),
    "given up": (of_run(partial=True, given_up=True), "was given up"),
    "read-only": (of_run(read_only=True), "was read-only"),
    "load": (of_run(load_users=5), "under --load"),
    "baseline": (first_requirement(baselined=True), "a baseline accepts"),
    "no name": (
        lambda report: replace(report, deployment=replace(report.deployment, server_name=None)),
        "does not say the name of the server",
    ),
    "no version": (
        lambda report: replace(report, deployment=replace(report.deployment, server_version=None)),
        "does not say the version of the server",
    ),
    "another version": (
        lambda report: replace(report, suite_version="0.0.9"),
        "made by version 0.0.9",
    ),
    "other requirements": (
        lambda report: replace(report, catalogue_digest="sha256:other"),
        "with other requirements (sha256:other)",
    ),
    "other code": (
        lambda report: replace(report, suite_digest="sha256:other"),
        "by other code of the suite (sha256:other)",
    ),
    "no digest": (
        lambda report: replace(report, suite_digest=""),
        "does not hold the digest of the suite",
    ),
    "a requirement left out": (
        lambda report: replace(report, requirements=report.requirements[1:]),
        "1 requirements are missing: ",
    ),
    "a requirement of its own": (first_requirement(id="OURS-01"), "do not belong to it: OURS-01"),
    "a level lowered": (first_requirement(level="MAY"), "level, profile, capability or title is"),
    "a requirement twice": (
        lambda report: replace(report, requirements=report.requirements * 2),
        "a requirement is there twice",
    ),
    "a check left out": (without_failure, "1 checks have no result: "),
    "a check twice": (
        lambda report: replace(report, checks=(*report.checks, report.checks[0])),
        "a check is there twice",
    ),
    "a check of its own": (
        lambda report: judged(
            report, (*report.checks, replace(report.checks[0], id="test_ours.py::test_ours"))
        ),
        "1 checks are not of this suite: test_ours.py::test_ours",
    ),
    "a check of something else": (
        lambda report: judged(
            report, (replace(report.checks[0], requirements=("GET-01",)), *report.checks[1:])
        ),
        "the requirements are changed of the checks ",
    ),
    "a verdict": (with_a_hidden_failure, "the verdict is not that of the checks: "),
    "totals": (
        lambda report: replace(report, totals=totals(())),
        "the totals are not the counts of the requirements",
    ),
    "the verdict of the run": (
        lambda report: replace(report, verdict=RunVerdict.CONFORMANT),
        "the verdict conformant is not what the requirements give",
    ),
    "no evidence": (
        lambda report: replace(
            report, checks=tuple(replace(each, failure=None) for each in report.checks)
        ),
        "failures have no evidence: ",
    ),
}


@pytest.mark.parametrize(("slip", "told"), SLIPS.values(), ids=SLIPS)
def test_what_is_wrong_is_said(slip: Callable[[Report], Report], told: str, whole: Report) -> None:
    assert told in "\n".join(problems(slip(whole)))


@pytest.mark.slow
def test_each_problem_is_printed(whole: Report, tmp_path: Path) -> None:
    ended = submit(tmp_path, of_run(profile="extended", effort="quick")(whole))
    assert ended.exit_code == 1, ended.output
    assert ended.output.splitlines()[1:] == [
        "  - it was made with the profile extended: run with --profile full",
        "  - it was made at the effort quick: run with --effort standard",
        "1 file of 1 cannot be added.",
    ]


def test_an_answer_by_500_that_the_suite_saw_is_no_check_of_its_own(whole: Report) -> None:
    seen = replace(
        whole.checks[0],
        id="answers::copy",
        requirements=("ERROR-INTERNAL-01",),
        verdict=Verdict.FAIL,
        failure=failure("500"),
    )
    assert problems(judged(whole, (*whole.checks, seen))) == ()


def test_a_report_of_a_release_is_taken(whole: Report) -> None:
    older = replace(whole, suite_version="0.0.9", catalogue_digest="sha256:a", suite_digest="b")
    release = Release("0.0.9", "sha256:a", "b")
    assert problems(older) != ()
    assert problems(older, release) == ()
    assert problems(with_a_hidden_failure(older), release) != ()


def test_the_digests_are_a_table_of_the_file_of_releases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert releases.releases() == ()
    printed = CliRunner().invoke(cli, ["submission", "digests"]).output
    file = tmp_path / "releases.toml"
    file.write_text(releases.releases_file().read_text("utf-8") + printed, encoding="utf-8")
    monkeypatch.setattr(releases, "releases_file", lambda: file)
    assert releases.releases() == (this_suite(),)


def test_the_digest_is_of_what_judges() -> None:
    names = {each.as_posix().partition("/conformance/")[2] for each in _files()}
    assert {
        *("suite/test_copy.py", "contract/requirements/copy.toml", "report/score.py"),
        *("clients/js/run.mjs", "checks/expect.py"),
    } <= names
    assert not {each for each in names if each.startswith(("commands/", "report/run/"))}
    assert suite_digest().startswith("sha256:")


def test_a_report_keeps_the_digest_of_the_suite(whole: Report, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(report_json(whole), encoding="utf-8")
    assert load_report(file) == whole
    assert "digest" not in RICH.to_json()["suite"]


class TestLaunchers:
    @staticmethod
    def check(*files: Path) -> Result:
        return CliRunner().invoke(cli, ["submission", "check", *map(str, files)])

    def test_ours_can_be_added(self) -> None:
        ended = self.check(*LAUNCHERS.glob("*.toml"))
        assert ended.exit_code == 0, ended.output

    @pytest.mark.parametrize(
        ("file", "old", "new", "told"),
        [
            ("ours.toml", 'description = "Aegra', '# description = "', "description is missing"),
            ("ours.toml", "known =", "# known =", "known is missing"),
            ("ours.toml", "[install]", "[env.x]", "the file cannot be used"),
            ("another.toml", "", "", "the file is to be named ours.toml"),
            ("ours.toml", 'name = "ours"', 'name = "aegra"', "is that of aegra.toml"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, file: str, old: str, new: str, told: str, tmp_path: Path
    ) -> None:
        text = (LAUNCHERS / "aegra.toml").read_text("utf-8").replace("aegra", "ours", 1)
        made = tmp_path / file
        made.write_text(text.replace(old, new, 1), encoding="utf-8")
        ended = self.check(made)
        if told == "the file cannot be used":
            assert ended.exit_code == 2
            return
        assert ended.exit_code == 1, ended.output
        assert told in ended.output

    def test_a_launcher_of_its_own_can_be_added(self, tmp_path: Path) -> None:
        made = tmp_path / "ours.toml"
        shutil.copy(LAUNCHERS / "aegra.toml", made)
        made.write_text(made.read_text("utf-8").replace("aegra", "ours", 1), encoding="utf-8")
        ended = self.check(made)
        assert ended.exit_code == 0, ended.output

    def test_a_launcher_that_is_shipped_already_is_no_other_one(self, tmp_path: Path) -> None:
        # As where the package was installed from the checkout that holds it.
        same = tmp_path / "aegra.toml"
        shutil.copy(LAUNCHERS / "aegra.toml", same)
        ended = self.check(same)
        assert "choose another" not in ended.output
        same.write_text(same.read_text("utf-8") + "# other\n", encoding="utf-8")
        ended = self.check(same)
        assert "the name aegra is that of aegra.toml: choose another" in ended.output

    def test_a_file_that_is_neither(self, tmp_path: Path) -> None:
        (tmp_path / "x.json").write_text("[]", encoding="utf-8")
        ended = self.check(tmp_path / "x.json")
        assert ended.exit_code == 2
        assert "not a report" in ended.output

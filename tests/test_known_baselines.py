"""The baselines of known servers: derived of what is published, accepted where they are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cli import cli
from conformance.commands.run_baseline import RunBaseline
from conformance.contract.catalogue import load_catalogue
from conformance.contract.verdicts import RunVerdict
from conformance.report.baseline import known
from conformance.report.baseline.file import BaselineError, read_baseline
from conformance.report.baseline.judgement import apply_baseline
from conformance.report.record import Report, load_report
from tests.report_examples import CHECKS, REQUIREMENTS, RICH, check, failure, report_of

TODAY = date(2026, 12, 1)
#: Failures and blocks, and nothing that no baseline accepts.
FALLING_SHORT = report_of(
    [each for each in CHECKS if each.id != "test_search.py::test_by_metadata"],
    [each for each in REQUIREMENTS.values() if each.id != "SEARCH-01"],
)


def derived(report: Report, tmp_path: Path) -> Path:
    file = tmp_path / "derived.toml"
    file.write_text(known.derive(report), encoding="utf-8")
    return file


def test_they_are_as_the_published_reports_give_them() -> None:
    wrong = known.differing(known.derive_all(known.published_reports()))
    assert wrong == (), "run `threads-conformance baselines derive` and commit what it writes"


def test_each_accepts_all_that_its_server_was_published_to_break() -> None:
    for file in known.published_reports():
        report = load_report(file)
        name = f"{report.deployment.server_name}=={report.deployment.server_version}"
        judgement = apply_baseline(report, read_baseline(known.known_file(name)), TODAY)
        assert judgement.report.verdict is not RunVerdict.NON_CONFORMANT, name
        assert judgement.unaccepted == (), name
        assert judgement.outdated == 0, name


def test_what_a_server_breaks_beside_it_is_not_accepted(tmp_path: Path) -> None:
    entries = read_baseline(derived(FALLING_SHORT, tmp_path))
    assert apply_baseline(FALLING_SHORT, entries, TODAY).report.verdict is RunVerdict.CONFORMANT
    worse = check("test_own_id", "COPY-01", "fail", failure=failure("no id", fingerprint="c" * 16))
    checks = [worse if each.id == worse.id else each for each in FALLING_SHORT.checks]
    report = report_of(checks, [REQUIREMENTS[each.id] for each in FALLING_SHORT.requirements])
    judgement = apply_baseline(report, entries, TODAY)
    assert judgement.report.verdict is RunVerdict.NON_CONFORMANT
    assert [each.id for each, _ in judgement.unaccepted] == ["COPY-01"]


def test_it_says_of_what_it_is_made(tmp_path: Path) -> None:
    file = derived(FALLING_SHORT, tmp_path)
    assert known.made_of(file) == known.MadeOf(
        "langgraph-api", "0.16.7", date(2026, 11, 21), "extended", "sha256:0f1e2d"
    )
    reasons = {each.reason for each in read_baseline(file)}
    assert reasons == {"langgraph-api==0.16.7 is known to deviate (report of 2026-11-21)"}


def test_what_its_run_accepted_is_derived_too(tmp_path: Path) -> None:
    accepting = report_of(CHECKS, baselined=frozenset({"COPY-03"}))
    names = {each.requirement for each in read_baseline(derived(accepting, tmp_path))}
    assert "COPY-03" in names


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (replace(RICH, run=replace(RICH.run, partial=True)), "is partial"),
        (
            replace(RICH, deployment=replace(RICH.deployment, server_version=None)),
            "does not name the server",
        ),
        (
            replace(RICH, deployment=replace(RICH.deployment, server_name="../x")),
            "does not name the server",
        ),
    ],
    ids=["partial", "no version", "a path"],
)
def test_of_what_none_is_derived(report: Report, told: str) -> None:
    with pytest.raises(BaselineError, match=told):
        known.derive(report)


@pytest.mark.parametrize("name", ["langgraph-api==9.9", "langgraph-api", "", "../../x==1"])
def test_an_unknown_name_lists_those_that_exist(name: str) -> None:
    ended = CliRunner().invoke(cli, ["run", "--baseline", f"known:{name}"])
    assert ended.exit_code == 2
    told = " ".join(ended.output.split())
    assert f"there is no baseline known:{name}" in told
    for each in known.known_baselines():
        assert each.name in told


def test_a_known_one_is_not_written() -> None:
    ended = CliRunner().invoke(cli, ["run", "--write-baseline", "known:langgraph-api==0.16.7"])
    assert ended.exit_code == 2
    assert "baselines show langgraph-api==0.16.7 > known.toml" in " ".join(ended.output.split())


@pytest.mark.parametrize("older", [False, True])
def test_requirements_that_are_newer_are_told(
    older: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digest = "sha256:other" if older else load_catalogue().digest
    (tmp_path / "langgraph-api==0.16.7.toml").write_text(
        known.derive(replace(FALLING_SHORT, catalogue_digest=digest)), encoding="utf-8"
    )
    monkeypatch.setattr(known, "known_folder", lambda: tmp_path)
    path = Path("known:langgraph-api==0.16.7")
    found = RunBaseline.from_options(path, None, strict=True)
    assert found.entries
    assert ("of an earlier version of the requirements" in capsys.readouterr().err) is older


class TestCommand:
    def test_they_are_listed_and_shown(self) -> None:
        listed = CliRunner().invoke(cli, ["baselines", "list"]).output
        assert "known:langgraph-api==0.16.7  " in listed
        for name in ("langgraph-api==0.16.7", "known:langgraph-api==0.16.7"):
            shown = CliRunner().invoke(cli, ["baselines", "show", name])
            assert shown.output == known.known_file("langgraph-api==0.16.7").read_text("utf-8")
        assert CliRunner().invoke(cli, ["baselines", "show", "x==1"]).exit_code == 2

    def test_they_are_checked_and_derived(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(known, "known_folder", lambda: tmp_path)
        monkeypatch.setattr("conformance.commands.baselines.known_folder", lambda: tmp_path)
        reports = known.published_reports()[:1]
        monkeypatch.setattr("conformance.commands.baselines.published_reports", lambda: reports)
        (tmp_path / "gone==1.toml").write_text("", encoding="utf-8")
        checked = CliRunner().invoke(cli, ["baselines", "derive", "--check"])
        assert checked.exit_code == 1
        assert "gone==1.toml is not as the published reports give it" in checked.output
        assert CliRunner().invoke(cli, ["baselines", "derive"]).exit_code == 0
        assert [each.name for each in tmp_path.iterdir()] == ["aegra==0.6.0.toml"]
        assert CliRunner().invoke(cli, ["baselines", "derive", "--check"]).exit_code == 0

    def test_where_nothing_is_published(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("conformance.commands.baselines.published_reports", tuple)
        ended = CliRunner().invoke(cli, ["baselines", "derive"])
        assert ended.exit_code == 2
        assert "derive them in a checkout" in ended.output

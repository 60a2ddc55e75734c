"""Reports in the formats of other programs, held against the schemas that those publish."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from jsonschema.validators import validator_for

from conformance.cli import cli
from conformance.contract.verdicts import RunVerdict
from conformance.report.export.allure import allure_files
from conformance.report.export.badge import badge_json, badge_of, badge_svg
from conformance.report.export.ctrf import ctrf_report
from conformance.report.export.formats import FORMATS, Export
from conformance.report.export.places import place_of
from conformance.report.export.sarif import sarif_report
from conformance.report.record import Report, ReportError
from conformance.report.run.cases import Outcome, cases
from conformance.report.run.junit import junit_report
from conformance.report.run.write import report_json
from tests.conftest import command
from tests.npm_packages import npm_package
from tests.report_examples import (
    CHECKS,
    CONFORMANT,
    REQUIREMENTS,
    RICH,
    THREAD,
    URL,
    check,
    exchange,
    failure,
    report_of,
)

ROOT = Path(__file__).parent.parent
#: Where the source of the examples stands.
PAGE = "https://docs.langchain.com/langsmith/use-threads"
ACCEPTED = report_of(CHECKS, baselined=frozenset({"COPY-03"}))
INTERRUPTED = replace(RICH, run=replace(RICH.run, partial=True, interrupted=True))
#: Reports of every kind, a real one among them.
REPORTS = {
    "rich": RICH,
    "conformant": CONFORMANT,
    "accepted": ACCEPTED,
    "interrupted": INTERRUPTED,
    "empty": report_of([], []),
    "no result": report_of([check("test_own_id", "COPY-01")]),
}


def each_report() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)


def cases_of(report: Report) -> dict[str, Outcome]:
    return {each.check.id.partition("::")[2]: each.outcome for each in cases(report, REQUIREMENTS)}


class TestCases:
    def test_what_a_check_comes_to(self) -> None:
        assert cases_of(ACCEPTED) == {
            "test_empty_body": Outcome.PASSED,
            "test_metadata": Outcome.PASSED,
            "test_large_integers": Outcome.FAILED,
            "test_own_id": Outcome.PASSED,
            "test_history": Outcome.ACCEPTED,
            "test_history[python-sdk]": Outcome.ACCEPTED,
            "test_copy_of_a_copy": Outcome.FAILED,
            "test_empty_thread": Outcome.FAILED,
            "test_recipe": Outcome.OPTIONAL,
            "test_by_metadata": Outcome.ERROR,
            "test_no_match": Outcome.UNDECIDED,
            "test_prune": Outcome.UNSUPPORTED,
        }

    def test_two_runs_that_found_the_same_say_the_same(self) -> None:
        said = []
        for thread, moment, port, cut in (
            (THREAD, "2026-11-21T10:48:31.509533+00:00", 2024, "3f0c5f6e-8a5"),
            ("0b9c1f0e-1111-4222-8333-444455556666", "2026-11-22T01:02:03Z", 35279, "0b9c1f0e-111"),
        ):
            found = failure(
                f"thread {thread} of http://127.0.0.1:{port}/threads was made at {moment}",
                expected=f'{{"thread_id": "{thread}", "created_at": "{moment}"}}',
                actual=f'{{"id": "{cut}…',
                diff=(f"$.thread_id: expected {thread}", f"$.at: '{moment[:12]}…"),
            )
            (case,) = cases(
                report_of([check("test_own_id", "COPY-01", "fail", failure=found)], []), {}
            )
            said.append((case.name, case.summary, case.evidence, case.fingerprint[:0]))
        assert said[0] == said[1]
        assert "<id>" in said[0][1]
        assert "<time>" in said[0][2]

    @pytest.mark.parametrize("kept", ["COPY-03", "404", "2 states", "9007199254740993"])
    def test_what_is_no_id_of_a_run_stays(self, kept: str) -> None:
        found = failure(f"expected {kept}", expected=kept, actual=kept, diff=(kept,))
        (case,) = cases(report_of([check("test_own_id", "COPY-01", "fail", failure=found)], []), {})
        assert kept in case.summary
        assert f"expected: {kept}" in case.evidence

    def test_the_curl_commands_can_still_be_pasted(self) -> None:
        (case,) = (each for each in cases(RICH, REQUIREMENTS) if each.name.endswith("empty_thread"))
        assert f"{URL}/threads/{THREAD}/copy" in case.curl
        assert THREAD not in case.summary + case.evidence


#: What junit-10.xsd of Jenkins' xUnit plugin allows: attributes that must be there, others, and
#: elements within.
JENKINS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
        },
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "skipped": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}
#: The type of the times of suites there.
SUREFIRE_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?")


class TestJunit:
    @each_report()
    def test_jenkins_accepts_it(self, report: Report) -> None:
        for element in ET.fromstring(junit_report(report, REQUIREMENTS)).iter():
            required, optional, inside = JENKINS[element.tag]
            assert required <= element.attrib.keys() <= required | optional
            assert {each.tag for each in element} <= inside
            if element.tag.startswith("testsuite"):
                assert SUREFIRE_TIME.fullmatch(element.get("time", ""))

    @each_report()
    def test_names_are_unique_and_begin_with_the_requirement(self, report: Report) -> None:
        root = ET.fromstring(junit_report(report, REQUIREMENTS))
        names = [(each.get("classname"), each.get("name", "")) for each in root.iter("testcase")]
        assert len(set(names)) == len(names)
        assert all(name.split()[0] in REQUIREMENTS for _, name in names)

    def test_nothing_a_server_says_is_an_attachment(self, tmp_path: Path) -> None:
        hostile = exchange(request_body='{"n": "[[ATTACHMENT|/etc/passwd]]"}')
        report = report_of(
            [check("test_own_id", "COPY-01", "fail", failure=failure("no", hostile))]
        )
        Export("junit", tmp_path / "junit.xml").write(report, REQUIREMENTS)
        text = (tmp_path / "junit.xml").read_text("utf-8")
        assert "ATTACHMENT" in text
        assert "[[ATTACHMENT|" not in text


class TestSarif:
    @staticmethod
    def run_of(report: Report) -> dict[str, Any]:
        (run,) = json.loads(sarif_report(report, REQUIREMENTS))["runs"]
        assert isinstance(run, dict)
        return run

    def test_each_broken_promise_of_a_check_is_a_result(self) -> None:
        run = self.run_of(RICH)
        assert [(each["ruleId"], each["level"]) for each in run["results"]] == [
            ("CREATE-03", "warning"),
            ("COPY-03", "error"),
            ("COPY-03", "error"),
            ("COPY-05", "error"),
            ("COPY-04", "error"),
            ("COPY-09", "note"),
        ]
        for each in run["results"]:
            assert run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == each["ruleId"]
            (location,) = each["locations"]
            path = location["physicalLocation"]["artifactLocation"]["uri"]
            assert (ROOT / path).is_file(), path
            assert THREAD not in each["message"]["text"]
        for rule in run["tool"]["driver"]["rules"]:
            assert rule["helpUri"] == PAGE
            assert f"]({PAGE}" in rule["help"]["markdown"]

    def test_what_the_baseline_accepts_is_suppressed(self) -> None:
        suppressed = {
            each["ruleId"]: bool(each["suppressions"]) for each in self.run_of(ACCEPTED)["results"]
        }
        assert suppressed == {
            "CREATE-03": False,
            "COPY-03": True,
            "COPY-05": False,
            "COPY-04": False,
            "COPY-09": False,
        }

    def test_what_is_undecided_is_told_and_is_no_result(self) -> None:
        (invocation,) = self.run_of(INTERRUPTED)["invocations"]
        assert not invocation["executionSuccessful"]
        said = [each["message"]["text"] for each in invocation["toolExecutionNotifications"]]
        assert said == [
            "SEARCH-01: http://127.0.0.1:<port> closed the connection",
            "SEARCH-02: blocked: SEARCH-01 was not decided",
        ]

    def test_an_alert_stays_the_same_when_its_symptom_changes(self) -> None:
        def fingerprints(message: str) -> dict[str, str]:
            found = failure(message)
            (result,) = self.run_of(
                report_of([check("test_own_id", "COPY-01", "fail", failure=found)], [])
            )["results"]
            prints = result["partialFingerprints"]
            assert isinstance(prints, dict)
            return prints

        one, other = fingerprints("no id"), fingerprints("the id of the source")
        assert one["primaryLocationLineHash"] == other["primaryLocationLineHash"]
        assert one["symptom/v1"] != other["symptom/v1"]


class TestCtrf:
    def test_statuses(self) -> None:
        results = json.loads(ctrf_report(ACCEPTED, REQUIREMENTS))["results"]
        statuses = {each["name"].split()[0]: each["status"] for each in results["tests"]}
        assert statuses == {
            "CREATE-01": "passed",
            "CREATE-02": "passed",
            "CREATE-03": "failed",
            "COPY-01": "passed",
            "COPY-03": "skipped",
            "COPY-05": "failed",
            "COPY-04": "failed",
            "COPY-09": "skipped",
            "SEARCH-01": "other",
            "SEARCH-02": "other",
            "PRUNE-01": "skipped",
        }
        summary = results["summary"]
        assert (
            summary["tests"]
            == len(CHECKS)
            == sum(summary[each] for each in ("passed", "failed", "skipped", "pending", "other"))
        )
        assert summary["stop"] - summary["start"] == 41_520
        (flaky,) = (each["name"] for each in results["tests"] if each.get("flaky"))
        assert flaky.startswith("CREATE-03")


class TestAllure:
    @staticmethod
    def results(report: Report) -> dict[str, dict[str, Any]]:
        return {
            result["fullName"]: result
            for name, text in allure_files(report, REQUIREMENTS).items()
            if name.endswith("-result.json")
            for result in [json.loads(text)]
        }

    def test_statuses_and_details(self) -> None:
        found = self.results(ACCEPTED)
        assert found["test_copy.py::test_history"]["statusDetails"]["known"]
        assert {name: each["status"] for name, each in found.items()} == {
            each.id: {
                Outcome.PASSED: "passed",
                Outcome.FAILED: "failed",
                Outcome.ERROR: "broken",
            }.get(cases_of(ACCEPTED)[each.id.partition("::")[2]], "skipped")
            for each in CHECKS
        }
        labels = found["test_create.py::test_large_integers"]["labels"]
        assert {"name": "severity", "value": "normal"} in labels
        assert {"name": "story", "value": "CREATE-03"} in labels
        for each in found.values():
            (link,) = each["links"]
            assert link["url"].startswith(PAGE)

    def test_a_check_has_one_history_over_all_runs(self) -> None:
        later = replace(
            RICH, run=replace(RICH.run, id="another", started_at="2026-12-01T00:00:00Z")
        )
        one, other = self.results(RICH), self.results(later)
        assert {k: v["historyId"] for k, v in one.items()} == {
            k: v["historyId"] for k, v in other.items()
        }
        assert len({each["historyId"] for each in one.values()}) == len(CHECKS)
        assert not {v["uuid"] for v in one.values()} & {v["uuid"] for v in other.values()}

    def test_attachments_are_there(self) -> None:
        files = allure_files(RICH, REQUIREMENTS)
        sources = [
            each["source"]
            for result in self.results(RICH).values()
            for each in result["attachments"]
        ]
        assert len(sources) == 6
        assert all("curl" in files[each] for each in sources)

    @each_report()
    def test_the_model_of_allure_knows_every_member(self, report: Report) -> None:
        model = pytest.importorskip("allure_commons.model2")
        for result in self.results(report).values():
            model.TestResult(**result)
            model.StatusDetails(**result["statusDetails"])
            for label in result["labels"]:
                model.Label(**label)
            for link in result["links"]:
                model.Link(**link)
            for attachment in result["attachments"]:
                model.Attachment(**attachment)
            assert result["status"] in {
                value for name, value in vars(model.Status).items() if name.isupper()
            }

    def test_each_category_is_one_of_the_messages(self) -> None:
        categories = json.loads(allure_files(ACCEPTED, REQUIREMENTS)["categories.json"])
        hit = {
            category["name"]
            for category in categories
            for result in self.results(ACCEPTED).values()
            if result["status"] in category["matchedStatuses"]
            and re.fullmatch(category["messageRegex"], result["statusDetails"].get("message", ""))
        }
        assert {each["name"] for each in categories} - hit == {"Not run"}


class TestBadge:
    @pytest.mark.parametrize(
        ("report", "message", "color"),
        [
            (CONFORMANT, "9 of 9 MUST kept", "brightgreen"),
            (RICH, "3 of 9 MUST kept, 3 broken", "red"),
            (ACCEPTED, "3 of 9 MUST kept, 2 broken, 1 known", "red"),
            (
                replace(CONFORMANT, verdict=RunVerdict.INCOMPLETE),
                "9 of 9 MUST kept, incomplete",
                "lightgrey",
            ),
            (INTERRUPTED, "3 of 9 MUST kept, 3 broken, partial", "red"),
        ],
    )
    def test_it_says_the_verdict_with_its_denominator(
        self, report: Report, message: str, color: str
    ) -> None:
        badge = badge_of(report)
        assert (badge.label, badge.message, badge.color) == (
            "Threads API extended",
            message,
            color,
        )
        # The format of an endpoint badge: schemaVersion 1, a label and a message that is not empty.
        assert json.loads(badge_json(report)) == {
            "schemaVersion": 1,
            "label": badge.label,
            "message": message,
            "color": color,
            "isError": color != "brightgreen",
        }
        image = ET.fromstring(badge_svg(report))
        assert image.get("aria-label") == f"{badge.label}: {message}"
        texts = list(image.iter("{http://www.w3.org/2000/svg}text"))
        assert [each.text for each in texts] == [badge.label, message]


class TestSchemas:
    """The schemas come from packages of npm that those who publish the formats keep."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("package", "file", "write"),
        [
            ("ctrf", "dist/ctrf-schema-0.0.json", ctrf_report),
            ("@microsoft/jest-sarif", "lib/schemas/sarif-2.1.0-rtm.5.json", sarif_report),
        ],
        ids=["CTRF", "SARIF"],
    )
    @each_report()
    def test_what_is_written_is_valid(
        self, package: str, file: str, write: Callable[..., str], report: Report
    ) -> None:
        schema = json.loads((npm_package(package) / file).read_text("utf-8"))
        kind = validator_for(schema)
        validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
        written = json.loads(write(report, REQUIREMENTS))
        assert [each.message for each in validator.iter_errors(written)] == []
        # The schema is one that can refuse.
        assert not validator.is_valid({**written, "unknown": 1, "runs": 1, "results": 1})


class TestPlaces:
    def test_a_check_is_where_it_is_defined(self) -> None:
        place = place_of("test_copy.py::test_a_copy_has_the_whole_history[python-sdk]")
        line = (ROOT / place.path).read_text("utf-8").splitlines()[place.line - 1]
        assert line.startswith("def test_a_copy_has_the_whole_history(")

    @pytest.mark.parametrize(
        ("check_id", "path"),
        [
            ("test_copy.py::test_gone", "conformance/suite/test_copy.py"),
            ("test_nothing.py::test_x", "conformance/suite/test_nothing.py"),
            ("../../etc/passwd::test_x", "conformance/suite"),
            ("COPY-03", "conformance/suite"),
        ],
    )
    def test_others_are_at_the_beginning(self, check_id: str, path: str) -> None:
        assert (place_of(check_id).path, place_of(check_id).line) == (path, 1)


class TestCommand:
    @pytest.fixture
    def report(self, tmp_path: Path) -> str:
        (tmp_path / "report.json").write_text(report_json(RICH), encoding="utf-8")
        return str(tmp_path)

    @pytest.mark.parametrize("format_name", sorted(set(FORMATS) - {"allure"}))
    def test_to_a_file_and_to_standard_output(
        self, format_name: str, report: str, tmp_path: Path
    ) -> None:
        shown = CliRunner().invoke(cli, ["export", report, "--format", format_name])
        assert shown.exit_code == 0
        file = tmp_path / "out" / "file"
        ended = CliRunner().invoke(
            cli, ["export", report, "--format", format_name, "-o", str(file)]
        )
        assert ended.output == f"Written to {file}\n"
        assert file.read_text("utf-8") == shown.stdout

    def test_allure_to_a_folder(self, report: str, tmp_path: Path) -> None:
        folder = tmp_path / "allure-results"
        ended = CliRunner().invoke(cli, ["export", report, "--format", "allure", "-o", str(folder)])
        assert ended.exit_code == 0
        assert len(list(folder.glob("*-result.json"))) == len(CHECKS)
        refused = CliRunner().invoke(cli, ["export", report, "--format", "allure"])
        assert refused.exit_code == 2
        assert "name a folder with -o" in refused.output

    def test_a_file_that_cannot_be_written(self, report: str, tmp_path: Path) -> None:
        ended = CliRunner().invoke(cli, ["export", report, "--format", "ctrf", "-o", str(tmp_path)])
        assert ended.exit_code == 2
        assert "is a folder: name a file for ctrf" in ended.output
        with pytest.raises(ReportError, match="cannot write"):
            Export("sarif", tmp_path / "report.json" / "x").write(RICH, REQUIREMENTS)

    @pytest.mark.parametrize(
        ("option", "told"),
        [
            ("html=x", "unknown format 'html': use one of allure, badge, ctrf"),
            ("sarif", "say which file sarif goes to: --export sarif=FILE"),
            ("allure=", "say which folder allure goes to: --export allure=FOLDER"),
        ],
    )
    def test_a_wrong_export_of_a_run_is_told_before_it(self, option: str, told: str) -> None:
        ended = CliRunner().invoke(cli, ["run", "--export", option])
        assert ended.exit_code == 2
        assert told in " ".join(ended.output.split())


@pytest.mark.slow
def test_a_run_writes_what_was_asked_for(tmp_path: Path) -> None:
    ended = command(
        tmp_path,
        *("run", "--requirement", "GET-01", "--report-dir", "latest"),
        *("--export", "sarif=a.sarif", "--export", "badge=badge.svg", "--export", "ctrf=latest"),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads((tmp_path / "a.sarif").read_text("utf-8"))["runs"][0]["results"] == []
    assert "1 of 1 MUST kept, partial" in (tmp_path / "badge.svg").read_text("utf-8")
    assert "Error: latest is a folder: name a file for ctrf" in ended.stderr
    assert "Exported as sarif: a.sarif" in ended.stdout
    # What the next commands make again does not overwrite it.
    assert "--export" not in ended.stdout

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conformance.commands.explain import explain_command, explanation, find_checks
from conformance.report.run.write import report_json
from tests.report_examples import (
    CHECKS,
    REQUIREMENTS,
    RICH,
    THREAD,
    check,
    exchange,
    failure,
    report_of,
)
from tests.snapshot import assert_snapshot


@pytest.fixture
def report_file(tmp_path: Path) -> Path:
    file = tmp_path / "report.json"
    file.write_text(report_json(RICH), encoding="utf-8")
    return file


def explain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(explain_command, [str(each) for each in arguments])


def test_a_failure_reads_as_it_did_when_it_was_looked_at() -> None:
    sent = exchange(request_body='{"metadata":{"graph_id":"agent"}}', operation="create")
    silent = exchange(status=None, response_body=None, error="the connection was reset")
    broken = check("test_history", "COPY-03", "fail", failure=failure("it forgets", sent, silent))
    assert_snapshot(explanation(broken, report_of([broken]), REQUIREMENTS), "explain.txt")


@pytest.mark.parametrize(
    "wanted",
    [
        "test_copy.py::test_empty_thread",
        "test_empty_thread",
        "EMPTY_THR",
        "COPY-04",
        "copy-04",
    ],
)
def test_a_check_is_found_by_its_id_a_part_of_it_or_its_requirement(
    report_file: Path, wanted: str
) -> None:
    result = explain(report_file, wanted)
    assert result.exit_code == 0
    assert "test_copy.py::test_empty_thread: failed" in result.output
    assert f"curl -sS -X POST 'http://127.0.0.1:2024/threads/{THREAD}/copy'" in result.output


def test_the_whole_name_of_a_function_is_never_ambiguous() -> None:
    (found,) = find_checks(RICH, "test_history")
    assert found.id == "test_copy.py::test_history"


def test_a_requirement_gives_each_of_its_failed_checks(report_file: Path) -> None:
    result = explain(report_file, "COPY-03")
    assert result.output.count(": failed") == 2


def test_the_folder_of_a_report_will_do(report_file: Path) -> None:
    assert explain(report_file.parent, "COPY-04").exit_code == 0


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("test_own_id", "It passed: there is nothing"), ("COPY-01", "COPY-01 passed (1 check)")],
)
def test_what_passed_says_so(report_file: Path, wanted: str, said: str) -> None:
    result = explain(report_file, wanted)
    assert result.exit_code == 0
    assert said in result.output


def test_what_was_blocked_gives_its_reason(report_file: Path) -> None:
    result = explain(report_file, "SEARCH-02")
    assert "test_no_match: blocked" in result.output
    assert "SEARCH-01 was not decided" in result.output


def test_a_requirement_without_results_says_so(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(report_json(report_of(CHECKS[:1])), encoding="utf-8")
    assert "COPY-03: not run; none of its checks left a result." in explain(file, "COPY-03").output


def test_an_ambiguous_part_names_the_checks(report_file: Path) -> None:
    result = explain(report_file, "test_copy.py")
    assert result.exit_code == 2
    assert "matches 6 checks" in result.output
    assert "test_copy.py::test_own_id" in result.output


@pytest.mark.parametrize(
    ("wanted", "near"), [("test_histroy", "test_copy.py::test_history"), ("COPY-33", "COPY-03")]
)
def test_an_unknown_one_names_what_is_near(report_file: Path, wanted: str, near: str) -> None:
    result = explain(report_file, wanted)
    assert result.exit_code == 2
    assert f"no check or requirement '{wanted}'" in result.output
    assert near in result.output


def test_json_is_for_scripts(report_file: Path) -> None:
    (found,) = json.loads(explain(report_file, "COPY-04", "--format", "json").output)
    assert found["check"]["id"] == "test_copy.py::test_empty_thread"
    assert found["check"]["failure"]["exchanges"][0]["status"] == 500
    assert found["promises"][0]["id"] == "COPY-04"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "run `threads-conformance run` first"),
        ("{", "is not JSON"),
        ('{"format": "something"}', "not a report of format"),
        ('{"format": "threads-conformance-report/1"}', "the report is damaged"),
    ],
)
def test_a_missing_or_damaged_report_is_one_clear_sentence(
    tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "report.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    result = explain(file, "COPY-04")
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_escape_sequences_of_a_server_are_shown_not_obeyed() -> None:
    broken = check(
        "test_a", "COPY-03", "fail", failure=failure("odd", actual="\x1b[2Ja\x00\ud800b")
    )
    text = explanation(broken, report_of([broken]), {})
    assert "\\u001b[2J" in text
    assert "a\\u0000\\ud800b" in text


def test_a_body_that_is_nested_too_deep_to_lay_out_is_shown_as_it_came() -> None:
    body = "[" * 1_900 + "]" * 1_900
    broken = check("test_a", "COPY-03", "fail", failure=failure("no", exchange(response_body=body)))
    assert body in explanation(broken, report_of([broken]), {})


def test_without_a_report_the_newest_is_taken_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = explain("COPY-04")
    assert missing.exit_code == 2
    assert "no report in reports/latest or reports/selection" in missing.output
    for age, folder in enumerate(("selection", "latest", "selection")):
        file = tmp_path / "reports" / folder / "report.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(report_json(RICH), encoding="utf-8")
        os.utime(file, (age, age))
        told = explain("COPY-04")
        assert told.exit_code == 0
        assert told.stderr == f"Of reports/{folder}/report.json:\n"
    named = explain("COPY-04", "--report-dir", "elsewhere")
    assert "no report in elsewhere" in named.output


@pytest.mark.parametrize("words", [(), ("a", "b", "c"), ("report.json",)])
def test_what_names_no_check_is_wrong_usage(
    words: tuple[str, ...], report_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(report_file.parent)
    ended = explain(*words)
    assert ended.exit_code == 2
    assert "name a check or a requirement" in ended.output

"""`render` makes the page of any report, and asks the reference what the deployment was asked."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.commands.reference_answers import ask_reference
from conformance.faults.registry import all_faults, faulty_deployment
from conformance.report.record import Report
from conformance.report.run.write import report_json
from tests.conftest import command, served
from tests.report_examples import CONFORMANT, RICH, THREAD, URL, check, exchange, failure, report_of

THREAD_AS_SHOWN = json.dumps({"thread_id": THREAD, "status": "busy", "values": {"n": 1}})


def one_failure(*, read: str = THREAD) -> Report:
    """A report of a server that answers a creation and GET with a thread that is busy."""
    asked = (
        exchange(
            operation="create",
            url=f"{URL}/threads",
            request_body=json.dumps({"thread_id": THREAD}),
            response_body=THREAD_AS_SHOWN,
        ),
        exchange(
            operation="get",
            method="GET",
            url=f"{URL}/threads/{read}",
            response_body=THREAD_AS_SHOWN,
        ),
    )
    return report_of([check("test_a", "CREATE-01", "fail", failure=failure("it is busy", *asked))])


def render(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["render", *map(str, arguments)])


def test_the_reference_is_asked_what_the_deployment_was() -> None:
    (answers,) = ask_reference(one_failure(), 60).values()
    assert answers.problem == ""
    assert [(each.status, each.same) for each in answers.by_position.values()] == [
        (200, False),
        (200, False),
    ]
    assert '"idle"' in answers.by_position[1].body
    assert "$.status" in answers.by_position[1].paths


def test_what_cannot_be_asked_again_says_why() -> None:
    endless = exchange(
        operation="thread_stream", method="GET", url=f"{URL}/threads/{THREAD}/stream"
    )
    report = report_of([check("test_a", "CREATE-01", "fail", failure=failure("x", endless))])
    (answers,) = ask_reference(report, 60).values()
    assert answers.problem == "a stream or a restart is part of it"
    assert not answers.by_position


def test_a_thread_that_nobody_made_is_not_asked_for() -> None:
    theirs = "7a3f8c11-58c4-4d2e-9b7c-0123456789ab"
    listing = exchange(
        operation="search",
        url=f"{URL}/threads/search",
        request_body="{}",
        response_body=json.dumps([{"thread_id": theirs}]),
    )
    reading = exchange(operation="get", method="GET", url=f"{URL}/threads/{theirs}")
    broken = failure("x", listing, reading)
    report = report_of([check("test_a", "CREATE-01", "fail", failure=broken)])
    (answers,) = ask_reference(report, 60).values()
    assert answers.problem.startswith("not sent:")


def test_time_that_is_used_up_is_told() -> None:
    (answers,) = ask_reference(one_failure(), 0.001).values()
    assert answers.problem == "the 0.001 seconds for it were used up"


def test_of_no_time_none_is_used() -> None:
    told: list[str] = []
    assert ask_reference(one_failure(), 0, told.append) == {}
    assert told == []


def test_nothing_is_started_where_nothing_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.target.opened", None)
    assert ask_reference(CONFORMANT, 60) == {}


@pytest.mark.parametrize("compressed", [False, True])
def test_the_page_stands_beside_the_report(tmp_path: Path, compressed: bool) -> None:
    text = report_json(RICH)
    if compressed:
        (tmp_path / "report.json.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (tmp_path / "report.json").write_text(text, encoding="utf-8")
    done = render(tmp_path, "--reference-within", "0")
    assert done.exit_code == 0, done.output
    assert done.output == f"Written: {tmp_path / 'report.html'}\n"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "NON-CONFORMANT: langgraph-api 0.16.7" in page
    assert "The reference was not asked the same." in page


def test_a_page_may_go_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(report_json(CONFORMANT), encoding="utf-8")
    wanted = tmp_path / "pages" / "index.html"
    assert render(tmp_path / "report.json", "-o", wanted).exit_code == 0
    assert wanted.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        (None, (), "no report at"),
        ("{}", (), "not a report of format"),
        ("<html>", (), "is not JSON"),
        (report_json(CONFORMANT), ("-o", "report.json/page.html"), "give another --output"),
        (report_json(CONFORMANT), ("--reference-within", "-1"), "Invalid value"),
    ],
)
def test_what_cannot_be_rendered_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | None,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("report.json").write_text(text, encoding="utf-8")
    done = render("report.json", *arguments)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.fixture
def forgetful() -> Iterator[str]:
    """Yield the URL of a server whose copies lack the oldest state."""
    broken, wire = faulty_deployment(all_faults()["copy-forgets-the-oldest-state"])
    with served(broken.store, lambda _: wire) as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize(("within", "asked"), [("30", True), ("0", False)])
def test_a_run_asks_the_reference_unless_told_not_to(
    forgetful: str,
    tmp_path: Path,
    within: str,
    asked: bool,
) -> None:
    done = command(
        tmp_path, "run", forgetful, "--requirement", "COPY-20", "--reference-within", within
    )
    assert done.returncode == 1, done.stderr
    page = (tmp_path / "reports" / "selection" / "report.html").read_text(encoding="utf-8")
    assert ("The reference was asked the same" in page) == asked
    assert bool(re.search("≠ reference 200", page)) == asked
    report = (tmp_path / "reports" / "selection" / "report.json").read_text(encoding="utf-8")
    failures = [each["failure"] for each in json.loads(report)["checks"] if each["failure"]]
    # A report holds none of it.
    assert {key for each in failures for key in each} == {
        *("message", "expected", "actual", "diff", "fingerprint", "curl", "exchanges"),
    }

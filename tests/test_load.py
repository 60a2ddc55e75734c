"""The load beside a run: what its users send, what is kept of it, and how it is told."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from conformance.cli import cli
from conformance.commands import load_options
from conformance.contract.catalogue import load_catalogue
from conformance.data import schemas_dir
from conformance.deployment.connect import connect, http_transport
from conformance.deployment.ownership.ledger import read_ledger
from conformance.deployment.ownership.proof import RUN_TAG
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.settings import Settings
from conformance.load import generator
from conformance.load.recorder import NO_ANSWER, LoadRecorder
from conformance.load.story import REQUEST_NAME, SUPERSTEPS, Story
from conformance.reference.app import new_store
from conformance.report.compare.html import comparison_html
from conformance.report.compare.markdown import comparison_markdown
from conformance.report.compare.model import compare_reports
from conformance.report.compare.terminal import comparison_text
from conformance.report.record import Load, LoadTiming, OperationTiming, Report, ReportError
from conformance.report.run.html import html_report
from conformance.report.run.load import load_line, load_rows
from conformance.report.run.markdown import markdown_report
from conformance.report.run.write import report_json
from conformance.runner.merging import merge
from conformance.runner.server_errors import errors_of_load, results_of_errors
from conformance.runner.session import run_suite
from tests.conftest import CHECKOUT, command, served, threads_of
from tests.report_examples import CONFORMANT, REQUIREMENTS, exchange
from tests.test_report_terminal import shown

MakeSettings = Callable[..., Settings]

LOAD = Load(
    users=50,
    processes=1,
    pause_s=0.5,
    duration_s=60.0,
    requests=5_400,
    requests_per_s=90.0,
    failures={"503": 2, NO_ANSWER: 1},
    operations={
        "copy": LoadTiming(OperationTiming(30, 4.0, 9.0), OperationTiming(400, 40.0, 90.0)),
        "get": LoadTiming(OperationTiming(60, 1.0, 2.0), OperationTiming(900, 20.0, 45.0)),
        "search": LoadTiming(None, OperationTiming(400, 30.0, 70.0)),
    },
)
REPORT = CONFORMANT
UNDER_LOAD = dataclasses.replace(
    REPORT, run=dataclasses.replace(REPORT.run, load_users=50), load=LOAD
)


# What the users send


class Watched(httpx.BaseTransport):
    """The way to a deployment; notes each request, and what the ledger holds before it leaves."""

    def __init__(self, settings: Settings, ledger: Path) -> None:
        self._way, self._ledger = http_transport(settings), ledger
        self.sent: list[tuple[str, str]] = []
        self.created: list[dict[str, Any]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((request.method, request.url.path))
        if (request.method, request.url.path) == ("POST", "/threads"):
            body = json.loads(request.content)
            assert body["thread_id"] in read_ledger(self._ledger).generated
            self.created.append(body)
        return self._way.handle_request(request)

    def close(self) -> None:
        self._way.close()


def play(settings: Settings, ledgers: Path, times: int = 1) -> tuple[Watched, list[str]]:
    """Play the story of a user; return the requests, and the names under which they count."""
    counted: list[str] = []
    way = Watched(settings, ledgers / settings.run_id)

    def make(file: Path | None, redactor: Redactor) -> LoadRecorder:
        return LoadRecorder(file, redactor, lambda name, _ms, _failed: counted.append(name))

    with connect(settings, record=False, make_transport=lambda: way, make_recorder=make) as opened:
        story = Story(opened.client, settings.graph, lambda: None)
        for number in range(times):
            story.play(number)
    return way, counted


def test_a_user_asks_all_documented_operations_and_removes_its_threads(
    reference: str, settings_for: MakeSettings, own_state: Path
) -> None:
    way, counted = play(settings_for(reference), own_state, times=2)
    assert set(counted) == {
        *("create", SUPERSTEPS, "run_wait", "copy", "update", "delete"),
        *("get", "state", "history", "search", "count"),
    }
    assert counted.count(SUPERSTEPS) == counted.count("copy") == 2
    assert threads_of(reference) == {}
    assert len(way.created) == 4


def test_every_thread_has_an_id_of_the_run_and_its_tag(
    reference: str, settings_for: MakeSettings, own_state: Path
) -> None:
    settings = settings_for(reference)
    way, _ = play(settings, own_state)
    assert [each["metadata"][RUN_TAG] for each in way.created] == [settings.run_id] * 2
    own = {each["thread_id"] for each in way.created}
    (copied,) = read_ledger(own_state / settings.run_id).named
    named = {path.split("/")[2] for _, path in way.sent if path.count("/") > 1}
    assert named - {"search", "count"} == {*own, copied}


def test_other_peoples_threads_are_left_alone(settings_for: MakeSettings, own_state: Path) -> None:
    with served(new_store()) as url:
        theirs = httpx.post(f"{url}/threads", json={"metadata": {"whose": "theirs"}}).json()
        play(settings_for(url), own_state)
        assert threads_of(url) == {theirs["thread_id"]: theirs}


def test_a_refused_operation_ends_no_story(settings_for: MakeSettings, own_state: Path) -> None:
    def without_copies(app: Any) -> Any:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            if str(scope.get("path", "")).endswith("/copy"):
                scope = {**scope, "path": "/nowhere", "raw_path": b"/nowhere"}
            await app(scope, receive, send)

        return answer

    with served(new_store(), without_copies) as url:
        _, counted = play(settings_for(url), own_state)
        assert counted.count("copy") == 1
        assert counted.count("delete") == 2
        assert threads_of(url) == {}


def test_without_a_thread_the_story_ends(settings_for: MakeSettings, own_state: Path) -> None:
    def refusing(_app: Any) -> Any:
        async def answer(scope: Any, _receive: Any, send: Any) -> None:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 422, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"detail": "no"}'})

        return answer

    with served(new_store(), refusing) as url:
        _, counted = play(settings_for(url), own_state)
    assert sorted(counted) == ["create", SUPERSTEPS]


# What is kept of it


def recorded(*exchanges: Exchange, of_check: bool = True) -> tuple[LoadRecorder, list[str]]:
    failures: list[str] = []
    recorder = LoadRecorder(None, Redactor(), lambda _name, _ms, failed: failures.append(failed))
    for each in exchanges:
        recorder.add(each, of_check=of_check)
    return recorder, failures


def test_what_is_not_answered_by_2xx_has_failed() -> None:
    statuses = (200, 204, 302, 404, 429, 500, 503, None)
    _, failures = recorded(*(exchange(status=each) for each in statuses))
    assert failures == ["", "", "302", "404", "429", "500", "503", NO_ANSWER]


def test_a_proof_of_the_suites_own_may_find_nothing() -> None:
    statuses = (200, 404, 429, 503, None)
    _, failures = recorded(*(exchange(status=each) for each in statuses), of_check=False)
    assert failures == ["", "", "429", "503", NO_ANSWER]


def test_a_request_counts_under_the_name_that_it_has() -> None:
    names: list[str] = []
    recorder = LoadRecorder(None, Redactor(), lambda name, _ms, _failed: names.append(name))
    token = REQUEST_NAME.set(SUPERSTEPS)
    try:
        recorder.add(exchange(operation="create"))
        # A proof beside it is none.
        recorder.add(exchange(operation="get"), of_check=False)
    finally:
        REQUEST_NAME.reset(token)
    recorder.add(exchange(operation="create"))
    assert names == [SUPERSTEPS, "get", "create"]


def test_of_many_answers_by_500_a_few_are_kept_and_all_are_counted() -> None:
    broken = exchange(status=500, response_headers=(("content-type", "application/json"),))
    recorder, _ = recorded(*[broken] * 40, exchange(operation="get", status=500))
    assert recorder.times == {"copy": 40, "get": 1}
    assert len(recorder.server_errors) == 4
    found = errors_of_load(recorder.times, recorder.server_errors)
    copying, getting = results_of_errors(found, [], load_catalogue())
    assert copying.failure is not None
    assert "40 times: in load" in copying.failure.actual
    assert copying.requirements == ("ERROR-INTERNAL-01",)
    assert getting.failure is not None
    assert "1 times: in load" in getting.failure.actual


# How it is told


def test_the_report_says_it_and_is_read_again() -> None:
    data = json.loads(report_json(UNDER_LOAD))
    schema = json.loads((schemas_dir() / "report.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(data)
    assert Report.from_json(data) == UNDER_LOAD
    without = json.loads(report_json(REPORT))
    assert "load" not in without
    assert Report.from_json(without).load is None


def test_every_form_of_the_report_tells_it() -> None:
    line = "50 users, 5400 requests in 60.0 s (90.0/s), 3 failed: 2 × 503, 1 × no answer"
    assert load_line(LOAD) == line
    assert load_rows(LOAD)[0] == ["copy", "400", "4.0", "9.0", "40.0", "90.0", "×10"]
    assert load_rows(LOAD)[2] == ["search", "400", "-", "-", "30.0", "70.0", "-"]
    assert f"Load: {line}" in shown(UNDER_LOAD)
    page = html_report(UNDER_LOAD, REQUIREMENTS)
    assert f"<p>{line}</p>" in page
    assert "<td>×10</td>" in page
    text = markdown_report(UNDER_LOAD, REQUIREMENTS)
    assert "| `copy` | 400 | 4.0 | 9.0 | 40.0 | 90.0 | ×10 |" in text
    assert "3 failed: 2 × `503`, 1 × `no answer`" in text


def test_what_a_report_from_others_says_is_shown_as_it_is() -> None:
    hostile = dataclasses.replace(
        LOAD,
        failures={"<b>of others\x1b[31m": 1},
        operations={"<i>|": LOAD.operations["copy"]},
        problem="<script>alert(1)</script>\x1b[0m",
    )
    told = dataclasses.replace(UNDER_LOAD, load=hostile)
    assert "\x1b[31m" not in shown(told)
    page = html_report(told, REQUIREMENTS)
    assert "<script>alert" not in page
    assert "<b>of others" not in page
    assert "`<i>\\|`" in markdown_report(told, REQUIREMENTS)


def test_shards_add_up_and_the_slowest_counts() -> None:
    def shard(number: int, p50: float, problem: str) -> Report:
        timing = OperationTiming(10, p50, 2 * p50)
        run = dataclasses.replace(
            REPORT.run, shard=f"{number}/2", load_users=50, divided="1", partial=True
        )
        load = dataclasses.replace(
            LOAD, operations={"get": LoadTiming(timing, timing)}, problem=problem
        )
        catalogue = load_catalogue()
        return dataclasses.replace(
            REPORT,
            run=run,
            load=load,
            catalogue_digest=catalogue.digest,
            requirements=(),
            checks=(),
        )

    both = merge([shard(1, 5.0, ""), shard(2, 7.0, "it broke off")], load_catalogue(), {})
    assert both.load is not None
    assert (both.load.users, both.load.requests) == (100, 10_800)
    assert both.load.failures == {NO_ANSWER: 2, "503": 4}
    assert both.load.operations["get"].under_load == OperationTiming(20, 7.0, 14.0)
    assert both.load.problem == "it broke off"


# What changed from one load to another


def loaded(**p50_ms: float) -> Report:
    timings = {
        name: LoadTiming(OperationTiming(40, 1.0, 2.0), OperationTiming(400, p50, 2 * p50))
        for name, p50 in p50_ms.items()
    }
    return dataclasses.replace(UNDER_LOAD, load=dataclasses.replace(LOAD, operations=timings))


def test_compare_shows_each_operation_with_and_without_the_load() -> None:
    comparison = compare_reports(loaded(get=20.0, copy=40.0), loaded(get=20.0, copy=160.0))
    (copying,) = comparison.load_speed["under load"].changes
    assert (copying.operation, copying.slower, copying.factor) == ("copy", True, 4.0)
    assert comparison.load_speed["alone"].changes == ()
    for text in (
        comparison_text(comparison),
        comparison_markdown(comparison),
        comparison_html(comparison),
    ):
        assert "copy: slower, median 40.0 → 160.0 ms (×4)" in text
        assert "get: as before, median 20.0 → 20.0 ms (×1)" in text


def test_repeated_runs_bound_the_noise() -> None:
    old, new = loaded(get=20.0, copy=40.0), loaded(get=32.0, copy=44.0)
    quiet = [loaded(get=20.5, copy=40.5), loaded(get=19.5, copy=39.5)]
    loud = [loaded(get=28.0, copy=42.0)]

    def changed(repeated: list[Report]) -> list[str]:
        found = compare_reports(old, new, repeated=repeated).load_speed["under load"]
        return [each.operation for each in found.changes]

    # Beyond the fixed bound is neither.
    assert changed([]) == []
    assert changed(quiet) == ["get"]
    assert changed(loud) == []
    faster = compare_reports(new, old, repeated=[loaded(get=31.0, copy=41.0)])
    (change,) = faster.load_speed["under load"].changes
    assert (change.operation, change.slower) == ("get", False)
    assert "repeated runs differ by ×1.4" in comparison_text(
        compare_reports(old, new, repeated=loud)
    )


def test_a_repeated_run_must_have_asked_the_same() -> None:
    with pytest.raises(ReportError, match="did not ask the same"):
        compare_reports(UNDER_LOAD, UNDER_LOAD, repeated=[REPORT])


def test_other_loads_are_not_compared_and_the_notes_say_so() -> None:
    comparison = compare_reports(REPORT, UNDER_LOAD)
    assert comparison.load_speed["under load"].why_not == "the loads differ: 0 and 50 users"
    assert "users of --load 0 and 50" in " ".join(comparison.notes)
    assert compare_reports(REPORT, REPORT).load_speed == {}


# Options, and a load that does not begin


def usage_error(*arguments: str) -> str:
    answered = CliRunner().invoke(cli, ["run", *arguments])
    assert answered.exit_code == 2
    return " ".join(answered.output.replace("│", " ").split())


def test_without_locust_the_command_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load_options, "is_installed", lambda: False)
    said = usage_error("--load", "5")
    assert "--load needs Locust: pip install 'threads-conformance[load]'" in said


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["--url", "http://127.0.0.1:1", "--read-only"], "--load and --read-only exclude"),
        (["--restart", "stop"], "--load and --restart exclude each other"),
        (["--load-processes", "6"], "--load-processes 6 is more than the 5 users"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(others: list[str], said: str) -> None:
    assert said in usage_error("--load", "5", *others)


def test_a_load_that_does_not_begin_is_told_and_nothing_is_checked(
    reference: str, settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "PROGRAM", "raise SystemExit('no module named gevent')")
    settings = settings_for(reference, load_users=3, capabilities=("get",))
    found = run_suite(settings, ServerInfo("reference", "1"))
    assert found.load is not None
    assert "the load did not begin: no module named gevent" in found.load.problem
    assert found.checks == ()
    assert found.verdict == "incomplete"


def test_a_load_that_breaks_off_is_told(
    reference: str, settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "the-key-of-the-users"
    program = f"""print('{{"ready": true}}', flush=True); raise SystemExit("no {secret}")"""
    monkeypatch.setattr(generator, "PROGRAM", program)
    settings = settings_for(reference, load_users=3, headers=(("x-api-key", secret),))
    with generator.LoadGenerator(settings) as load:
        assert load.start()
        load._processes[0]._process.wait()
    assert load.result.problem == "the load broke off: no [redacted]"
    assert load.result.users == 3


def test_a_load_that_does_not_end_is_killed(
    reference: str, settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """import time; print('{"ready": true}', flush=True); time.sleep(600)"""
    monkeypatch.setattr(generator, "PROGRAM", program)
    monkeypatch.setattr(generator, "_STOP_WITHIN_S", 0.1)
    with generator.LoadGenerator(settings_for(reference, load_users=3)) as load:
        assert load.start()
    assert load.result.problem == "the load did not end in time, and was killed"
    assert load._processes[0].has_ended


def test_the_process_that_makes_the_checks_stays_as_it_is(tmp_path: Path) -> None:
    program = (
        "import sys, conformance.commands.run\n"
        "from conformance.load.generator import is_installed\n"
        "is_installed()\n"
        "print({'gevent', 'locust'} & set(sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.stdout.strip() == "set()"


def test_the_help_tells_the_option(tmp_path: Path) -> None:
    assert "--load USERS" in command(tmp_path, "run", "--help").stdout

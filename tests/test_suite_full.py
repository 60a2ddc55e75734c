"""What the checks of the profile full are based on: events, runs, crons, concurrent requests."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.concurrency import poll_while, repeat_together, run_together
from conformance.checks.crons import Crons
from conformance.checks.events import MOST_LINES, Event, data_of, names_of_events, parse_events
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.runs import Run, Runs, message_contents, run_in
from conformance.checks.views import id_of
from conformance.contract.catalogue import load_catalogue
from conformance.contract.schemas import violations
from conformance.deployment.connect import Connection, connect
from conformance.deployment.settings import (
    OtherGraphs,
    Settings,
    SettingsError,
    other_graphs,
)
from conformance.reference.app import new_store
from conformance.runner.selection import selected_requirements
from tests.conftest import served

MakeSettings = Callable[..., Settings]


@pytest.fixture
def connection(settings_for: MakeSettings) -> Iterator[Connection]:
    with served(new_store()) as url, connect(settings_for(url)) as made:
        yield made


@pytest.fixture
def api(connection: Connection, settings_for: MakeSettings) -> ThreadsApi:
    return ThreadsApi(
        connection.client, CheckContext(settings_for("http://x"), {}), arranging=False
    )


# Events


def test_events_are_read() -> None:
    text = (
        ": keep alive\r\n\r\n"
        "retry: 5000\nid: 6\n\n"
        'event: metadata\r\ndata: {"run_id": "a"}\r\nid: 7-0\r\n\r\n'
        "event: values\ndata: [1,\ndata: 2]\n\n\n"
        "event: ping\n\n"
        "event: heartbeat\ndata:\n\n"
        "event:end\ndata:null\nx-trace: 1\n\n"
    )
    expected = [
        Event("metadata", {"run_id": "a"}, "7-0"),
        Event("values", [1, 2]),
        Event("end", None),
    ]
    assert parse_events(text) == expected
    assert data_of(expected, "values") == [[1, 2]]
    assert parse_events("") == []
    assert names_of_events(text) == ["metadata", "values", "end"]
    assert names_of_events("data: {\n\nevent: values\ndata: {\n\n") == ["", "values"]
    assert names_of_events('{"detail": "an error in place of a stream"}') == []


@pytest.mark.parametrize(
    "text",
    [
        "data: {}\n\n",
        "event:\ndata: {}\n\n",
        "event: values\ndata: {\n\n",
        "event: values\ndata: NaN!\n\n",
        '{"detail": "an error in place of a stream"}',
    ],
)
def test_a_malformed_event_breaks_the_promise(text: str) -> None:
    with pytest.raises(PromiseBroken, match="every event"):
        parse_events(f"event: first\ndata: 1\n\n{text}")


def test_a_stream_of_far_too_many_lines_is_not_read() -> None:
    with pytest.raises(PromiseBroken, match="at most"):
        parse_events("event: a\ndata: 1\n\n" * MOST_LINES)


def test_the_schema_of_an_event() -> None:
    assert violations("stream_event", {"event": "values", "data": None, "id": "1"}) == []
    assert violations("stream_event", {"event": "", "data": {}})
    assert violations("stream_event", {"event": "values"})


def test_the_schema_of_a_cron(connection: Connection, api: ThreadsApi) -> None:
    with Crons(api) as crons:
        cron = crons.create(api.empty())
    assert violations("cron", cron) == []
    assert violations("cron_list", [cron]) == []
    assert violations("cron", {**cron, "schedule": 5})
    assert violations("cron", {**cron, "end_time": "tomorrow"})
    assert violations("run_list", [cron])


# Asking at once


def test_all_begin_together() -> None:
    inside = threading.Barrier(5)
    assert repeat_together(5, lambda number: (inside.wait(30), number)[1]) == [0, 1, 2, 3, 4]


def test_an_error_of_one_is_raised_when_all_have_ended() -> None:
    ended = threading.Event()

    def broken() -> None:
        raise Blocked("one")

    with pytest.raises(Blocked, match="one"):
        run_together(broken, ended.set)
    assert ended.is_set()


def test_looking_goes_on_until_the_act_has_ended() -> None:
    enough = threading.Event()
    seen: list[int] = []

    def look() -> int:
        seen.append(len(seen))
        if len(seen) == 20:
            enough.set()
        return seen[-1]

    assert poll_while(lambda: enough.wait(30), look, least=1)[:20] == list(range(20))
    assert poll_while(lambda: None, lambda: 1, least=3)[:3] == [1, 1, 1]
    with pytest.raises(Blocked):
        poll_while(lambda: (_ for _ in ()).throw(Blocked("act")), lambda: 1, least=1)


# Runs and crons


def test_a_run_under_way_is_cancelled_in_the_end(connection: Connection, api: ThreadsApi) -> None:
    thread = api.empty()
    with suppress(Blocked), Runs(api) as runs:
        run = runs.start_long(thread)
        raise Blocked("the check ends")
    assert Runs(api).status(run) == "interrupted"


def test_a_run_that_has_ended_is_left_alone(connection: Connection, api: ThreadsApi) -> None:
    with connection.recorder.check("the check") as seen, Runs(api) as runs:
        runs.join(runs.start(api.empty(), "slow", "hello", seconds=0))
    assert "run_cancel" not in [each.operation for each in seen]


def test_a_cron_is_deleted_in_the_end(connection: Connection, api: ThreadsApi) -> None:
    thread = api.empty()
    with suppress(Blocked), Crons(api) as crons:
        crons.create(thread)
        assert crons.count(thread_id=id_of(thread)) == 1
        raise Blocked("the check ends")
    assert crons.count(thread_id=id_of(thread)) == 0


def test_the_run_that_an_answer_names(connection: Connection, api: ThreadsApi) -> None:
    body = Runs(api).body("slow", "hello", seconds=0)
    in_body = connection.client.runs.stateless("background", body)
    assert run_in(in_body) == Run(in_body.body["thread_id"], in_body.body["run_id"])
    in_header = dataclasses.replace(in_body, text="{}", headers=in_body.headers.copy())
    in_header.headers["content-location"] = "/threads/a/runs/b"
    assert run_in(in_header) == Run("a", "b")
    in_header.headers["content-location"] = "/runs/b"
    assert run_in(in_header) is None


def test_contents_of_values_that_are_none() -> None:
    assert message_contents({"values": None}) == message_contents({}) == []
    assert message_contents({"values": {"messages": [{"content": "a"}, "b"]}}) == ["a"]


# What is checked with which graphs, and at which effort


def test_a_graph_that_is_not_there_blocks(settings_for: MakeSettings) -> None:
    settings = settings_for("http://x", graphs=OtherGraphs(slow="snail"))
    case = CheckContext(settings, {}, why_graph_missing=lambda graph_id: f"no graph {graph_id}")
    with pytest.raises(
        Blocked, match=r"no graph snail, or name a graph .* as slow in the \[graphs"
    ):
        case.other_graph("slow")
    with pytest.raises(Blocked, match=r"no graph agent, or name a graph .*--graph"):
        case.graph()


def test_the_other_graphs_travel(settings_for: MakeSettings) -> None:
    settings = settings_for("http://x", graphs=other_graphs({"nested": "matryoshka"}))
    assert settings.graphs == OtherGraphs(nested="matryoshka")
    assert Settings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"quick": "hare"}, r"\[graphs\] quick is not known here: use failing, interrupter"),
        ({"slow": 5}, r"\[graphs\] slow must be a string"),
    ],
)
def test_what_is_wrong_with_the_graphs_is_said(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        other_graphs(table)


def test_what_takes_minutes_needs_effort(settings_for: MakeSettings) -> None:
    catalogue = load_catalogue()

    def selected(**options: Any) -> frozenset[str]:
        settings = settings_for("http://x", profile="full", scale=20, **options)
        return selected_requirements(settings, catalogue)

    everything = {each.id for each in catalogue.in_profile("full")}
    assert selected(effort="thorough") == everything
    assert everything - selected(effort="standard") == {"CRON-10", "CRON-18"}
    assert "CRON-10" not in selected(effort="quick", capabilities=("cron",))
    assert selected(effort="quick", requirements=("CRON-10",)) == {"CRON-10"}

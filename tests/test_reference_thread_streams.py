"""What the reference sends in the stream of a thread, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import httpx
import pytest

from conformance.deployment.wire.stream_reading import READER, Reader
from conformance.parallel import start
from conformance.reference.app import create_app
from conformance.selftest.asgi import InProcess, InProcessTransport

INPUT = {"messages": [{"type": "human", "content": "hi"}]}
Event = tuple[str, str, Any]


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with InProcess() as host:
        host.app = create_app()
        transport = InProcessTransport(host)
        with httpx.Client(transport=transport, base_url="http://reference.test") as client:
            yield client


@pytest.fixture
def thread_id(http: httpx.Client) -> str:
    return str(http.post("/threads", json={}).json()["thread_id"])


def joined(
    http: httpx.Client, thread_id: str, until: str, after: str | None = None, **params: Any
) -> Future[httpx.Response]:
    """Join a stream and read it until it holds that text; return once it is joined."""
    reader = Reader(lambda body: until.encode() in body)
    reading = start(
        lambda: http.get(
            f"/threads/{thread_id}/stream",
            params=params,
            headers={} if after is None else {"Last-Event-ID": after},
            extensions={READER: reader},
        )
    )
    while not reader.opened:
        if reading.done():
            reading.result()
    return reading


def told(reading: Future[httpx.Response]) -> list[Event]:
    answer = reading.result(10)
    assert answer.status_code == 200, answer.text
    events = []
    for block in answer.text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return events


def run(http: httpx.Client, thread_id: str, text: str = "hi", **members: Any) -> None:
    given = {"messages": [{"type": "human", "content": text}]}
    body = {"assistant_id": "agent", "input": given, **members}
    http.post(f"/threads/{thread_id}/runs/wait", json=body).raise_for_status()


def names(events: list[Event]) -> list[str]:
    return [name for _, name, _ in events]


ONE_RUN = ["metadata", "values", "values", "metadata"]


def test_it_tells_of_each_run_after_it_was_joined(http: httpx.Client, thread_id: str) -> None:
    run(http, thread_id, "before")
    reading = joined(http, thread_id, until="second")
    run(http, thread_id, "first")
    run(http, thread_id, "second")
    events = told(reading)
    assert names(events)[:5] == [*ONE_RUN, "metadata"]
    assert len({each for each, _, _ in events}) == len(events)
    (started, done) = (events[0][2], events[3][2])
    assert done == {"status": "run_done", "run_id": started["run_id"]}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"stream_modes": "lifecycle"}, ["metadata", "metadata"]),
        ({"stream_modes": "state_update"}, ["state_update"]),
        ({"stream_modes": ["lifecycle", "state_update"]}, ["metadata", "metadata", "state_update"]),
        ({"stream_mode": "state_update"}, ["state_update"]),
        ({"stream_mode": "lifecycle", "stream_modes": "state_update"}, ["state_update"]),
        ({}, ONE_RUN),
    ],
    ids=str,
)
def test_its_modes(
    http: httpx.Client, thread_id: str, params: dict[str, Any], expected: list[str]
) -> None:
    is_told = "state_update" if "state_update" in str(params) else "run_done"
    reading = joined(http, thread_id, until=is_told, **params)
    run(http, thread_id)
    update = {"values": INPUT, "as_node": "call_model"}
    http.post(f"/threads/{thread_id}/state", json=update).raise_for_status()
    assert names(told(reading)) == expected


@pytest.mark.slow
def test_it_is_read_from_the_beginning_and_after_any_event(
    http: httpx.Client, thread_id: str
) -> None:
    for _ in range(2):
        run(http, thread_id)
    run(http, thread_id, "the last")
    whole = told(joined(http, thread_id, "the last", after="-"))
    assert names(whole)[:9] == [*ONE_RUN, *ONE_RUN, "metadata"]
    for number, (event_id, _, _) in enumerate(whole[:-1]):
        assert told(joined(http, thread_id, "the last", after=event_id)) == whole[number + 1 :]


def test_it_ends_with_the_thread(http: httpx.Client, thread_id: str) -> None:
    reading = joined(http, thread_id, until="never told")
    run(http, thread_id)
    http.delete(f"/threads/{thread_id}").raise_for_status()
    assert names(told(reading)) == ONE_RUN


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("00000000-0000-4000-8000-000000000000/stream", {}, 404),
        ("no-uuid/stream", {}, 422),
        ("{thread_id}/stream?stream_modes=values", {}, 422),
        ("{thread_id}/stream?stream_mode=values", {}, 422),
        ("{thread_id}/stream?stream_modes=run_modes&stream_modes=all", {}, 422),
        ("{thread_id}/stream", {"Last-Event-ID": "no event"}, 422),
    ],
)
def test_what_is_refused(
    http: httpx.Client, thread_id: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = http.get(f"/threads/{path.format(thread_id=thread_id)}", headers=headers)
    assert answer.status_code == status


# Commands and protocol events


def subscribed(
    http: httpx.Client, thread_id: str, until: str, **body: Any
) -> Future[httpx.Response]:
    reader = Reader(lambda come: until.encode() in come)
    at = f"/threads/{thread_id}/stream/events"
    reading = start(lambda: http.post(at, json=body, extensions={READER: reader}))
    while not reader.opened:
        if reading.done():
            reading.result()
    return reading


def commanded(http: httpx.Client, thread_id: str, method: str, **params: Any) -> Any:
    body = {"id": 5, "method": method, "params": params}
    return http.post(f"/threads/{thread_id}/commands", json=body).raise_for_status().json()


def test_a_command_starts_a_run_and_its_events_are_told(http: httpx.Client, thread_id: str) -> None:
    asked = {"channels": ["values", "lifecycle"]}
    reading = subscribed(http, thread_id, "completed", **asked)
    answer = commanded(http, thread_id, "run.start", assistant_id="agent", input=INPUT)
    events = told(reading)
    (run,) = http.get(f"/threads/{thread_id}/runs").json()
    assert answer["result"] == {"run_id": run["run_id"]}
    assert (answer["type"], answer["id"]) == ("success", 5)
    assert names(events) == ["lifecycle", "values", "values", "lifecycle"]
    assert [(number, data["seq"]) for number, _, data in events] == [
        (str(data["seq"]), data["seq"]) for _, _, data in events
    ]
    second = events[1][2]["seq"]
    again = told(subscribed(http, thread_id, "completed", since=second, **asked))
    assert again == events[2:]


def test_an_interrupt_is_told_and_answered(http: httpx.Client, thread_id: str) -> None:
    reading = subscribed(http, thread_id, "interrupted", channels=["input", "lifecycle"])
    commanded(http, thread_id, "run.start", assistant_id="interrupter", input=INPUT)
    (asked,) = [data["params"]["data"] for _, name, data in told(reading) if name != "lifecycle"]
    resumed = subscribed(http, thread_id, "completed", channels=["lifecycle"])
    named = {"interrupt_id": asked["interrupt_id"], "response": "yes"}
    assert commanded(http, thread_id, "input.respond", **named)["type"] == "success"
    assert names(told(resumed)) == ["lifecycle", "lifecycle"]
    again = commanded(http, thread_id, "input.respond", **named)
    assert (again["type"], again["error"]) == ("error", "no_such_interrupt")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("commands", {"method": "run.start"}, 400),
        ("commands", {"id": 1}, 400),
        ("commands", {"id": True, "method": "run.start"}, 400),
        ("commands", {"id": 1, "method": "run.start", "params": []}, 400),
        ("commands", {"id": 1, "method": "run.begin"}, 200),
        ("commands", [], 400),
        ("stream/events", {}, 400),
        ("stream/events", {"channels": []}, 400),
        ("stream/events", {"channels": ["custom:"]}, 400),
        ("stream/events", {"channels": ["values"], "since": -1}, 400),
        ("stream/events", {"channels": ["values"], "depth": "deep"}, 400),
        ("stream/events", {"channels": ["values"], "namespaces": ["x"]}, 400),
    ],
    ids=str,
)
def test_bodies_that_are_refused(
    http: httpx.Client, thread_id: str, path: str, body: Any, status: int
) -> None:
    answer = http.post(f"/threads/{thread_id}/{path}", json=body)
    assert answer.status_code == status
    assert answer.json().get("type", "error") == "error"

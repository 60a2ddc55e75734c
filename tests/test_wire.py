"""The HTTP layer around the reference, in which faults are implemented."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from conformance.deployment.wire.stream_reading import READER, Reader, always_enough
from conformance.parallel import start
from conformance.reference.app import create_app
from conformance.reference.wire import Wire, WireAnswer, WireRequest, json_answer
from conformance.selftest.asgi import InProcess, InProcessTransport


@pytest.fixture
def wire() -> Wire:
    return Wire(create_app())


@pytest.fixture
def http(wire: Wire) -> Iterator[httpx.Client]:
    with InProcess() as host:
        host.app = wire
        transport = InProcessTransport(host)
        with httpx.Client(transport=transport, base_url="http://reference.test") as client:
            yield client


def test_without_rules_everything_passes(http: httpx.Client) -> None:
    made = http.post("/threads", json={"metadata": {"a": 1}}).json()
    assert http.get(f"/threads/{made['thread_id']}").json() == made


def test_a_request_is_changed_on_its_way_in(wire: Wire, http: httpx.Client) -> None:
    @wire.before("create")
    def add(request: WireRequest) -> None:
        request.body = {"metadata": {**request.members["metadata"], "b": 2}}

    assert http.post("/threads", json={"metadata": {"a": 1}}).json()["metadata"] == {"a": 1, "b": 2}


def test_a_rule_answers_itself_where_its_condition_holds(wire: Wire, http: httpx.Client) -> None:
    @wire.before("create", when=lambda request: request.body == {})
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(418, {"detail": "no"})

    assert http.post("/threads", json={}).status_code == 418
    assert http.post("/threads", json={"metadata": {}}).status_code == 200
    assert wire.acted == 1


def test_an_answer_is_changed_on_its_way_out(wire: Wire, http: httpx.Client) -> None:
    wire.answers("create")(lambda _, thread: {**thread, "status": "busy"})

    @wire.after("get")
    def success(_request: WireRequest, answer: WireAnswer) -> None:
        answer.status = 200

    made = http.post("/threads", json={}).json()
    assert made["status"] == "busy"
    assert http.get(f"/threads/{made['thread_id']}").json()["status"] == "idle"
    assert http.get("/threads/00000000-0000-4000-8000-000000000000").status_code == 200


def test_refusals_are_no_answers_to_change(wire: Wire, http: httpx.Client) -> None:
    wire.answers("get")(lambda _request, _body: {"changed": True})
    refused = http.get("/threads/00000000-0000-4000-8000-000000000000")
    assert refused.status_code == 404
    assert refused.json() != {"changed": True}


def test_a_name_may_stand_in_the_query_more_than_once(wire: Wire, http: httpx.Client) -> None:
    wire.before("run_list")(lambda _request: None)
    made = http.post("/threads", json={}).json()
    runs = f"/threads/{made['thread_id']}/runs"
    http.post(runs, json={"assistant_id": "agent", "input": {"messages": []}})
    shown = http.get(runs, params={"select": ["run_id", "status"]}).json()
    assert [sorted(run) for run in shown] == [["run_id", "status"]]


def test_a_changed_query_goes_on_as_it_was_changed(wire: Wire, http: httpx.Client) -> None:
    @wire.before("history")
    def none(request: WireRequest) -> None:
        request.query = {"limit": "no number"}

    made = http.post("/threads", json={}).json()
    assert http.get(f"/threads/{made['thread_id']}/history").status_code == 422


def test_a_stream_passes_whole(wire: Wire, http: httpx.Client) -> None:
    wire.after("run_stream")(lambda _request, _answer: None)
    made = http.post("/threads", json={}).json()
    body = {"assistant_id": "agent", "input": {"messages": []}}
    told = http.post(f"/threads/{made['thread_id']}/runs/stream", json=body).text
    assert "event: metadata" in told
    assert "event: values" in told


def test_the_stream_of_a_thread_passes_piece_by_piece(wire: Wire, http: httpx.Client) -> None:
    pieces: list[bytes] = []

    @wire.after("thread_stream")
    def rename(_request: WireRequest, answer: WireAnswer) -> None:
        pieces.append(answer.raw)
        answer.raw = answer.raw.replace(b"event: metadata", b"event: run")

    thread_id = http.post("/threads", json={}).json()["thread_id"]
    reader = Reader(lambda body: b"run_done" in body)
    extensions = {READER: reader}
    reading = start(lambda: http.get(f"/threads/{thread_id}/stream", extensions=extensions))
    while not reader.opened:
        assert not reading.done()
    body = {"assistant_id": "agent", "input": {"messages": []}}
    http.post(f"/threads/{thread_id}/runs/wait", json=body)
    told = reading.result(10).text
    assert pieces[0] == b""
    assert [each.count(b"event: ") for each in pieces[1:]] == [1] * (len(pieces) - 1)
    assert (told.count("event: run"), told.count("event: metadata")) == (2, 0)


def test_a_refused_stream_of_a_thread_passes_whole(wire: Wire, http: httpx.Client) -> None:
    wire.after("thread_stream", status=404)(lambda _, answer: setattr(answer, "status", 410))
    nobody = "/threads/00000000-0000-4000-8000-000000000000/stream"
    refused = http.get(nobody, extensions={READER: Reader(always_enough)})
    assert refused.status_code == 410
    assert refused.json()["detail"]


def test_a_rule_that_waits_lets_others_in(wire: Wire, http: httpx.Client) -> None:
    second = asyncio.Event()

    @wire.before("create", when=lambda request: request.body == {})
    async def wait(_request: WireRequest) -> WireAnswer:
        await second.wait()
        return json_answer(418, {})

    wire.before("create", when=lambda request: request.body != {})(lambda _: second.set())
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(http.post, "/threads", json={})
        assert http.post("/threads", json={"metadata": {}}).status_code == 200
        assert first.result().status_code == 418


def test_what_a_rule_raises_is_kept(wire: Wire, http: httpx.Client) -> None:
    broken = ValueError("a rule")

    @wire.after("create")
    def fail(_request: WireRequest, _answer: WireAnswer) -> None:
        raise broken

    assert http.post("/threads", json={}).status_code == 500
    assert wire.crashes == [broken]


@pytest.mark.parametrize(
    ("raw", "body", "members"),
    [(b'{"a": 1}', {"a": 1}, {"a": 1}), (b"[1]", [1], {}), (b"{", None, {}), (b"\xff", None, {})],
)
def test_a_body_that_is_no_json_has_no_members(
    raw: bytes, body: Any, members: dict[str, Any]
) -> None:
    request = WireRequest("POST", "/threads", b"", raw, [])
    assert request.body == body
    assert request.members == members
    assert request.operation == "create"


def test_a_selected_state_is_selected_before_it_is_written(wire: Wire, http: httpx.Client) -> None:
    @wire.after("state", rewrites_bytes=True)
    def mark(_request: WireRequest, answer: WireAnswer) -> None:
        answer.raw = b"#" + answer.raw

    # Other rules see the whole state, though only a part of it is asked for.
    wire.answers("state")(lambda _request, state: {**state, "values": sorted(state)})
    made = http.post("/threads", json={}).json()
    shown = http.get(f"/threads/{made['thread_id']}/state", params={"select": "values"})
    assert shown.content.startswith(b"#")
    state = json.loads(shown.content[1:])
    assert state.keys() == {"values"}
    assert "next" in state["values"]

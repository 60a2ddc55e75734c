from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from conformance.contract.schemas import violations
from conformance.reference.process import ReferenceProcess
from tests.model_examples import DOCUMENTED, ON_AGENT, contents, masked, message

UNKNOWN = "ffffffff-0000-4000-8000-000000000000"
HI = {"assistant_id": "agent", "input": {"messages": [message("human", "hi")]}}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with ReferenceProcess() as reference, httpx.Client(base_url=reference.url) as client:
        yield client


@pytest.fixture
def thread_id(http: httpx.Client) -> str:
    return str(make(http)["thread_id"])


def make(http: httpx.Client, **members: Any) -> dict[str, Any]:
    body = {"metadata": ON_AGENT, "supersteps": DOCUMENTED, **members}
    made: dict[str, Any] = http.post("/threads", json=body).raise_for_status().json()
    return made


def events(text: str) -> list[tuple[str, Any]]:
    parts = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data[6:])) for _id, name, data in parts]


# What it says of itself


def test_it_says_who_it_is(http: httpx.Client) -> None:
    assert http.get("/ok").json() == {"ok": True}
    info = http.get("/info").json()
    assert info["name"] == "threads-conformance-reference"
    assert info["version"]
    assert http.get("/openapi.json").json()["openapi"].startswith("3.1")
    (assistant,) = http.post("/assistants/search", json={"graph_id": "agent"}).json()
    assert http.get(f"/assistants/{assistant['assistant_id']}").json() == assistant
    assert http.post("/assistants/search", json={"graph_id": "nope"}).json() == []


# Answers are of the contract


def test_answers_break_no_schema(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}"
    made = http.post("/threads", json={})
    assert violations("thread_created", made.json()) == []
    assert violations("thread", http.get(at).json()) == []
    assert violations("thread", http.post(f"{at}/copy").json()) == []
    assert violations("thread_list", http.post("/threads/search", json={}).json()) == []
    assert violations("thread_state", http.get(f"{at}/state").json()) == []
    history = http.get(f"{at}/history").json()
    assert violations("thread_history", history) == []
    oldest = http.get(f"{at}/state/{history[-1]['checkpoint_id']}").json()
    assert violations("state_at_checkpoint", oldest) == []
    empty = http.get(f"/threads/{made.json()['thread_id']}/state").json()
    assert violations("thread_state_empty", empty) == []
    assert violations("count", http.post("/threads/count", json={}).json()) == []
    updated = http.post(f"{at}/state", json={"values": None}).json()
    assert violations("state_update_response", updated) == []
    assert violations("run", http.post(f"{at}/runs", json=HI).json()) == []
    assert violations("error", http.get(f"/threads/{UNKNOWN}").json()) == []


# Threads


def test_metadata_comes_back_exactly(http: httpx.Client) -> None:
    metadata = {
        "é☃": [None, {"": -0.0}],
        "n": [2**53, 2**53 + 1, 10**30, 1.5],
        "nul": "\0",
        "s": "\ud800",
    }
    sent = json.dumps({"metadata": metadata})
    made = http.post("/threads", content=sent).json()
    assert made["metadata"] == metadata
    assert http.get(f"/threads/{made['thread_id']}").json() == made


def test_include_ttl_and_minimal_answers(http: httpx.Client) -> None:
    at = f"/threads/{http.post('/threads', json={'ttl': {'ttl': 5}}).json()['thread_id']}"
    assert "ttl" not in http.get(at).json()
    assert http.get(at, params={"include": "ttl"}).json()["ttl"]["ttl_minutes"] == 5
    minimal = http.patch(at, json={"metadata": {"a": 1}}, headers={"Prefer": "return=minimal"})
    assert (minimal.status_code, minimal.content) == (204, b"")
    assert http.get(at).json()["metadata"] == {"a": 1}


def test_copy_search_count_delete(http: httpx.Client) -> None:
    tag = {"tag": "copy-search-count-delete"}
    source = make(http, metadata={**ON_AGENT, **tag})["thread_id"]
    copy = http.post(f"/threads/{source}/copy").json()["thread_id"]
    histories = [http.get(f"/threads/{one}/history").json() for one in (source, copy)]
    assert masked(source, histories[0]) == masked(copy, histories[1])
    query = {"metadata": tag, "status": "idle", "values": {"messages": [{"type": "ai"}]}}
    found = http.post("/threads/search", json={**query, "select": ["thread_id"]}).json()
    assert found == [{"thread_id": copy}, {"thread_id": source}]
    assert http.post("/threads/count", json=query).json() == 2
    assert http.post("/threads/search", json={"ids": [copy], "limit": 1.0}).json() != []
    assert http.delete(f"/threads/{source}").status_code == 204
    assert http.post("/threads/prune", json={"thread_ids": [copy]}).json() == {"pruned_count": 1}
    assert http.post("/threads/count", json=query).json() == 0


# States


def test_states_by_every_way(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}"
    history = http.get(f"{at}/history").json()
    assert http.get(f"{at}/state").json() == history[0]
    for state in history:
        body = {"checkpoint": state["checkpoint"]}
        assert http.get(f"{at}/state/{state['checkpoint_id']}").json() == state
        assert http.post(f"{at}/state/checkpoint", json=body).json() == state
    assert http.post(f"{at}/history", json={}).json() == history[:1]
    assert http.post(f"{at}/history", json={"limit": 9}).json() == history
    for before in (history[0]["checkpoint_id"], history[0]["checkpoint"]):
        found = http.post(f"{at}/history", json={"limit": 9, "before": before}).json()
        assert found == history[1:]
    params = {"before": history[1]["checkpoint_id"], "limit": 1}
    assert http.get(f"{at}/history", params=params).json() == history[2:]


def test_a_state_under_select(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}/state"
    whole = http.get(at).json()
    some = http.get(at, params={"select": ["next", "values"]}).json()
    assert some == {"next": whole["next"], "values": whole["values"]}
    one = http.get(at, params={"select": "values.messages"}).json()
    assert one == {"values": {"messages": whole["values"]["messages"]}}
    assert http.get(at, params={"select": "values.no-such-channel"}).json() == {"values": {}}


@pytest.mark.parametrize("by", ["checkpoint", "checkpoint_id"])
def test_a_fork(http: httpx.Client, thread_id: str, by: str) -> None:
    at = f"/threads/{thread_id}"
    middle = http.get(f"{at}/history").json()[1]
    values = {"messages": [message("ai", "fork")]}
    body = {"values": values, "as_node": "call_model", by: middle[by]}
    made = http.post(f"{at}/state", json=body).json()
    state = http.get(f"{at}/state").json()
    assert state["checkpoint"] == made["checkpoint"]
    assert state["parent_checkpoint"] == middle["checkpoint"]


# Runs


def test_runs_waited_for_streamed_and_in_the_background(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}"
    waited = http.post(f"{at}/runs/wait", json=HI)
    assert contents(waited.json())[-2:] == ["hi", "You said: hi"]
    streamed = http.post(f"{at}/runs/stream", json=HI)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    said = events(streamed.text)
    assert [name for name, _ in said] == ["metadata", "values", "values"]
    assert said[-1][1] == http.get(f"{at}/state").json()["values"]
    begun = http.post(f"{at}/runs", json=HI).json()
    run = f"{at}/runs/{begun['run_id']}"
    joined = http.get(f"{run}/join").json()
    assert joined == http.get(at).json()["values"]
    assert http.get(run).json()["status"] == "success"
    assert len(http.get(f"{at}/runs").json()) == 3
    assert events(http.get(f"{run}/stream").text)[-1][1] == joined
    assert http.delete(run).status_code == 204
    assert http.get(run).status_code == 404
    sources = [s["metadata"]["source"] for s in http.get(f"{at}/history?limit=99").json()]
    assert sources == ["loop", "loop", "input"] * 3 + ["update", "update", "input"]


def test_a_busy_thread(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}"
    run = http.post(f"{at}/runs", json={**HI, "after_seconds": 10**400}).json()
    assert http.get(at).json()["status"] == "busy"
    assert http.post(f"{at}/state", json={"values": {}}).status_code == 409
    rejected = http.post(f"{at}/runs/wait", json={**HI, "multitask_strategy": "reject"})
    assert rejected.status_code == 409
    assert http.post(f"{at}/runs/{run['run_id']}/cancel").status_code == 200
    assert http.get(at).json()["status"] == "idle"
    interrupting = {**HI, "multitask_strategy": "interrupt"}
    assert contents(http.post(f"{at}/runs/wait", json=interrupting).json())[-1] == "You said: hi"


def test_deleting_a_thread_ends_its_runs(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}"
    body = {**HI, "after_seconds": 3600}
    with http.stream("POST", f"{at}/runs/stream", json=body) as stream:
        assert stream.status_code == 200
        assert http.delete(at).status_code == 204
        assert stream.read() == b""
    assert http.get(at).status_code == 404


# Errors


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/threads/{UNKNOWN}", None, 404),
        ("GET", "/threads/not-a-uuid", None, 422),
        ("POST", f"/threads/{UNKNOWN}/copy", None, 404),
        ("DELETE", f"/threads/{UNKNOWN}", None, 404),
        ("PATCH", f"/threads/{UNKNOWN}", {}, 404),
        ("GET", f"/threads/{UNKNOWN}/history", None, 404),
        ("POST", f"/threads/{UNKNOWN}/runs/wait", HI, 404),
        ("GET", "{at}/state/" + UNKNOWN, None, 404),
        ("GET", "{at}/state/xyz", None, 422),
        ("GET", "{at}/history?limit=x", None, 422),
        ("GET", "{at}/history?limit=-1", None, 422),
        ("GET", "{at}/history?before=" + UNKNOWN, None, 404),
        ("POST", "{at}/history", {"limit": 0}, 422),
        ("POST", "{at}/history", {"limit": 1001}, 422),
        ("POST", "{at}/state/checkpoint", {}, 422),
        ("POST", "{at}/state", {"values": 5}, 422),
        ("POST", "{at}/state", {"values": {}, "as_node": "nonode"}, 422),
        ("POST", "{at}/runs/wait", {"assistant_id": "nope", "input": {}}, 422),
        ("GET", "{at}/runs?status=nope", None, 422),
        ("GET", "{at}/runs/" + UNKNOWN, None, 404),
        ("POST", "/threads", {"metadata": None}, 422),
        ("POST", "/threads", {"thread_id": "x"}, 422),
        ("POST", "/threads", {"supersteps": [{}]}, 422),
        ("POST", "/threads", [], 422),
        ("POST", "/threads/search", {"limit": 1001}, 422),
        ("POST", "/threads/search", {"ids": ["x"]}, 422),
        ("POST", "/threads/search", {"extract": {"a": "bogus"}}, 422),
        ("POST", "/threads/count", {"status": "nope"}, 422),
        ("POST", "/threads/prune", {}, 422),
        ("PUT", "/threads", {}, 405),
        ("GET", "/nope", None, 404),
    ],
)
def test_a_bad_request_is_told_why(
    http: httpx.Client, thread_id: str, method: str, path: str, body: Any, status: int
) -> None:
    answer = http.request(method, path.replace("{at}", f"/threads/{thread_id}"), json=body)
    assert answer.status_code == status
    assert violations("error", answer.json()) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{bad",
        b'{"metadata": {"n": NaN}}',
        b'{"metadata": {"n": 1e999}}',
        b'{"metadata": {"n": ' + b"9" * 5000 + b"}}",
        b'{"metadata": {"n": "\xff"}}',
        b'{"metadata": ' + b'{"a":' * 201 + b"1" + b"}" * 202,
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_json_is_refused(http: httpx.Client, raw: bytes) -> None:
    for path in ("/threads", "/threads/search", "/assistants/search"):
        answer = http.post(path, content=raw)
        assert answer.status_code == 422
        assert answer.json()["detail"]


def test_nesting_that_is_accepted_comes_back(http: httpx.Client) -> None:
    raw = b'{"metadata": ' + b'{"a":' * 190 + b"1" + b"}" * 191
    made = http.post("/threads", content=raw)
    assert made.status_code == 200
    metadata = made.json()["metadata"]
    found = http.post("/threads/search", json={"metadata": metadata}).json()
    assert [one["metadata"] for one in found] == [metadata]

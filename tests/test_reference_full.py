"""What the reference does for the profile full, over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import pytest

from conformance.contract.schemas import violations
from conformance.reference.app import create_app
from conformance.reference.process import ReferenceProcess
from tests.model_examples import contents, message

UNKNOWN = "ffffffff-0000-4000-8000-000000000000"
HI = {"messages": [message("human", "hi")]}
DEADLINE_S = 10.0


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with ReferenceProcess() as reference, httpx.Client(base_url=reference.url) as client:
        yield client


@pytest.fixture
def thread_id(http: httpx.Client) -> str:
    return made(http)


def made(http: httpx.Client) -> str:
    return str(http.post("/threads", json={}).raise_for_status().json()["thread_id"])


def on(graph: str, **members: Any) -> dict[str, Any]:
    return {"assistant_id": graph, "input": HI, **members}


def slow(seconds: float, **members: Any) -> dict[str, Any]:
    return on("slow", input={**HI, "seconds": seconds}, **members)


def events(text: str) -> list[tuple[str, str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        number, name, data = block.split("\n")
        found.append((number.removeprefix("id: "), name.removeprefix("event: "), data))
    return [(number, name, json.loads(data.removeprefix("data: "))) for number, name, data in found]


def until(ask: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while not wanted(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.005)
    return found


# Interrupts and subgraphs


def test_answers_of_an_interrupted_thread_break_no_schema(
    http: httpx.Client, thread_id: str
) -> None:
    at = f"/threads/{thread_id}"
    output = http.post(f"{at}/runs/wait", json=on("nested")).json()
    (interrupt,) = output["__interrupt__"]
    assert violations("thread", http.get(at).json()) == []
    assert violations("thread_history", http.get(f"{at}/history").json()) == []
    for asked in ("state", "state?subgraphs=true"):
        state = http.get(f"{at}/{asked}").json()
        assert violations("thread_state", state) == []
        assert state["interrupts"] == state["tasks"][0]["interrupts"] == [interrupt]
    assert http.get(f"{at}/state?subgraphs=maybe").status_code == 422


def test_the_state_of_a_subgraph_by_its_checkpoint(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}"
    http.post(f"{at}/runs/wait", json=on("nested")).raise_for_status()
    state = http.get(f"{at}/state").json()
    told = http.get(f"{at}/state?subgraphs=true").json()["tasks"][0]["state"]
    named = {"checkpoint": state["tasks"][0]["checkpoint"]}
    assert http.post(f"{at}/state/checkpoint", json=named).json() == told
    own = {"checkpoint": state["checkpoint"], "subgraphs": True}
    assert http.post(f"{at}/state/checkpoint", json=own).json()["tasks"][0]["state"] == told
    by_path = http.get(f"{at}/state/{state['checkpoint_id']}?subgraphs=true").json()
    assert by_path["tasks"][0]["state"] == told
    history = http.post(f"{at}/history", json={**named, "limit": 10}).json()
    assert [each["next"] for each in history] == [["ask"], ["__start__"]]
    lost = {"checkpoint": {"checkpoint_ns": "nowhere"}}
    assert http.post(f"{at}/state/checkpoint", json=lost).status_code == 404


def test_resuming_a_copy(http: httpx.Client, thread_id: str) -> None:
    http.post(f"/threads/{thread_id}/runs/wait", json=on("interrupter")).raise_for_status()
    before = http.get(f"/threads/{thread_id}").json()
    copy = http.post(f"/threads/{thread_id}/copy").json()
    assert (copy["status"], copy["interrupts"]) == ("interrupted", before["interrupts"])
    resume = {"assistant_id": "interrupter", "command": {"resume": "yes"}}
    answer = http.post(f"/threads/{copy['thread_id']}/runs/wait", json=resume).json()
    assert contents(answer) == ["hi", "You answered: yes"]
    assert http.get(f"/threads/{thread_id}").json() == before


# Runs that take their time


def test_a_copy_during_a_run_is_a_part_of_it(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}"
    run = http.post(f"{at}/runs", json=slow(60)).json()
    until(lambda: http.get(f"{at}/history").json(), lambda found: len(found) == 2)
    assert http.get(f"{at}/runs/{run['run_id']}").json()["status"] == "running"
    copy = http.post(f"{at}/copy").json()["thread_id"]
    assert len(http.get(f"/threads/{copy}/history").json()) == 2
    assert http.post(f"{at}/runs/{run['run_id']}/cancel?wait=true").json() == {}
    assert http.get(f"{at}/runs/{run['run_id']}").json()["status"] == "interrupted"
    assert http.get(at).json()["status"] == "interrupted"
    assert http.post(f"{at}/runs/{run['run_id']}/cancel").status_code == 404


@pytest.mark.parametrize(
    ("strategy", "said", "statuses"),
    [
        ("interrupt", ["hi", "hi", "You said: hi"], ["success", "interrupted"]),
        ("rollback", ["hi", "You said: hi"], ["success"]),
    ],
)
def test_a_second_run_ends_the_first(
    http: httpx.Client, thread_id: str, strategy: str, said: list[str], statuses: list[str]
) -> None:
    at = f"/threads/{thread_id}"
    http.post(f"{at}/runs", json=slow(60)).raise_for_status()
    until(lambda: http.get(f"{at}/history").json(), lambda found: len(found) == 2)
    output = http.post(f"{at}/runs/wait", json=on("agent", multitask_strategy=strategy)).json()
    assert contents(output) == said
    assert [run["status"] for run in http.get(f"{at}/runs").json()] == statuses


def test_a_second_run_waits_or_is_rejected(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}"
    http.post(f"{at}/runs", json=slow(0.2)).raise_for_status()
    rejected = http.post(f"{at}/runs/wait", json=on("agent", multitask_strategy="reject"))
    assert rejected.status_code == 409
    output = http.post(f"{at}/runs/wait", json=on("agent", multitask_strategy="enqueue")).json()
    assert contents(output) == ["hi", "First half done", "Second half done", "hi", "You said: hi"]


def test_runs_are_cancelled_together(http: httpx.Client, thread_id: str) -> None:
    at, other = f"/threads/{thread_id}", made(http)
    runs = [http.post(f"{at}/runs", json=slow(60)).json()["run_id"] for _ in range(3)]
    strange = http.post(f"/threads/{other}/runs", json=slow(60)).json()["run_id"]
    body = {"thread_id": thread_id, "run_ids": [runs[0], runs[2], strange]}
    assert http.post("/runs/cancel", json=body).status_code == 204
    statuses = {run["run_id"]: run["status"] for run in http.get(f"{at}/runs").json()}
    assert [statuses[run] == "interrupted" for run in runs] == [True, False, True]
    assert http.get(f"/threads/{other}").json()["status"] == "busy"
    assert http.post("/runs/cancel?action=rollback", json={"status": "all"}).status_code == 204
    assert [run["run_id"] for run in http.get(f"{at}/runs").json()] == [runs[2], runs[0]]
    assert http.get(f"/threads/{other}").json()["status"] == "idle"
    assert http.post("/runs/cancel", json={"status": "running"}).status_code == 404
    assert http.post("/runs/cancel", json=body).status_code == 404
    late, both = {"status": "late"}, {**body, "status": "all"}
    wrong: tuple[object, ...] = ({}, late, {"run_ids": runs}, both, [])
    for bad in wrong:
        assert http.post("/runs/cancel", json=bad).status_code == 422


# Streams


def test_a_stream_is_taken_up_where_it_was_left(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}/runs"
    modes = ["values", "updates"]
    whole = http.post(f"{at}/stream", json=on("agent", stream_mode=modes)).text
    numbers = [number for number, _, _ in events(whole)]
    assert numbers == ["0", "1", "2", "3"]
    (run,) = http.get(at).json()
    joined = f"{at}/{run['run_id']}/stream"
    assert http.get(joined).text == whole
    assert http.get(joined, headers={"Last-Event-ID": "-1"}).text == whole
    rest = http.get(joined, headers={"Last-Event-ID": "1"}).text
    assert events(rest) == events(whole)[2:]
    assert http.get(joined, headers={"Last-Event-ID": "3"}).text == ""
    told = [name for _, name, _ in events(http.get(f"{joined}?stream_mode=updates").text)]
    assert told == ["metadata", "updates"]
    assert http.get(f"{joined}?stream_mode=nope").status_code == 422


def test_a_stream_is_joined_while_it_goes_on(http: httpx.Client, thread_id: str) -> None:
    at = f"/threads/{thread_id}/runs"
    run = http.post(at, json=slow(0.3)).json()["run_id"]
    found = events(http.get(f"{at}/{run}/stream").text)
    assert contents(found[-1][2]) == ["hi", "First half done", "Second half done"]


# Without a thread


@pytest.mark.parametrize("kind", ["wait", "stream"])
def test_a_stateless_run_leaves_nothing(http: httpx.Client, kind: str) -> None:
    answer = http.post(f"/runs/{kind}", json=on("agent")).raise_for_status()
    output = answer.json() if kind == "wait" else events(answer.text)[-1][2]
    assert contents(output) == ["hi", "You said: hi"]
    where = answer.headers["content-location"]
    assert http.get(where).status_code == 404
    assert http.get(where.partition("/runs")[0]).status_code == 404


def test_the_thread_of_a_stateless_run_is_kept(http: httpx.Client) -> None:
    kept = http.post("/runs/wait", json=on("agent", on_completion="keep"))
    thread = http.get(kept.headers["content-location"].partition("/runs")[0]).json()
    assert (thread["status"], thread["values"]) == ("idle", kept.json())
    assert http.post("/runs/wait", json=on("agent", on_completion="maybe")).status_code == 422


@pytest.mark.parametrize("graph", ["interrupter", "failing"])
def test_a_stateless_run_that_does_not_succeed_leaves_nothing(
    http: httpx.Client, graph: str
) -> None:
    answer = http.post("/runs/wait", json=on(graph))
    assert {"__interrupt__", "__error__"} & set(answer.json())
    assert http.get(answer.headers["content-location"]).status_code == 404


def test_stateless_runs_in_the_background(http: httpx.Client) -> None:
    run = http.post("/runs", json=slow(60)).json()
    batch = http.post("/runs/batch", json=[on("agent"), on("agent")]).json()
    for each in batch:
        at = f"/threads/{each['thread_id']}"
        until(partial(http.get, at), lambda answer: answer.status_code == 404)
    at = f"/threads/{run['thread_id']}"
    assert http.get(at).json()["status"] == "busy"
    assert http.post(f"{at}/runs/{run['run_id']}/cancel").status_code == 200
    assert http.get(at).status_code == 404


def test_a_batch_is_begun_wholly_or_not_at_all(http: httpx.Client) -> None:
    before = http.post("/threads/search", json={"limit": 1000}).json()
    bodies: list[Any] = [[], {}, [slow(60), on("nope")], [slow(60), {}]]
    for body in bodies:
        assert http.post("/runs/batch", json=body).status_code == 422
    assert http.post("/threads/search", json={"limit": 1000}).json() == before


# Crons


def test_crons_over_http(http: httpx.Client, thread_id: str) -> None:
    body = {**on("agent"), "schedule": "0 0 1 1 *", "metadata": {"own": thread_id}}
    made_cron = http.post(f"/threads/{thread_id}/runs/crons", json=body).json()
    at, mine = f"/runs/crons/{made_cron['cron_id']}", {"metadata": {"own": thread_id}}
    assert http.get(at).json() == made_cron
    assert http.post("/runs/crons/search", json=mine).json() == [made_cron]
    assert http.post("/runs/crons/count", json={"thread_id": thread_id}).json() == 1
    assert http.patch(at, json={"enabled": False}).json()["enabled"] is False
    selected = http.post("/runs/crons/search", json={**mine, "select": ["enabled"]}).json()
    assert selected == [{"enabled": False}]
    assert http.delete(at).is_success
    assert [http.get(at).status_code, http.delete(at).status_code] == [404, 404]
    assert http.post("/runs/crons/search", json=mine).json() == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/runs/crons", {**on("agent"), "schedule": "now"}, 422),
        ("/runs/crons", on("agent"), 422),
        ("/runs/crons", {**on("agent"), "schedule": "* * * * *", "enabled": 1}, 422),
        ("/runs/crons", {**on("agent"), "schedule": "* * * * *", "on_run_completed": 1}, 422),
        (f"/threads/{UNKNOWN}/runs/crons", {**on("agent"), "schedule": "* * * * *"}, 404),
        ("/runs/crons/search", {"limit": 0}, 422),
        ("/runs/crons/search", {"limit": True}, 422),
        ("/runs/crons/search", {"sort_by": "payload"}, 422),
        ("/runs/crons/search", {"select": ["nope"]}, 422),
        ("/runs/crons/count", {"metadata": 1}, 422),
        ("/runs/crons/count", [], 422),
    ],
)
def test_a_cron_that_cannot_be_is_refused(
    http: httpx.Client, path: str, body: Any, status: int
) -> None:
    assert http.post(path, json=body).status_code == status


def test_crons_run_by_themselves() -> None:
    asyncio.run(_crons_run_by_themselves())


async def _crons_run_by_themselves() -> None:
    transport = httpx.ASGITransport(create_app(cron_minute_s=0.05))
    async with httpx.AsyncClient(transport=transport, base_url="http://reference") as http:
        thread_id = (await http.post("/threads", json={})).json()["thread_id"]
        body = {**on("agent"), "schedule": "* * * * *"}
        made_cron = (await http.post(f"/threads/{thread_id}/runs/crons", json=body)).json()
        runs = await _until(http, f"/threads/{thread_id}/runs", lambda runs: len(runs) >= 3)
        assert {run["metadata"]["cron_id"] for run in runs} == {made_cron["cron_id"]}
        at = f"/runs/crons/{made_cron['cron_id']}"
        assert (await http.get(at)).json()["next_run_date"] > made_cron["next_run_date"]
        assert (await http.patch(at, json={"enabled": False})).is_success
        before = (await http.get(f"/threads/{thread_id}/runs")).json()
        # Another cron shows that time goes on, while the first one rests.
        other = (await http.post("/threads", json={})).json()["thread_id"]
        await http.post(f"/threads/{other}/runs/crons", json=body)
        await _until(http, f"/threads/{other}/runs", lambda runs: len(runs) >= 3)
        after = (await http.get(f"/threads/{thread_id}/runs")).json()
        assert [run["run_id"] for run in after] == [run["run_id"] for run in before]


def test_time_may_pass_faster() -> None:
    asyncio.run(_time_passes_faster())


async def _time_passes_faster() -> None:
    transport = httpx.ASGITransport(create_app(speed=1e6))
    async with httpx.AsyncClient(transport=transport, base_url="http://reference") as http:
        thread = (await http.post("/threads", json={})).json()
        body = {"assistant_id": "slow", "input": {"messages": [], "seconds": 3600}}
        await http.post(f"/threads/{thread['thread_id']}/runs/wait", json=body)
        (run,) = (await http.get(f"/threads/{thread['thread_id']}/runs")).json()
    assert run["status"] == "success"
    begun, ended = (datetime.fromisoformat(run[name]) for name in ("created_at", "updated_at"))
    assert (ended - begun).total_seconds() >= 3600


async def _until(http: httpx.AsyncClient, path: str, wanted: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while not wanted(found := (await http.get(path)).json()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.005)
    return found

from __future__ import annotations

from typing import Any

import pytest

from conformance.model.errors import ConflictError, InvalidError, NotFoundError
from conformance.model.graphs import GRAPHS, START, Channel, Graph, Node
from conformance.model.store import ThreadStore
from conformance.model.streams import RunEvent
from tests.model_examples import DOCUMENTED, ON_AGENT, contents, message, new_store

HI = {"messages": [message("human", "hi")]}


def request(**members: Any) -> dict[str, Any]:
    return {"assistant_id": "agent", "input": HI, **members}


@pytest.fixture
def store() -> ThreadStore:
    return new_store()


@pytest.fixture
def thread_id(store: ThreadStore) -> str:
    return str(store.threads.create()["thread_id"])


def test_a_run_makes_input_and_loop_checkpoints(store: ThreadStore, thread_id: str) -> None:
    run = store.runs.run(thread_id, request())
    assert run.status == "success"
    history = store.states.history(thread_id)[::-1]
    assert [s["metadata"]["source"] for s in history] == ["input", "loop", "loop"]
    assert [s["metadata"]["step"] for s in history] == [-1, 0, 1]
    assert [s["next"] for s in history] == [["__start__"], ["call_model"], []]
    assert contents(run.output) == ["hi", "You said: hi"]
    thread = store.threads.get(thread_id)
    assert thread["status"] == "idle"
    assert thread["values"] == run.output
    assert thread["metadata"] == {**ON_AGENT, "assistant_id": run.assistant_id}


def test_a_run_continues_a_prepopulated_thread(store: ThreadStore) -> None:
    thread = store.threads.create(metadata=ON_AGENT, supersteps=DOCUMENTED[:2])["thread_id"]
    run = store.runs.run(thread, request(input=None))
    assert contents(run.output) == ["hello", "You said: hello"]
    assert store.runs.run(thread, request(input=None)).output == run.output
    assert len(store.states.history(thread)) == 3


def test_an_input_that_waits_is_read_by_the_entry_node(store: ThreadStore) -> None:
    steps = [{"updates": [{"values": HI, "as_node": "__input__"}]}]
    thread = store.threads.create(metadata=ON_AGENT, supersteps=steps)["thread_id"]
    assert contents(store.runs.run(thread, request(input=None)).output) == ["hi", "You said: hi"]


def test_an_input_is_judged_by_the_state_that_it_meets(store: ThreadStore) -> None:
    thread = store.threads.create(metadata=ON_AGENT, supersteps=DOCUMENTED)
    human, ai = thread["values"]["messages"]
    removing = {"messages": [{"type": "remove", "id": human["id"]}]}
    run = store.runs.run(thread["thread_id"], request(input=removing))
    assert run.status == "success"
    assert run.output["messages"][0] == ai


def test_an_assistant_goes_by_its_id_too(store: ThreadStore, thread_id: str) -> None:
    assistant = next(
        one for one in store.assistants.assistant_views() if one["graph_id"] == "agent"
    )
    run = store.runs.run(thread_id, request(assistant_id=assistant["assistant_id"]))
    assert run.graph_id == "agent"


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"assistant_id": "nope"}, InvalidError),
        ({"input": "text"}, InvalidError),
        ({"input": {"messages": [5]}}, InvalidError),
        ({"input": None}, InvalidError),
        ({"command": {"resume": 1}}, InvalidError),
        ({"checkpoint": {"checkpoint_id": "ffffffff-0000-4000-8000-000000000000"}}, NotFoundError),
    ],
)
def test_a_run_that_cannot_be_is_refused(
    store: ThreadStore, thread_id: str, members: Any, problem: type[Exception]
) -> None:
    before = store.threads.get(thread_id)
    with pytest.raises(problem):
        store.runs.begin_run(thread_id, request(**members))
    assert store.threads.get(thread_id) == before
    assert store.runs.list_runs(thread_id) == []


def test_an_unknown_thread(store: ThreadStore, thread_id: str) -> None:
    unknown = "ffffffff-0000-4000-8000-000000000000"
    with pytest.raises(NotFoundError):
        store.runs.begin_run(unknown, request())
    store.runs.run(unknown, request(if_not_exists="create"))
    assert contents(store.threads.get(unknown)["values"]) == ["hi", "You said: hi"]


def test_no_member_of_a_body_names_another_thread(store: ThreadStore, thread_id: str) -> None:
    other = store.threads.create()["thread_id"]
    store.runs.run(thread_id, request(config={"configurable": {"thread_id": other}}))
    assert store.states.history(other) == []
    assert len(store.states.history(thread_id)) == 3


def test_a_run_from_an_older_checkpoint_is_a_fork(store: ThreadStore, thread_id: str) -> None:
    store.runs.run(thread_id, request())
    middle = store.states.history(thread_id)[1]
    run = store.runs.run(thread_id, request(input=None, checkpoint=middle["checkpoint"]))
    newest = store.states.state(thread_id)
    assert newest["parent_checkpoint"] == middle["checkpoint"]
    assert newest["values"] == run.output


def test_interrupt_before_and_going_on(store: ThreadStore, thread_id: str) -> None:
    for stop in (["call_model"], "*"):
        run = store.runs.run(thread_id, request(interrupt_before=stop))
        assert run.status == "interrupted"
        assert store.threads.get(thread_id)["status"] == "interrupted"
        assert store.states.state(thread_id)["next"] == ["call_model"]
        assert (
            store.runs.run(thread_id, request(input=None, interrupt_before=stop)).status
            == "success"
        )
        assert store.threads.get(thread_id)["status"] == "idle"


def test_interrupt_after(store: ThreadStore, thread_id: str) -> None:
    assert store.runs.run(thread_id, request(interrupt_after=["__start__"])).status == "interrupted"
    assert store.states.state(thread_id)["next"] == ["call_model"]
    assert store.runs.run(thread_id, request(interrupt_after="*")).status == "success"


def test_runs_of_one_thread_follow_each_other(store: ThreadStore, thread_id: str) -> None:
    first = store.runs.begin_run(thread_id, request())
    second = store.runs.begin_run(thread_id, request(input={"messages": [message("human", "two")]}))
    assert store.threads.get(thread_id)["status"] == "busy"
    with pytest.raises(ConflictError):
        store.runs.begin_run(thread_id, request(multitask_strategy="reject"))
    with pytest.raises(ConflictError):
        store.states.update_state(thread_id, {})
    ends = []
    while (step := store.executor.advance(thread_id)) is not None:
        if not step.run.active:
            ends.append(step.run.run_id)
    assert ends == [first.run_id, second.run_id]
    answers = ["hi", "You said: hi", "two", "You said: two"]
    assert contents(store.threads.get(thread_id)["values"]) == answers
    assert [r["run_id"] for r in store.runs.list_runs(thread_id)] == ends[::-1]


def test_what_a_stream_says(store: ThreadStore, thread_id: str) -> None:
    store.runs.begin_run(thread_id, request(stream_mode=["values", "updates"]))
    events: list[RunEvent] = []
    while (step := store.executor.advance(thread_id)) is not None:
        events += step.events
    names = [event.event for event in events]
    assert names == ["metadata", "values", "updates", "values"]
    assert contents(events[3].data) == ["hi", "You said: hi"]
    assert contents(events[2].data["call_model"]) == ["You said: hi"]


def test_cancel_and_rollback(store: ThreadStore, thread_id: str) -> None:
    run = store.runs.begin_run(thread_id, request())
    store.executor.advance(thread_id)
    store.runs.cancel_run(thread_id, run.run_id)
    assert store.runs.get_run(thread_id, run.run_id)["status"] == "interrupted"
    assert store.threads.get(thread_id)["status"] == "interrupted"
    with pytest.raises(NotFoundError):
        store.runs.cancel_run(thread_id, run.run_id)
    second = store.runs.begin_run(thread_id, request())
    store.executor.advance(thread_id)
    store.runs.cancel_run(thread_id, second.run_id, "rollback")
    assert len(store.states.history(thread_id)) == 1
    store.runs.delete_run(thread_id, run.run_id)
    assert store.runs.list_runs(thread_id) == []


def test_runs_are_cancelled_by_their_status(store: ThreadStore, thread_id: str) -> None:
    first, second = (store.runs.begin_run(thread_id, request()) for _ in range(2))
    store.executor.advance(thread_id)
    assert store.runs.cancel_runs(status="pending") == [thread_id]
    assert [run["status"] for run in store.runs.list_runs(thread_id)] == ["interrupted", "running"]
    with pytest.raises(NotFoundError):
        store.runs.cancel_runs(thread_id, [second.run_id])
    assert store.runs.cancel_runs(thread_id, [first.run_id, second.run_id]) == [thread_id]
    with pytest.raises(NotFoundError):
        store.runs.cancel_runs()


def test_a_node_that_raises_ends_the_run_in_error() -> None:
    def fail(_values: Any) -> Any:
        raise RuntimeError("as it must")

    failing = Graph(
        graph_id="failing",
        channels={"n": Channel(default=0, reduce=lambda _old, new, _id: new)},
        nodes={START: Node(run=lambda given: given, then=("fail",)), "fail": Node(run=fail)},
    )
    store = new_store({**GRAPHS, "failing": failing})
    thread = store.threads.create()["thread_id"]
    run = store.runs.run(thread, {"assistant_id": "failing", "input": {"n": 1}})
    assert run.status == "error"
    assert run.output == {"__error__": {"error": "RuntimeError", "message": "as it must"}}
    assert store.threads.get(thread)["status"] == "error"
    assert store.states.state(thread)["tasks"][0]["error"] == "RuntimeError('as it must')"
    assert store.threads.get(thread)["values"] == {"n": 1}

"""Graphs that interrupt, fail, take time and nest, in the model."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.model.errors import InvalidError, NotFoundError
from conformance.model.graphs import (
    FAILING,
    GRAPHS,
    MESSAGES,
    QUESTION,
    Node,
    chain,
    record_answer,
)
from conformance.model.store import ThreadStore
from tests.model_examples import contents, masked, message, new_store

HI = {"messages": [message("human", "hi")]}


@pytest.fixture
def store() -> ThreadStore:
    return new_store()


def on(graph: str, **members: Any) -> dict[str, Any]:
    return {"assistant_id": graph, "input": HI, **members}


def resume(graph: str, answer: Any, **command: Any) -> dict[str, Any]:
    return {"assistant_id": graph, "command": {"resume": answer, **command}}


def asked(store: ThreadStore, graph: str = "interrupter") -> str:
    thread_id = str(store.threads.create()["thread_id"])
    assert store.runs.run(thread_id, on(graph)).status == "interrupted"
    return thread_id


# Interrupts


def test_what_is_asked_shows_everywhere(store: ThreadStore) -> None:
    thread_id = asked(store)
    thread, state = store.threads.get(thread_id), store.states.state(thread_id)
    (task,) = state["tasks"]
    (interrupt,) = task["interrupts"]
    assert (state["next"], interrupt["value"]) == (["ask"], QUESTION)
    assert state["interrupts"] == [interrupt]
    assert thread["interrupts"] == {task["id"]: [interrupt]}
    assert thread["status"] == "interrupted"
    (run,) = store.runs.list_runs(thread_id)
    assert store.runs.run_of(thread_id, run["run_id"]).output["__interrupt__"] == [interrupt]


def test_an_answer_goes_on(store: ThreadStore) -> None:
    thread_id = asked(store)
    before = store.states.history(thread_id)
    assert store.runs.run(thread_id, resume("interrupter", {"a": 1})).status == "success"
    thread = store.threads.get(thread_id)
    assert contents(thread["values"]) == ["hi", "You answered: {'a': 1}"]
    assert (thread["status"], thread["interrupts"]) == ("idle", {})
    latest, asking, first = store.states.history(thread_id)
    assert latest["interrupts"] == latest["tasks"] == []
    assert asking["interrupts"] == before[0]["interrupts"]
    assert contents(asking["tasks"][0]["result"]) == ["You answered: {'a': 1}"]
    assert first == before[1]
    assert first["tasks"][0]["result"] == HI


@pytest.mark.parametrize("graph", ["interrupter", "nested"])
def test_asked_again_without_an_answer_nothing_changes(store: ThreadStore, graph: str) -> None:
    thread_id = asked(store, graph)
    before = store.states.history(thread_id), store.states.state(thread_id, subgraphs=True)
    for request in (on(graph, input=None), resume(graph, None)):
        assert store.runs.run(thread_id, request).status == "interrupted"
        assert (
            store.states.history(thread_id),
            store.states.state(thread_id, subgraphs=True),
        ) == before


def test_each_question_has_an_answer_of_its_own() -> None:
    nodes = {
        name: Node(run=record_answer, interrupt_value=QUESTION) for name in ("first", "second")
    }
    store = new_store({**GRAPHS, "twice": chain("twice", MESSAGES, **nodes)})
    thread_id = asked(store, "twice")
    assert store.runs.run(thread_id, resume("twice", 1)).status == "interrupted"
    assert store.states.state(thread_id)["next"] == ["second"]
    assert store.runs.run(thread_id, resume("twice", 2)).status == "success"
    expected = ["hi", "You answered: 1", "You answered: 2"]
    assert contents(store.threads.get(thread_id)["values"]) == expected


@pytest.mark.parametrize("graph", ["interrupter", "nested"])
def test_a_question_is_answered_by_its_id(store: ThreadStore, graph: str) -> None:
    thread_id = asked(store, graph)
    (interrupt,) = store.states.state(thread_id)["interrupts"]
    assert store.runs.run(thread_id, resume(graph, {interrupt["id"]: "yes"})).status == "success"
    assert contents(store.threads.get(thread_id)["values"])[-1] == "You answered: yes"


def test_several_questions_are_answered_one_by_one(store: ThreadStore) -> None:
    thread_id = asked(store)
    store.runs.run(thread_id, resume("interrupter", "first"))
    twice = {"goto": [{"node": "ask", "input": HI}] * 2}
    store.runs.run(thread_id, {"assistant_id": "interrupter", "command": twice})
    one, other = (each["id"] for each in store.states.state(thread_id)["interrupts"])
    run = store.runs.run(thread_id, resume("interrupter", {other: "other"}))
    assert [each["id"] for each in run.output["__interrupt__"]] == [one]
    assert store.runs.run(thread_id, resume("interrupter", {one: "one"})).status == "success"
    said = contents(store.threads.get(thread_id)["values"])
    assert said[-2:] == ["You answered: one", "You answered: other"]


def test_an_object_that_names_no_question_is_an_answer_itself(store: ThreadStore) -> None:
    thread_id = asked(store)
    (interrupt,) = store.states.state(thread_id)["interrupts"]
    answer = {interrupt["id"]: "yes", "more": 1}
    assert store.runs.run(thread_id, resume("interrupter", answer)).status == "success"
    assert contents(store.threads.get(thread_id)["values"])[-1] == f"You answered: {answer}"


def test_an_answer_is_for_one_question(store: ThreadStore) -> None:
    thread_id = asked(store)
    store.runs.run(thread_id, resume("interrupter", "yes"))
    ended = store.states.history(thread_id)
    assert store.runs.run(thread_id, resume("interrupter", "again")).status == "success"
    assert store.states.history(thread_id) == ended
    assert store.runs.run(thread_id, on("interrupter")).status == "interrupted"


def test_a_copy_asks_and_resumes_on_its_own(store: ThreadStore) -> None:
    thread_id = asked(store)
    copy = store.threads.copy(thread_id)
    own = copy["thread_id"]
    assert (copy["status"], copy["interrupts"]) == (
        "interrupted",
        store.threads.get(thread_id)["interrupts"],
    )
    assert masked(own, store.states.history(own)) == masked(
        thread_id, store.states.history(thread_id)
    )
    before = store.states.history(thread_id), store.threads.get(thread_id)
    assert store.runs.run(own, resume("interrupter", "yes")).status == "success"
    assert (store.states.history(thread_id), store.threads.get(thread_id)) == before
    store.runs.run(thread_id, resume("interrupter", "no"))
    assert contents(store.threads.get(own)["values"]) == ["hi", "You answered: yes"]
    assert contents(store.threads.get(thread_id)["values"]) == ["hi", "You answered: no"]


def test_an_older_question_is_answered_anew(store: ThreadStore) -> None:
    thread_id = asked(store)
    question = store.states.state(thread_id)["checkpoint"]
    store.runs.run(thread_id, resume("interrupter", "one"))
    store.runs.run(thread_id, {**resume("interrupter", "two"), "checkpoint": question})
    newest = store.states.state(thread_id)
    assert contents(newest["values"]) == ["hi", "You answered: two"]
    assert newest["parent_checkpoint"] == question
    _, ended, asking, _ = store.states.history(thread_id)
    assert contents(ended["values"]) == ["hi", "You answered: one"]
    assert contents(asking["tasks"][0]["result"]) == ["You answered: one"]


def test_an_update_as_the_asking_node_answers_too(store: ThreadStore) -> None:
    thread_id = asked(store)
    store.states.update_state(thread_id, HI, as_node="ask")
    thread = store.threads.get(thread_id)
    assert (thread["status"], thread["interrupts"]) == ("idle", {})


# Other commands


def test_a_command_updates_and_answers(store: ThreadStore) -> None:
    thread_id = asked(store)
    more = {"messages": [message("human", "more")]}
    store.runs.run(thread_id, {"assistant_id": "interrupter", "command": {"update": more}})
    assert store.threads.get(thread_id)["status"] == "interrupted"
    assert contents(store.threads.get(thread_id)["values"]) == ["hi", "more"]
    store.runs.run(thread_id, resume("interrupter", "yes", update=more))
    expected = ["hi", "more", "more", "You answered: yes"]
    assert contents(store.threads.get(thread_id)["values"]) == expected
    assert len(store.states.history(thread_id)) == 3


def test_a_command_goes_to_a_node(store: ThreadStore) -> None:
    thread_id = str(store.threads.create()["thread_id"])
    store.runs.run(thread_id, on("agent"))
    store.runs.run(thread_id, {"assistant_id": "agent", "command": {"goto": "call_model"}})
    assert contents(store.threads.get(thread_id)["values"]) == [
        "hi",
        "You said: hi",
        "You said: hi",
    ]
    send = {"node": "call_model", "input": {"messages": [{"type": "human", "content": "sent"}]}}
    store.runs.run(thread_id, {"assistant_id": "agent", "command": {"goto": [send]}})
    assert contents(store.threads.get(thread_id)["values"])[-1] == "You said: sent"


@pytest.mark.parametrize(("graph", "node"), [("interrupter", "ask"), ("nested", "inner")])
def test_going_to_where_one_is_asks_once(store: ThreadStore, graph: str, node: str) -> None:
    thread_id = asked(store, graph)
    before = store.states.state(thread_id, subgraphs=True)
    store.runs.run(thread_id, {"assistant_id": graph, "command": {"goto": node}})
    assert store.states.state(thread_id, subgraphs=True) == before


@pytest.mark.parametrize(
    "members",
    [
        {"command": {"resume": 1}, "input": HI},
        {"command": {"goto": "nowhere"}},
        {"command": {"update": {"messages": [5]}}},
    ],
)
def test_a_command_that_cannot_be_is_refused(store: ThreadStore, members: Any) -> None:
    thread_id = asked(store)
    before = store.states.history(thread_id), store.runs.list_runs(thread_id)
    with pytest.raises(InvalidError):
        store.runs.begin_run(thread_id, {"assistant_id": "interrupter", **members})
    assert (store.states.history(thread_id), store.runs.list_runs(thread_id)) == before


def test_there_is_nothing_to_answer_on_an_empty_thread(store: ThreadStore) -> None:
    with pytest.raises(InvalidError):
        store.runs.begin_run(str(store.threads.create()["thread_id"]), resume("interrupter", 1))


def test_a_resumed_run_is_taken_back(store: ThreadStore) -> None:
    thread_id = asked(store)
    before, runs = store.states.history(thread_id), store.runs.list_runs(thread_id)
    run = store.runs.begin_run(thread_id, resume("slow", 1, goto="first_half"))
    store.executor.advance(thread_id)
    assert store.states.history(thread_id) != before
    store.runs.cancel_run(thread_id, run.run_id, "rollback")
    assert (store.states.history(thread_id), store.runs.list_runs(thread_id)) == (before, runs)
    assert store.threads.get(thread_id)["status"] == "interrupted"


# Failing


def test_a_failure_shows_everywhere(store: ThreadStore) -> None:
    thread_id = str(store.threads.create()["thread_id"])
    run = store.runs.run(thread_id, on("failing"))
    why = "this graph always fails"
    assert (run.status, run.output["__error__"]["message"]) == ("error", why)
    assert store.threads.get(thread_id)["status"] == "error"
    (task,) = store.states.state(thread_id)["tasks"]
    assert why in task["error"]
    copy = store.threads.copy(thread_id)
    assert copy["status"] == "error"
    assert store.runs.run(copy["thread_id"], on("agent")).status == "success"
    assert store.threads.get(copy["thread_id"])["status"] == "idle"
    assert store.threads.get(thread_id)["status"] == "error"


def test_a_failure_in_a_subgraph_is_one_of_the_graph() -> None:
    outer = chain("outer", MESSAGES, inner=Node(subgraph=FAILING))
    store = new_store({**GRAPHS, "outer": outer})
    thread_id = str(store.threads.create()["thread_id"])
    assert store.runs.run(thread_id, on("outer")).status == "error"
    state = store.states.state(thread_id)
    assert (state["next"], store.threads.get(thread_id)["status"]) == (["inner"], "error")
    assert "this graph always fails" in state["tasks"][0]["error"]


# Slow


def test_each_half_takes_half_of_the_seconds(store: ThreadStore) -> None:
    thread_id = str(store.threads.create()["thread_id"])
    store.runs.begin_run(thread_id, on("slow", input={**HI, "seconds": 3}))
    waits, said = [], []
    while store.executor.next_run(thread_id) is not None:
        waits.append(store.executor.seconds_before(thread_id))
        store.executor.advance(thread_id)
        said.append(
            contents(store.states.state(store.threads.copy(thread_id)["thread_id"])["values"])
        )
    assert waits == [0, 0, 1.5, 1.5]
    halves = ["First half done", "Second half done"]
    assert said == [[], ["hi"], ["hi", halves[0]], ["hi", *halves]]
    assert store.threads.get(thread_id)["values"]["seconds"] == 3


def test_without_seconds_it_takes_none(store: ThreadStore) -> None:
    thread_id = str(store.threads.create()["thread_id"])
    store.runs.begin_run(thread_id, on("slow"))
    while store.executor.next_run(thread_id) is not None:
        assert store.executor.seconds_before(thread_id) == 0
        store.executor.advance(thread_id)
    assert "seconds" not in store.threads.get(thread_id)["values"]


def test_seconds_that_are_no_number_fail_the_run(store: ThreadStore) -> None:
    thread_id = str(store.threads.create()["thread_id"])
    given: tuple[object, ...] = ("soon", [], 10**400)
    for seconds in given:
        run = store.runs.begin_run(thread_id, on("slow", input={**HI, "seconds": seconds}))
        while store.executor.next_run(thread_id) is not None:
            assert store.executor.seconds_before(thread_id) == 0
            store.executor.advance(thread_id)
        expected = "success" if seconds == [] else "error"
        assert store.runs.run_of(thread_id, run.run_id).status == expected


# Nested


def test_a_subgraph_asks_through_the_graph(store: ThreadStore) -> None:
    thread_id = asked(store, "nested")
    state = store.states.state(thread_id)
    (task,) = state["tasks"]
    assert (state["next"], state["interrupts"]) == (["inner"], task["interrupts"])
    assert store.threads.get(thread_id)["interrupts"] == {task["id"]: task["interrupts"]}
    assert len(store.states.history(thread_id)) == 2
    run = store.runs.run(thread_id, resume("nested", "yes"))
    assert contents(run.output) == ["hi", "You answered: yes"]
    assert len(store.states.history(thread_id)) == 3


def test_the_state_of_a_subgraph(store: ThreadStore) -> None:
    thread_id = asked(store, "nested")
    (task,) = store.states.state(thread_id)["tasks"]
    assert "state" not in task
    (told,) = store.states.state(thread_id, subgraphs=True)["tasks"]
    inner = told["state"]
    assert "checkpoint" not in told
    assert inner == store.states.state(thread_id, task["checkpoint"])
    assert inner["checkpoint"]["checkpoint_ns"] == task["checkpoint"]["checkpoint_ns"]
    assert (inner["next"], inner["interrupts"]) == (["ask"], task["interrupts"])
    assert inner["metadata"]["parents"] == {"": store.states.state(thread_id)["checkpoint_id"]}
    assert store.states.state(thread_id, inner["checkpoint"]) == inner


def test_the_history_of_a_subgraph(store: ThreadStore) -> None:
    thread_id = asked(store, "nested")
    (task,) = store.states.state(thread_id)["tasks"]
    store.runs.run(thread_id, resume("nested", "yes"))
    history = store.states.history(thread_id, checkpoint=task["checkpoint"])
    assert [state["next"] for state in history] == [[], ["ask"], ["__start__"]]
    assert [state["metadata"]["step"] for state in history] == [1, 0, -1]
    parents = [state["parent_checkpoint"] for state in history]
    assert parents == [history[1]["checkpoint"], history[2]["checkpoint"], None]
    older = store.states.history(
        thread_id, before=history[0]["checkpoint"], checkpoint=task["checkpoint"]
    )
    assert older == history[1:]
    with pytest.raises(NotFoundError):
        store.states.history(thread_id, checkpoint={"checkpoint_ns": "nowhere:1"})
    with pytest.raises(InvalidError):
        store.runs.begin_run(thread_id, on("nested", checkpoint=task["checkpoint"]))


def test_a_copy_has_subgraphs_of_its_own(store: ThreadStore) -> None:
    thread_id = asked(store, "nested")
    (task,) = store.states.state(thread_id)["tasks"]
    own = store.threads.copy(thread_id)["thread_id"]
    (copied,) = store.states.state(own, subgraphs=True)["tasks"]
    (told,) = store.states.state(thread_id, subgraphs=True)["tasks"]
    assert copied["state"]["checkpoint"]["thread_id"] == own
    assert masked(own, [copied]) == masked(thread_id, [told])
    store.runs.run(own, resume("nested", "yes"))
    assert store.states.state(thread_id, subgraphs=True)["tasks"] == [told]
    assert len(store.states.history(own, checkpoint={**task["checkpoint"], "thread_id": own})) == 3


# What streams say of it


def test_a_stream_tells_what_is_asked(store: ThreadStore) -> None:
    thread_id = str(store.threads.create()["thread_id"])
    events = streamed(store, thread_id, on("interrupter", stream_mode=["values", "updates"]))
    interrupts = store.states.state(thread_id)["interrupts"]
    assert [name for name, _ in events] == ["metadata", "values", "updates", "values"]
    assert events[2][1] == {"__interrupt__": interrupts}
    assert events[3][1]["__interrupt__"] == interrupts
    events = streamed(store, thread_id, resume("interrupter", "yes"))
    assert [contents(data) for name, data in events if name == "values"] == [
        ["hi"],
        ["hi", "You answered: yes"],
    ]


def test_a_stream_tells_of_subgraphs_where_asked_to(store: ThreadStore) -> None:
    thread_id = asked(store, "nested")
    (task,) = store.states.state(thread_id)["tasks"]
    namespace = task["checkpoint"]["checkpoint_ns"]
    modes = {"stream_mode": ["values", "updates"], "stream_subgraphs": True}
    names = [name for name, _ in streamed(store, thread_id, {**resume("nested", 1), **modes})]
    inner = [f"updates|{namespace}", f"values|{namespace}"]
    assert names == ["metadata", "values", *inner, "updates", "values"]


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ([], ["values", "values"]),
        ("updates", ["updates"]),
        ("messages-tuple", ["messages"]),
        ("messages", ["messages/complete"]),
        ("tasks", ["tasks", "tasks"]),
        ("checkpoints", ["checkpoints"] * 3),
        ("debug", ["debug"] * 5),
        ("events", ["events", "events"]),
        ("custom", []),
    ],
)
def test_each_mode_has_events_of_its_own(store: ThreadStore, mode: Any, names: list[str]) -> None:
    thread_id = str(store.threads.create()["thread_id"])
    events = streamed(store, thread_id, on("agent", stream_mode=mode))
    assert [name for name, _ in events] == ["metadata", *names]


def test_messages_that_are_told_are_those_of_the_state(store: ThreadStore) -> None:
    thread_id = str(store.threads.create()["thread_id"])
    events = streamed(store, thread_id, on("agent", stream_mode=["messages-tuple", "updates"]))
    answer = store.states.state(thread_id)["values"]["messages"][-1]
    told = dict(events)
    assert told["messages"][0] == answer
    assert told["messages"][1]["langgraph_node"] == "call_model"
    assert told["updates"] == {"call_model": {"messages": [answer]}}


def streamed(store: ThreadStore, thread_id: str, request: Any) -> list[tuple[str, Any]]:
    store.runs.begin_run(thread_id, request)
    events: list[tuple[str, Any]] = []
    while (step := store.executor.advance(thread_id)) is not None:
        events += [(event.event, event.data) for event in step.events]
    return events

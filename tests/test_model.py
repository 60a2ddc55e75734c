from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.model.block_sequence import BlockSequence
from conformance.model.errors import ConflictError, InvalidError, ModelError, NotFoundError
from conformance.model.search import Query
from conformance.model.store import ThreadStore
from tests.model_examples import (
    DOCUMENTED,
    ON_AGENT,
    contents,
    masked,
    message,
    new_store,
    superstep,
)

UNKNOWN = "ffffffff-0000-4000-8000-000000000000"


@pytest.fixture
def store() -> ThreadStore:
    return new_store()


def prepopulated(store: ThreadStore, supersteps: Any = DOCUMENTED, **members: Any) -> str:
    made = store.threads.create(metadata={**ON_AGENT, **members}, supersteps=supersteps)
    return str(made["thread_id"])


# create


def test_an_empty_thread(store: ThreadStore) -> None:
    thread = store.threads.create()
    assert thread["status"] == "idle"
    assert (thread["values"], thread["metadata"], thread["config"]) == ({}, {}, {})
    assert thread["created_at"] == thread["updated_at"] == thread["state_updated_at"]
    assert thread["created_at"].endswith("+00:00")
    state = store.states.state(thread["thread_id"])
    assert (state["values"], state["next"], state["tasks"]) == ({}, [], [])
    assert store.states.history(thread["thread_id"]) == []


def test_what_was_given_is_not_shared_with_the_giver(store: ThreadStore) -> None:
    metadata = {"a": {"b": [1]}}
    thread_id = store.threads.create(metadata=metadata)["thread_id"]
    metadata["a"]["b"].append(2)
    assert store.threads.get(thread_id)["metadata"] == {"a": {"b": [1]}}


def test_creating_a_thread_again(store: ThreadStore) -> None:
    first = store.threads.create(thread_id=UNKNOWN, metadata={"a": 1})
    with pytest.raises(ConflictError, match="already exists"):
        store.threads.create(thread_id=UNKNOWN.upper())
    again = store.threads.create(
        thread_id=UNKNOWN, metadata=ON_AGENT, if_exists="do_nothing", supersteps=DOCUMENTED
    )
    assert again == first
    assert store.states.history(UNKNOWN) == []


def test_the_documented_prepopulation(store: ThreadStore) -> None:
    thread_id = prepopulated(store)
    newest, middle, oldest = store.states.history(thread_id)
    assert [state["next"] for state in (oldest, middle, newest)] == [
        ["__start__"],
        ["call_model"],
        [],
    ]
    assert [state["metadata"]["step"] for state in (oldest, middle, newest)] == [-1, 0, 1]
    assert [s["metadata"]["source"] for s in (oldest, middle, newest)] == [
        "input",
        "update",
        "update",
    ]
    assert oldest["parent_checkpoint"] is None
    assert newest["parent_checkpoint"] == middle["checkpoint"]
    assert middle["tasks"][0]["result"] == {"messages": [DOCUMENTED_ANSWER]}
    thread = store.threads.get(thread_id)
    assert thread["status"] == "idle"
    human, ai = thread["values"]["messages"]
    assert {"content", "additional_kwargs", "response_metadata", "type", "name", "id"} <= set(human)
    assert (ai["example"], ai["tool_calls"], ai["usage_metadata"]) == (False, [], None)


DOCUMENTED_ANSWER = message("ai", "Hello! How can I assist you today?")


def test_several_updates_make_one_checkpoint(store: ThreadStore) -> None:
    both = {
        "updates": [
            superstep("call_model", message("ai", text))["updates"][0] for text in ("a", "b")
        ]
    }
    thread_id = prepopulated(store, [DOCUMENTED[1], both])
    assert [contents(state["values"]) for state in store.states.history(thread_id)] == [
        ["hello", "a", "b"],
        ["hello"],
    ]


def test_a_prepopulation_that_stops_halfway_is_interrupted(store: ThreadStore) -> None:
    thread_id = prepopulated(store, DOCUMENTED[:2])
    assert store.threads.get(thread_id)["status"] == "interrupted"


@pytest.mark.parametrize(
    ("metadata", "supersteps"),
    [
        ({}, DOCUMENTED),
        ({"graph_id": "nograph"}, DOCUMENTED),
        (ON_AGENT, [*DOCUMENTED, superstep("nonode")]),
        (ON_AGENT, [*DOCUMENTED, {"updates": []}]),
        (ON_AGENT, [superstep("__start__", {"type": "human"})]),
        (ON_AGENT, [{"updates": [{"values": {"messages": [5]}, "as_node": "__start__"}]}]),
        (ON_AGENT, [{"updates": [{"as_node": "__input__"}]}]),
        (ON_AGENT, [{"updates": DOCUMENTED[0]["updates"] * 2}]),
    ],
)
def test_a_prepopulation_that_cannot_be_applied_leaves_nothing(
    store: ThreadStore, metadata: Any, supersteps: Any
) -> None:
    with pytest.raises(InvalidError):
        store.threads.create(thread_id=UNKNOWN, metadata=metadata, supersteps=supersteps)
    assert store.searches.count() == 0


def test_a_command_updates_and_goes_on(store: ThreadStore) -> None:
    command = {"update": {"messages": message("human", "x")}, "goto": "call_model"}
    steps = [{"updates": [{"command": command, "as_node": "call_model"}]}]
    state = store.states.state(prepopulated(store, steps))
    assert contents(state["values"]) == ["x"]
    assert state["next"] == ["call_model"]


def test_ttl_is_shown_when_asked_for(store: ThreadStore) -> None:
    thread_id = store.threads.create(ttl={"ttl": 60})["thread_id"]
    assert "ttl" not in store.threads.get(thread_id)
    ttl = store.threads.get(thread_id, ["ttl"])["ttl"]
    assert (ttl["strategy"], ttl["ttl_minutes"]) == ("delete", 60)
    assert ttl["expires_at"].startswith("2025-05-12T13:00:00")
    store.threads.update(thread_id, ttl={"ttl": 1e300, "strategy": "keep_latest"})
    assert store.threads.get(thread_id, ["ttl"])["ttl"]["expires_at"].startswith("9999")


# update, delete


def test_update_merges_the_first_level(store: ThreadStore) -> None:
    before = store.threads.create(metadata={"a": 1, "n": {"x": 1}})
    after = store.threads.update(before["thread_id"], {"b": 2, "n": {"y": 1}, "a": None})
    assert after["metadata"] == {"a": None, "n": {"y": 1}, "b": 2}
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


def test_a_deleted_thread_leaves_no_trace(store: ThreadStore) -> None:
    thread_id = prepopulated(store)
    store.threads.delete(thread_id)
    for ask in (
        store.threads.get,
        store.states.state,
        store.states.history,
        store.threads.copy,
        store.threads.delete,
        store.runs.list_runs,
    ):
        with pytest.raises(NotFoundError):
            ask(thread_id)
    store.threads.create(thread_id=thread_id)
    assert store.states.history(thread_id) == []
    assert store.threads.get(thread_id)["metadata"] == {}


def test_ids_are_canonical_uuids(store: ThreadStore) -> None:
    store.threads.create(thread_id=UNKNOWN.upper())
    assert store.threads.get(UNKNOWN.replace("-", "").upper())["thread_id"] == UNKNOWN
    with pytest.raises(InvalidError, match="UUID"):
        store.threads.get("not-a-uuid")


# copy


def test_a_copy_has_the_same_history_under_its_own_id(store: ThreadStore) -> None:
    source = prepopulated(store)
    store.states.update_state(source, {"messages": [message("human", "more")]}, as_node="__start__")
    copy = store.threads.copy(source)
    own = copy["thread_id"]
    assert own != source
    assert masked(own, store.states.history(own)) == masked(source, store.states.history(source))
    assert source not in repr(store.states.history(own))
    for name in ("metadata", "values", "status"):
        assert copy[name] == store.threads.get(source)[name]
    assert copy["created_at"] == copy["updated_at"] > store.threads.get(source)["updated_at"]


def test_copy_and_source_are_independent(store: ThreadStore) -> None:
    source = prepopulated(store)
    copy = store.threads.copy(source)["thread_id"]
    before = deepcopy((store.states.history(source), store.threads.get(source)))
    store.runs.run(copy, {"assistant_id": "agent", "input": {"messages": [message("human", "x")]}})
    store.threads.update(copy, {"k": 1})
    assert (store.states.history(source), store.threads.get(source)) == before
    store.threads.delete(source)
    assert len(store.states.history(copy)) == 6


def test_copying_an_empty_thread(store: ThreadStore) -> None:
    copy = store.threads.copy(store.threads.create(metadata={"a": 1})["thread_id"])
    assert (copy["metadata"], copy["values"], copy["status"]) == ({"a": 1}, {}, "idle")


# state, history, forks


def test_a_fork_becomes_the_current_state(store: ThreadStore) -> None:
    thread_id = prepopulated(store)
    middle = store.states.history(thread_id)[1]
    made = store.states.update_state(
        thread_id,
        {"messages": [message("ai", "fork")]},
        as_node="call_model",
        checkpoint={"checkpoint_id": middle["checkpoint_id"]},
    )
    newest = store.states.history(thread_id)[0]
    assert newest == store.states.state(thread_id)
    assert newest["checkpoint"] == made["checkpoint"]
    assert newest["parent_checkpoint"] == middle["checkpoint"]
    assert newest["metadata"]["step"] == middle["metadata"]["step"] + 1
    assert contents(store.threads.get(thread_id)["values"]) == ["hello", "fork"]
    assert store.states.history(thread_id)[1:3][1] == middle  # its task keeps its first result


def test_an_update_counts_as_the_node_that_wrote_last(store: ThreadStore) -> None:
    thread_id = prepopulated(store, DOCUMENTED[:2])
    store.states.update_state(thread_id, {"messages": [message("human", "more")]})
    assert store.states.state(thread_id)["next"] == ["call_model"]
    empty = store.threads.create(metadata=ON_AGENT)["thread_id"]
    store.states.update_state(empty, {"messages": [message("human", "first")]})
    assert store.states.state(empty)["next"] == ["call_model"]


def test_an_update_leaves_unknown_channels_out(store: ThreadStore) -> None:
    thread_id = prepopulated(store)
    store.states.update_state(thread_id, {"bogus": 1}, as_node="call_model")
    assert set(store.states.state(thread_id)["values"]) == {"messages"}


def test_history_before_limit_and_metadata(store: ThreadStore) -> None:
    thread_id = prepopulated(store, DOCUMENTED * 5)
    whole = store.states.history(thread_id, limit=1000)
    assert len(whole) == 15
    assert len(store.states.history(thread_id)) == 10
    assert store.states.history(thread_id, before=whole[9]["checkpoint"], limit=1000) == whole[10:]
    inputs = store.states.history(thread_id, limit=3, metadata={"source": "input"})
    assert inputs == [s for s in whole if s["metadata"]["source"] == "input"][:3]
    assert store.states.history(thread_id, limit=0) == []


def test_no_body_reaches_another_thread(store: ThreadStore) -> None:
    own, other = prepopulated(store), prepopulated(store)
    foreign = store.states.state(other)["checkpoint"]
    only_id = {"checkpoint_id": foreign["checkpoint_id"]}
    before = deepcopy(store.states.history(own))
    for config, problem in ((foreign, InvalidError), (only_id, NotFoundError)):
        with pytest.raises(problem):
            store.states.state(own, config)
        with pytest.raises(problem):
            store.states.history(own, before=config)
        with pytest.raises(problem):
            store.states.update_state(own, {}, as_node="call_model", checkpoint=config)
        with pytest.raises(problem):
            store.runs.run(own, {"assistant_id": "agent", "input": {}, "checkpoint": config})
    assert store.states.history(own) == before


# search, count, prune


def test_search_filters(store: ThreadStore) -> None:
    a = store.threads.create(metadata={"k": 1, "n": {"x": 1, "y": [1, 2]}})["thread_id"]
    b = store.threads.create(metadata={"k": True})["thread_id"]
    c = prepopulated(store, DOCUMENTED[:2], k=1.0)
    found = [
        (Query(), [c, b, a]),
        (Query(metadata={"k": 1}), [c, a]),
        (Query(metadata={"n": {"y": [2]}}), [a]),
        (Query(metadata={"k": 99}), []),
        (Query(status="interrupted"), [c]),
        (Query(status="idle", metadata={"k": True}), [b]),
        (Query(values={"messages": [{"content": "hello"}]}), [c]),
        (Query(ids=[a, UNKNOWN]), [a]),
        (Query(ids=[]), []),
    ]
    for query, expected in found:
        assert [thread["thread_id"] for thread in store.searches.search(query)] == expected
        assert store.searches.count(query) == len(expected)


def test_search_orders_pages_and_selects(store: ThreadStore) -> None:
    ids = [store.threads.create(metadata={"n": n})["thread_id"] for n in range(12)]
    busy = store.runs.begin_run(ids[3], {"assistant_id": "agent", "input": {}})

    def found(**options: Any) -> list[str]:
        return [thread["thread_id"] for thread in store.searches.search(**options)]

    assert found() == ids[::-1][:10]
    assert found(sort_order="asc", limit=1000) == ids
    assert found(sort_by="thread_id", limit=3) == sorted(ids)[::-1][:3]
    assert found(sort_by="updated_at", limit=1) == [ids[3]]
    assert found(sort_by="status", sort_order="asc", limit=1) == [ids[3]]
    assert found(limit=2, offset=2) == ids[::-1][2:4]
    assert found(offset=50) == []
    paths = {"n": "metadata.n", "none": "values.messages[-1].content"}
    shown = store.searches.search(select=["thread_id"], extract=paths, limit=1)
    assert shown == [{"thread_id": ids[-1], "extracted": {"n": 11, "none": None}}]
    assert busy.status == "pending"


@pytest.mark.parametrize("path", ["bogus.x", "values..x", "values.a[x]", "values[", ""])
def test_extract_refuses_other_paths(store: ThreadStore, path: str) -> None:
    with pytest.raises(InvalidError):
        store.searches.search(extract={"a": path})


def test_extract_reads_from_the_end(store: ThreadStore) -> None:
    prepopulated(store)
    paths = {
        "last": "values.messages[-1].type",
        "first": "values.messages[0].type",
        "far": "values.messages[2]",
        "whole": "metadata",
    }
    assert store.searches.search(extract=paths)[0]["extracted"] == {
        "last": "ai",
        "first": "human",
        "far": None,
        "whole": ON_AGENT,
    }


def test_prune(store: ThreadStore) -> None:
    kept, gone = prepopulated(store), prepopulated(store)
    before = store.states.state(kept)
    assert store.threads.prune([kept, kept, UNKNOWN], "keep_latest") == {"pruned_count": 1}
    (only,) = store.states.history(kept)
    assert only["parent_checkpoint"] is None
    assert only["values"] == before["values"]
    assert only["checkpoint_id"] == before["checkpoint_id"]
    assert only == store.states.state(kept)
    with pytest.raises(InvalidError):
        store.threads.prune([gone, "x"])
    assert store.threads.prune([gone]) == {"pruned_count": 1}
    assert store.searches.count() == 1


# all operations


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=12))
def test_a_refused_operation_changes_nothing_and_times_only_grow(
    plan: list[tuple[int, int]],
) -> None:
    store = new_store()
    ids = [prepopulated(store), prepopulated(store, DOCUMENTED[:2])]
    operations: list[Callable[[str], object]] = [
        lambda i: ids.append(store.threads.copy(i)["thread_id"]),
        lambda i: store.states.update_state(
            i, {"messages": [message("ai", "x")]}, as_node="call_model"
        ),
        lambda i: store.states.update_state(i, {"messages": [5]}),
        lambda i: store.runs.run(i, {"assistant_id": "agent", "input": {"messages": []}}),
        lambda i: store.runs.run(i, {"assistant_id": "nope"}),
        lambda i: store.threads.prune([i], "keep_latest"),
    ]
    for operation, which in plan:
        target = ids[which % len(ids)]
        before = deepcopy(
            {i: (store.threads.get(i), store.states.history(i, limit=1000)) for i in ids}
        )
        refused = False
        try:
            operations[operation](target)
        except ModelError:
            refused = True
        for one, was in before.items():
            if refused or one != target:
                assert (store.threads.get(one), store.states.history(one, limit=1000)) == was
    for one in ids:
        history = store.states.history(one, limit=1000)
        known = {state["checkpoint_id"] for state in history}
        assert all(s["parent_checkpoint_id"] in {None, *known} for s in history)
        made = [state["created_at"] for state in history]
        assert made == sorted(made, reverse=True)
        assert len(set(made)) == len(made)


# The names that LangGraph takes as nodes, and no source tells of


def test_an_update_as_the_end_leaves_nothing_to_run(store: ThreadStore) -> None:
    own = prepopulated(store, DOCUMENTED[:2])
    before = store.states.state(own)
    assert before["next"] == ["call_model"]
    store.states.update_state(own, as_node="__end__")
    state = store.states.state(own)
    assert (state["next"], state["values"]) == ([], before["values"])
    assert state["metadata"]["source"] == "update"
    assert state["parent_checkpoint"] == before["checkpoint"]
    with pytest.raises(InvalidError, match="__end__"):
        store.states.update_state(own, {}, as_node="__end__")


def test_an_update_as_a_copy_repeats_the_checkpoint(store: ThreadStore) -> None:
    own = prepopulated(store, DOCUMENTED[:2])
    before = store.states.state(own)
    store.states.update_state(own, {"messages": [message("ai", "x")]}, as_node="__copy__")
    state = store.states.state(own)
    assert (state["next"], state["values"]) == (before["next"], before["values"])
    assert state["metadata"]["source"] == "fork"
    assert state["parent_checkpoint"] == before["parent_checkpoint"]
    assert len(store.states.history(own)) == 3
    empty = store.threads.create(metadata=ON_AGENT)["thread_id"]
    with pytest.raises(InvalidError, match="no checkpoint"):
        store.states.update_state(empty, as_node="__copy__")


@pytest.mark.parametrize("name", ["__end__", "__copy__"])
def test_such_an_update_is_alone_in_its_superstep(store: ThreadStore, name: str) -> None:
    update = {"values": None, "as_node": name}
    steps = [*DOCUMENTED, {"updates": [update]}]
    assert len(store.states.history(prepopulated(store, steps))) == len(steps)
    with pytest.raises(InvalidError, match="alone"):
        prepopulated(store, [*DOCUMENTED, {"updates": [update, update]}])


# many states


class _Counted(BlockSequence[Any]):
    """A sequence that counts how often one of its items is looked at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, slice):
            _Counted.looks += 1
        found = super().__getitem__(place)
        return _Counted(found) if isinstance(place, slice) else found

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))


@pytest.mark.parametrize("offset", [0, 10, 1990])
def test_a_page_of_a_long_history_looks_at_few_states(store: ThreadStore, offset: int) -> None:
    steps = [superstep("call_model")] * 2000
    thread_id = prepopulated(store, steps)
    thread = store.records.thread(thread_id)
    store.records.keep(replace(thread, checkpoints=_Counted(thread.checkpoints)))
    bound = thread.checkpoints[-1 - offset].checkpoint_id
    _Counted.looks = 0
    page = store.states.history(thread_id, limit=5, before={"checkpoint_id": bound})
    looks = _Counted.looks
    expected = [each.checkpoint_id for each in thread.checkpoints][::-1][offset + 1 : offset + 6]
    assert [each["checkpoint_id"] for each in page] == expected
    # A search by bisection for `before`, twice, and the page.
    assert looks < 40


def test_a_state_is_found_by_its_id_where_ids_are_not_in_the_order_of_time(
    store: ThreadStore,
) -> None:
    thread_id = prepopulated(store)
    thread = store.records.thread(thread_id)
    store.records.keep(replace(thread, checkpoints=thread.checkpoints[::-1]))
    for each in thread.checkpoints:
        named = {"checkpoint_id": each.checkpoint_id}
        assert store.states.state(thread_id, named)["checkpoint_id"] == each.checkpoint_id

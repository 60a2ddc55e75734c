"""The streams and the protocol of threads in the model."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.model.errors import InvalidError
from conformance.model.store import ThreadStore
from conformance.model.streams import RunEvent
from conformance.model.thread_protocol import CommandError
from tests.model_examples import contents, message, new_store

HI = {"messages": [message("human", "hi")]}


@pytest.fixture
def store() -> ThreadStore:
    return new_store()


@pytest.fixture
def thread_id(store: ThreadStore) -> str:
    return str(store.threads.create()["thread_id"])


def run_of(store: ThreadStore, thread_id: str, graph: str = "agent") -> Any:
    return store.runs.run(thread_id, {"assistant_id": graph, "input": HI})


def test_a_stream_tells_events_in_their_modes(store: ThreadStore, thread_id: str) -> None:
    streams = store.thread_streams
    run = run_of(store, thread_id)
    told = [RunEvent("metadata", {"run_id": run.run_id}), RunEvent("values", {})]
    streams.add_run_events(thread_id, run, told)
    streams.add_end(thread_id, run)
    streams.add_state(thread_id)
    names = {
        mode: [each.event for each in streams.from_position(thread_id, 0, (mode,)) if each]
        for mode in ("run_modes", "lifecycle", "state_update")
    }
    assert names == {
        "run_modes": ["metadata", "values", "metadata"],
        "lifecycle": ["metadata", "metadata"],
        "state_update": ["state_update"],
    }


def test_positions(store: ThreadStore, thread_id: str) -> None:
    streams = store.thread_streams
    run = run_of(store, thread_id)
    for _ in range(3):
        streams.add_end(thread_id, run)
    ids = [each.event_id for each in streams.kept(thread_id)]
    assert len({*ids}) == 3
    assert streams.position(thread_id, None) == 3
    assert [streams.position(thread_id, each) for each in ("-", *ids)] == [0, 1, 2, 3]
    with pytest.raises(InvalidError):
        streams.position(thread_id, "none")


def test_a_thread_that_is_gone_has_no_events(store: ThreadStore, thread_id: str) -> None:
    run = run_of(store, thread_id)
    for each in (store.thread_streams, store.thread_protocol):
        each.add_end(thread_id, run)
        assert each.kept(thread_id)
        each.forget(thread_id)
        assert not each.kept(thread_id)
    assert store.thread_streams.stays_open(thread_id)
    store.threads.delete(thread_id)
    assert not store.thread_streams.stays_open(thread_id)
    store.thread_streams.add_state(thread_id)
    assert not store.thread_streams.kept(thread_id)


def test_protocol_events_are_numbered_and_of_channels(store: ThreadStore, thread_id: str) -> None:
    protocol = store.thread_protocol
    run = run_of(store, thread_id, "interrupter")
    protocol.add_lifecycle(thread_id, run, "running")
    protocol.add(thread_id, "values", {"a": 1}, ("inner:1",))
    protocol.add_end(thread_id, run)
    told = [(each.seq, each.method, each.channel) for each in protocol.kept(thread_id)]
    assert told == [
        (1, "lifecycle", "lifecycle"),
        (2, "values", "values"),
        (3, "input.requested", "input"),
        (4, "lifecycle", "lifecycle"),
    ]
    view = protocol.view(protocol.kept(thread_id)[1])
    assert view["params"]["namespace"] == ["inner:1"]
    assert (view["type"], view["seq"], view["method"]) == ("event", 2, "values")
    assert [protocol.position(thread_id, each) for each in (None, 0, 2, 9)] == [4, 0, 2, 4]

    def asked(**body: Any) -> list[int]:
        found = protocol.from_position(thread_id, 0, body)
        return [each.seq for each in found if each is not None]

    assert asked(channels=["lifecycle", "input"]) == [1, 3, 4]
    assert asked(channels=["values"], depth=0) == []
    assert asked(channels=["values"], namespaces=[["inner:1"]], depth=0) == [2]
    assert asked(channels=["values", "input"], namespaces=[["other"]]) == []


def test_commands_start_and_resume_runs(store: ThreadStore, thread_id: str) -> None:
    protocol = store.thread_protocol

    def to_its_end() -> None:
        while store.executor.advance(thread_id) is not None:
            continue

    params = {"assistant_id": "interrupter", "input": HI}
    run = protocol.execute(thread_id, "run.start", params)
    assert run.status == "pending"
    to_its_end()
    (interrupt_id,) = protocol.open_interrupts(thread_id)
    answer = {"interrupt_id": interrupt_id, "response": "yes"}
    protocol.execute(thread_id, "input.respond", answer)
    to_its_end()
    assert contents(store.threads.get(thread_id)["values"]) == ["hi", "You answered: yes"]
    assert protocol.open_interrupts(thread_id) == {}
    with pytest.raises(CommandError) as refused:
        protocol.execute(thread_id, "input.respond", answer)
    assert refused.value.code == "no_such_interrupt"


def test_run_start_makes_the_thread(store: ThreadStore) -> None:
    new = "3c0ffee0-0000-4000-8000-000000000001"
    store.thread_protocol.execute(new, "run.start", {"assistant_id": "agent", "input": HI})
    assert store.threads.get(new)["status"] == "busy"


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("run.begin", {}, "unknown_command"),
        ("run.start", {}, "invalid_argument"),
        ("run.start", {"assistant_id": "nobody", "input": HI}, "invalid_argument"),
        ("run.start", {"assistant_id": "agent", "input": 7}, "invalid_argument"),
        ("input.respond", {}, "no_such_interrupt"),
    ],
)
def test_commands_that_are_refused(
    store: ThreadStore, thread_id: str, method: str, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(CommandError) as refused:
        store.thread_protocol.execute(thread_id, method, params)
    assert refused.value.code == code
    assert store.runs.list_runs(thread_id) == []

"""The commands of a thread, and its numbered events in channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import require_some
from conformance.checks.events import Event, parse_events
from conformance.checks.expect import assert_equal, assert_is, assert_that
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import message_contents
from conformance.checks.thread_commands import ThreadCommands
from conformance.checks.thread_streams import Joined, ThreadStreams
from conformance.checks.views import Thread, id_of
from conformance.contract.published import load_published
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.wire.stream_reading import Reader, always_enough, is_event_stream
from conformance.safe_text import excerpt

#: The graph of the runs: its state has messages, which that of the settings' graph may lack.
_GRAPH = "slow"
#: The published channels; an application names its own custom:….
_CHANNELS = ("values", "updates", "messages", "tools", "lifecycle", "input", "tasks", "custom")
#: The published channels in which a graph without a model has events.
_OF_ANY_GRAPH = ("values", "lifecycle")


# Commands


@requires("THREAD-STREAM-19")
def test_run_start_starts_a_run(given: ThreadsApi, commands: ThreadCommands) -> None:
    thread = given.empty()
    commands.start(thread, _GRAPH, "is this heard?")
    runs = commands.wait_for_end(thread)
    assert_that(len(runs) == 1, "one run on the thread", f"{len(runs)} runs")
    said = message_contents(given.state(thread))
    assert_equal(said[:1], ["is this heard?"], "the first message of the state")


@requires("THREAD-STREAM-20")
def test_its_result_names_the_run(given: ThreadsApi, given_commands: ThreadCommands) -> None:
    thread = given.empty()
    result = given_commands.start(thread, _GRAPH)
    runs = given_commands.wait_for_end(thread)
    require_some(runs, "no run on the thread", "THREAD-STREAM-19")
    assert_equal([result.get("run_id")], [each.run_id for each in runs], "the run_id of the result")


@requires("THREAD-STREAM-21")
def test_a_command_that_is_not_known_is_an_error(
    given: ThreadsApi, client: ThreadsClient, given_commands: ThreadCommands
) -> None:
    thread = given.empty()
    given_commands.run_to_end(thread, _GRAPH)
    body = {"id": 41, "method": "run.begin-by-another-name", "params": {}}
    answer = client.thread_command(id_of(thread), body)
    shown = answer.body if isinstance(answer.body, dict) else {}
    published = load_published()["schemas"]["ProtocolError"]["properties"]["error"]["enum"]
    answered = f"{answer.status} {excerpt(answer.text, 200)}"
    assert_that(shown.get("type") == "error", "a ProtocolError", answered)
    assert_that(shown.get("id") == 41, "the id of the command, 41", answered)
    assert_that(shown.get("error") in published, f"one of {', '.join(published)}", answered)


@requires("THREAD-STREAM-22")
@pytest.mark.parametrize(
    "body",
    [{"method": "run.start", "params": {}}, {"id": 1, "params": {}}, {"id": "one", "method": "x"}],
    ids=["no id", "no method", "an id that is no number"],
)
def test_a_body_that_is_no_command_is_400(
    given: ThreadsApi, client: ThreadsClient, given_commands: ThreadCommands, body: Any
) -> None:
    thread = given.empty()
    given_commands.run_to_end(thread, _GRAPH)
    _assert_400(client.thread_command(id_of(thread), body))


def _assert_400(answer: Answer) -> None:
    assert_that(answer.status == 400, "400", f"{answer.status} {excerpt(answer.text, 200)}")


# Events


def _protocol(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return the data of those frames that are events of the protocol."""
    objects = [each.data for each in events if isinstance(each.data, dict)]
    return [each for each in objects if each.get("type") == "event"]


def _channel(event: dict[str, Any]) -> str:
    return str(event.get("method")).partition(".")[0]


def _data(event: dict[str, Any]) -> Any:
    params = event.get("params")
    return params.get("data") if isinstance(params, dict) else None


def _is_of_the_root(event: dict[str, Any]) -> bool:
    params = event.get("params")
    return isinstance(params, dict) and params.get("namespace") == []


@requires("THREAD-STREAM-23")
def test_they_are_protocol_events(
    given: ThreadsApi, given_commands: ThreadCommands, streams: ThreadStreams
) -> None:
    thread = given.empty()
    with streams.subscribed(thread, _CHANNELS) as joined:
        for _ in range(2):
            given_commands.run_to_end(thread, _GRAPH)
            if given.context.eventually(lambda: joined.text or joined.has_ended, bool):
                break
    kind = joined.answer().headers.get("content-type", "")
    assert_that(is_event_stream(kind), "text/event-stream", kind)
    events = parse_events(joined.text)
    assert_that(bool(events), "at least one event", excerpt(joined.text, 300))
    for each in events:
        shown = f"event {each.name}, id {each.id}: {excerpt(str(each.data), 300)}"
        data = each.data if isinstance(each.data, dict) else {}
        assert_that(data.get("type") == "event", "the type event", shown)
        assert_that(data.get("method") == each.name, "the name is the method", shown)
        assert_that(str(data.get("seq", each.id)) == str(each.id), "the id is the seq", shown)
        params = data.get("params")
        assert_that(
            isinstance(params, dict)
            and {"namespace", "timestamp", "data"} <= params.keys()
            and isinstance(params["namespace"], list)
            and type(params["timestamp"]) is int,
            "params with a namespace, a timestamp in milliseconds and data",
            shown,
        )


@requires("THREAD-STREAM-24")
def test_they_are_numbered_in_their_order(
    given: ThreadsApi, given_commands: ThreadCommands, streams: ThreadStreams
) -> None:
    thread = given.empty()
    with streams.subscribed_with_event(
        thread, _CHANNELS, lambda: given_commands.run_to_end(thread, _GRAPH)
    ) as joined:
        shown = _after_another_run(given, given_commands, streams, thread, joined)
    numbers = [each["seq"] for each in shown if "seq" in each]
    require_some(numbers, "no event has a seq")
    assert_equal(numbers, sorted({*numbers}), "the seqs")


def _after_another_run(
    given: ThreadsApi,
    commands: ThreadCommands,
    streams: ThreadStreams,
    thread: Thread,
    joined: Joined,
) -> list[dict[str, Any]]:
    """Run the graph once more, and return the events once they show its output."""
    commands.run_to_end(thread, _GRAPH)
    wanted = message_contents(given.state(thread))
    require_some(wanted, "the state has no messages")
    return _protocol(streams.wait(joined, lambda events: _shows(_protocol(events), wanted)))


def _shows(events: Sequence[dict[str, Any]], contents: list[Any]) -> bool:
    """Return whether an event of values holds messages of these contents."""
    return any(
        message_contents({"values": _data(each)}) == contents
        for each in events
        if _channel(each) == "values"
    )


@requires("THREAD-STREAM-25")
@pytest.mark.parametrize("channel", _OF_ANY_GRAPH)
def test_they_are_of_the_channels_asked_for(
    given: ThreadsApi, given_commands: ThreadCommands, streams: ThreadStreams, channel: str
) -> None:
    thread = given.empty()

    def run() -> None:
        given_commands.run_to_end(thread, _GRAPH)

    with ExitStack() as stack:
        every = stack.enter_context(streams.subscribed_with_event(thread, _CHANNELS, run))
        _after_another_run(given, given_commands, streams, thread, every)
        if channel not in map(_channel, _protocol(every.events)):
            raise Blocked(f"the runs have no events of the channel {channel}")
        joined = stack.enter_context(streams.subscribed_with_event(thread, [channel], run))
        before = len(_protocol(joined.events))
        run()
        events = _protocol(streams.wait(joined, lambda events: len(_protocol(events)) > before))
    other = sorted({_channel(each) for each in events} & {*_CHANNELS} - {channel})
    assert_is(other, [], "the other channels of the events")
    assert_that(len(events) > before, "events of another run", f"{len(events)} in all")


@requires("THREAD-STREAM-26")
def test_they_are_resumed_after_each(
    given: ThreadsApi,
    given_commands: ThreadCommands,
    given_streams: ThreadStreams,
    streams: ThreadStreams,
) -> None:
    thread = given.empty()
    with given_streams.subscribed_with_event(
        thread, _CHANNELS, lambda: given_commands.run_to_end(thread, _GRAPH)
    ) as joined:
        shown = _after_another_run(given, given_commands, given_streams, thread, joined)
        numbers = [each["seq"] for each in shown if isinstance(each.get("seq"), int)]
        if not numbers or len(numbers) < len(shown):
            raise Blocked("not every event has a seq")
        if numbers != sorted({*numbers}):
            raise Blocked("the seqs do not tell which events are after one", by="THREAD-STREAM-24")
        with ExitStack() as stack:
            # 0 is the least value that is published, and need not be the number of an event.
            resumed = {
                number: stack.enter_context(streams.subscribed(thread, _CHANNELS, since=number))
                for number in sorted({0, *numbers})
            }
            whole = _numbered(
                _after_another_run(given, given_commands, given_streams, thread, joined)
            )
            for number, each in resumed.items():
                rest = [event for event in whole if event[0] > number]
                # What came before the first event that is known can be compared with nothing.
                read = partial(_numbered_from, 0 if number in numbers else numbers[0])
                events = read(streams.wait(each, partial(_are_as_many, rest, read)))
                assert_equal(events[: len(rest)], rest, f"the events after {number}")


def _are_as_many(
    wanted: Sequence[Any], read: Callable[[Sequence[Event]], list[Any]], events: Sequence[Event]
) -> bool:
    return len(read(events)) >= len(wanted)


def _numbered_from(least: int, events: Sequence[Event]) -> list[Any]:
    """Return number, method and data of the protocol events whose number is at least `least`."""
    return [each for each in _numbered(_protocol(events)) if least <= (each[0] or 0)]


def _numbered(events: Sequence[dict[str, Any]]) -> list[Any]:
    """Return number, method and data of each event: timestamps may differ."""
    return [[each.get("seq"), each.get("method"), _data(each)] for each in events]


@requires("THREAD-STREAM-27")
@pytest.mark.parametrize(
    "body",
    [{}, {"channels": []}, {"channels": ["everything"]}, {"channels": ["values", "everything"]}],
    ids=["none", "empty", "unpublished", "one unpublished"],
)
def test_no_or_unpublished_channels_are_400(
    given: ThreadsApi, client: ThreadsClient, body: Any
) -> None:
    thread = given.empty()
    answer = client.thread_events(id_of(thread), Reader(always_enough), {"channels": ["values"]})
    given.ensure_success(answer, thread)
    _assert_400(client.thread_events(id_of(thread), Reader(always_enough), body))


# Interrupts and the state


@requires("THREAD-STREAM-28")
def test_input_respond_resumes_an_interrupt(
    given: ThreadsApi, given_commands: ThreadCommands, commands: ThreadCommands
) -> None:
    thread = given.empty()
    given_commands.run_to_end(thread, "interrupter")
    before = message_contents(given.state(thread))
    commands.send(
        thread,
        "input.respond",
        interrupt_id=_open_interrupt(given, thread),
        namespace=[],
        response="certainly",
    )
    given_commands.wait_for_end(thread)
    state = given.context.eventually(lambda: given.state(thread), lambda s: not s.get("next"))
    said = message_contents(state)
    assert_that(not state.get("next"), "a graph that has ended", state.get("next"))
    assert_that("certainly" in str(said[len(before) :]), "a message with the response", said)


def _open_interrupt(given: ThreadsApi, thread: Thread) -> str:
    """Return the id of the open interrupt of the thread."""
    tasks = given.state(thread).get("tasks") or []
    ids = [each.get("id") for task in tasks for each in task.get("interrupts") or []]
    require_some(ids, "the state shows no interrupt with an id", "INTERRUPT-02")
    return str(ids[0])


@requires("THREAD-STREAM-29")
def test_an_interrupt_is_told(
    given: ThreadsApi, given_commands: ThreadCommands, streams: ThreadStreams
) -> None:
    thread = given.empty()
    with streams.subscribed_with_event(
        thread,
        ["values", "input"],
        lambda: given_commands.run_to_end(thread, _GRAPH),
    ) as joined:
        given_commands.run_to_end(thread, "interrupter")
        interrupt_id, before = _open_interrupt(given, thread), message_contents(given.state(thread))
        events = streams.wait(joined, lambda events: interrupt_id in _interrupt_ids(events))
        assert_that(
            interrupt_id in _interrupt_ids(events),
            f"the interrupt {interrupt_id}",
            _interrupt_ids(events),
        )
        given_commands.send(
            thread, "input.respond", interrupt_id=interrupt_id, namespace=[], response="certainly"
        )
        given_commands.wait_for_end(thread)
        said = given.context.eventually(
            lambda: message_contents(given.state(thread)), lambda said: said != before
        )
        if said == before:
            raise Blocked("the answer changes nothing", by="THREAD-STREAM-28")
        events_after = _protocol(
            streams.wait(joined, lambda events: _shows(_protocol(events), said))
        )
    assert_that(
        _shows(events_after, said), "the values of the run that resumes", _methods(events_after)
    )


def _interrupt_ids(events: Sequence[Event]) -> list[Any]:
    """Return the ids of the interrupts that events of the channel input name."""
    asked = [_data(each) for each in _protocol(events) if _channel(each) == "input"]
    return [each.get("interrupt_id") for each in asked if isinstance(each, dict)]


def _methods(events: Sequence[dict[str, Any]]) -> list[Any]:
    return [each.get("method") for each in events]


@requires("THREAD-STREAM-30")
def test_the_last_values_are_the_state(
    given: ThreadsApi, given_commands: ThreadCommands, streams: ThreadStreams
) -> None:
    thread = given.empty()
    with streams.subscribed_with_event(
        thread, ["values"], lambda: given_commands.run_to_end(thread, _GRAPH)
    ) as joined:
        shown = _after_another_run(given, given_commands, streams, thread, joined)
    values = [_data(each) for each in shown if _channel(each) == "values" and _is_of_the_root(each)]
    require_some(values, "no event of values", "THREAD-STREAM-25")
    expected = _messages(given.state(thread)["values"])
    assert_equal(_messages(values[-1]), expected, "the messages of the last values")


def _messages(values: Any) -> list[Any]:
    """Return type, content and id of the messages in some values."""
    listed = values.get("messages") if isinstance(values, dict) else None
    return [
        {name: each.get(name) for name in ("type", "content", "id")}
        for each in listed or []
        if isinstance(each, dict)
    ]

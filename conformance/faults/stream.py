"""Faults of the streams of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

from conformance.faults.kit.http_changes import change_request, mapped, without
from conformance.faults.kit.runs import (
    Event,
    encode_events,
    events_in,
    found_run,
    having,
    of_graph,
    run_id_in,
    streaming,
    where,
)
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Run, Task, Thread
from conformance.model.streams import INTERRUPT, RunEvent, StreamEvents, modes_of
from conformance.model.superstep_execution import Step
from conformance.reference.wire import When, WireAnswer, WireRequest


def _mode(*modes: str) -> When:
    """Select streams of these modes, whether sent as a text or as a list."""

    def holds(request: WireRequest) -> bool:
        asked = request.members.get("stream_mode", [])
        return ([asked] if isinstance(asked, str) else asked) == [*modes]

    return holds


def _named(events: list[Event], name: str) -> list[int]:
    return [position for position, event in enumerate(events) if event[1] == name]


def _without(events: list[Event], *positions: int) -> list[Event]:
    return [event for position, event in enumerate(events) if position not in positions]


# Encoding


@fault("stream-is-json", breaks=["STREAM-01"])
def stream_is_json(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_stream")
    def typed(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            kept = [header for header in answer.headers if header[0] != b"content-type"]
            answer.headers = [*kept, (b"content-type", b"application/json")]


@fault("last-event-has-no-name", breaks=["STREAM-22"])
def last_event_has_no_name(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_stream", when=_mode())
    def unnamed(_request: WireRequest, answer: WireAnswer) -> None:
        head, _, last = answer.raw.rpartition(b"event: ")
        answer.raw = head + last.partition(b"\n")[2]


# Events

fault("stream-does-not-tell-its-run", breaks=["STREAM-02"])(
    streaming("run_stream", to=lambda events: _without(events, *_named(events, "metadata")))
)


@fault("stream-tells-the-thread-as-its-run", breaks=["STREAM-02"])
def stream_tells_the_thread_as_its_run(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_stream")
    def swap(request: WireRequest, answer: WireAnswer) -> None:
        own = request.thread_id.encode()
        head, end, rest = answer.raw.partition(b"\n\n")
        data = b'data: {"run_id": "' + own + b'", "attempt": 1}'
        named = head.partition(b"data: ")[0]
        answer.raw = named + data + end + rest if b"event: metadata" in named else answer.raw


def _one_step_behind(events: list[Event]) -> list[Event]:
    found = _named(events, "values")
    return _without(events, found[-1]) if len(found) > 1 else events


fault("values-are-one-step-behind", breaks=["STREAM-03"])(
    streaming("run_stream", to=_one_step_behind, when=where(_mode("values"), of_graph("slow")))
)


def _in_the_basic_plane(value: Any) -> Any:
    """Return a text up to its first character beyond U+FFFF; any other value as it is."""
    if not isinstance(value, str):
        return value
    return "".join(takewhile(lambda character: ord(character) <= 0xFFFF, value))


def _of_the_last_message(events: list[Event]) -> list[Event]:
    def cut(event: Event) -> Event:
        number, name, data = event
        values = data.get("messages") if name == "values" and INTERRUPT not in data else None
        return (number, name, {**data, "messages": values[-1:]}) if values else event

    return [cut(event) for event in events]


fault("values-hold-only-what-is-new", breaks="STREAM-03 MULTITASK-15")(
    streaming("run_stream", to=_of_the_last_message, when=_mode("values"))
)

fault(
    "two-modes-leave-out-the-last-values",
    breaks="STREAM-03 THREAD-STREAM-03 THREAD-STREAM-10 THREAD-STREAM-13",
)(
    streaming(
        "run_stream",
        to=lambda events: _without(events, *_named(events, "values")[1:][-1:]),
        when=_mode("values", "updates"),
    )
)

fault("streams-end-texts-at-a-character-of-two-units", breaks=["STREAM-03"])(
    streaming(
        "run_stream",
        to=lambda events: [
            (number, name, mapped(data, _in_the_basic_plane)) for number, name, data in events
        ],
    )
)

fault("updates-are-streamed-by-default", breaks=["STREAM-04"])(
    change_request(
        "run_stream",
        to=lambda body: {**body, "stream_mode": ["updates"]},
        when=lambda request: "stream_mode" not in request.members,
    )
)

fault("stream-of-values-has-updates-too", breaks=["STREAM-05"])(
    change_request(
        "run_stream",
        to=lambda body: {**body, "stream_mode": ["values", "updates"]},
        when=having("stream_mode", "values"),
    )
)

fault("stream-of-values-has-chain-events-too", breaks=["STREAM-05"])(
    change_request(
        "run_stream",
        to=lambda body: {**body, "stream_mode": ["values", "events"]},
        when=having("stream_mode", "values"),
    )
)

fault("resumable-stream-has-checkpoints-too", breaks=["STREAM-05"])(
    change_request(
        "run_stream",
        to=lambda body: {**body, "stream_mode": [*body["stream_mode"], "checkpoints"]},
        when=where(having("stream_resumable", True), _mode("updates")),
    )
)

fault("stream-of-updates-ends-with-the-values", breaks=["STREAM-05"])(
    streaming(
        "run_stream",
        to=lambda events: [*events, (str(len(events)), "values", {})],
        when=having("stream_mode", "updates"),
    )
)

fault("first-node-is-not-streamed", breaks=["STREAM-06"])(
    streaming(
        "run_stream",
        to=lambda events: _without(events, *_named(events, "updates")[:1]),
        when=where(_mode("updates"), of_graph("slow")),
    )
)

fault("updates-are-streamed-backwards", breaks=["STREAM-06"])(
    streaming(
        "run_stream",
        to=lambda events: [*events[:1], *events[:0:-1]],
        when=where(_mode("updates"), of_graph("slow")),
    )
)

fault("only-the-first-mode-is-streamed", breaks=["STREAM-07", "STREAM-18"])(
    change_request(
        "run_stream",
        to=lambda body: {**body, "stream_mode": body["stream_mode"][:1]},
        when=_mode("values", "updates"),
    )
)

fault("only-the-last-mode-is-streamed", breaks=["STREAM-07"])(
    change_request(
        "run_stream",
        to=lambda body: {**body, "stream_mode": body["stream_mode"][-1:]},
        when=_mode("values", "updates"),
    )
)

fault("first-checkpoint-is-not-streamed", breaks=["STREAM-08"])(
    streaming(
        "run_stream",
        to=lambda events: _without(events, *_named(events, "checkpoints")[:1]),
        when=_mode("checkpoints"),
    )
)


def _without_parents(events: list[Event]) -> list[Event]:
    found = _named(events, "checkpoints")
    return _without(events, *found[:-1])


fault("only-the-last-checkpoint-is-streamed", breaks=["STREAM-08"])(
    streaming("run_stream", to=_without_parents, when=_mode("checkpoints"))
)

fault("failure-ends-the-stream-in-silence", breaks=["STREAM-09"])(
    streaming("run_stream", to=lambda events: _without(events, *_named(events, "error")))
)

fault("failure-is-streamed-without-a-reason", breaks=["STREAM-09"])(
    streaming(
        "run_stream",
        to=lambda events: [
            (number, name, None if name == "error" else data) for number, name, data in events
        ],
        when=of_graph("failing"),
    )
)

fault("failure-is-streamed-only-beside-values", breaks=["STREAM-09"])(
    streaming(
        "run_stream",
        to=lambda events: _without(events, *_named(events, "error")),
        when=lambda request: "values" not in str(request.members.get("stream_mode", "values")),
    )
)


def _without_interrupts(events: list[Event]) -> list[Event]:
    return [event for event in events if event[1] != "updates" or INTERRUPT not in event[2]]


fault("interrupts-are-told-in-one-mode-of-several", breaks="STREAM-18 THREAD-STREAM-13")(
    streaming("run_stream", to=_without_interrupts, when=_mode("values", "updates"))
)
fault("updates-tell-of-no-interrupts-of-subgraphs", breaks=["STREAM-19"])(
    streaming("run_stream", to=_without_interrupts, when=of_graph("nested"))
)


@fault("messages-begin-with-those-of-the-thread", breaks=["STREAM-21"])
def messages_begin_with_those_of_the_thread(broken: FaultyDeployment) -> None:
    @broken.override(StreamEvents.start_events)
    def start_events(right: Any, thread: Thread, run: Run, at: Checkpoint) -> Any:
        events = right(thread, run, at)
        if "messages-tuple" not in modes_of(run.kwargs.get("stream_mode")):
            return events
        earlier = [RunEvent("messages", [each, {}]) for each in at.values.get("messages", [])]
        return (*events, *earlier)


@fault("last-message-of-the-thread-is-streamed-again", breaks=["STREAM-21"])
def last_message_is_streamed_again(broken: FaultyDeployment) -> None:
    @broken.override(StreamEvents.task_events)
    def task_events(
        right: Any, run: Run, step: Step, task: Task, modes: tuple[str, ...]
    ) -> Iterator[RunEvent]:
        known = step.base.values.get("messages", [])
        said = [each for each in known if each["type"] == "ai"]
        if task.done and said and "messages-tuple" in modes:
            yield RunEvent("messages", [said[-1], {"langgraph_node": task.name}])
        yield from right(run, step, task, modes)


# Joining streams


@fault("joined-stream-ends-before-the-run", breaks=["STREAM-10"])
def joined_stream_ends_early(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_join_stream")
    def end(request: WireRequest) -> WireAnswer | None:
        found = found_run(broken.store, run_id_in(request))
        if found is None or not found[1].active:
            return None
        return WireAnswer(200, b"", [(b"content-type", b"text/event-stream")])


fault("joined-stream-leaves-out-the-last-event", breaks=["STREAM-10"])(
    streaming(
        "run_join_stream",
        to=lambda events: events[:-1],
        when=lambda request: b"last-event-id" not in dict(request.headers),
    )
)


def _last_event(request: WireRequest) -> str:
    value: bytes = dict(request.headers).get(b"last-event-id", b"")
    return value.decode()


def _moved(broken: FaultyDeployment, shift: int) -> None:
    @broken.wire.before("run_join_stream", when=lambda request: _last_event(request).isdigit())
    def move(request: WireRequest) -> None:
        kept = [header for header in request.headers if header[0] != b"last-event-id"]
        moved = str(int(_last_event(request)) + shift).encode()
        request.headers = [*kept, (b"last-event-id", moved)]


fault("stream-from-minus-one-begins-with-the-second-event", breaks=["STREAM-11"])(
    streaming(
        "run_join_stream",
        to=lambda events: _without(events, *_named(events, "values")[:1]),
        when=lambda request: _last_event(request) == "-1",
    )
)

fault("stream-from-minus-one-is-empty", breaks=["STREAM-11"])(
    streaming(
        "run_join_stream",
        to=lambda events: [],
        when=lambda request: _last_event(request) == "-1",
    )
)

fault("stream-is-resumed-with-the-event-itself", breaks="STREAM-12 STREAM-16")(
    lambda broken: _moved(broken, -1)
)
fault("stream-is-resumed-one-event-too-late", breaks=["STREAM-12"])(
    lambda broken: _moved(broken, 1)
)


@fault("resumed-stream-begins-with-its-run-again", breaks=["STREAM-24"])
def resumed_stream_begins_again(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_join_stream", when=lambda request: _last_event(request).isdigit())
    def begin(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            told = {"run_id": run_id_in(request), "attempt": 1}
            answer.raw = encode_events([("0", "metadata", told), *events_in(answer.raw)])


# Several modes: the reference numbers events, so that an id is a position


def _joins_several_modes(broken: FaultyDeployment, request: WireRequest) -> bool:
    """Return whether the run that is joined was started with several modes."""
    found = found_run(broken.store, run_id_in(request))
    return found is not None and len(modes_of(found[1].kwargs.get("stream_mode"))) > 1


def _several_modes(request: WireRequest) -> bool:
    return (
        request.members.get("stream_resumable") is True
        and len(modes_of(request.members.get("stream_mode"))) > 1
    )


def _sharing_an_id(shared: Callable[[list[Event]], int]) -> Apply:
    """Give the event at position `shared(events)` the id of the event before it."""

    def share(events: list[Event]) -> list[Event]:
        at = shared(events)
        _, name, data = events[at]
        return [*events[:at], (events[at - 1][0], name, data), *events[at + 1 :]]

    return streaming("run_stream", to=share, when=_several_modes)


fault("values-share-the-id-of-the-update-before-them", breaks=["STREAM-13", "STREAM-14"])(
    _sharing_an_id(lambda events: _named(events, "updates")[0] + 1)
)
fault("last-two-events-share-an-id", breaks=["STREAM-13", "STREAM-14"])(
    _sharing_an_id(lambda events: len(events) - 1)
)


@fault("resumed-stream-has-one-mode", breaks=["STREAM-13"])
def resumed_stream_has_one_mode(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_join_stream", when=lambda request: _last_event(request).isdigit())
    def leave_out(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok and _joins_several_modes(broken, request):
            events = events_in(answer.raw)
            answer.raw = encode_events(_without(events, *_named(events, "updates")))


@fault("stream-is-repeated-after-its-last-event", breaks=["STREAM-13", "STREAM-16"])
def stream_is_repeated_after_its_last_event(broken: FaultyDeployment) -> None:
    last: dict[str, str] = {}

    @broken.wire.after("run_stream")
    def note(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            last[request.thread_id] = events_in(answer.raw)[-1][0]

    @broken.wire.before("run_join_stream")
    def begin_again(request: WireRequest) -> None:
        if _last_event(request) == last.get(request.thread_id):
            request.headers = [each for each in request.headers if each[0] != b"last-event-id"]


# Joining in one mode


def _in_one_mode(request: WireRequest) -> bool:
    return "stream_mode" in request.query


@fault("joined-stream-is-in-all-modes-of-the-run", breaks=["STREAM-15"])
def joined_in_all_modes(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_join_stream", when=_in_one_mode)
    def forget(request: WireRequest) -> None:
        request.query = without(request.query, "stream_mode")


fault("joined-stream-in-one-mode-is-of-the-graph-alone", breaks=["STREAM-15"])(
    streaming(
        "run_join_stream",
        to=lambda events: [event for event in events if "|" not in event[1]],
        when=_in_one_mode,
    )
)
fault("joined-stream-in-one-mode-names-no-subgraphs", breaks=["STREAM-15"])(
    streaming(
        "run_join_stream",
        to=lambda events: [(number, name.partition("|")[0], data) for number, name, data in events],
        when=_in_one_mode,
    )
)
fault("joined-stream-in-one-mode-counts-its-own-events", breaks=["STREAM-16"])(
    streaming(
        "run_join_stream",
        to=lambda events: [
            (str(number), name, data) for number, (_, name, data) in enumerate(events)
        ],
        when=_in_one_mode,
    )
)


@fault("resumed-stream-in-one-mode-begins-anew", breaks=["STREAM-16"])
def begins_anew(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_join_stream", when=_in_one_mode)
    def forget(request: WireRequest) -> None:
        request.headers = [each for each in request.headers if each[0] != b"last-event-id"]


# Joining from the beginning


def _begun_twice(events: list[Event]) -> list[Event]:
    return [*events[:1], *events] if _named(events, "metadata") == [0] else events


fault("stream-that-is-read-again-begins-twice", breaks=["STREAM-17"])(
    streaming("run_join_stream", to=_begun_twice, when=lambda request: _last_event(request) == "-1")
)
fault("joined-stream-has-its-run-at-both-ends", breaks=["STREAM-17"])(
    streaming(
        "run_join_stream",
        to=lambda events: [*events, *(("99", *each[1:]) for each in events[:1])],
        when=lambda request: _last_event(request) == "",
    )
)


def _failure_becomes(change: Callable[[Event], list[Event]]) -> Apply:
    """Replace the error event of a joined stream."""
    return streaming(
        "run_join_stream",
        to=lambda events: [
            new for each in events for new in (change(each) if each[1] == "error" else [each])
        ],
    )


fault("failure-is-not-kept-with-the-stream", breaks=["STREAM-20"])(_failure_becomes(lambda _: []))
fault("failure-that-is-read-again-has-no-reason", breaks=["STREAM-20"])(
    _failure_becomes(lambda event: [(event[0], event[1], {})])
)


@fault("stream-from-a-checkpoint-begins-after-the-newest-state", breaks="STREAM-23")
def begins_after_the_newest_state(broken: FaultyDeployment) -> None:
    """Show the values that the thread had as the first values of a run with an input."""
    newest: dict[str, Any] = {}

    def begins(request: WireRequest) -> bool:
        members = request.members
        return bool(members.get("checkpoint")) and members.get("input") is not None

    @broken.wire.before("run_stream", when=begins)
    def note(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        newest[request.thread_id] = thread.values if thread else {}

    @broken.wire.after("run_stream", when=begins)
    def show(request: WireRequest, answer: WireAnswer) -> None:
        events = events_in(answer.raw) if answer.ok else []
        for position in _named(events, "values")[:1]:
            number, name, _ = events[position]
            events[position] = (number, name, newest[request.thread_id])
            answer.raw = encode_events(events)

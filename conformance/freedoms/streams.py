"""Freedoms of streams: the encoding of events, and further events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import count
from typing import Any

from conformance.faults.kit.runs import (
    Event,
    encode_events,
    events_in,
    found_run,
    run_id_in,
    streaming,
)
from conformance.freedoms.kit import RUN_STREAMS, STREAMS
from conformance.freedoms.registry import freedom
from conformance.model.entities import Task
from conformance.model.streams import INTERRUPT, RunEvent, StreamEvents
from conformance.model.views import interrupts_view
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import WireAnswer, WireRequest

#: Names of events that are about the stream itself.
_OF_THE_STREAM = ("metadata", "error")
_FORM = "The HTML standard on server-sent events, which text/event-stream names."


def _written(write: Callable[[bytes], bytes]) -> Apply:
    def apply(altered: Altered) -> None:
        @altered.wire.after(*STREAMS)
        def rewrite(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok and answer.raw:
                answer.raw = write(answer.raw)

    return apply


def _changed_events(change: Callable[[list[Event]], list[Event]]) -> Apply:
    return _written(lambda raw: encode_events(change(events_in(raw))))


def _in_lines(raw: bytes) -> bytes:
    blocks = []
    for number, name, data in events_in(raw):
        lines = json.dumps(data, indent=1).split("\n")
        told = "\n".join(f"data: {line}" for line in lines)
        blocks.append(f"event: {name}\nid: {number}\n{told}\n\n")
    return "".join(blocks).encode()


freedom(
    "streams-have-comments",
    choice="form of streams",
    layer=1,
    allowed_by=f"{_FORM} A line that begins with : is a comment.",
)(_written(lambda raw: b": begin\nretry: 5000\n\n" + raw.replace(b"\n\n", b"\n\n: alive\n\n")))
freedom(
    "lines-of-streams-end-with-crlf",
    choice="form of streams",
    layer=1,
    allowed_by=f"{_FORM} Lines end with CRLF, LF or CR.",
)(_written(lambda raw: raw.replace(b"\n", b"\r\n")))
freedom(
    "lines-of-streams-end-with-cr",
    choice="form of streams",
    layer=1,
    allowed_by=f"{_FORM} Lines end with CRLF, LF or CR.",
)(_written(lambda raw: raw.replace(b"\n", b"\r")))
freedom(
    "data-of-events-stands-on-several-lines",
    choice="form of streams",
    layer=1,
    allowed_by=f"{_FORM} Lines of data are joined; fields have no order.",
)(_written(_in_lines))
freedom(
    "fields-of-events-have-no-space",
    choice="form of streams",
    layer=1,
    allowed_by=f"{_FORM} A space after the colon may be there.",
)(_written(lambda raw: raw.replace(b"\nevent: ", b"\nevent:").replace(b"\ndata: ", b"\ndata:")))
freedom(
    "streams-have-fields-and-blocks-that-mean-nothing",
    choice="form of streams",
    layer=1,
    allowed_by=f"{_FORM} Fields of other names are ignored, and what has no data is no event. No "
    "source says that each event has data: one with empty data is read as null by the SDKs.",
)(
    _written(
        lambda raw: b"".join(
            (
                b"event: ping\n\nevent: heartbeat\ndata:\n\n",
                raw.replace(b"\nevent: ", b"\nx-trace: 7f\nevent: "),
                b"event: end\ndata:\n\n",
            )
        )
    )
)
freedom(
    "events-have-no-ids",
    choice="form of streams",
    layer=1,
    allowed_by="No source says that an event has an id, but of a stream that is resumable.",
    may_block="STREAM-12 STREAM-13 STREAM-14 STREAM-16 THREAD-STREAM-11 THREAD-STREAM-12 STREAM-24",
)(_written(lambda raw: b"\n".join(e for e in raw.split(b"\n") if not e.startswith(b"id:"))))
freedom(
    "streams-joined-in-one-mode-have-its-events-alone",
    allowed_by="No source says of which mode the events about a stream are.",
    profile="full",
)(
    streaming(
        "run_join_stream",
        to=lambda events: [each for each in events if each[1] not in _OF_THE_STREAM],
        when=lambda request: "stream_mode" in request.query,
    )
)
freedom(
    "streams-of-updates-tell-of-no-interrupts",
    allowed_by="The SDK describes updates as the outputs of nodes; no source says that an "
    "interrupt is among them.",
    may_block="STREAM-18 STREAM-19",
    profile="full",
)(_changed_events(lambda events: [e for e in events if e[1] != "updates" or INTERRUPT not in e[2]]))
freedom(
    "streams-have-no-messages",
    allowed_by="Stream modes messages are of models; no source says which events a graph without "
    "a model gives.",
    may_block="STREAM-21",
    profile="full",
)(_changed_events(lambda events: [each for each in events if each[1] != "messages"]))


@freedom(
    "streams-that-have-ended-are-joined-in-vain",
    allowed_by="The SDK says that output before the call is not received; published is that -1 "
    "streams all events.",
    profile="full",
)
def streams_that_have_ended_are_joined_in_vain(altered: Altered) -> None:
    def from_now_on(request: WireRequest) -> bool:
        return b"last-event-id" not in dict(request.headers)

    @altered.wire.before("run_join_stream", when=from_now_on)
    def nothing_is_left(request: WireRequest) -> WireAnswer | None:
        found = found_run(altered.store, run_id_in(request))
        if found is None or found[1].active:
            return None
        return WireAnswer(200, b"", [(b"content-type", b"text/event-stream")])


@freedom(
    "resumed-streams-tell-of-their-run-again",
    allowed_by="The SDK prints a stream that begins with its run; no source says whether one that "
    "is resumed begins so too.",
    profile="full",
)
def resumed_streams_tell_of_their_run_again(altered: Altered) -> None:
    def after_an_event(request: WireRequest) -> bool:
        last: bytes = dict(request.headers).get(b"last-event-id", b"-1")
        return last != b"-1"

    @altered.wire.after("run_join_stream", when=after_an_event, status=200)
    def tell(request: WireRequest, answer: WireAnswer) -> None:
        told = {"run_id": run_id_in(request), "attempt": 1}
        answer.raw = encode_events([("", "metadata", told), *events_in(answer.raw)])


freedom(
    "streams-end-with-an-end-event",
    allowed_by="The linked pages print an event end; no source says what events there are beside "
    "those of the modes asked for.",
)(streaming(*RUN_STREAMS, to=lambda events: [*events, (str(len(events)), "end", None)]))


@freedom(
    "streams-have-events-of-the-servers-own",
    allowed_by="No source lists all events that a stream may hold.",
)
def streams_have_events_of_the_servers_own(altered: Altered) -> None:
    times = count(1)

    @altered.wire.after(*STREAMS)
    def tell_more(_request: WireRequest, answer: WireAnswer) -> None:
        """Add an event that differs each time; it is not kept for streams that are joined later."""
        if answer.ok and answer.raw:
            first, _, rest = answer.raw.partition(b"\n\n")
            told = b'event: ping\ndata: {"t": %d}' % next(times)
            answer.raw = b"\n\n".join([first, told, rest])


@freedom(
    "ids-of-events-are-no-numbers",
    choice="form of streams",
    layer=1,
    allowed_by="The published Last-Event-ID is a text; no source says what ids look like.",
)
def ids_of_events_are_no_numbers(altered: Altered) -> None:
    @altered.wire.after(*STREAMS)
    def rename(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            answer.raw = re.sub(rb"(?m)^id: (\d+)", rb"id: 1764000000000-\1/x", answer.raw)

    @altered.wire.before("run_join_stream", "thread_stream")
    def number(request: WireRequest) -> None:
        request.headers = [
            (name, value.removeprefix(b"1764000000000-").removesuffix(b"/x"))
            if name == b"last-event-id"
            else (name, value)
            for name, value in request.headers
        ]


freedom(
    "only-events-of-the-graph-have-ids",
    choice="form of streams",
    layer=1,
    allowed_by="No source says that an event about the stream has an id.",
)(_written(lambda raw: re.sub(rb"id: \d+\r?\n(event: (metadata|end))", rb"\1", raw)))


@freedom(
    "interrupts-of-subgraphs-are-streamed-as-theirs",
    allowed_by="Published is that stream_subgraphs streams the output of subgraphs; no source says "
    "whether an interrupt is told once more under the subgraph.",
    profile="full",
)
def interrupts_of_subgraphs_are_streamed_as_theirs(altered: Altered) -> None:
    @altered.override(StreamEvents.inner_events)
    def inner_events(right: Any, modes: tuple[str, ...], old: Task, task: Task) -> Any:
        yield from right(modes, old, task)
        if task.is_interrupted and task.inner and "updates" in modes:
            asked = {INTERRUPT: interrupts_view(task.interrupts)}
            yield RunEvent(f"updates|{task.namespace}", asked)


@freedom(
    "streams-of-values-begin-after-the-first-step",
    allowed_by="No source says whether a run without an input begins its stream of values with "
    "those of the state from which it goes on.",
    profile="full",
)
def streams_of_values_begin_after_the_first_step(altered: Altered) -> None:
    @altered.override(StreamEvents.start_events)
    def start_events(right: Any, *given: Any) -> tuple[RunEvent, ...]:
        return tuple(each for each in right(*given) if each.event != "values")


@freedom(
    "streams-joined-without-a-mode-are-of-values",
    allowed_by='Published of the stream_mode of a join: "If not provided, the default mode will be '
    'used", and values is the published default; no source says that it is all modes of the run.',
    profile="full",
)
def streams_joined_without_a_mode_are_of_values(altered: Altered) -> None:
    def names_no_mode(request: WireRequest) -> bool:
        return "stream_mode" not in request.query

    @altered.wire.after("run_join_stream", when=names_no_mode, status=200)
    def leave_out(request: WireRequest, answer: WireAnswer) -> None:
        found = found_run(altered.store, run_id_in(request))
        if found is None or len(found[1].kwargs.get("stream_mode") or ()) < 2:
            return
        kept = ("values", *_OF_THE_STREAM)
        events = [each for each in events_in(answer.raw) if each[1].split("|")[0] in kept]
        answer.raw = encode_events(events)

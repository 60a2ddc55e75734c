"""Faults of the commands of threads, and of their numbered events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_answer, change_request, with_status, without
from conformance.faults.kit.runs import encode_events, events_in
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Run
from conformance.model.ids_and_times import JsonObject
from conformance.model.streams import RunEvent
from conformance.model.thread_protocol import ProtocolEvent, ThreadProtocol
from conformance.reference.wire import When, WireAnswer, WireRequest, always, json_answer


def _method(name: str) -> When:
    """Select commands of that method."""
    return lambda request: request.members.get("method") == name and "id" in request.members


def _answered(change: Callable[[Any], Any], when: When = always) -> Apply:
    """Replace the body of the answer to a command by `change(body)`."""
    return change_answer("thread_command", to=lambda _, body: change(body), when=when)


def _doing_nothing(method: str) -> Apply:
    """Answer commands of that method with success, and do nothing."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before("thread_command", when=_method(method))
        def say_so(request: WireRequest) -> WireAnswer:
            return json_answer(200, {"type": "success", "id": request.members["id"], "result": {}})

    return apply


def _with_params(method: str, **params: Any) -> Apply:
    """Carry out commands of that method with these params instead of those sent."""
    return change_request(
        "thread_command",
        to=lambda body: {**body, "params": {**body["params"], **params}},
        when=_method(method),
    )


# Commands


fault("run-start-starts-nothing", breaks=["THREAD-STREAM-19"])(_doing_nothing("run.start"))
fault("run-start-runs-on-another-input", breaks=["THREAD-STREAM-19"])(
    _with_params("run.start", input={"messages": []})
)
fault("success-has-the-id-of-another-command", breaks=["THREAD-STREAM-19"])(
    _answered(lambda body: {**body, "id": 99} if body["type"] == "success" else body)
)
fault("success-of-run-start-has-no-type", breaks=["THREAD-STREAM-19"])(
    _answered(lambda body: without(body, "type"), _method("run.start"))
)
fault("run-start-does-not-name-the-run", breaks=["THREAD-STREAM-20"])(
    _answered(lambda body: {**body, "result": {}}, _method("run.start"))
)
fault("run-start-names-another-run", breaks=["THREAD-STREAM-20"])(
    _answered(
        lambda body: {**body, "result": {"run_id": "01a22770-94e7-76df-b877-229da49c366c"}},
        _method("run.start"),
    )
)


def _unknown(request: WireRequest) -> bool:
    method = request.members.get("method")
    return isinstance(method, str) and method not in ("run.start", "input.respond")


fault("command-that-is-not-known-is-a-success", breaks=["THREAD-STREAM-21"])(
    _answered(lambda body: {"type": "success", "id": body["id"], "result": {}}, _unknown)
)
fault("error-has-no-id-of-its-command", breaks=["THREAD-STREAM-21"])(
    _answered(lambda body: {**body, "id": None}, _unknown)
)
fault("error-of-a-command-is-not-published", breaks=["THREAD-STREAM-21"])(
    _answered(lambda body: {**body, "error": "what?"}, _unknown)
)


def _malformed(request: WireRequest) -> bool:
    return not isinstance(request.members.get("id"), int) or "method" not in request.members


fault("malformed-commands-are-errors-with-200", breaks=["THREAD-STREAM-22"])(
    with_status(200, "thread_command", instead_of=400, when=_malformed)
)
fault("malformed-commands-are-422", breaks=["THREAD-STREAM-22"])(
    with_status(422, "thread_command", instead_of=400, when=_malformed)
)


@fault("ids-of-commands-may-be-texts", breaks=["THREAD-STREAM-22"])
def ids_may_be_texts(broken: FaultyDeployment) -> None:
    @broken.wire.before(
        "thread_command", when=lambda request: isinstance(request.members.get("id"), str)
    )
    def take(request: WireRequest) -> None:
        request.body = {**request.members, "id": 1}


# Events


def _framed(change: Callable[[tuple[str, str, Any]], tuple[str, str, Any]]) -> Apply:
    """Replace each frame (id, name, data) of the events of a thread."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after("thread_events")
        def rewrite(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok and answer.raw:
                answer.raw = encode_events([change(each) for each in events_in(answer.raw)])

    return apply


fault("frames-are-named-message", breaks=["THREAD-STREAM-23"])(
    _framed(lambda event: (event[0], "message", event[2]))
)
fault("frames-count-from-0", breaks=["THREAD-STREAM-23"])(
    _framed(lambda event: (str(int(event[0]) - 1), *event[1:]))
)
fault("events-have-no-namespace", breaks=["THREAD-STREAM-23"])(
    _framed(
        lambda event: (
            (
                *event[:2],
                {**event[2], "params": {**event[2]["params"], "namespace": None}},
            )
            if event[1] == "lifecycle"
            else event
        )
    )
)
fault("times-of-events-are-texts", breaks=["THREAD-STREAM-23"])(
    _framed(
        lambda event: (
            *event[:2],
            {**event[2], "params": {**event[2]["params"], "timestamp": "2026-11-29T13:10:14Z"}},
        )
    )
)


@fault("events-of-the-protocol-begin-with-greetings", breaks=["THREAD-STREAM-23"])
def events_begin_with_greetings(broken: FaultyDeployment) -> None:
    greeted: set[int] = set()

    @broken.wire.after("thread_events")
    def greet(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok and answer.raw and id(request) not in greeted:
            greeted.add(id(request))
            hello = encode_events([("0", "greeting", {"type": "greeting"})] * 9)
            answer.raw = hello + answer.raw


@fault("events-of-the-protocol-are-json", breaks=["THREAD-STREAM-23"])
def events_are_json(broken: FaultyDeployment) -> None:
    @broken.wire.after("thread_events")
    def typed(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            kept = [header for header in answer.headers if header[0] != b"content-type"]
            answer.headers = [*kept, (b"content-type", b"application/json")]


def _numbering(number: Callable[[Sequence[ProtocolEvent]], int]) -> Apply:
    """Give each event of a thread the number `number(events before it)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadProtocol.next_seq)
        def next_seq(_right: Any, thread_id: str) -> int:
            return number(broken.store.thread_protocol.kept(thread_id))

    return apply


fault("all-events-have-one-number", breaks=["THREAD-STREAM-24"])(_numbering(lambda _: 7))
fault("two-events-of-the-protocol-share-a-number", breaks="THREAD-STREAM-24")(
    _numbering(lambda kept: 1 + len(kept) - (len(kept) % 3 == 2))
)
fault("events-are-numbered-backwards", breaks=["THREAD-STREAM-24"])(
    _numbering(lambda kept: 10_000 - len(kept))
)


def _selecting(
    decide: Callable[[ProtocolEvent, JsonObject, bool], bool],
) -> Apply:
    """Let `decide(event, request, right decision)` decide which events a request selects."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadProtocol.is_requested)
        def is_requested(right: Any, event: ProtocolEvent, request: JsonObject) -> bool:
            return decide(event, request, right(event, request))

    return apply


fault("channels-are-ignored", breaks=["THREAD-STREAM-25"])(_selecting(lambda *_: True))
fault("lifecycle-comes-with-every-channel", breaks=["THREAD-STREAM-25"])(
    _selecting(lambda event, _, right: right or event.channel == "lifecycle")
)
fault("lifecycle-alone-has-no-events", breaks=["THREAD-STREAM-25"])(
    _selecting(
        lambda event, asked, right: (
            right and (event.channel != "lifecycle" or len(asked["channels"]) > 1)
        )
    )
)


def _beginning_at(place: Callable[[int, Sequence[ProtocolEvent]], int]) -> Apply:
    """Begin at `place(right, kept events)` where a request has `since`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadProtocol.position)
        def position(right: Any, thread_id: str, since: int | None) -> int:
            at: int = right(thread_id, since)
            kept = broken.store.thread_protocol.kept(thread_id)
            return at if since is None else max(0, place(at, kept))

    return apply


fault("since-is-ignored", breaks=["THREAD-STREAM-26"])(_beginning_at(lambda _, kept: len(kept)))
fault("since-is-the-beginning", breaks=["THREAD-STREAM-26"])(_beginning_at(lambda *_: 0))
fault("since-repeats-the-event-itself", breaks=["THREAD-STREAM-26"])(
    _beginning_at(lambda at, _: at - 1)
)
fault("since-leaves-out-the-next-event", breaks=["THREAD-STREAM-26"])(
    _beginning_at(lambda at, _: at + 1)
)


@fault("since-0-replays-from-the-second-event-on", breaks=["THREAD-STREAM-26"])
def since_0_replays_from_the_second(broken: FaultyDeployment) -> None:
    # As where events are counted from 0 inside, and from 1 outside.
    @broken.override(ThreadProtocol.position)
    def position(right: Any, thread_id: str, since: int | None) -> int:
        at: int = right(thread_id, since)
        return max(at, 1) if since == 0 else at


@fault("replayed-events-are-of-values-alone", breaks=["THREAD-STREAM-26"])
def replayed_are_of_values_alone(broken: FaultyDeployment) -> None:
    _selecting(
        lambda event, asked, right: right and ("since" not in asked or event.channel == "values")
    )(broken)


def _served(when: When) -> Apply:
    """Answer with a stream without events where a subscription should be refused."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after("thread_events", when=when, status=400)
        def serve(_request: WireRequest, answer: WireAnswer) -> None:
            answer.status, answer.raw = 200, b": nothing\n\n"
            answer.headers = [(b"content-type", b"text/event-stream")]

    return apply


fault("no-channels-are-all-channels", breaks=["THREAD-STREAM-27"])(
    _served(lambda request: not request.members.get("channels"))
)
fault("unpublished-channels-are-ignored", breaks=["THREAD-STREAM-27"])(
    _served(lambda request: "everything" in request.members.get("channels", ()))
)
fault("refused-channels-are-422", breaks=["THREAD-STREAM-27"])(
    with_status(422, "thread_events", instead_of=400)
)


# Interrupts and the state


fault("input-respond-does-nothing", breaks=["THREAD-STREAM-28"])(_doing_nothing("input.respond"))
fault("input-respond-forgets-the-response", breaks=["THREAD-STREAM-28"])(
    _with_params("input.respond", response="nothing")
)
fault("input-respond-is-not-known", breaks=["THREAD-STREAM-28"])(
    change_request(
        "thread_command",
        to=lambda body: {**body, "method": "respond"},
        when=_method("input.respond"),
    )
)


@fault("interrupts-are-not-told-as-input", breaks=["THREAD-STREAM-29"])
def interrupts_are_not_told(broken: FaultyDeployment) -> None:
    broken.override(ThreadProtocol.add_interrupts)(lambda _right, thread_id: None)


@fault("interrupts-are-told-under-another-id", breaks=["THREAD-STREAM-29"])
def interrupts_under_another_id(broken: FaultyDeployment) -> None:
    @broken.override(ThreadProtocol.add)
    def add(
        right: Any, thread_id: str, method: str, data: Any, namespace: tuple[str, ...] = ()
    ) -> None:
        asked = method == "input.requested"
        right(thread_id, method, {**data, "interrupt_id": "0"} if asked else data, namespace)


def _changing_run_events(
    to: Callable[[Sequence[RunEvent]], Sequence[RunEvent]], when: Callable[[Run], bool]
) -> Apply:
    """Add `to(events)` in place of the events of each step of runs that satisfy `when`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(ThreadProtocol.add_run_events)
        def add_run_events(
            right: Any, thread_id: str, run: Run, events: Sequence[RunEvent]
        ) -> None:
            right(thread_id, run, to(events) if when(run) else events)

    return apply


fault("run-that-resumes-is-not-told-as-values", breaks=["THREAD-STREAM-29"])(
    _changing_run_events(
        lambda events: [each for each in events if each.event != "values"],
        lambda run: bool(run.kwargs.get("command")),
    )
)


def _first_values_again(events: Sequence[RunEvent]) -> Iterator[RunEvent]:
    for each in events:
        yield each
        messages = each.data.get("messages", []) if each.event == "values" else []
        if len(messages) > 1:
            yield RunEvent("values", {"messages": messages[:1]})


fault("last-values-of-the-protocol-are-the-first", breaks=["THREAD-STREAM-30"])(
    _changing_run_events(lambda events: [*_first_values_again(events)], lambda _: True)
)
fault("messages-of-the-protocol-have-no-ids", breaks=["THREAD-STREAM-30"])(
    _changing_run_events(
        lambda events: [
            replace(
                each,
                data={
                    **each.data,
                    "messages": [without(one, "id") for one in each.data.get("messages", [])],
                },
            )
            if each.event == "values"
            else each
            for each in events
        ],
        lambda _: True,
    )
)

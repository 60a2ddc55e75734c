"""Freedoms of the commands of threads, and of their numbered events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from conformance.faults.kit.http_changes import change_answer, without
from conformance.faults.kit.runs import encode_events, events_in
from conformance.freedoms.registry import freedom
from conformance.model.entities import Run
from conformance.model.ids_and_times import JsonObject
from conformance.model.thread_protocol import ProtocolEvent, ThreadProtocol
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import WireAnswer, WireRequest

#: Seconds until a list of runs shows the run of a command.
_LATER_S = 0.3


def _changed_events(change: Callable[[JsonObject], JsonObject]) -> Apply:
    """Replace each protocol event by `change(event)`."""

    def apply(altered: Altered) -> None:
        @altered.wire.after("thread_events")
        def rewrite(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok and answer.raw:
                answer.raw = encode_events(
                    [(number, name, change(data)) for number, name, data in events_in(answer.raw)]
                )

    return apply


@freedom(
    "events-of-the-protocol-are-replayed-unasked",
    allowed_by="No source says whether events of before are told where since is not sent.",
    profile="full",
)
def replayed_unasked(altered: Altered) -> None:
    @altered.override(ThreadProtocol.position)
    def position(right: Any, thread_id: str, since: int | None) -> int:
        return int(right(thread_id, since or 0))


@freedom(
    "numbers-of-events-have-gaps",
    allowed_by="Published of seq is that it is monotonic; no source says that it has no gaps.",
    profile="full",
)
def numbers_have_gaps(altered: Altered) -> None:
    @altered.override(ThreadProtocol.next_seq)
    def next_seq(right: Any, thread_id: str) -> int:
        return int(right(thread_id)) * 10


freedom(
    "events-of-the-protocol-have-no-event-id",
    allowed_by="ProtocolEvent.event_id is not required.",
    profile="full",
)(_changed_events(lambda event: without(event, "event_id")))
freedom(
    "events-of-the-protocol-have-more-members",
    allowed_by="ProtocolEvent has additionalProperties, and may name a node.",
    profile="full",
)(_changed_events(lambda event: {**event, "meta": {}, "params": {**event["params"], "node": "n"}}))
freedom(
    "events-of-the-protocol-have-no-numbers",
    allowed_by="ProtocolEvent.seq is not required.",
    may_block="THREAD-STREAM-24 THREAD-STREAM-26",
    profile="full",
)(_changed_events(lambda event: without(event, "seq")))
freedom(
    "success-of-a-command-has-no-meta",
    allowed_by="ProtocolSuccess.meta is not required.",
    profile="full",
)(change_answer("thread_command", to=lambda _, body: without(body, "meta")))
freedom(
    "input-respond-does-not-name-its-run",
    allowed_by="The SDK says of run.start alone that its result names the run.",
    profile="full",
)(
    change_answer(
        "thread_command",
        to=lambda _, body: {**body, "result": {}} if body["type"] == "success" else body,
        when=lambda request: request.members.get("method") == "input.respond",
    )
)


@freedom(
    "runs-of-commands-have-no-updates",
    allowed_by="No source says which channels have events of a graph without a model.",
    profile="full",
)
def no_updates(altered: Altered) -> None:
    @altered.override(ThreadProtocol.is_requested)
    def is_requested(right: Any, event: ProtocolEvent, request: JsonObject) -> bool:
        return bool(right(event, request)) and event.channel not in ("updates", "tasks")


@freedom(
    "lifecycle-tells-of-nodes-as-well",
    allowed_by="No source says what the events of the channel lifecycle are of.",
    profile="full",
)
def lifecycle_tells_of_nodes(altered: Altered) -> None:
    @altered.override(ThreadProtocol.add_run_events)
    def add_run_events(right: Any, thread_id: str, run: Run, events: Sequence[Any]) -> None:
        right(thread_id, run, events)
        altered.store.thread_protocol.add_lifecycle(thread_id, run, "running")


@freedom(
    "runs-of-commands-begin-a-moment-later",
    allowed_by="No source says that the run of run.start is listed when the command is answered.",
    profile="full",
)
def runs_of_commands_begin_later(altered: Altered) -> None:
    begun: dict[str, float] = {}

    @altered.wire.after("thread_command")
    def note(_request: WireRequest, answer: WireAnswer) -> None:
        body = answer.body
        result = body.get("result") if isinstance(body, dict) else None
        if isinstance(result, dict) and "run_id" in result:
            begun[result["run_id"]] = time.monotonic()

    @altered.wire.answers("run_list")
    def listed(_request: WireRequest, runs: Any) -> Any:
        now = time.monotonic()
        return [run for run in runs if now - begun.get(run.get("run_id"), 0.0) > _LATER_S]

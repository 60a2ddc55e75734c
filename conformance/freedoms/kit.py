"""Building blocks of freedoms."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from conformance.faults.kit.http_changes import with_status
from conformance.faults.kit.runs import encode_events, events_in
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import (
    Json,
    WireAnswer,
    WireRequest,
    is_success,
)

#: The members that the published ThreadState requires.
REQUIRED_OF_STATES = ("values", "next", "checkpoint", "metadata", "created_at")
#: Operations that show threads, runs and crons.
THREADS = ("create", "get", "update", "copy", "search")
RUNS = ("run_background", "run_get", "run_list", "stateless_background", "stateless_batch")
CRONS = ("cron_create", "cron_get", "cron_search", "cron_update")
RUN_STREAMS = ("run_stream", "run_join_stream", "stateless_stream")
#: Also the streams that do not end, of which a rule gets each event as an answer of its own.
STREAMS = (*RUN_STREAMS, "thread_stream")
#: The stream of protocol events: each holds, in `params.data`, what other streams have as data.
PROTOCOL = "thread_events"
#: Operations that answer with the output of a run.
OUTPUTS = ("run_wait", "run_join", "stateless_wait")
#: Members whose content is application data.
_APPLICATION_DATA = (
    "values",
    "metadata",
    "kwargs",
    "input",
    "output",
    "result",
    "value",
    "payload",
    "extracted",
)
#: Members whose value maps ids or namespaces to values.
_MAPS = ("interrupts", "parents")

JsonObject = dict[str, Any]


def holds_values(event: str) -> bool:
    """Return whether events of that name carry values, or an update of them."""
    return event.split("|")[0] in ("values", "updates")


def change_events(change: Callable[[str, Json], Json], *operations: str) -> Apply:
    """Replace the data of each event of a stream by `change(name, data)`."""

    def apply(altered: Altered) -> None:
        @altered.wire.after(*(operations or (*STREAMS, PROTOCOL)))
        def stream(request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok and answer.raw:
                inner = request.operation == PROTOCOL
                events = events_in(answer.raw)
                answer.raw = encode_events(
                    [
                        (each, name, _within(change, name, data) if inner else change(name, data))
                        for each, name, data in events
                    ]
                )

    return apply


def _within(change: Callable[[str, Json], Json], name: str, event: Json) -> Json:
    """Return a protocol event with `change(name, data)` as its data."""
    params = event["params"]
    return {**event, "params": {**params, "data": change(name, params["data"])}}


def change_member(name: str, change: Callable[[Any], Any]) -> Callable[[JsonObject], JsonObject]:
    """Return a change of one member of an object, where it is shown: a select may leave it out."""
    return lambda shown: {**shown, name: change(shown[name])} if name in shown else shown


def combine(*applied: Apply) -> Apply:
    """Combine alterations, applied in this order."""

    def apply(altered: Altered) -> None:
        for each in applied:
            each(altered)

    return apply


def with_success_status(status: int, *operations: str) -> Apply:
    """Answer successes, 200 and 204, with another status."""
    return combine(*(with_status(status, *operations, instead_of=right) for right in (200, 204)))


def change_every_object(
    change: Callable[[JsonObject], JsonObject], *, application_data: bool = False
) -> Apply:
    """Replace every object in every successful answer and event by `change(object)`.

    Application data stays as it is, unless `application_data` is true.
    """

    def changed(value: Json, name: str = "") -> Json:
        if isinstance(value, list):
            return [changed(each) for each in value]
        if not isinstance(value, dict):
            return value
        inner = {
            name: changed(each, name) if application_data or name not in _APPLICATION_DATA else each
            for name, each in value.items()
        }
        return inner if name in _MAPS else change(inner)

    def apply(altered: Altered) -> None:
        @altered.wire.after(when=lambda request: not request.path.endswith("openapi.json"))
        def change_all(request: WireRequest, answer: WireAnswer) -> None:
            if not is_success(answer.status) or not answer.raw:
                return
            if request.operation in (*STREAMS, PROTOCOL):
                events = events_in(answer.raw)
                answer.raw = encode_events(
                    [
                        (
                            each,
                            name,
                            data if holds_values(name) and not application_data else changed(data),
                        )
                        for each, name, data in events
                    ]
                )
            elif application_data or request.operation not in OUTPUTS:
                answer.body = changed(answer.body)

    return apply


_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def is_timestamp(name: str, value: Json) -> bool:
    """Return whether a member holds a timestamp."""
    named = name.endswith("_at") or name in ("timestamp", "next_run_date", "end_time")
    return named and isinstance(value, str) and bool(_TIMESTAMP.match(value))


def times_as(write: Callable[[str], str]) -> Apply:
    """Replace every timestamp by `write(text)`."""
    return change_every_object(
        lambda each: {
            name: write(value) if is_timestamp(name, value) else value
            for name, value in each.items()
        }
    )


def refuse_runs_that_failed(altered: Altered) -> None:
    """Answer 400 where the reference answers the error of a run whose graph raised."""

    @altered.wire.after(*OUTPUTS)
    def refuse(_request: WireRequest, answer: WireAnswer) -> None:
        if isinstance(answer.body, dict) and "__error__" in answer.body:
            answer.status, answer.body = 400, {"detail": answer.body["__error__"]["message"]}

"""What freedoms are made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from conformance.faults.kit.parts import each_shown
from conformance.faults.kit.runs import events_in, written
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import (
    Json,
    When,
    WireAnswer,
    WireRequest,
    always,
    is_success,
)

#: Operations that show threads, runs and crons.
THREADS = ("create", "get", "update", "copy", "search")
RUNS = ("run_background", "run_get", "run_list", "stateless_background", "stateless_batch")
CRONS = ("cron_create", "cron_get", "cron_search", "cron_update")
STREAMS = ("run_stream", "run_join_stream", "stateless_stream")
#: Operations that answer the values at the end of a run.
OUTPUTS = ("run_wait", "run_join", "stateless_wait")
#: Members whose content is the user's or the graph's.
_THEIRS = (
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
#: Members that hold objects whose names are not those of members.
_MAPS = ("interrupts", "parents")

JsonObject = dict[str, Any]


def shown(change: Callable[[JsonObject], Json], *operations: str, when: When = always) -> Apply:
    """Show each object of these operations otherwise, alone or in a list."""

    def apply(altered: Altered) -> None:
        each_shown(altered, *operations, when=when)(
            lambda _, each: change(each) if isinstance(each, dict) else each
        )

    return apply


def holds_values(event: str) -> bool:
    """Whether the data of an event of that name are values, or an update of them."""
    return event.split("|")[0] in ("values", "updates")


def streamed(change: Callable[[str, Json], Json], *operations: str) -> Apply:
    """Change the data of each event of a stream, given its name."""

    def apply(altered: Altered) -> None:
        @altered.wire.after(*(operations or STREAMS))
        def stream(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok:
                told = events_in(answer.raw)
                answer.raw = written(
                    [(each, name, change(name, data)) for each, name, data in told]
                )

    return apply


def together(*applied: Apply) -> Apply:
    """Alter in all of these ways."""

    def apply(altered: Altered) -> None:
        for each in applied:
            each(altered)

    return apply


def with_status(status: int, *operations: str, when: When = always) -> Apply:
    """Answer successes with another status."""

    def apply(altered: Altered) -> None:
        for right in (200, 204):

            @altered.wire.after(*operations, when=when, status=right)
            def answer_otherwise(_request: WireRequest, answer: WireAnswer) -> None:
                answer.status = status

    return apply


def everywhere(change: Callable[[JsonObject], JsonObject], *, theirs: bool = False) -> Apply:
    """Change every object of every answer and event that is a success.

    What is the user's or the graph's is left alone, unless it is `theirs` that is meant.
    """

    def changed(value: Json, name: str = "") -> Json:
        if isinstance(value, list):
            return [changed(each) for each in value]
        if not isinstance(value, dict):
            return value
        inner = {
            name: changed(each, name) if theirs or name not in _THEIRS else each
            for name, each in value.items()
        }
        return inner if name in _MAPS else change(inner)

    def apply(altered: Altered) -> None:
        @altered.wire.after(when=lambda request: not request.path.endswith("openapi.json"))
        def change_all(request: WireRequest, answer: WireAnswer) -> None:
            if not is_success(answer.status) or not answer.raw:
                return
            if request.operation in STREAMS:
                told = events_in(answer.raw)
                answer.raw = written(
                    [
                        (each, name, data if holds_values(name) and not theirs else changed(data))
                        for each, name, data in told
                    ]
                )
            elif theirs or request.operation not in OUTPUTS:
                answer.body = changed(answer.body)

    return apply


def taken_as(
    change: Callable[[WireRequest, JsonObject], JsonObject], *operations: str, when: When = always
) -> Apply:
    """Take the body of a request for another one."""

    def apply(altered: Altered) -> None:
        @altered.wire.before(*operations, when=lambda r: isinstance(r.body, dict) and when(r))
        def take(request: WireRequest) -> None:
            request.body = change(request, request.members)

    return apply


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def is_moment(name: str, value: Json) -> bool:
    """Whether a member holds a moment."""
    named = name.endswith("_at") or name in ("timestamp", "next_run_date", "end_time")
    return named and isinstance(value, str) and bool(_MOMENT.match(value))


def times_as(write: Callable[[str], str]) -> Apply:
    """Write every moment otherwise."""
    return everywhere(
        lambda each: {
            name: write(value) if is_moment(name, value) else value for name, value in each.items()
        }
    )

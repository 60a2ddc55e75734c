"""Freedoms of concurrent requests."""

from __future__ import annotations

import asyncio

from conformance.freedoms.registry import freedom
from conformance.model.states import States
from conformance.reference.altered import Altered
from conformance.reference.wire import WireAnswer, WireRequest, json_answer

#: For how many waits of a millisecond a state update is in progress.
_TURNS = 5


@freedom(
    "state-updates-of-a-thread-that-is-being-updated-are-refused",
    allowed_by="No source says that two state updates of one thread at once are both served, nor "
    "by which 4xx one of them is refused.",
    profile="extended",
)
def updates_meanwhile_are_refused(altered: Altered) -> None:
    under_way: dict[str, WireRequest] = {}

    @altered.wire.before("update_state")
    async def update(request: WireRequest) -> WireAnswer | None:
        thread_id = request.thread_id.lower()
        if thread_id in under_way:
            return json_answer(409, {"detail": "another update of the thread is under way"})
        under_way[thread_id] = request
        for _ in range(_TURNS):
            await asyncio.sleep(0.001)
        return None

    @altered.wire.after("update_state")
    def end(request: WireRequest, _answer: WireAnswer) -> None:
        if under_way.get(request.thread_id.lower()) is request:
            del under_way[request.thread_id.lower()]


@freedom(
    "state-updates-beside-a-run-are-accepted",
    allowed_by="No source says that a state update of a thread on which a run is under way is "
    "refused.",
    profile="full",
)
def updates_beside_a_run_are_accepted(altered: Altered) -> None:
    altered.override(States.refuse_if_busy)(lambda _right, _thread: None)

"""Faults that show only in the order in which concurrent requests for one thread take effect.

Some requests are held, so that others are served in between; the faults show only then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.state import messages, stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Thread
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest

Checkpoints = tuple[Checkpoint, ...]

#: For how many waits of a millisecond a request is held; and a request that is to take effect
#: while another one is held, whichever of the two comes first.
_TURNS, _FEW_TURNS = 12, 5


async def _let_others_in(turns: int = _TURNS) -> None:
    for _ in range(turns):
        await asyncio.sleep(0.001)


def _holding(broken: FaultyDeployment, operation: str) -> None:
    """Hold requests of an operation, for less time than those that write what they read before."""

    @broken.wire.before(operation)
    async def hold(_request: WireRequest) -> None:
        await _let_others_in(_FEW_TURNS)


class _HeldRequests:
    """Requests of some operations: they are held, and counted by thread while in progress."""

    def __init__(self, broken: FaultyDeployment, *operations: str) -> None:
        self.number: Counter[str] = Counter()

        @broken.wire.before(*operations)
        async def hold(request: WireRequest) -> None:
            self.number[_thread_of(request)] += 1
            await _let_others_in()

        @broken.wire.after(*operations)
        def release(request: WireRequest, _answer: WireAnswer) -> None:
            self.number[_thread_of(request)] -= 1

    def on(self, request: WireRequest) -> int:
        """Return how many of the held requests are in progress for the thread of `request`."""
        return self.number[_thread_of(request)]


def _thread_of(request: WireRequest) -> str:
    """Return the id of the thread that a request is about; for a creation, the id in its body."""
    return (request.thread_id or str(request.members.get("thread_id", ""))).lower()


# Reads


@fault("get-during-an-update-shows-what-was-before-the-last-one", breaks=["LINEAR-01"])
def get_during_an_update_is_stale(broken: FaultyDeployment) -> None:
    held = _HeldRequests(broken, "update")
    former: dict[str, Thread] = {}

    @broken.wire.before("update")
    def keep_former(request: WireRequest) -> None:
        if (thread := stored_thread(broken, request.thread_id)) is not None:
            former[thread.thread_id] = thread

    @broken.wire.answers("get")
    def get(request: WireRequest, shown: Json) -> Json:
        if not held.on(request) or _thread_of(request) not in former:
            return shown
        return {**shown, "metadata": former[_thread_of(request)].metadata}


@fault("state-during-an-update-is-the-one-before-the-last", breaks=["LINEAR-02"])
def state_during_an_update_is_stale(broken: FaultyDeployment) -> None:
    held = _HeldRequests(broken, "update_state")

    @broken.wire.answers("state")
    def state(request: WireRequest, shown: Json) -> Json:
        thread = stored_thread(broken, request.thread_id)
        if not held.on(request) or thread is None or len(thread.checkpoints) < 2:
            return shown
        return {**shown, "values": thread.checkpoints[-2].values}


# Writes that are computed from what was read before


@fault("updates-work-on-what-they-read-at-first", breaks=["CONCURRENT-03", "LINEAR-01"])
def updates_work_on_what_they_read(broken: FaultyDeployment) -> None:
    @broken.wire.before("update")
    async def update(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        await _let_others_in()
        now = stored_thread(broken, request.thread_id)
        if thread is not None and now is not None:
            broken.store.records.keep(replace(now, metadata=thread.metadata))


def _bringing_a_deleted_thread_back(operation: str) -> Apply:
    """Store the thread of a request again if it is deleted while the request is in progress."""

    def apply(broken: FaultyDeployment) -> None:
        _holding(broken, "delete")

        @broken.wire.before(operation)
        async def update(request: WireRequest) -> None:
            thread = stored_thread(broken, request.thread_id)
            await _let_others_in()
            if thread is not None and stored_thread(broken, request.thread_id) is None:
                broken.store.records.keep(thread)

    return apply


fault("update-brings-a-deleted-thread-back", breaks=["LINEAR-01"])(
    _bringing_a_deleted_thread_back("update")
)
fault("state-update-brings-a-deleted-thread-back", breaks=["LINEAR-02"])(
    _bringing_a_deleted_thread_back("update_state")
)


@fault("creation-by-do-nothing-undoes-an-update-meanwhile", breaks=["LINEAR-01"])
def do_nothing_undoes_an_update(broken: FaultyDeployment) -> None:
    _holding(broken, "update")

    @broken.wire.before("create", when=lambda request: "if_exists" in request.members)
    async def create(request: WireRequest) -> None:
        thread = stored_thread(broken, _thread_of(request))
        await _let_others_in()
        now = stored_thread(broken, _thread_of(request))
        if thread is not None and now is not None:
            broken.store.records.keep(replace(now, metadata=thread.metadata))


@fault("state-updates-work-on-what-they-read-at-first", breaks=["LINEAR-02", "STATE-UPDATE-23"])
def state_updates_work_on_what_they_read(broken: FaultyDeployment) -> None:
    @broken.wire.before("update_state")
    async def update(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        await _let_others_in()
        now = stored_thread(broken, request.thread_id)
        if thread is not None and now is not None:
            broken.store.records.keep(replace(now, checkpoints=thread.checkpoints))


# Threads that were deleted


@fault("get-shows-a-deleted-thread-while-another-is-created", breaks=["LINEAR-01"])
def get_shows_a_deleted_thread(broken: FaultyDeployment) -> None:
    held = _HeldRequests(broken, "create")
    deleted: dict[str, Json] = {}

    @broken.wire.before("delete")
    def keep_deleted(request: WireRequest) -> None:
        if stored_thread(broken, request.thread_id) is not None:
            deleted[_thread_of(request)] = broken.store.threads.get(request.thread_id)

    @broken.wire.after("get", status=404)
    def get(request: WireRequest, answer: WireAnswer) -> None:
        if held.on(request) and _thread_of(request) in deleted:
            answer.status, answer.body = 200, deleted[_thread_of(request)]


# Copies


def _torn_at_once(broken: FaultyDeployment, tear: Callable[[Checkpoints], Checkpoints]) -> None:
    """Change by `tear` a copy of an updated thread, if another copy of it is in progress."""
    held = _HeldRequests(broken, "copy")
    updated: set[str] = set()

    @broken.wire.before("update_state")
    def note(request: WireRequest) -> None:
        updated.add(_thread_of(request))

    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> Checkpoints:
        whole: Checkpoints = right(source)
        alone = held.number[source.thread_id] < 2
        return whole if alone or source.thread_id not in updated else tear(whole)


def _without_the_last_but_one_message(checkpoints: Checkpoints) -> Checkpoints:
    *older, newest = checkpoints
    *kept, _, last = messages(newest)
    return (*older, replace(newest, values={**newest.values, "messages": [*kept, last]}))


fault("copies-at-once-lack-the-last-update", breaks=["LINEAR-03"])(
    lambda broken: _torn_at_once(broken, lambda checkpoints: checkpoints[:-1])
)
fault("copies-at-once-mix-two-moments", breaks=["LINEAR-03"])(
    lambda broken: _torn_at_once(broken, _without_the_last_but_one_message)
)

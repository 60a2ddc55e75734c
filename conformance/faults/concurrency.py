"""Faults that show only with concurrent requests.

The reference answers each request without a break. Here some requests wait, so that others are
likely to be served in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import without
from conformance.faults.kit.runs import having
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.entities import Thread
from conformance.model.threads import Threads
from conformance.reference.wire import WireAnswer, WireRequest, json_answer

#: For how many seconds a request waits for a second one.
_PATIENCE_S = 0.05
#: For how many turns of the event loop a request lets others be served.
_TURNS = 50
#: The number of states from which on copying and deleting a history takes time.
_LONG = 40


class RequestPairs:
    """Pairs of concurrent requests."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[WireRequest, asyncio.Future[WireRequest]]] = {}

    async def partner_of(self, topic: str, request: WireRequest) -> WireRequest | None:
        """Return the concurrent request on the same topic, or None.

        The first of the two waits for the second, and continues after it.
        """
        waiting = self._waiting.pop(topic, None)
        # On a timeout the future is cancelled one turn of the event loop before it is removed here.
        if waiting and not waiting[1].done():
            waiting[1].set_result(request)
            return waiting[0]
        second: asyncio.Future[WireRequest] = asyncio.get_running_loop().create_future()
        self._waiting[topic] = request, second
        try:
            return await asyncio.wait_for(second, _PATIENCE_S)
        except TimeoutError:
            if self._waiting.get(topic) == (request, second):
                del self._waiting[topic]
            return None


async def _let_others_in() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0.001)


def _numbered(request: WireRequest) -> bool:
    """Return whether a create request has `number` in metadata, as only concurrent ones have."""
    metadata = request.members.get("metadata")
    return isinstance(metadata, dict) and "number" in metadata


def _numbered_creation(request: WireRequest, again: bool) -> bool:
    return _numbered(request) and ("if_exists" in request.members) == again


# Creations


@fault("creations-at-once-all-succeed", breaks=["CONCURRENT-01"])
def creations_at_once_all_succeed(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()

    @broken.wire.before("create", when=lambda request: _numbered_creation(request, again=False))
    async def create(request: WireRequest) -> None:
        thread_id = str(request.members.get("thread_id"))
        if await pairs.partner_of(thread_id, request):
            broken.store.records.threads_by_id.pop(thread_id, None)


@fault("creations-at-once-mix-their-metadata", breaks=["CONCURRENT-01"])
def creations_at_once_mix(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()

    @broken.wire.before("create", when=lambda request: _numbered_creation(request, again=False))
    async def create(request: WireRequest) -> None:
        thread_id = str(request.members.get("thread_id"))
        other = await pairs.partner_of(thread_id, request)
        thread = stored_thread(broken, thread_id)
        if other and thread is not None:
            broken.store.records.keep(replace(thread, metadata=request.members["metadata"]))


@fault("creations-at-once-answer-what-each-asked-for", breaks=["CONCURRENT-02"])
def creations_at_once_answer_their_own(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()

    @broken.wire.before("create", when=lambda request: _numbered_creation(request, again=True))
    async def create(request: WireRequest) -> WireAnswer | None:
        thread_id = str(request.members.get("thread_id"))
        if not await pairs.partner_of(thread_id, request):
            return None
        shown = broken.store.threads.create(**request.members)
        return json_answer(200, {**shown, "metadata": request.members["metadata"]})


@fault("creations-at-once-are-refused-for-all-that-exists", breaks=["CONCURRENT-02"])
def creations_at_once_are_refused(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()

    @broken.wire.before("create", when=lambda request: _numbered_creation(request, again=True))
    async def create(request: WireRequest) -> None:
        if await pairs.partner_of(str(request.members.get("thread_id")), request):
            request.body = without(request.body, "if_exists")


# Updates


@fault("patches-at-once-lose-one-another", breaks=["CONCURRENT-03"])
def patches_lose_one_another(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()

    @broken.wire.before("update", when=having("metadata"))
    async def update(request: WireRequest) -> WireAnswer | None:
        metadata = request.members["metadata"]
        if not isinstance(metadata, dict) or not any(name.startswith("key-") for name in metadata):
            return None
        thread = stored_thread(broken, request.thread_id)
        if not await pairs.partner_of(request.thread_id, request) or thread is None:
            return None
        broken.store.records.keep(replace(thread, metadata={**thread.metadata, **metadata}))
        return json_answer(200, broken.store.threads.get(thread.thread_id))


@fault("updates-at-once-reach-the-other-thread", breaks=["CONCURRENT-08"])
def updates_reach_the_other_thread(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()
    last = [""]

    @broken.wire.before("update_state")
    async def update(request: WireRequest) -> None:
        # Requests that all concern the same thread do not wait.
        earlier, last[0] = last[0], request.thread_id
        if earlier in ("", request.thread_id):
            return
        if other := await pairs.partner_of("updates", request):
            request.path = request.path.replace(request.thread_id, other.thread_id)


# Copies


def _torn(broken: FaultyDeployment, when: Any, tear: Any) -> None:
    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> Any:
        return tear(right(source)) if when(source) else right(source)


fault("copy-during-a-run-lacks-the-oldest-state", breaks=["CONCURRENT-05"])(
    lambda broken: _torn(
        broken,
        lambda source: any(run.active for run in source.runs),
        lambda checkpoints: checkpoints[1:],
    )
)

fault("copy-during-a-run-has-values-of-a-later-state", breaks=["CONCURRENT-05"])(
    lambda broken: _torn(
        broken,
        lambda source: any(run.active for run in source.runs),
        lambda checkpoints: (
            *checkpoints[:-2],
            *(replace(each, values=checkpoints[-1].values) for each in checkpoints[-2:-1]),
            *checkpoints[-1:],
        ),
    )
)


@fault("copy-is-as-long-as-its-source-was-before", breaks=["CONCURRENT-04"])
def copy_is_as_long_as_its_source_was(broken: FaultyDeployment) -> None:
    lengths: dict[str, int] = {}

    @broken.wire.before("copy")
    async def read(request: WireRequest) -> None:
        # The length is read before the states; threads with runs are left alone.
        source = stored_thread(broken, request.thread_id)
        if source is not None and not source.runs:
            lengths[request.thread_id] = len(source.checkpoints)
            await _let_others_in()

    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Thread) -> Any:
        length = lengths.pop(source.thread_id, len(source.checkpoints))
        return right(source)[-length:] if length else right(source)


@fault("copies-at-once-are-one-thread", breaks=["CONCURRENT-06"])
def copies_at_once_are_one_thread(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()
    made: dict[str, Any] = {}

    @broken.wire.before("copy")
    async def copy(request: WireRequest) -> WireAnswer | None:
        source = stored_thread(broken, request.thread_id)
        if source is None or len(source.checkpoints) < _LONG:
            return None
        if not await pairs.partner_of(request.thread_id, request):
            return None
        if request.thread_id not in made:
            made[request.thread_id] = broken.store.threads.copy(request.thread_id)
        return json_answer(200, made[request.thread_id])


@fault("copies-at-once-lose-their-oldest-state", breaks=["CONCURRENT-06"])
def copies_at_once_lose_their_oldest_state(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()

    @broken.wire.before("copy")
    async def copy(request: WireRequest) -> WireAnswer | None:
        source = stored_thread(broken, request.thread_id)
        if source is None or len(source.checkpoints) < _LONG:
            return None
        if not await pairs.partner_of(request.thread_id, request):
            return None
        copied = broken.store.threads.copy(request.thread_id)
        thread = broken.store.records.thread(copied["thread_id"])
        broken.store.records.keep(replace(thread, checkpoints=thread.checkpoints[1:]))
        return json_answer(200, copied)


# State updates of one thread


def _of_newest(request: WireRequest) -> bool:
    return not request.members.get("checkpoint")


@fault("state-updates-at-once-hang-on-one-state", breaks=["LINEAR-02", "STATE-UPDATE-23"])
def state_updates_at_once_hang_on_one(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()

    @broken.wire.before("update_state", when=_of_newest)
    async def update(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        newest = thread.latest if thread else None
        if newest and await pairs.partner_of(request.thread_id, request):
            named = {"checkpoint_id": newest.checkpoint_id}
            request.body = {**request.members, "checkpoint": named}


@fault("state-updates-at-once-are-answered-as-one", breaks=["LINEAR-02", "STATE-UPDATE-23"])
def state_updates_at_once_are_one(broken: FaultyDeployment) -> None:
    pairs = RequestPairs()

    @broken.wire.before("update_state", when=_of_newest)
    async def update(request: WireRequest) -> WireAnswer | None:
        thread = stored_thread(broken, request.thread_id)
        if thread is None or not thread.checkpoints:
            return None
        other = await pairs.partner_of(request.thread_id, request)
        if other is None or request.raw < other.raw:
            return None
        state = broken.store.states.state(request.thread_id)
        return json_answer(200, {"checkpoint": state["checkpoint"]})


# Deleting


def _deleting_in_parts(broken: FaultyDeployment, part: Callable[[Thread], Thread]) -> None:
    @broken.wire.before("delete")
    async def delete(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None and len(thread.checkpoints) >= _LONG:
            broken.store.records.keep(part(thread))
            await _let_others_in()


fault("thread-being-deleted-has-half-its-history", breaks=["CONCURRENT-07"])(
    lambda broken: _deleting_in_parts(
        broken, lambda thread: replace(thread, checkpoints=thread.checkpoints[_LONG // 2 :])
    )
)
fault("thread-being-deleted-is-empty", breaks=["CONCURRENT-07"])(
    lambda broken: _deleting_in_parts(broken, lambda thread: replace(thread, checkpoints=()))
)

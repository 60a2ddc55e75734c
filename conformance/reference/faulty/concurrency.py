"""Faults that show only where several ask at once.

The reference answers each request in one go. Here some requests wait for others to
come in between: for at most `_PATIENCE_S`, and only where that is likely.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from conformance.model.threads import Thread
from conformance.reference.faults import Broken, fault
from conformance.reference.faulty.parts import without
from conformance.reference.faulty.run_parts import having
from conformance.reference.wire import WireAnswer, WireRequest, json_answer

_PATIENCE_S = 0.5
#: A history of so many states takes time to copy and to delete.
_LONG = 40


class Crowd:
    """Those that are under way at once, by what they are about."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._there: dict[str, list[WireRequest]] = {}

    @asynccontextmanager
    async def beside(self, topic: str, request: WireRequest) -> AsyncIterator[list[WireRequest]]:
        """Wait for another about the same topic: those that came before; [] if none came."""
        there = self._there.setdefault(topic, [])
        before = [*there]
        there.append(request)
        self._changed.set()
        try:
            yield before or [each for each in await self._company(topic) if each is not request]
        finally:
            there.remove(request)

    async def _company(self, topic: str) -> list[WireRequest]:
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while len(self._there[topic]) < 2:
            rest = deadline - asyncio.get_running_loop().time()
            if rest <= 0:
                break
            self._changed = asyncio.Event()
            try:
                await asyncio.wait_for(self._changed.wait(), rest)
            except TimeoutError:
                break
        return [*self._there[topic]]


def _numbered(request: WireRequest) -> bool:
    """Creations that bear a number, as several at once do: no other has to wait."""
    metadata = request.members.get("metadata")
    return isinstance(metadata, dict) and "number" in metadata


def _of_number(request: WireRequest, again: bool) -> bool:
    return _numbered(request) and ("if_exists" in request.members) == again


# Creations


@fault("creations-at-once-all-succeed", breaks=["CONCURRENT-01"])
def creations_at_once_all_succeed(broken: Broken) -> None:
    crowd = Crowd()

    @broken.wire.before("create", when=lambda request: _of_number(request, again=False))
    async def create(request: WireRequest) -> None:
        thread_id = str(request.members.get("thread_id"))
        async with crowd.beside(thread_id, request) as others:
            if others:
                broken.store._threads.pop(thread_id, None)


@fault("creations-at-once-mix-their-metadata", breaks=["CONCURRENT-01"])
def creations_at_once_mix(broken: Broken) -> None:
    crowd = Crowd()

    @broken.wire.before("create", when=lambda request: _of_number(request, again=False))
    async def create(request: WireRequest) -> None:
        thread_id = str(request.members.get("thread_id"))
        async with crowd.beside(thread_id, request) as others:
            thread = broken.store._threads.get(thread_id)
            if others and thread is not None:
                broken.store.keep(replace(thread, metadata=request.members["metadata"]))


@fault("creations-at-once-answer-what-each-asked-for", breaks=["CONCURRENT-02"])
def creations_at_once_answer_their_own(broken: Broken) -> None:
    crowd = Crowd()

    @broken.wire.before("create", when=lambda request: _of_number(request, again=True))
    async def create(request: WireRequest) -> WireAnswer | None:
        thread_id = str(request.members.get("thread_id"))
        async with crowd.beside(thread_id, request) as others:
            if not others:
                return None
            shown = broken.store.create(**request.members)
            return json_answer(200, {**shown, "metadata": request.members["metadata"]})


@fault("creations-at-once-are-refused-for-all-that-exists", breaks=["CONCURRENT-02"])
def creations_at_once_are_refused(broken: Broken) -> None:
    crowd = Crowd()

    @broken.wire.before("create", when=lambda request: _of_number(request, again=True))
    async def create(request: WireRequest) -> None:
        async with crowd.beside(str(request.members.get("thread_id")), request) as others:
            if others:
                request.body = without(request.body, "if_exists")


# Updates


@fault("patches-at-once-lose-one-another", breaks=["CONCURRENT-03"])
def patches_lose_one_another(broken: Broken) -> None:
    crowd = Crowd()

    @broken.wire.before("update", when=having("metadata"))
    async def update(request: WireRequest) -> WireAnswer | None:
        metadata = request.members["metadata"]
        if not isinstance(metadata, dict) or not any(name.startswith("key-") for name in metadata):
            return None
        thread = broken.store._threads.get(request.thread_id)
        async with crowd.beside(request.thread_id, request) as others:
            if thread is None or not others:
                return None
            broken.store.keep(replace(thread, metadata={**thread.metadata, **metadata}))
            return json_answer(200, broken.store.get(thread.thread_id))


@fault("updates-at-once-reach-the-other-thread", breaks=["CONCURRENT-08"])
def updates_reach_the_other_thread(broken: Broken) -> None:
    crowd = Crowd()
    last = [""]

    @broken.wire.before("update_state")
    async def update(request: WireRequest) -> None:
        # Who works on one thread alone waits for nobody.
        earlier, last[0] = last[0], request.thread_id
        if earlier in ("", request.thread_id):
            return
        async with crowd.beside("updates", request) as others:
            strangers = [each for each in others if each.thread_id != request.thread_id]
            if strangers:
                request.path = request.path.replace(request.thread_id, strangers[0].thread_id)


# Copies


def _torn(broken: Broken, when: Any, tear: Any) -> None:
    @broken.instead("copied_checkpoints")
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
def copy_is_as_long_as_its_source_was(broken: Broken) -> None:
    lengths: dict[str, int] = {}
    updating: set[str] = set()

    @broken.wire.before("update_state")
    def note(request: WireRequest) -> None:
        updating.add(request.thread_id)

    @broken.wire.before("copy")
    async def read(request: WireRequest) -> None:
        # The length is read first, the states only once another was added.
        source = broken.store._threads.get(request.thread_id)
        if source is None or request.thread_id not in updating:
            return
        updating.discard(request.thread_id)
        length = len(source.checkpoints)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE_S / 10
        while len(source.checkpoints) == length and loop.time() < deadline:
            await asyncio.sleep(0.001)
            source = broken.store._threads.get(request.thread_id, source)
        lengths[request.thread_id] = length

    @broken.instead("copied_checkpoints")
    def copied_checkpoints(right: Any, source: Thread) -> Any:
        length = lengths.pop(source.thread_id, len(source.checkpoints))
        return right(source)[-length:] if length else right(source)


@fault("copies-at-once-are-one-thread", breaks=["CONCURRENT-06"])
def copies_at_once_are_one_thread(broken: Broken) -> None:
    crowd = Crowd()
    made: dict[str, Any] = {}

    @broken.wire.before("copy")
    async def copy(request: WireRequest) -> WireAnswer | None:
        source = broken.store._threads.get(request.thread_id)
        if source is None or len(source.checkpoints) < _LONG:
            return None
        async with crowd.beside(request.thread_id, request) as others:
            if not others:
                return None
            if request.thread_id not in made:
                made[request.thread_id] = broken.store.copy(request.thread_id)
            return json_answer(200, made[request.thread_id])


@fault("copies-at-once-lose-their-oldest-state", breaks=["CONCURRENT-06"])
def copies_at_once_lose_their_oldest_state(broken: Broken) -> None:
    crowd = Crowd()

    @broken.wire.before("copy")
    async def copy(request: WireRequest) -> WireAnswer | None:
        source = broken.store._threads.get(request.thread_id)
        if source is None or len(source.checkpoints) < _LONG:
            return None
        async with crowd.beside(request.thread_id, request) as others:
            if not others:
                return None
            copied = broken.store.copy(request.thread_id)
            thread = broken.store.thread(copied["thread_id"])
            broken.store.keep(replace(thread, checkpoints=thread.checkpoints[1:]))
            return json_answer(200, copied)


# Deleting


def _deleting_in_parts(broken: Broken, part: Any) -> None:
    @broken.wire.before("delete")
    async def delete(request: WireRequest) -> None:
        thread = broken.store._threads.get(request.thread_id)
        if thread is None or len(thread.checkpoints) < _LONG:
            return
        looks[request.thread_id] = 0
        broken.store.keep(part(thread))
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        # Until each way of looking was used while the thread is half there.
        while looks[request.thread_id] < 6 and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.001)

    @broken.wire.before("get", "state", "history")
    def look(request: WireRequest) -> None:
        if request.thread_id in looks:
            looks[request.thread_id] += 1

    looks: dict[str, int] = {}


fault("thread-being-deleted-has-half-its-history", breaks=["CONCURRENT-07"])(
    lambda broken: _deleting_in_parts(
        broken, lambda thread: replace(thread, checkpoints=thread.checkpoints[_LONG // 2 :])
    )
)
fault("thread-being-deleted-is-empty", breaks=["CONCURRENT-07"])(
    lambda broken: _deleting_in_parts(broken, lambda thread: replace(thread, checkpoints=()))
)

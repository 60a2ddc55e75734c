"""Faults of pruning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.threads import Threads


def _pruning(change: Callable[[FaultyDeployment, Any, list[str], str], Any]) -> Apply:
    """Prune by `change(broken, right, thread_ids, strategy)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Threads.prune)
        def prune(right: Any, thread_ids: list[str], strategy: str = "delete") -> Any:
            return change(broken, right, thread_ids, strategy)

    return apply


def _keeping(change: Callable[[Any], Any]) -> Apply:
    """Keep `change(thread)` of each thread that is pruned with keep_latest."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Threads.pruned)
        def pruned(_right: Any, thread: Any) -> Any:
            return change(thread)

    return apply


def _known(broken: FaultyDeployment, thread_ids: list[str]) -> list[str]:
    return [one for one in thread_ids if one in broken.store.records.threads_by_id]


fault("prune-deletes-nothing", breaks=["ERROR-ANY-12", "PRUNE-01"])(
    _pruning(
        lambda broken, right, thread_ids, strategy: (
            {"pruned_count": len(_known(broken, thread_ids))}
            if strategy == "delete"
            else right(thread_ids, strategy)
        )
    )
)


fault("prune-says-no-number", breaks=["ERROR-ANY-12", "PRUNE-02"])(
    _pruning(lambda _, right, thread_ids, strategy: {"pruned": right(thread_ids, strategy)})
)
fault("keep-latest-keeps-the-oldest", breaks=["PRUNE-03", "PRUNE-04"])(
    _keeping(lambda thread: replace(thread, checkpoints=thread.checkpoints[:1]))
)
fault("keep-latest-keeps-two", breaks=["PRUNE-04"])(
    _keeping(lambda thread: replace(thread, checkpoints=thread.checkpoints[-2:]))
)
fault("keep-latest-keeps-all", breaks=["PRUNE-04"])(_keeping(lambda thread: thread))


@fault("keep-latest-keeps-the-newest-message-only", breaks=["PRUNE-03"])
def keeps_the_newest_message_only(broken: FaultyDeployment) -> None:
    @broken.override(Threads.pruned)
    def pruned(right: Any, thread: Any) -> Any:
        kept = right(thread)
        newest = {"messages": thread.values.get("messages", [])[-1:]}
        return replace(
            kept, checkpoints=tuple(replace(each, values=newest) for each in kept.checkpoints)
        )


@fault("prune-reaches-the-thread-made-after", breaks=["PRUNE-05"])
def reaches_the_thread_made_after(broken: FaultyDeployment) -> None:
    def prune(broken: FaultyDeployment, right: Any, thread_ids: list[str], strategy: str) -> Any:
        every = list(broken.store.records.threads_by_id)
        known = _known(broken, thread_ids)
        after = every[max(map(every.index, known)) + 1 :][:1] if known else []
        answer = right(thread_ids, strategy)
        right(after, strategy)
        return answer

    _pruning(prune)(broken)


@fault("prune-touches-every-thread", breaks=["ERROR-ANY-12", "PRUNE-05"])
def touches_every_thread(broken: FaultyDeployment) -> None:
    def prune(broken: FaultyDeployment, right: Any, thread_ids: list[str], strategy: str) -> Any:
        for thread in list(broken.store.records.threads_by_id.values()):
            if thread.thread_id not in thread_ids:
                broken.store.records.keep(replace(thread, updated_at=broken.store.records.now()))
        return right(thread_ids, strategy)

    _pruning(prune)(broken)

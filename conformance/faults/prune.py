"""Faults of pruning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import copies_of
from conformance.faults.kit.state import pruned_threads
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Task, Thread
from conformance.model.search import Searches
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
    ids = [one.lower() for one in thread_ids]
    return [one for one in ids if one in broken.store.records.threads_by_id]


fault("prune-deletes-nothing", breaks=["ERROR-ANY-12", "PRUNE-01"])(
    _pruning(
        lambda broken, right, thread_ids, strategy: (
            {"pruned_count": len(set(_known(broken, thread_ids)))}
            if strategy == "delete"
            else right(thread_ids, strategy)
        )
    )
)


fault("prune-says-no-number", breaks=["ERROR-ANY-12", "PRUNE-02"])(
    _pruning(lambda _, right, thread_ids, strategy: {"pruned": right(thread_ids, strategy)})
)
fault("keep-latest-keeps-the-oldest", breaks="PRUNE-03 PRUNE-04 PRUNE-23 PRUNE-24")(
    _keeping(lambda thread: replace(thread, checkpoints=thread.checkpoints[:1]))
)
fault("keep-latest-keeps-two", breaks=["PRUNE-04"])(
    _keeping(lambda thread: replace(thread, checkpoints=thread.checkpoints[-2:]))
)
fault("keep-latest-keeps-all", breaks=["PRUNE-04"])(_keeping(lambda thread: thread))


fault("keep-latest-keeps-the-end-of-the-longest-branch", breaks="PRUNE-03")(
    _keeping(
        lambda thread: replace(
            thread, checkpoints=tuple(sorted(thread.checkpoints, key=lambda each: each.step)[-1:])
        )
    )
)
fault("keep-latest-drops-the-question", breaks="PRUNE-23 PRUNE-24")(
    _keeping(lambda thread: _newest_tasks(thread, lambda task: replace(task, interrupts=())))
)
fault("keep-latest-makes-a-thread-idle", breaks="PRUNE-24")(
    _keeping(lambda thread: replace(_newest_tasks(thread, lambda task: task), status="idle"))
)


def _newest_tasks(thread: Thread, change: Callable[[Task], Task]) -> Thread:
    """Return a thread with only its newest state, and `change(task)` for each task of the state."""
    kept = tuple(
        replace(each, parent_id=None, tasks=tuple(map(change, each.tasks)))
        for each in thread.checkpoints[-1:]
    )
    return replace(thread, checkpoints=kept)


def _removing_threads_without_a_state(
    broken: FaultyDeployment, right: Any, thread_ids: list[str], strategy: str
) -> Any:
    answer = right(thread_ids, strategy)
    for one in _known(broken, thread_ids):
        if strategy == "keep_latest" and not broken.store.records.thread(one).checkpoints:
            broken.store.threads.delete(one)
    return answer


fault("keep-latest-removes-threads-without-a-state", breaks="PRUNE-03")(
    _pruning(_removing_threads_without_a_state)
)


def _still_in(operation: Callable[..., Any]) -> Apply:
    """Find or count threads that a prune has deleted as if they were still there."""

    def apply(broken: FaultyDeployment) -> None:
        gone: dict[str, Thread] = {}

        @broken.override(Threads.prune)
        def prune(right: Any, thread_ids: list[str], strategy: str = "delete") -> Any:
            before = dict(broken.store.records.threads_by_id)
            answer = right(thread_ids, strategy)
            left = broken.store.records.threads_by_id
            gone.update({one: each for one, each in before.items() if one not in left})
            return answer

        @broken.override(operation)
        def ask(right: Any, *given: Any, **named: Any) -> Any:
            records = broken.store.records
            now = records.threads_by_id
            records.threads_by_id = {**gone, **now}
            try:
                return right(*given, **named)
            finally:
                records.threads_by_id = now

    return apply


fault("search-finds-pruned-threads", breaks="PRUNE-20")(_still_in(Searches.search))
fault("count-counts-pruned-threads", breaks="PRUNE-21")(_still_in(Searches.count))


@fault("copy-of-a-pruned-thread-has-no-history", breaks="PRUNE-22")
def copy_of_pruned_has_no_history(broken: FaultyDeployment) -> None:
    pruned = pruned_threads(broken)

    @broken.override(Threads.copied_checkpoints)
    def copied(right: Any, source: Thread) -> Any:
        return () if source.thread_id in pruned else right(source)


@fault("keep-latest-keeps-the-newest-message-only", breaks="PRUNE-03 PRUNE-24")
def keeps_the_newest_message_only(broken: FaultyDeployment) -> None:
    @broken.override(Threads.pruned)
    def pruned(right: Any, thread: Any) -> Any:
        kept = right(thread)
        newest = {"messages": thread.values.get("messages", [])[-1:]}
        return replace(
            kept, checkpoints=tuple(replace(each, values=newest) for each in kept.checkpoints)
        )


@fault("prune-reaches-the-thread-made-after", breaks="PRUNE-05 PRUNE-25")
def reaches_the_thread_made_after(broken: FaultyDeployment) -> None:
    def prune(broken: FaultyDeployment, right: Any, thread_ids: list[str], strategy: str) -> Any:
        every = list(broken.store.records.threads_by_id)
        known = _known(broken, thread_ids)
        after = every[max(map(every.index, known)) + 1 :][:1] if known else []
        answer = right(thread_ids, strategy)
        right(after, strategy)
        return answer

    _pruning(prune)(broken)


@fault("prune-touches-every-thread", breaks="ERROR-ANY-12 PRUNE-05 PRUNE-25")
def touches_every_thread(broken: FaultyDeployment) -> None:
    def prune(broken: FaultyDeployment, right: Any, thread_ids: list[str], strategy: str) -> Any:
        for thread in list(broken.store.records.threads_by_id.values()):
            if thread.thread_id not in thread_ids:
                broken.store.records.keep(replace(thread, updated_at=broken.store.records.now()))
        return right(thread_ids, strategy)

    _pruning(prune)(broken)


fault("prune-counts-every-naming", breaks=["PRUNE-02"])(
    _pruning(
        lambda broken, right, thread_ids, strategy: {
            "pruned_count": len(_known(broken, thread_ids)),
            "of": right(thread_ids, strategy),
        }
    )
)


@fault("keep-latest-shortens-copies", breaks="PRUNE-25")
def shortens_copies(broken: FaultyDeployment) -> None:
    sources = copies_of(broken)

    def prune(broken: FaultyDeployment, right: Any, thread_ids: list[str], strategy: str) -> Any:
        answer = right(thread_ids, strategy)
        copies = [copy for copy, of in sources.items() if of in thread_ids]
        if strategy == "keep_latest":
            right(_known(broken, copies), strategy)
        return answer

    _pruning(prune)(broken)


@fault("prune-leaves-out-the-first-of-several", breaks=["PRUNE-01", "PRUNE-02", "ERROR-ANY-12"])
def prune_leaves_out_the_first(broken: FaultyDeployment) -> None:
    @broken.override(Threads.prune)
    def prune(right: Any, thread_ids: list[str], *others: Any, **named: Any) -> Any:
        return right(thread_ids[1:] if len(thread_ids) > 1 else thread_ids, *others, **named)

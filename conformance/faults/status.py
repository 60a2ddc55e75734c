"""Faults of the status of threads, and of finding and counting threads by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_answer
from conformance.faults.kit.runs import of_graph, resuming, run_id_in, runs_on, where
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Thread
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.search import Query, Searches
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.reference.wire import When, WireAnswer, WireRequest

_Meant = Callable[[Thread], bool]


def _lagging(status: str, when: When, meant: _Meant = lambda thread: True) -> Apply:
    """Leave threads in a status after a run that was waited for, where `meant(thread)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after("run_wait", when=when)
        def lag(request: WireRequest, answer: WireAnswer) -> None:
            thread = stored_thread(broken, request.thread_id)
            if answer.ok and thread is not None and meant(thread):
                broken.store.records.keep(replace(thread, status=status))

    return apply


def _asked(request: WireRequest) -> bool:
    return request.members.get("assistant_id") == "interrupter" and not resuming(request)


fault("waiting-thread-is-idle", breaks=["STATUS-01"])(_lagging("idle", _asked))
fault("failed-thread-is-interrupted", breaks=["STATUS-02"])(
    _lagging("interrupted", of_graph("failing"))
)
fault("resumed-thread-stays-interrupted", breaks=["STATUS-04"])(
    _lagging("interrupted", where(resuming, of_graph("interrupter")))
)
fault("resumed-thread-is-still-busy", breaks=["STATUS-04"])(
    _lagging("busy", where(resuming, of_graph("interrupter")))
)
fault("thread-in-error-stays-in-error", breaks=["STATUS-05"])(
    _lagging(
        "error", of_graph("agent"), lambda thread: any(run.status == "error" for run in thread.runs)
    )
)


@fault("busy-thread-is-idle-once-its-run-was-looked-at", breaks=["STATUS-03", "STATUS-08"])
def busy_thread_is_idle(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_get")
    def look(request: WireRequest, _answer: WireAnswer) -> None:
        run_id = run_id_in(request)
        for run in runs_on(broken.store, request.thread_id):
            if run.run_id == run_id and run.status == "running":
                thread = broken.store.records.thread(request.thread_id)
                broken.store.records.keep(replace(thread, status="idle"))


fault("thread-that-asks-again-is-idle", breaks="STATUS-01")(
    _lagging(
        "idle",
        _asked,
        lambda thread: any("resume" in (run.kwargs.get("command") or {}) for run in thread.runs),
    )
)
fault("thread-that-failed-after-a-success-is-idle", breaks="STATUS-02")(
    _lagging("idle", of_graph("failing"), lambda thread: len(thread.runs) > 1)
)


def _shown_as(status: str, meant: _Meant) -> Apply:
    """Keep threads in a status for as long as `meant(thread)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Records.status_of)
        def status_of(right: Any, thread: Thread) -> Any:
            return status if meant(thread) else right(thread)

    return apply


def _under_way(thread: Thread) -> bool:
    return any(run.active for run in thread.runs)


def _has(thread: Thread, *statuses: str) -> bool:
    return any(run.status in statuses for run in thread.runs)


fault("thread-in-error-stays-so-while-a-run-is-under-way", breaks="STATUS-03")(
    _shown_as("error", lambda thread: _under_way(thread) and _has(thread, "error"))
)
fault("waiting-thread-stays-so-while-a-run-is-under-way", breaks="STATUS-03")(
    _shown_as("interrupted", lambda thread: _under_way(thread) and _has(thread, "interrupted"))
)
fault("thread-is-idle-once-one-of-its-runs-has-ended", breaks="STATUS-08")(
    _shown_as("idle", lambda thread: _under_way(thread) and _has(thread, "success"))
)
fault("thread-stays-interrupted-after-another-run-was-interrupted", breaks="STATUS-09")(
    _shown_as(
        "interrupted",
        lambda thread: (
            len(thread.runs) > 1
            and thread.runs[-1].multitask_strategy == "interrupt"
            and not _under_way(thread)
        ),
    )
)
fault("thread-stays-busy-after-a-rollback", breaks="STATUS-09")(
    _shown_as(
        "busy",
        lambda thread: (
            any(run.multitask_strategy == "rollback" for run in thread.runs)
            and not _under_way(thread)
        ),
    )
)
fault("thread-stays-busy-after-a-run-that-waited", breaks="STATUS-09")(
    _shown_as(
        "busy",
        lambda thread: (
            len(thread.runs) > 1
            and thread.runs[-1].kwargs.get("input", {}) is not None
            and thread.runs[-1].created_at < thread.runs[-2].updated_at
            and thread.runs[-2].status == "success"
            and not _under_way(thread)
        ),
    )
)


def _asks_inside(thread: Thread) -> bool:
    tasks = thread.latest.tasks if thread.latest else ()
    return any(task.inner and task.is_interrupted for task in tasks) and not _under_way(thread)


fault("thread-whose-subgraph-asks-is-busy", breaks="STATUS-01")(_shown_as("busy", _asks_inside))


@fault("thread-stays-busy-after-its-run-was-deleted", breaks="STATUS-14")
def stays_busy_after_a_deletion(broken: FaultyDeployment) -> None:
    @broken.override(Runs.delete_run)
    def delete_run(right: Any, thread_id: str, run_id: str) -> None:
        waiting = broken.store.runs.run_of(thread_id, run_id).status == "pending"
        right(thread_id, run_id)
        thread = broken.store.records.thread(thread_id)
        if waiting:
            broken.store.records.keep(replace(thread, status="busy"))


def _stopped_by(option: str) -> _Meant:
    return lambda thread: (
        bool(thread.runs)
        and thread.runs[-1].status == "interrupted"
        and bool(thread.runs[-1].kwargs.get(option))
    )


fault("thread-stopped-before-a-node-is-idle", breaks="STATUS-15")(
    _shown_as("idle", _stopped_by("interrupt_before"))
)
fault("thread-stopped-after-a-node-is-busy", breaks="STATUS-15")(
    _shown_as("busy", _stopped_by("interrupt_after"))
)


@fault("copy-of-a-busy-thread-is-busy", breaks="STATUS-10")
def copy_of_a_busy_thread_is_busy(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        made = right(thread_id)
        if broken.store.records.thread(thread_id).status == "busy":
            thread = broken.store.records.thread(made["thread_id"])
            broken.store.records.keep(replace(thread, status="busy"))
            made = {**made, "status": "busy"}
        return made


def _after_update(status: str, meant: Callable[[str, Thread], bool]) -> Apply:
    """Leave threads in a status after a state update where `meant(status before, thread)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(States.update_state)
        def update_state(right: Any, thread_id: str, *given: Any, **named: Any) -> Any:
            before = broken.store.records.thread(thread_id).status
            answer = right(thread_id, *given, **named)
            thread = broken.store.records.thread(thread_id)
            if meant(before, thread):
                broken.store.records.keep(replace(thread, status=status))
            return answer

    return apply


def _finished(thread: Thread) -> bool:
    return thread.latest is not None and not thread.latest.tasks


def _forked(thread: Thread) -> bool:
    """Return whether the newest state is a finished one that does not follow the one before it."""
    *_, before, newest = (None, *thread.checkpoints)
    return before is not None and _finished(thread) and newest.parent_id != before.checkpoint_id


fault("thread-is-busy-after-a-state-update", breaks="STATUS-11")(
    _after_update("busy", lambda before, thread: before == "idle" and _finished(thread))
)
fault("thread-is-interrupted-after-a-state-update", breaks="STATUS-11")(
    _after_update("interrupted", lambda before, thread: before == "idle" and _finished(thread))
)
fault("thread-that-an-update-answered-stays-interrupted", breaks="STATUS-12")(
    _after_update(
        "interrupted", lambda before, thread: before == "interrupted" and _finished(thread)
    )
)
fault("thread-whose-question-a-fork-has-left-stays-interrupted", breaks="STATUS-12")(
    _after_update("interrupted", lambda before, thread: before == "interrupted" and _forked(thread))
)
fault("thread-that-an-update-answered-is-busy", breaks="STATUS-12")(
    _after_update("busy", lambda before, thread: before == "interrupted" and _finished(thread))
)


def _after_patch(becomes: dict[str, str]) -> Apply:
    """Let an update of metadata turn one status into another one."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Threads.update)
        def update(right: Any, thread_id: str, *given: Any, **named: Any) -> Any:
            shown = right(thread_id, *given, **named)
            thread = broken.store.records.thread(thread_id)
            status = becomes.get(thread.status, thread.status)
            broken.store.records.keep(replace(thread, status=status))
            return shown

    return apply


fault("update-of-metadata-makes-a-waiting-thread-idle", breaks="STATUS-13")(
    _after_patch({"interrupted": "idle"})
)
fault("update-of-metadata-makes-an-error-idle", breaks="STATUS-13")(_after_patch({"error": "idle"}))

# Finding and counting


def _by(status: str) -> When:
    return lambda request: request.members.get("status") == status


def _queries(request: WireRequest, statuses: tuple[str, ...]) -> list[Query]:
    names = ("ids", "metadata", "values")
    filters = {name: request.members.get(name) for name in names}
    return [Query(**filters, status=each) for each in statuses]


def _finding_instead(asked: str, *statuses: str) -> Apply:
    """Find the threads of these statuses where another one is requested."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers("search", when=_by(asked))
        def find_others(request: WireRequest, _threads: Any) -> Any:
            queries = _queries(request, statuses)
            threads = [
                thread for query in queries for thread in broken.store.searches.search(query)
            ]
            return threads[: request.members.get("limit", 10)]

    return apply


def _counting_instead(asked: str, *statuses: str) -> Apply:
    """Count the threads of these statuses where another one is requested."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers("count", when=_by(asked))
        def counted(request: WireRequest, _number: Any) -> Any:
            return sum(broken.store.searches.count(query) for query in _queries(request, statuses))

    return apply


for asked, statuses in (
    ("busy", ()),
    ("interrupted", ("interrupted", "error")),
    ("error", ("interrupted", "error")),
    ("idle", ("idle", "busy")),
):
    fault(f"search-for-{asked}-mixes-statuses", breaks=["STATUS-06", "CONDITION-06"])(
        _finding_instead(asked, *statuses)
    )
    fault(f"count-of-{asked}-mixes-statuses", breaks=["STATUS-07", "CONDITION-07"])(
        _counting_instead(asked, *statuses)
    )

fault("count-by-status-counts-one-too-many", breaks=["COUNT-02", "COUNT-07", "STATUS-07"])(
    change_answer("count", to=lambda _, number: number + 1, when=_by("interrupted"))
)


@fault(
    "search-finds-a-resumed-thread-as-interrupted",
    breaks=["CONDITION-16", "CONDITION-17", "STATUS-06"],
)
def search_finds_resumed_as_interrupted(broken: FaultyDeployment) -> None:
    resumed: set[str] = set()

    @broken.wire.after("run_wait", when=resuming)
    def note(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok and request.thread_id:
            resumed.add(request.thread_id)

    @broken.override(Searches.search)
    def search(right: Any, query: Query, **members: Any) -> Any:
        stale = [stored_thread(broken, each) for each in resumed]
        late = [each for each in stale if each is not None and each.status == "idle"]
        for each in late:
            broken.store.records.keep(replace(each, status="interrupted"))
        try:
            return right(query, **members)
        finally:
            for each in late:
                broken.store.records.keep(each)


@fault("search-limits-before-the-status", breaks=["STATUS-06"])
def search_limits_before_the_status(broken: FaultyDeployment) -> None:
    @broken.override(Searches.search)
    def search(right: Any, query: Query, **members: Any) -> Any:
        if query.status is None:
            return right(query, **members)
        meant = {each.thread_id for each in broken.store.searches.matching(query)}
        found = right(replace(query, status=None), **members)
        return [each for each in found if each.get("thread_id") in meant]

"""Faults of deleting threads with their runs: runs that are shown again, and busy threads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.faults.kit.runs import run_id_in
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Run, Thread
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

Left = dict[str, tuple[Run, ...]]


def _noted(broken: FaultyDeployment, operation: str) -> Left:
    """Return a dict that collects, by thread id, ended runs of threads that `operation` deletes."""
    left: Left = {}

    def ids(request: WireRequest) -> list[str]:
        if operation == "delete":
            return [request.thread_id]
        deletes = request.members.get("strategy", "delete") == "delete"
        return [*map(str, request.members.get("thread_ids") or [])] if deletes else []

    @broken.wire.before(operation)
    def note(request: WireRequest) -> None:
        for thread_id in ids(request):
            thread = stored_thread(broken, thread_id)
            if thread is not None:
                left[thread_id] = tuple(run for run in thread.runs if not run.active)

    return left


def _given_back(operation: str) -> Apply:
    """Give a thread that is created again the ended runs of the one that `operation` deleted."""

    def apply(broken: FaultyDeployment) -> None:
        left = _noted(broken, operation)

        @broken.override(Threads.create)
        def create(right: Any, **members: Any) -> Json:
            view = right(**members)
            thread = broken.store.records.thread(view["thread_id"])
            broken.store.records.keep(
                replace(thread, runs=(*left.pop(thread.thread_id, ()), *thread.runs))
            )
            return view

    return apply


fault("a-thread-made-again-lists-the-runs-of-the-deleted-one", breaks="DELETE-17")(
    _given_back("delete")
)
fault("a-thread-made-again-lists-the-runs-of-the-pruned-one", breaks="DELETE-18")(
    _given_back("prune")
)


@fault("a-thread-made-again-shows-a-run-of-the-deleted-one-by-its-id", breaks="DELETE-17")
def shows_an_old_run(broken: FaultyDeployment) -> None:
    left = _noted(broken, "delete")

    @broken.wire.after("run_get", status=404)
    def show(request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        for run in left.get(request.thread_id, ()):
            if thread is not None and run.run_id == run_id_in(request):
                answer.status, answer.body = 200, broken.store.views.run_view(thread, run)


# While a run is active


def _busy_thread(broken: FaultyDeployment, request: WireRequest) -> Thread | None:
    """Return the thread of a request if a run of it is active."""
    thread = stored_thread(broken, request.thread_id)
    return thread if thread is not None and any(run.active for run in thread.runs) else None


@fault("a-run-under-way-brings-its-deleted-thread-back", breaks="DELETE-19")
def brought_back(broken: FaultyDeployment) -> None:
    going: list[Thread] = []

    @broken.wire.before("delete")
    def note(request: WireRequest) -> None:
        if thread := _busy_thread(broken, request):
            ended = tuple(replace(run, status="success") for run in thread.runs)
            going.append(replace(thread, status="idle", runs=ended))

    # When its join is answered, the run that was active would have ended.
    @broken.wire.after("run_join")
    def keep(_request: WireRequest, _answer: WireAnswer) -> None:
        while going:
            broken.store.records.keep(going.pop())


@fault("deleting-a-busy-thread-does-nothing", breaks="DELETE-19")
def does_nothing(broken: FaultyDeployment) -> None:
    @broken.wire.before("delete")
    def skip(request: WireRequest) -> WireAnswer | None:
        return WireAnswer(204, b"") if _busy_thread(broken, request) else None


@fault("deleting-a-busy-thread-is-500", breaks="DELETE-19")
def is_500(broken: FaultyDeployment) -> None:
    @broken.wire.before("delete")
    def refuse(request: WireRequest) -> WireAnswer | None:
        return json_answer(500, {"detail": "sorry"}) if _busy_thread(broken, request) else None

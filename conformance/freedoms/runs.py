"""Freedoms of runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from conformance.faults.kit.http_changes import change_shown
from conformance.faults.kit.runs import RUN_STARTS, having, resuming, run_id_in, runs_on
from conformance.freedoms.kit import RUNS, refuse_runs_that_failed
from conformance.freedoms.registry import freedom
from conformance.model.entities import Thread
from conformance.model.executor import Executor
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.search import Searches
from conformance.model.views import Views
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

#: For how many seconds a run or its thread is shown as active after its end.
_SETTLING_S = 0.3
#: The minimum duration of each step, in seconds, while other runs wait for the end of its run.
_MIN_STEP_S = 1.0

freedom(
    "runs-show-nothing-of-what-they-were-asked",
    allowed_by="The published kwargs of a run are an object, and no more is said.",
    # That check recognises another tenant's run by its input.
    may_block="ACCESS-13",
)(change_shown(*RUNS, to=lambda run: {**run, "kwargs": {}} if "kwargs" in run else run))
freedom(
    "runs-have-more-metadata",
    allowed_by="Rules of fairness: unknown members never fail.",
)(
    change_shown(
        *RUNS,
        to=lambda run: (
            {**run, "metadata": {"created_by": "system", **run["metadata"]}}
            if "metadata" in run
            else run
        ),
    )
)
freedom(
    "runs-name-their-session",
    allowed_by="The published Run has a langsmith_session_name that may be null.",
)(change_shown("run_background", "run_get", to=lambda run: {**run, "langsmith_session_name": None}))
freedom(
    "runs-are-under-way-when-they-are-answered",
    allowed_by="The published status of a run is one of six; no source says which it begins with.",
)(
    change_shown(
        "run_background", "stateless_background", to=lambda run: {**run, "status": "running"}
    )
)


@freedom(
    "runs-add-to-the-metadata-of-their-thread",
    allowed_by="004 prints threads with a graph_id in their metadata; no source says that a run "
    "adds nothing there.",
)
def runs_add_to_the_metadata_of_their_thread(altered: Altered) -> None:
    @altered.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: Any) -> Any:
        begun = right(thread_id, request)
        store = altered.store
        thread = store.records.thread(thread_id)
        metadata = {**thread.metadata, "last_run_id": begun.run_id}
        store.records.keep(replace(thread, metadata=metadata))
        return begun


@freedom(
    "threads-get-what-only-the-metadata-of-a-run-has",
    allowed_by="As above: no source says that a run adds nothing to the metadata of its thread.",
    profile="full",
)
def threads_get_what_only_a_run_has(altered: Altered) -> None:
    @altered.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: Any) -> Any:
        begun = right(thread_id, request)
        thread = altered.store.records.thread(thread_id)
        metadata = {**(request.get("metadata") or {}), **thread.metadata}
        altered.store.records.keep(replace(thread, metadata=metadata))
        return begun


@freedom(
    "runs-that-failed-are-refused",
    allowed_by="The published response of a waited run is {}; no source says what is answered "
    "for a run whose graph raised.",
)
def runs_that_failed_are_refused(altered: Altered) -> None:
    refuse_runs_that_failed(altered)


@freedom(
    "threads-of-pending-runs-are-idle",
    allowed_by="The SDK says that a busy thread is one on which a task is being processed.",
    choice="status while a run is under way",
)
def threads_of_pending_runs_are_idle(altered: Altered) -> None:
    def status(thread: Thread) -> str:
        if thread.status != "busy" or any(run.status == "running" for run in thread.runs):
            return thread.status
        ended = tuple(run for run in thread.runs if not run.active)
        return altered.store.records.status_of(replace(thread, runs=ended))

    _with_status(altered, status)


@freedom(
    "busy-threads-are-not-deleted",
    allowed_by="No source says whether a thread can be deleted while one of its runs is under way.",
    may_block="RUN-CONTROL-24",
    profile="full",
)
def busy_threads_are_not_deleted(altered: Altered) -> None:
    @altered.wire.before("delete")
    def refuse(request: WireRequest) -> WireAnswer | None:
        busy = any(run.active for run in runs_on(altered.store, request.thread_id))
        return json_answer(409, {"detail": "the thread is busy"}) if busy else None


def _with_status(altered: Altered, status: Callable[[Thread], str]) -> None:
    """Show another status than the stored one, and find threads by it."""

    @altered.override(Views.thread_view)
    def thread_view(right: Any, thread: Thread) -> Any:
        return right(replace(thread, status=status(thread)))

    @altered.override(Searches.matches)
    def matches(right: Any, thread: Thread, query: Any) -> Any:
        return right(replace(thread, status=status(thread)), query)


@freedom(
    "unfinished-threads-are-idle",
    allowed_by="003 prints the status of a finished thread alone; no source says which status an "
    "unfinished one has that asks nothing.",
)
def unfinished_threads_are_idle(altered: Altered) -> None:
    @altered.override(Records.status_of)
    def status_of(right: Any, thread: Thread) -> Any:
        status = right(thread)
        stopped = thread.runs and thread.runs[-1].status == "interrupted"
        asks = thread.latest is not None and any(
            task.is_interrupted for task in thread.latest.tasks
        )
        return "idle" if status == "interrupted" and not asks and not stopped else status


@freedom(
    "cancelling-what-has-ended-is-no-error",
    allowed_by="No source says that a run which has ended cannot be cancelled any more.",
    profile="full",
)
def cancelling_what_has_ended_is_no_error(altered: Altered) -> None:
    @altered.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        if altered.store.runs.run_of(thread_id, run_id).active:
            right(thread_id, run_id, action)


@freedom(
    "runs-end-a-moment-after-their-cancellation",
    allowed_by="The published wait of a cancellation is false by default; no source says when a "
    "run has ended that is not waited for.",
    profile="full",
)
def runs_end_a_moment_after_their_cancellation(altered: Altered) -> None:
    cancelled: dict[str, float] = {}

    @altered.wire.after("run_cancel", when=lambda request: request.query.get("wait") != "true")
    def note(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            cancelled[run_id_in(request)] = time.monotonic()

    def just_cancelled(request: WireRequest) -> bool:
        return time.monotonic() - cancelled.get(run_id_in(request), 0.0) < _SETTLING_S

    @altered.wire.answers("run_get", when=just_cancelled)
    def still_running(_request: WireRequest, run: Any) -> Any:
        return {**run, "status": "running"}


def _when_left(cancel: Callable[[Any, str, str], None]) -> Apply:
    """Call `cancel(right, thread_id, run_id)` for runs that are cancelled as their client left."""

    def apply(altered: Altered) -> None:
        left: set[str] = set()

        @altered.wire.before(
            "run_wait",
            "run_stream",
            when=lambda each: each.members.get("on_disconnect") == "cancel",
        )
        def note(request: WireRequest) -> None:
            left.add(request.thread_id)

        @altered.override(Runs.cancel_run)
        def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
            if thread_id in left:
                cancel(right, thread_id, run_id)
            else:
                right(thread_id, run_id, action)

    return apply


def _later(right: Any, thread_id: str, run_id: str) -> None:
    asyncio.get_running_loop().call_later(1.0, right, thread_id, run_id)


freedom(
    "clients-that-left-are-noticed-late",
    allowed_by="No source says when a deployment notices that a client has left.",
    choice="clients that left",
    profile="full",
)(_when_left(_later))
freedom(
    "runs-whose-client-left-are-rolled-back",
    allowed_by="The SDK says that such a run is cancelled, not by which action.",
    choice="clients that left",
    profile="full",
)(_when_left(lambda right, thread_id, run_id: right(thread_id, run_id, "rollback")))


@freedom(
    "runs-are-listed-oldest-first",
    allowed_by="No source says in which order runs are listed.",
    choice="order of runs",
)
def runs_are_listed_oldest_first(altered: Altered) -> None:
    @altered.override(Runs.list_runs)
    def list_runs(
        right: Any, thread_id: str, *, limit: int = 10, offset: int = 0, **named: Any
    ) -> Any:
        found = right(thread_id, limit=1000, offset=0, **named)[::-1]
        return found[offset : offset + limit]


@freedom(
    "threads-are-busy-a-moment-longer",
    allowed_by="No source says at which moment after the end of a run its thread is idle again.",
    choice="status while a run is under way",
)
def threads_are_busy_a_moment_longer(altered: Altered) -> None:
    ended: dict[str, float] = {}

    @altered.override(Executor.keep_after_run)
    def keep_after_run(right: Any, thread: Thread) -> None:
        ended[thread.thread_id] = time.monotonic()
        right(thread)

    def status(thread: Thread) -> str:
        settled = time.monotonic() - ended.get(thread.thread_id, 0.0) > _SETTLING_S
        return thread.status if settled else "busy"

    _with_status(altered, status)


@freedom(
    "runs-are-listed-by-their-last-sign-of-life",
    allowed_by="No source says in which order runs are listed, nor that it stays while they are "
    "under way.",
    choice="order of runs",
    profile="full",
)
def runs_are_listed_by_their_last_sign(altered: Altered) -> None:
    signs = count()

    @altered.override(Executor.seconds_before)
    def seconds_before(right: Any, thread_id: str) -> float:
        active = [run for run in runs_on(altered.store, thread_id) if run.active]
        return max(float(right(thread_id)), _MIN_STEP_S if len(active) > 1 else 0.0)

    @altered.override(Runs.list_runs)
    def list_runs(
        right: Any, thread_id: str, *, limit: int = 10, offset: int = 0, **named: Any
    ) -> Any:
        found = right(thread_id, limit=1000, offset=0, **named)
        under_way = [run for run in found if run["status"] in ("pending", "running")]
        first = next(signs) % max(len(under_way), 1)
        listed = [*under_way[first:], *under_way[:first]]
        listed += [run for run in found if run not in under_way]
        return listed[offset : offset + limit]


@freedom(
    "reject-looks-at-runs-under-way-alone",
    allowed_by="The SDK says that new tasks are rejected when the thread is busy, and that it is "
    "busy while a task is being processed.",
    profile="full",
)
def reject_looks_at_runs_under_way_alone(altered: Altered) -> None:
    @altered.wire.before(*RUN_STARTS, when=having("multitask_strategy", "reject"))
    def accept(request: WireRequest) -> None:
        active = [run for run in runs_on(altered.store, request.thread_id) if run.active]
        if active and not any(run.started for run in active):
            request.body = {**request.members, "multitask_strategy": "enqueue"}


@freedom(
    "lists-of-runs-cannot-select-the-cancel-reason",
    allowed_by="Only newer documents state it, and of the list beside the run itself.",
    may_block="CANCEL-REASON-03",
    choice="openapi.json",
    profile="full",
)
def lists_of_runs_cannot_select_the_cancel_reason(altered: Altered) -> None:
    @altered.wire.before("run_list", when=lambda request: "cancel_reason" in request.select)
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(422, {"detail": "select: cancel_reason is no member of a run"})

    @altered.wire.answers("openapi")
    def leave_out(_request: WireRequest, document: Any) -> Any:
        del document["paths"]["/threads/{thread_id}/runs"]
        return document


@freedom(
    "state-updates-keep-a-thread-busy-for-a-moment",
    allowed_by="The SDK says that a busy thread is one on which a task is being processed; no "
    "source says that an update of its state is none, nor that GET and a search show its end at "
    "once.",
    choice="status while a run is under way",
    profile="extended",
)
def state_updates_keep_a_thread_busy(altered: Altered) -> None:
    updated: dict[str, float] = {}

    @altered.wire.after("update_state")
    def note(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            updated[request.thread_id] = time.monotonic()

    @altered.wire.answers("get")
    def show(request: WireRequest, thread: Json) -> Json:
        settled = time.monotonic() - updated.get(request.thread_id, 0.0) > _SETTLING_S
        return thread if settled else {**thread, "status": "busy"}


def _refusing_runs(detail: str, when: Callable[[Thread, WireRequest], bool]) -> Apply:
    """Refuse runs with 409, where `when(thread, request)`."""

    def apply(altered: Altered) -> None:
        @altered.wire.before(*RUN_STARTS)
        def refuse(request: WireRequest) -> WireAnswer | None:
            thread = altered.store.records.threads_by_id.get(request.thread_id)
            settled = thread is not None and not any(run.active for run in thread.runs)
            if thread is None or not settled or not when(thread, request):
                return None
            return json_answer(409, {"detail": detail})

    return apply


def _answers_nothing(thread: Thread, request: WireRequest) -> bool:
    """Return whether the run resumes a thread whose newest state has nothing next."""
    ended = thread.latest is not None and not thread.latest.tasks
    return ended and resuming(request) and not request.members.get("checkpoint")


def _continues_after_a_failure(thread: Thread, request: WireRequest) -> bool:
    members = ("input", "command", "checkpoint")
    begins = any(request.members.get(each) is not None for each in members)
    return thread.status == "error" and not begins


freedom(
    "answers-to-nothing-are-refused",
    allowed_by="The SDK says that an answer to what is not waiting is ignored, or with "
    "strict_resume refused; no source says which of them a deployment without that option does.",
    profile="full",
)(_refusing_runs("nothing waits for an answer", _answers_nothing))
freedom(
    "threads-in-error-are-continued-by-an-input-alone",
    allowed_by="No source says that a run without an input is accepted after a failure.",
    profile="full",
)(_refusing_runs("the last run has failed; send an input", _continues_after_a_failure))


@freedom(
    "refused-batches-leave-empty-threads",
    allowed_by="No source says that nothing is left of a batch that is refused, but that 404, 409 "
    "and 422 refuse it.",
    profile="full",
)
def refused_batches_leave_empty_threads(altered: Altered) -> None:
    def is_refused(bodies: Any) -> bool:
        known = altered.store.assistants.graphs
        each_names_a_graph = isinstance(bodies, list) and all(
            isinstance(each, dict) and isinstance(each.get("assistant_id"), str) for each in bodies
        )
        return each_names_a_graph and any(each["assistant_id"] not in known for each in bodies)

    @altered.wire.before("stateless_batch", when=lambda request: is_refused(request.body))
    def leave_threads(request: WireRequest) -> None:
        bodies: Any = request.body
        for each in bodies:
            altered.store.threads.create(metadata=each.get("metadata") or {})


@freedom(
    "runs-begin-a-moment-later",
    allowed_by="No source says how soon after its creation a run begins.",
    profile="full",
)
def runs_begin_a_moment_later(altered: Altered) -> None:
    @altered.override(Executor.seconds_before)
    def seconds_before(right: Any, thread_id: str) -> float:
        run = altered.store.executor.next_run(thread_id)
        begins = run is not None and not run.started
        return max(float(right(thread_id)), _SETTLING_S if begins else 0.0)

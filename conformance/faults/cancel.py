"""Faults of cancelling runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_request, each_shown
from conformance.faults.kit.runs import (
    accepting,
    advance_to_end,
    answering_without_effect,
    found_run,
    having,
    ignoring,
    run_id_in,
    runs_on,
    where,
)
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Run, Thread
from conformance.model.executor import Advance, Executor
from conformance.model.runs import Runs
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, json_answer


def cancelling(action: str, after: Callable[[FaultyDeployment, Thread, Run], Thread]) -> Apply:
    """Cancel correctly, then store `after(broken, thread before, run)` as the thread."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Runs.cancel_run)
        def cancel_run(right: Any, thread_id: str, run_id: str, asked: str = "interrupt") -> None:
            before = broken.store.records.thread(thread_id)
            right(thread_id, run_id, asked)
            run = next((each for each in before.runs if each.run_id == run_id), None)
            if asked == action and run is not None:
                broken.store.records.keep(after(broken, before, run))

    return apply


def made_by(run: Run, checkpoint: Checkpoint) -> bool:
    """Return whether the run made the checkpoint."""
    return checkpoint.metadata.get("run_id") == run.run_id


def show_interrupted(broken: FaultyDeployment, thread_id: str, run_id: str) -> None:
    """Show a run that was executed to its end as interrupted."""
    thread = broken.store.records.thread(thread_id)
    run = next(each for each in thread.runs if each.run_id == run_id)
    shown = broken.store.runs.with_reason(thread, run, "superseded by a newer run")
    runs = [replace(r, status="interrupted") if r.run_id == run_id else r for r in shown.runs]
    broken.store.records.keep(replace(shown, runs=tuple(runs)))


def _rolling_back(request: WireRequest) -> bool:
    return request.query.get("action") == "rollback"


# By interrupt


@fault(
    "cancelled-run-goes-on-to-its-end",
    breaks="CANCEL-01 CANCEL-02 CANCEL-08 CANCEL-10 CANCEL-15 CANCEL-19",
)
def cancelled_run_goes_on(broken: FaultyDeployment) -> None:
    @broken.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        if action == "interrupt":
            advance_to_end(broken.store, thread_id, run_id)
        else:
            right(thread_id, run_id, action)


@fault("cancelled-run-takes-one-more-step", breaks=["CANCEL-01"])
def cancelled_run_takes_one_more_step(broken: FaultyDeployment) -> None:
    @broken.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        run = broken.store.runs.run_of(thread_id, run_id)
        if run.started and action == "interrupt":
            broken.store.executor.advance(thread_id)
        right(thread_id, run_id, action)


@fault("cancelled-run-that-waits-begins-all-the-same", breaks=["CANCEL-01"])
def cancelled_run_that_waits_begins(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_cancel", when=lambda request: not _rolling_back(request))
    def forget(request: WireRequest) -> WireAnswer | None:
        active = [run for run in runs_on(broken.store, request.thread_id) if run.active]
        waits = run_id_in(request) in [run.run_id for run in active[1:]]
        return json_answer(200, {}) if waits else None


@fault("cancelled-run-shows-error", breaks=["CANCEL-02", "CONDITION-16"])
def cancelled_run_shows_error(broken: FaultyDeployment) -> None:
    each_shown(broken, "run_get")(
        lambda _, run: {**run, "status": "error"} if run["status"] == "interrupted" else run
    )


def _without_input(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
    now = broken.store.records.thread(before.thread_id)
    first = next((each for each in now.checkpoints if made_by(run, each)), None)
    return replace(now, checkpoints=tuple(each for each in now.checkpoints if each is not first))


fault("interrupted-run-loses-its-first-state", breaks=["CANCEL-03", "CANCEL-11", "CANCEL-18"])(
    cancelling("interrupt", _without_input)
)


def _without_states(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
    now = broken.store.records.thread(before.thread_id)
    left = tuple(each for each in now.checkpoints if not made_by(run, each))
    return replace(now, checkpoints=left)


fault(
    "interrupted-run-loses-its-states", breaks=["CANCEL-01", "CANCEL-03", "CANCEL-11", "CANCEL-18"]
)(cancelling("interrupt", _without_states))


def _with_empty_states(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
    """Return the thread with empty values in all states that the run made but the newest state."""
    now = broken.store.records.thread(before.thread_id)
    older, newest = now.checkpoints[:-1], now.checkpoints[-1:]
    emptied = [replace(each, values={}) if made_by(run, each) else each for each in older]
    return replace(now, checkpoints=(*emptied, *newest))


fault("states-of-an-interrupted-run-are-emptied", breaks=["CANCEL-03", "CANCEL-11", "CANCEL-18"])(
    cancelling("interrupt", _with_empty_states)
)

# By rollback


def _kept_as_interrupted(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
    now = broken.store.records.thread(before.thread_id)
    return replace(now, runs=(*now.runs, replace(run, status="interrupted")))


fault("run-rolled-back-is-still-there", breaks=["CANCEL-04", "CANCEL-17"])(
    cancelling("rollback", _kept_as_interrupted)
)


@fault("run-rolled-back-is-still-listed", breaks=["CANCEL-04"])
def run_rolled_back_is_still_listed(broken: FaultyDeployment) -> None:
    gone: dict[str, list[Json]] = {}

    @broken.wire.before("run_cancel", when=_rolling_back)
    def note(request: WireRequest) -> None:
        run = found_run(broken.store, run_id_in(request))
        if run is not None and run[0] == request.thread_id:
            view = broken.store.runs.get_run(run[0], run[1].run_id)
            gone.setdefault(request.thread_id, []).append({**view, "status": "interrupted"})

    @broken.wire.answers("run_list")
    def listed(request: WireRequest, runs: Json) -> Json:
        return [*gone.get(request.thread_id, []), *runs]


def _with_first_state(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
    now = broken.store.records.thread(before.thread_id)
    first = [each for each in before.checkpoints if made_by(run, each)][:1]
    return replace(now, checkpoints=(*now.checkpoints, *first))


def _with_one_state_less(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
    now = broken.store.records.thread(before.thread_id)
    return replace(now, checkpoints=now.checkpoints[:-1])


fault("rollback-keeps-one-checkpoint", breaks=["CANCEL-05", "CANCEL-17"])(
    cancelling("rollback", _with_first_state)
)
fault("rollback-takes-one-checkpoint-too-many", breaks=["CANCEL-05", "CANCEL-14", "CANCEL-17"])(
    cancelling("rollback", _with_one_state_less)
)

# Both actions


@fault("cancelled-run-ends-after-the-answer", breaks=["CANCEL-06"])
def cancelled_run_ends_later(broken: FaultyDeployment) -> None:
    late: set[str] = set()

    @broken.wire.before("run_cancel")
    def note(request: WireRequest) -> None:
        late.add(run_id_in(request))

    @broken.wire.before("run_join")
    def ended(request: WireRequest) -> None:
        late.discard(run_id_in(request))

    @broken.wire.answers("run_get")
    def lagging(request: WireRequest, run: Json) -> Json:
        if run_id_in(request) in late:
            late.discard(run_id_in(request))
            return {**run, "status": "running"}
        return run


@fault("run-is-cancelled-by-way-of-another-thread", breaks=["CANCEL-07"])
def run_is_cancelled_from_elsewhere(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_cancel")
    def reach(request: WireRequest) -> None:
        run = found_run(broken.store, run_id_in(request))
        if run is not None:
            request.path = request.path.replace(request.thread_id, run[0])


fault("cancelling-an-unknown-run-succeeds", breaks=["CANCEL-07"])(accepting("run_cancel", {}))


def _with_ids(change: Callable[[FaultyDeployment, str, list[str]], list[str]]) -> Apply:
    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before("runs_cancel")
        def rename(request: WireRequest) -> None:
            body = request.members
            ids, thread_id = body.get("run_ids"), body.get("thread_id")
            if isinstance(ids, list) and isinstance(thread_id, str):
                request.body = {**body, "run_ids": change(broken, thread_id, ids)}

    return apply


fault("only-the-first-of-the-runs-is-cancelled", breaks=["CANCEL-08", "CANCEL-17"])(
    _with_ids(lambda _broken, _thread_id, ids: ids[:1])
)


@fault("run-that-waits-is-cancelled-with-others-and-begins", breaks=["CANCEL-08"])
def run_that_waits_begins(broken: FaultyDeployment) -> None:
    waiting: dict[str, list[str]] = {}

    @broken.wire.before("runs_cancel", when=lambda request: not _rolling_back(request))
    def note(request: WireRequest) -> None:
        thread_id = str(request.members.get("thread_id"))
        active = [run.run_id for run in runs_on(broken.store, thread_id) if run.active]
        waiting[thread_id] = [each for each in active[1:] if each in _ids_in(request)]

    @broken.wire.after("runs_cancel", when=lambda request: not _rolling_back(request))
    def begin(request: WireRequest, answer: WireAnswer) -> None:
        thread_id = str(request.members.get("thread_id"))
        for run_id in waiting.pop(thread_id, []) if answer.ok else []:
            thread = broken.store.records.thread(thread_id)
            runs = [replace(r, status="pending") if r.run_id == run_id else r for r in thread.runs]
            broken.store.records.keep(replace(thread, runs=tuple(runs)))
            advance_to_end(broken.store, thread_id, run_id)
            show_interrupted(broken, thread_id, run_id)


def _ids_in(request: WireRequest) -> list[Any]:
    ids = request.members.get("run_ids")
    return ids if isinstance(ids, list) else []


fault("every-run-of-the-thread-is-cancelled", breaks=["CANCEL-09"])(
    _with_ids(lambda broken, thread_id, _: [run.run_id for run in runs_on(broken.store, thread_id)])
)

# Runs after a run that was cancelled


def _cancelled_before(thread: Thread, run: Run) -> Run | None:
    """Return the run before a run of the thread, if it was cancelled on request.

    One that a newer run superseded does not count: MULTITASK-05 and -09 judge these.
    """
    ids = [each.run_id for each in thread.runs]
    before = thread.runs[: ids.index(run.run_id)][-1:] if run.run_id in ids else ()
    return next((each for each in before if each.cancel_reason == "cancelled on request"), None)


@fault("run-after-a-cancelled-run-takes-the-next-step-of-that-run-first", breaks=["CANCEL-20"])
def next_run_goes_on_with_the_cancelled_one(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Executor.start)
    def start(right: Any, thread: Thread, run: Run) -> Advance:
        cancelled, here = _cancelled_before(thread, run), thread.latest
        if cancelled is not None and here is not None and here.tasks:
            graph = store.assistants.graphs[cancelled.graph_id]
            step = store.executor.steps.execute_superstep(
                graph, here, None, {"run_id": cancelled.run_id}
            )
            thread = store.records.with_replaced(thread, step.here)
            if step.made is not None:
                thread = store.records.with_checkpoint(thread, step.made)
        advance: Advance = right(thread, run)
        return advance


@fault("run-after-a-cancelled-run-forgets-what-that-run-left", breaks=["CANCEL-20"])
def next_run_forgets_the_cancelled_one(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Executor.start)
    def start(right: Any, thread: Thread, run: Run) -> Advance:
        if _cancelled_before(thread, run) is None:
            first: Advance = right(thread, run)
            return first
        advance: Advance = right(replace(thread, checkpoints=()), run)
        begun = store.records.thread(thread.thread_id)
        store.records.keep(replace(begun, checkpoints=(*thread.checkpoints, *begun.checkpoints)))
        return advance


@fault(
    "cancelled-run-ends-with-its-step-after-the-answer",
    breaks=["CANCEL-01", "CANCEL-06", "THREAD-STREAM-06"],
)
def cancelled_run_ends_with_its_step(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        run = store.runs.run_of(thread_id, run_id)
        if not run.active or not run.started or action != "interrupt":
            right(thread_id, run_id, action)
            return

        def end() -> None:
            found = found_run(store, run_id)
            if found is not None and found[1].active:
                store.executor.advance(thread_id)
                right(thread_id, run_id, action)

        asyncio.get_running_loop().call_later(0.3, end)


@fault("run-after-a-rollback-has-the-input-that-is-gone-as-its-parent", breaks=["CANCEL-21"])
def run_after_a_rollback_has_a_parent(broken: FaultyDeployment) -> None:
    gone: dict[str, str] = {}

    def note(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
        now = broken.store.records.thread(before.thread_id)
        made = [each.checkpoint_id for each in before.checkpoints if made_by(run, each)]
        if made and not now.checkpoints:
            gone[now.thread_id] = made[0]
        return now

    cancelling("rollback", note)(broken)

    @broken.override(Executor.start)
    def start(right: Any, thread: Thread, run: Run) -> Advance:
        advance: Advance = right(thread, run)
        now, parent = stored_thread(broken, thread.thread_id), gone.pop(thread.thread_id, None)
        if now is not None and parent is not None and now.checkpoints:
            first = replace(now.checkpoints[0], parent_id=parent)
            broken.store.records.keep(replace(now, checkpoints=(first, *now.checkpoints[1:])))
        return advance


# Parameters that are left out


def _left_out(*names: str) -> When:
    """Select requests without any of these parameters."""
    return lambda request: not request.query.keys() & {*names}


@fault("cancelling-without-parameters-is-500", breaks=["CANCEL-10"])
def cancelling_without_parameters_is_500(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_cancel", when=_left_out("wait", "action"))
    def crash(request: WireRequest) -> WireAnswer | None:
        found = found_run(broken.store, run_id_in(request))
        on_it = found is not None and found[0] == request.thread_id
        return json_answer(500, {"detail": "Internal Server Error"}) if on_it else None


fault("cancelling-with-wait-alone-does-nothing", breaks=["CANCEL-10"])(
    answering_without_effect(
        "run_cancel", {}, when=where(_left_out("action"), lambda r: "wait" in r.query)
    )
)
fault("cancelling-with-action-alone-is-refused", breaks=["CANCEL-10"])(
    answering_without_effect(
        "run_cancel",
        {"detail": "wait is missing"},
        status=422,
        # By interrupt alone: other checks that cancel without `wait` judge what follows.
        when=where(_left_out("wait"), lambda request: request.query.get("action") == "interrupt"),
    )
)


def _with_action(operation: str, action: str, when: When) -> Apply:
    """Cancel by `action` instead of the action that was requested."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(operation, when=when)
        def act(request: WireRequest) -> None:
            request.query["action"] = action

    return apply


fault("cancelling-without-action-is-a-rollback", breaks=["CANCEL-11"])(
    _with_action("run_cancel", "rollback", when=_left_out("action"))
)


@fault("cancelling-without-action-deletes-the-run", breaks=["CANCEL-11"])
def cancelling_without_action_deletes_the_run(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_cancel", when=_left_out("action"))
    def delete(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            broken.store.runs.delete_run(request.thread_id, run_id_in(request))


# The thread after a cancellation


def _shown_busy(which: Callable[[Run], bool]) -> Callable[[FaultyDeployment, Thread, Run], Thread]:
    """Return a change that shows the thread as busy if the cancelled run satisfies `which`."""

    def after(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
        now = broken.store.records.thread(before.thread_id)
        return replace(now, status="busy") if which(run) else now

    return after


fault("thread-is-busy-after-its-run-was-interrupted", breaks=["CANCEL-12"])(
    cancelling("interrupt", _shown_busy(lambda run: run.started))
)
fault("thread-is-busy-after-its-run-was-rolled-back", breaks=["CANCEL-12"])(
    cancelling("rollback", _shown_busy(lambda run: run.started))
)
fault("thread-is-busy-after-its-waiting-run-was-cancelled", breaks=["CANCEL-12"])(
    cancelling("interrupt", _shown_busy(lambda run: not run.started))
)


@fault("thread-is-busy-after-several-runs-were-cancelled-at-once", breaks="CANCEL-12")
def busy_after_several(broken: FaultyDeployment) -> None:
    @broken.override(Runs.cancel_runs)
    def cancel_runs(
        right: Any, thread_id: str | None = None, run_ids: Any = (), **named: Any
    ) -> Any:
        ended = right(thread_id, run_ids, **named)
        for one in {*ended} if len(run_ids) > 1 else ():
            thread = broken.store.records.thread(one)
            broken.store.records.keep(replace(thread, status="busy"))
        return ended


@fault("thread-is-busy-after-its-ended-run-was-cancelled", breaks=["CANCEL-12"])
def thread_is_busy_after_its_ended_run_was_cancelled(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_cancel")
    def mark(request: WireRequest) -> None:
        found = found_run(broken.store, run_id_in(request))
        if found is not None and found[0] == request.thread_id and not found[1].active:
            thread = broken.store.records.thread(request.thread_id)
            broken.store.records.keep(replace(thread, status="busy"))


def _threads_cancelled_by(broken: FaultyDeployment, action: str) -> set[str]:
    """Return a set that collects the ids of threads of which a run is cancelled by `action`."""
    cancelled: set[str] = set()

    @broken.wire.after("run_cancel", when=lambda request: request.query.get("action") == action)
    def note(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            cancelled.add(request.thread_id)

    return cancelled


@fault("thread-refuses-runs-after-an-interrupt", breaks=["CANCEL-13"])
def thread_refuses_runs_after_an_interrupt(broken: FaultyDeployment) -> None:
    cancelled = _threads_cancelled_by(broken, "interrupt")

    @broken.wire.before("run_background", when=lambda request: request.thread_id in cancelled)
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(409, {"detail": "the thread is busy"})


@fault("runs-after-a-rollback-never-begin", breaks=["CANCEL-13", "CANCEL-14"])
def runs_after_a_rollback_never_begin(broken: FaultyDeployment) -> None:
    cancelled = _threads_cancelled_by(broken, "rollback")

    @broken.override(Executor.next_run)
    def next_run(right: Any, thread_id: str) -> Run | None:
        found: Run | None = right(thread_id)
        stuck = thread_id in cancelled and found is not None and not found.started
        return None if stuck else found


# Other runs of the thread


def _together(which: Callable[[Run], bool]) -> Apply:
    """Interrupt also the other active runs of the thread that satisfy `which`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before("run_cancel")
        def cancel_more(request: WireRequest) -> None:
            found = found_run(broken.store, run_id_in(request))
            if found is None or found[0] != request.thread_id:
                return
            for other in runs_on(broken.store, request.thread_id):
                if other.active and other.run_id != found[1].run_id and which(other):
                    broken.store.runs.cancel_run(request.thread_id, other.run_id)

    return apply


fault("cancelling-a-run-cancels-those-behind-it", breaks=["CANCEL-14"])(
    _together(lambda other: not other.started)
)
fault("cancelling-a-waiting-run-stops-the-one-under-way", breaks=["CANCEL-14"])(
    _together(lambda other: other.started)
)


# By POST /runs/cancel

fault("runs-cancelled-together-are-not-rolled-back", breaks=["CANCEL-17"])(
    _with_action("runs_cancel", "interrupt", when=_rolling_back)
)
fault("runs-cancelled-together-are-rolled-back-by-default", breaks=["CANCEL-18"])(
    _with_action("runs_cancel", "rollback", when=_left_out("action"))
)


@fault("only-the-first-of-the-runs-is-rolled-back", breaks=["CANCEL-17"])
def only_the_first_is_rolled_back(broken: FaultyDeployment) -> None:
    @broken.wire.before("runs_cancel", when=_rolling_back)
    def interrupt_others(request: WireRequest) -> None:
        ids = request.members.get("run_ids")
        for run in runs_on(broken.store, request.members.get("thread_id", "")):
            if isinstance(ids, list) and run.active and run.run_id in ids[1:]:
                broken.store.runs.cancel_run(request.members["thread_id"], run.run_id)


@fault("runs-rolled-back-together-leave-their-checkpoints", breaks=["CANCEL-17"])
def runs_rolled_back_together_leave_their_checkpoints(broken: FaultyDeployment) -> None:
    @broken.override(Runs.cancel_runs)
    def cancel_runs(right: Any, thread_id: Any = None, run_ids: Any = (), **named: Any) -> Any:
        rolls = named.get("action") == "rollback" and thread_id is not None
        before = broken.store.records.thread(thread_id) if rolls else None
        ended = right(thread_id, run_ids, **named)
        if before is not None:
            now = broken.store.records.thread(before.thread_id)
            broken.store.records.keep(replace(now, checkpoints=before.checkpoints))
        return ended


# By their status


def _by_status(asked: str, instead: str) -> Apply:
    """Cancel runs by the status `instead` where `asked` was requested."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before("runs_cancel", when=having("status", asked))
        def act(request: WireRequest) -> None:
            request.body = {"status": instead}

    return apply


fault("cancelling-pending-runs-cancels-all", breaks=["CANCEL-19"])(_by_status("pending", "all"))
fault("cancelling-running-runs-cancels-all", breaks=["CANCEL-19"])(_by_status("running", "all"))
fault("cancelling-pending-runs-cancels-running-ones", breaks=["CANCEL-19"])(
    _by_status("pending", "running")
)
fault("cancelling-by-status-does-nothing", breaks=["CANCEL-19"])(
    answering_without_effect("runs_cancel", None, status=204, when=having("status"))
)


# Clients that disconnect


fault("waited-run-goes-on-when-its-client-leaves", breaks=["CANCEL-15"])(
    ignoring("on_disconnect", "run_wait", when=having("on_disconnect", "cancel"))
)
fault("streamed-run-goes-on-when-its-client-leaves", breaks=["CANCEL-15"])(
    ignoring("on_disconnect", "run_stream", when=having("on_disconnect", "cancel"))
)


def _cancelled_on_disconnect(body: Json) -> Json:
    return {**body, "on_disconnect": "cancel"}


fault("runs-are-cancelled-by-default-when-their-client-leaves", breaks=["CANCEL-16"])(
    change_request(
        "run_wait",
        "run_stream",
        to=_cancelled_on_disconnect,
        when=lambda request: "on_disconnect" not in request.members,
    )
)
fault("streamed-run-that-is-to-continue-is-cancelled", breaks=["CANCEL-16"])(
    change_request(
        "run_stream", to=_cancelled_on_disconnect, when=having("on_disconnect", "continue")
    )
)

"""Faults of a second run on a busy thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.cancel import made_by, show_interrupted
from conformance.faults.kit.http_changes import change_answer, change_request
from conformance.faults.kit.runs import (
    RUN_STARTS,
    accepting,
    advance_to_end,
    encode_events,
    events_in,
    found_run,
    having,
    ignoring,
    runs_on,
)
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Run, Thread
from conformance.model.executor import Executor
from conformance.model.runs import Runs
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

_REJECTING = having("multitask_strategy", "reject")

# Reject

fault("reject-enqueues", breaks=["MULTITASK-01", "MULTITASK-08", "MULTITASK-13"])(
    ignoring("multitask_strategy", *RUN_STARTS, when=_REJECTING)
)

fault("rejection-is-answered-as-a-success", breaks=["MULTITASK-01", "MULTITASK-13"])(
    accepting("run_background", {}, when=_REJECTING)
)


@fault("rejection-stops-the-first-run", breaks=["MULTITASK-02"])
def rejection_stops_the_first_run(broken: FaultyDeployment) -> None:
    @broken.wire.after(*RUN_STARTS, when=_REJECTING)
    def stop(request: WireRequest, answer: WireAnswer) -> None:
        for run in runs_on(broken.store, request.thread_id):
            if answer.status == 409 and run.active:
                broken.store.runs.cancel_run(request.thread_id, run.run_id)


# Enqueue


@fault("enqueued-run-overtakes-the-first", breaks=["MULTITASK-03"])
def enqueued_run_overtakes(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_background", when=having("multitask_strategy", "enqueue"))
    def overtake(request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if answer.ok and thread is not None and len(thread.runs) > 1:
            broken.store.records.keep(replace(thread, runs=(thread.runs[-1], *thread.runs[:-1])))
            advance_to_end(broken.store, request.thread_id, answer.body["run_id"])


@fault("of-the-runs-that-wait-the-newest-begins-first", breaks=["MULTITASK-03"])
def newest_begins_first(broken: FaultyDeployment) -> None:
    @broken.override(Executor.next_run)
    def next_run(right: Any, thread_id: str) -> Run | None:
        first: Run | None = right(thread_id)
        waiting = [run for run in runs_on(broken.store, thread_id) if run.active]
        return waiting[-1] if first is not None and not first.started else first


@fault("of-the-runs-that-wait-the-last-is-put-in-front", breaks=["MULTITASK-03"])
def last_is_put_in_front(broken: FaultyDeployment) -> None:
    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        begun: Run = right(thread_id, request)
        thread = broken.store.records.thread(thread_id)
        ahead = [run for run in thread.runs if not (run.status == "pending" and run.active)]
        waiting = [run for run in thread.runs if run not in ahead and run != begun]
        if ahead and waiting and "metadata" in request:
            broken.store.records.keep(replace(thread, runs=(*ahead, begun, *waiting)))
        return begun


def _rejecting_by_default(operation: str) -> Apply:
    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(
            operation, when=lambda request: "multitask_strategy" not in request.members
        )
        def reject(request: WireRequest) -> WireAnswer | None:
            busy = any(run.active for run in runs_on(broken.store, request.thread_id))

            return json_answer(409, {"detail": "busy"}) if busy else None

    return apply


fault("busy-thread-rejects-by-default", breaks=["MULTITASK-04"])(
    _rejecting_by_default("run_background")
)

fault("strategy-is-shown-only-where-it-was-sent", breaks=["MULTITASK-04", "RUN-CONTROL-01"])(
    change_answer(
        "run_get",
        to=lambda _, run: {**run, "multitask_strategy": run["kwargs"].get("multitask_strategy")},
    )
)

# Interrupt


@fault("interrupt-lets-the-first-run-end", breaks=["MULTITASK-05", "MULTITASK-09"])
def interrupt_lets_the_first_run_end(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=having("multitask_strategy", "interrupt"))
    def let(request: WireRequest) -> None:
        for run in runs_on(broken.store, request.thread_id):
            advance_to_end(broken.store, request.thread_id, run.run_id)


@fault("interrupted-run-goes-on-under-cover", breaks=["MULTITASK-05", "MULTITASK-09"])
def interrupted_run_goes_on_under_cover(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=having("multitask_strategy", "interrupt"))
    def go_on(request: WireRequest) -> None:
        for run in runs_on(broken.store, request.thread_id):
            if run.active and run.started:
                advance_to_end(broken.store, request.thread_id, run.run_id)
                show_interrupted(broken, request.thread_id, run.run_id)


@fault(
    "interrupt-stops-the-second-run-as-well", breaks=["MULTITASK-05", "STATUS-09", "MULTITASK-14"]
)
def interrupt_stops_the_second_run_as_well(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_background", when=having("multitask_strategy", "interrupt"))
    def stop(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok and request.members.get("assistant_id") != "slow":
            broken.store.runs.cancel_run(request.thread_id, answer.body["run_id"])


def _taking_back(thread: Thread, stopped: Run, kept: int) -> Thread:
    made = [each for each in thread.checkpoints if made_by(stopped, each)][kept:]
    return replace(thread, checkpoints=tuple(c for c in thread.checkpoints if c not in made))


@fault("interrupt-takes-back-what-the-first-run-did", breaks=["MULTITASK-06"])
def interrupt_takes_back(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=having("multitask_strategy", "interrupt"))
    def take_back(request: WireRequest) -> None:
        for run in runs_on(broken.store, request.thread_id):
            if run.active:
                broken.store.runs.cancel_run(request.thread_id, run.run_id)
                thread = broken.store.records.thread(request.thread_id)
                broken.store.records.keep(_taking_back(thread, run, 0))


# Rollback

fault("rollback-only-interrupts", breaks=["MULTITASK-07", "MULTITASK-11"])(
    change_request(
        *RUN_STARTS,
        to=lambda body: {**body, "multitask_strategy": "interrupt"},
        when=having("multitask_strategy", "rollback"),
    )
)


@fault("rollback-by-a-run-keeps-one-checkpoint", breaks=["MULTITASK-07"])
def rollback_by_a_run_keeps_one_checkpoint(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=having("multitask_strategy", "rollback"))
    def keep_one(request: WireRequest) -> None:
        for run in runs_on(broken.store, request.thread_id):
            if run.active:
                broken.store.runs.cancel_run(request.thread_id, run.run_id)
                thread = _taking_back(broken.store.records.thread(request.thread_id), run, 1)
                runs = tuple(each for each in thread.runs if each.run_id != run.run_id)
                broken.store.records.keep(replace(thread, runs=runs))


@fault("run-that-another-rolled-back-is-kept", breaks=["MULTITASK-07"])
def run_rolled_back_is_kept(broken: FaultyDeployment) -> None:
    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        undone = [run for run in runs_on(broken.store, thread_id) if run.active]
        begun: Run = right(thread_id, request)
        if undone and request.get("multitask_strategy") == "rollback":
            thread = broken.store.records.thread(thread_id)
            kept = [replace(run, status="interrupted") for run in undone]
            runs = (*thread.runs[:-1], *kept, thread.runs[-1])
            broken.store.records.keep(replace(thread, runs=runs))
        return begun


@fault("run-that-another-rolled-back-is-still-listed", breaks=["MULTITASK-07"])
def run_rolled_back_is_still_listed(broken: FaultyDeployment) -> None:
    gone: dict[str, list[Json]] = {}

    @broken.wire.before(*RUN_STARTS, when=having("multitask_strategy", "rollback"))
    def note(request: WireRequest) -> None:
        for run in runs_on(broken.store, request.thread_id):
            if run.active:
                view = broken.store.runs.get_run(request.thread_id, run.run_id)
                gone.setdefault(request.thread_id, []).append({**view, "status": "interrupted"})

    @broken.wire.answers("run_list")
    def listed(request: WireRequest, runs: Json) -> Json:
        return [*runs, *gone.get(request.thread_id, [])]


# Runs that are waited for or streamed

fault("strategy-has-no-effect-on-a-waited-run", breaks="MULTITASK-08 MULTITASK-09 MULTITASK-11")(
    ignoring("multitask_strategy", "run_wait")
)
fault("strategy-has-no-effect-on-a-streamed-run", breaks="MULTITASK-08 MULTITASK-09 MULTITASK-11")(
    ignoring("multitask_strategy", "run_stream")
)
fault("waited-run-that-is-rejected-is-200", breaks="MULTITASK-08")(
    accepting("run_wait", {}, when=_REJECTING)
)


@fault("waited-run-overtakes-the-first", breaks="MULTITASK-10")
def waited_run_overtakes(broken: FaultyDeployment) -> None:
    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        begun: Run = right(thread_id, request)
        thread = broken.store.records.thread(thread_id)
        awaited = "metadata" not in request and request.get("multitask_strategy") == "enqueue"
        if awaited and len(thread.runs) > 1:
            broken.store.records.keep(replace(thread, runs=(thread.runs[-1], *thread.runs[:-1])))
        return begun


fault("streamed-run-rejects-by-default", breaks="MULTITASK-12")(_rejecting_by_default("run_stream"))
fault("waited-run-rejects-by-default", breaks="MULTITASK-12")(_rejecting_by_default("run_wait"))


def _answering_the_run_before(operation: str, to: Callable[[Run, WireAnswer], None]) -> Apply:
    """Change the answer of a run enqueued behind another by `to(run before it, answer)`."""

    def apply(broken: FaultyDeployment) -> None:
        before: dict[int, str] = {}

        @broken.wire.before(operation)
        def look(request: WireRequest) -> None:
            active = [run for run in runs_on(broken.store, request.thread_id) if run.active]
            strategy = request.members.get("multitask_strategy", "enqueue")
            if active and strategy == "enqueue":
                before[id(request)] = active[-1].run_id

        @broken.wire.after(operation)
        def answer_before(request: WireRequest, answer: WireAnswer) -> None:
            found = found_run(broken.store, before.pop(id(request), ""))
            if answer.ok and found is not None:
                to(found[1], answer)

    return apply


def _with_its_output(run: Run, answer: WireAnswer) -> None:
    answer.body = run.output


def _with_its_values(run: Run, answer: WireAnswer) -> None:
    answer.raw = encode_events(
        [
            (number, name, run.output if name == "values" else data)
            for number, name, data in events_in(answer.raw)
        ]
    )


fault("enqueued-run-is-answered-with-the-output-of-the-run-before", breaks="MULTITASK-15")(
    _answering_the_run_before("run_wait", _with_its_output)
)
fault("enqueued-run-streams-the-values-of-the-run-before", breaks="MULTITASK-15")(
    _answering_the_run_before("run_stream", _with_its_values)
)

# Runs that are waiting to begin


def _enqueuing(strategy: str) -> Apply:
    """Enqueue runs with that strategy if no active run of the thread has begun."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(*RUN_STARTS, when=having("multitask_strategy", strategy))
        def enqueue(request: WireRequest) -> None:
            active = [run for run in runs_on(broken.store, request.thread_id) if run.active]
            if active and not any(run.started for run in active):
                request.body = {**request.members, "multitask_strategy": "enqueue"}

    return apply


fault("reject-sees-runs-under-way-only", breaks="MULTITASK-13")(_enqueuing("reject"))
fault("interrupt-waits-for-a-delayed-run", breaks="MULTITASK-14")(_enqueuing("interrupt"))
fault("rollback-waits-for-a-delayed-run", breaks="MULTITASK-14")(_enqueuing("rollback"))

# Threads that are not busy


def _rejecting_where(is_taken_for_busy: Callable[[Thread], bool]) -> Apply:
    """Refuse runs with the strategy reject on threads that are taken for busy."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(*RUN_STARTS, when=_REJECTING)
        def reject(request: WireRequest) -> WireAnswer | None:
            thread = stored_thread(broken, request.thread_id)
            if thread is None or not is_taken_for_busy(thread):
                return None
            return json_answer(409, {"detail": "the thread is busy"})

    return apply


fault("reject-takes-a-thread-with-a-node-next-for-busy", breaks="MULTITASK-16")(
    _rejecting_where(lambda thread: thread.latest is not None and bool(thread.latest.next))
)
fault("reject-takes-a-thread-in-error-for-busy", breaks="MULTITASK-16")(
    _rejecting_where(lambda thread: thread.status == "error")
)
fault("reject-takes-a-thread-that-was-run-to-its-end-for-busy", breaks="MULTITASK-16")(
    _rejecting_where(lambda thread: thread.status == "idle" and bool(thread.runs))
)

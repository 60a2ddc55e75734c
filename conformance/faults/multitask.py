"""Faults of a second run on a busy thread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.faults.cancel import made_by
from conformance.faults.kit.runs import BEGINNING, accepting, having, ignoring, runs_on, to_its_end
from conformance.faults.kit.state import stored_thread
from conformance.faults.kit.wire import change_answer, change_request
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Run, Thread
from conformance.model.runs import Runs
from conformance.reference.wire import WireAnswer, WireRequest, json_answer

_REJECTING = having("multitask_strategy", "reject")

# Reject

fault("reject-enqueues", breaks=["MULTITASK-01", "MULTITASK-08"])(
    ignoring("multitask_strategy", *BEGINNING, when=_REJECTING)
)

fault("rejection-is-answered-as-a-success", breaks=["MULTITASK-01"])(
    accepting("run_background", {}, when=_REJECTING)
)


@fault("rejection-stops-the-first-run", breaks=["MULTITASK-02"])
def rejection_stops_the_first_run(broken: FaultyDeployment) -> None:
    @broken.wire.after(*BEGINNING, when=_REJECTING)
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
            to_its_end(broken.store, request.thread_id, answer.body["run_id"])


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
    @broken.wire.before(*BEGINNING, when=having("multitask_strategy", "interrupt"))
    def let(request: WireRequest) -> None:
        for run in runs_on(broken.store, request.thread_id):
            to_its_end(broken.store, request.thread_id, run.run_id)


@fault("interrupt-stops-the-second-run-as-well", breaks=["MULTITASK-05", "STATUS-09"])
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
    @broken.wire.before(*BEGINNING, when=having("multitask_strategy", "interrupt"))
    def take_back(request: WireRequest) -> None:
        for run in runs_on(broken.store, request.thread_id):
            if run.active:
                broken.store.runs.cancel_run(request.thread_id, run.run_id)
                thread = broken.store.records.thread(request.thread_id)
                broken.store.records.keep(_taking_back(thread, run, 0))


# Rollback

fault("rollback-only-interrupts", breaks=["MULTITASK-07", "MULTITASK-11"])(
    change_request(
        *BEGINNING,
        to=lambda body: {**body, "multitask_strategy": "interrupt"},
        when=having("multitask_strategy", "rollback"),
    )
)


@fault("rollback-by-a-run-keeps-one-checkpoint", breaks=["MULTITASK-07"])
def rollback_by_a_run_keeps_one_checkpoint(broken: FaultyDeployment) -> None:
    @broken.wire.before(*BEGINNING, when=having("multitask_strategy", "rollback"))
    def keep_one(request: WireRequest) -> None:
        for run in runs_on(broken.store, request.thread_id):
            if run.active:
                broken.store.runs.cancel_run(request.thread_id, run.run_id)
                thread = _taking_back(broken.store.records.thread(request.thread_id), run, 1)
                runs = tuple(each for each in thread.runs if each.run_id != run.run_id)
                broken.store.records.keep(replace(thread, runs=runs))


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

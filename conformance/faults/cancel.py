"""Faults of cancelling runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.runs import accepting, found_run, run_id_in, runs_on, to_its_end
from conformance.faults.kit.wire import each_shown
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Run, Thread
from conformance.model.runs import Runs
from conformance.reference.wire import Json, WireRequest


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


# By interrupt


@fault("cancelled-run-goes-on-to-its-end", breaks=["CANCEL-01", "CANCEL-02", "CANCEL-08"])
def cancelled_run_goes_on(broken: FaultyDeployment) -> None:
    @broken.override(Runs.cancel_run)
    def cancel_run(right: Any, thread_id: str, run_id: str, action: str = "interrupt") -> None:
        if action == "interrupt":
            to_its_end(broken.store, thread_id, run_id)
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


@fault("cancelled-run-shows-error", breaks=["CANCEL-02"])
def cancelled_run_shows_error(broken: FaultyDeployment) -> None:
    each_shown(broken, "run_get")(
        lambda _, run: {**run, "status": "error"} if run["status"] == "interrupted" else run
    )


def _without_input(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
    now = broken.store.records.thread(before.thread_id)
    first = next((each for each in now.checkpoints if made_by(run, each)), None)
    return replace(now, checkpoints=tuple(each for each in now.checkpoints if each is not first))


fault("interrupted-run-loses-its-first-state", breaks=["CANCEL-03"])(
    cancelling("interrupt", _without_input)
)


def _without_states(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
    now = broken.store.records.thread(before.thread_id)
    left = tuple(each for each in now.checkpoints if not made_by(run, each))
    return replace(now, checkpoints=left)


fault("interrupted-run-loses-its-states", breaks=["CANCEL-01", "CANCEL-03"])(
    cancelling("interrupt", _without_states)
)

# By rollback


def _kept_as_interrupted(broken: FaultyDeployment, before: Thread, run: Run) -> Thread:
    now = broken.store.records.thread(before.thread_id)
    return replace(now, runs=(*now.runs, replace(run, status="interrupted")))


fault("run-rolled-back-is-still-there", breaks=["CANCEL-04"])(
    cancelling("rollback", _kept_as_interrupted)
)


@fault("run-rolled-back-is-still-listed", breaks=["CANCEL-04"])
def run_rolled_back_is_still_listed(broken: FaultyDeployment) -> None:
    gone: dict[str, list[Json]] = {}

    @broken.wire.before(
        "run_cancel", when=lambda request: request.query.get("action") == "rollback"
    )
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


fault("rollback-keeps-one-checkpoint", breaks=["CANCEL-05"])(
    cancelling("rollback", _with_first_state)
)
fault("rollback-takes-one-checkpoint-too-many", breaks=["CANCEL-05"])(
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


fault("only-the-first-of-the-runs-is-cancelled", breaks=["CANCEL-08"])(
    _with_ids(lambda _broken, _thread_id, ids: ids[:1])
)
fault("every-run-of-the-thread-is-cancelled", breaks=["CANCEL-09"])(
    _with_ids(lambda broken, thread_id, _: [run.run_id for run in runs_on(broken.store, thread_id)])
)

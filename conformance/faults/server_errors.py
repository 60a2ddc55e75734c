"""Faults that answer 500 where most checks do not judge the answer."""

from __future__ import annotations

from conformance.faults.kit.runs import found_run, run_id_in
from conformance.faults.registry import FaultyDeployment, fault
from conformance.reference.wire import WireAnswer, WireRequest, json_answer


@fault("cancelling-a-run-that-has-ended-is-500", breaks="ERROR-INTERNAL-01")
def cancelling_is_500(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_cancel")
    def fail(request: WireRequest) -> WireAnswer | None:
        found = found_run(broken.store, run_id_in(request))
        if found is None or found[0] != request.thread_id or found[1].active:
            return None
        return json_answer(500, {"detail": "the run is not in the queue"})


@fault("deleting-a-run-twice-is-500", breaks="ERROR-INTERNAL-01")
def deleting_twice_is_500(broken: FaultyDeployment) -> None:
    deleted: set[str] = set()

    @broken.wire.after("run_delete")
    def fail(request: WireRequest, answer: WireAnswer) -> None:
        run_id = run_id_in(request)
        if answer.ok:
            deleted.add(run_id)
        elif run_id in deleted:
            sorry = json_answer(500, {"detail": "no row was deleted"})
            answer.status, answer.raw = sorry.status, sorry.raw

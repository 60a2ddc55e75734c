"""Faults of getting, listing, joining and deleting runs, and of their options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import (
    change_answer,
    change_request,
    each_shown,
    with_status,
    without,
)
from conformance.faults.kit.runs import (
    RUN_STARTS,
    accepting,
    advance_to_end,
    answering_without_effect,
    found_run,
    having,
    ignoring,
    of_graph,
    run_id_in,
    runs_on,
    taking_time,
    where,
)
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Run
from conformance.model.runs import Runs
from conformance.model.threads import Threads
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, always, json_answer

# Getting and listing runs

fault("run-is-shown-without-its-time", breaks=["RUN-CONTROL-01"])(
    change_answer("run_get", to=lambda _, run: without(run, "created_at"))
)


fault("list-of-runs-without-the-oldest", breaks=["RUN-CONTROL-02"])(
    change_answer(
        "run_list",
        to=lambda _, runs: runs[:-1] if len(runs) > 1 else runs,
        when=lambda request: not request.query,
    )
)


@fault("list-of-runs-with-one-of-another-thread", breaks=["RUN-CONTROL-02"])
def list_of_runs_with_a_stranger(broken: FaultyDeployment) -> None:
    @broken.wire.answers("run_list", when=lambda request: not request.query)
    def listed(request: WireRequest, runs: Json) -> Json:
        # Adds the run of the thread that was made next, as long as that thread has only one.
        ids = [*broken.store.records.threads_by_id]
        at = ids.index(request.thread_id) if request.thread_id in ids else len(ids)
        found = [broken.store.runs.list_runs(other) for other in ids[at + 1 : at + 2]]
        return [*runs, *found[0]] if found and len(found[0]) == 1 and len(runs) == 2 else runs


fault("list-of-runs-ignores-the-status", breaks=["RUN-CONTROL-03"])(
    lambda broken: _forgetting(broken, "status")
)
fault("list-of-runs-ignores-the-offset", breaks=["RUN-CONTROL-04"])(
    lambda broken: _forgetting(broken, "offset")
)
fault("list-of-runs-ignores-select", breaks=["RUN-CONTROL-05"])(
    lambda broken: _forgetting(broken, "select")
)


def _forgetting(broken: FaultyDeployment, name: str) -> None:
    @broken.wire.before("run_list", when=lambda request: name in request.query)
    def forget(request: WireRequest) -> None:
        request.query = without(request.query, name)


@fault("list-of-runs-is-filtered-after-its-limit", breaks=["RUN-CONTROL-03"])
def list_of_runs_filtered_late(broken: FaultyDeployment) -> None:
    @broken.override(Runs.list_runs)
    def list_runs(right: Any, thread_id: str, *, status: Any = None, **page: Any) -> Any:
        found = right(thread_id, **page)
        return [run for run in found if status in (None, run["status"])]


def _listing_by_status(listed: Callable[[Json, str], bool]) -> Apply:
    """Leave out of a list by status the runs for which `listed(run, status)` is false."""
    return change_answer(
        "run_list",
        to=lambda request, runs: [each for each in runs if listed(each, request.query["status"])],
        when=lambda request: "status" in request.query,
    )


fault("list-by-status-knows-runs-that-have-ended-alone", breaks=["RUN-CONTROL-25"])(
    _listing_by_status(lambda run, _: run.get("status") not in ("pending", "running"))
)
fault("list-by-status-takes-a-cancelled-run-for-no-interrupted-one", breaks=["RUN-CONTROL-25"])(
    _listing_by_status(lambda run, status: status != "interrupted" or not run.get("cancel_reason"))
)


@fault("list-by-running-has-the-runs-that-wait", breaks=["RUN-CONTROL-25"])
def list_by_running_has_those_that_wait(broken: FaultyDeployment) -> None:
    @broken.override(Runs.list_runs)
    def list_runs(right: Any, thread_id: str, *, status: Any = None, **page: Any) -> Any:
        if status != "running":
            return right(thread_id, status=status, **page)
        return [each for each in right(thread_id) if each["status"] in ("pending", "running")]


@fault("list-by-success-has-the-runs-under-way", breaks=["RUN-CONTROL-25"])
def list_by_success_has_those_under_way(broken: FaultyDeployment) -> None:
    @broken.override(Runs.list_runs)
    def list_runs(right: Any, thread_id: str, *, status: Any = None, **page: Any) -> Any:
        if status != "success":
            return right(thread_id, status=status, **page)
        return [each for each in right(thread_id) if each["status"] in ("running", "success")]


@fault("list-of-runs-counts-its-offset-from-one", breaks=["RUN-CONTROL-04"])
def list_of_runs_off_by_one(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_list", when=lambda request: request.query.get("offset", "0") != "0")
    def shift(request: WireRequest) -> None:
        request.query = {**request.query, "offset": str(int(request.query["offset"]) - 1)}


fault("selected-members-of-runs-always-have-a-status", breaks=["RUN-CONTROL-05"])(
    change_answer(
        "run_list",
        to=lambda _, runs: [{**run, "status": "success"} for run in runs],
        when=lambda request: "select" in request.query,
    )
)


@fault("run-is-found-on-every-thread", breaks=["RUN-CONTROL-06"])
def run_is_found_on_every_thread(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_get")
    def find_anywhere(request: WireRequest, answer: WireAnswer) -> None:
        there = found_run(broken.store, run_id_in(request))
        if answer.status == 404 and there is not None:
            answer.status = 200
            answer.body = broken.store.runs.get_run(there[0], there[1].run_id)


@fault("unknown-run-is-null", breaks=["RUN-CONTROL-06"])
def unknown_run_is_null(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_get")
    def null(request: WireRequest, answer: WireAnswer) -> None:
        run_id = run_id_in(request)
        # Runs that existed and were deleted are still refused.
        if not answer.ok and found_run(broken.store, run_id) is None and run_id not in seen:
            answer.status, answer.body = 200, None
        seen.add(run_id)

    @broken.wire.after("run_background")
    def note(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            seen.add(answer.body["run_id"])

    seen: set[str] = set()


def _with_status(shown: str, instead: str) -> Any:
    def apply(broken: FaultyDeployment) -> None:
        each_shown(broken, "run_get", "run_list", when=lambda request: not request.query)(
            lambda _, run: {**run, "status": instead} if run["status"] == shown else run
        )

    return apply


fault("failed-run-shows-success", breaks=["RUN-CONTROL-07"])(_with_status("error", "success"))


@fault("ended-run-still-shows-running", breaks=["RUN-CONTROL-07"])
def ended_run_still_shows_running(broken: FaultyDeployment) -> None:
    # Only for the single run of a thread, after it was waited for.
    each_shown(broken, "run_list", when=lambda request: not request.query)(
        lambda request, run: (
            {**run, "status": "running"}
            if run["status"] == "success" and len(runs_on(broken.store, request.thread_id)) == 1
            else run
        )
    )


# Waiting for runs


@fault("background-run-is-awaited", breaks=["RUN-CONTROL-08"])
def background_run_is_awaited(broken: FaultyDeployment) -> None:
    # Streamed runs are left alone, since their events would be lost.
    @broken.wire.after(
        "run_background",
        when=where(taking_time, lambda request: "stream_mode" not in request.members),
    )
    def wait(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            advance_to_end(broken.store, request.thread_id, answer.body["run_id"])


@fault("slow-run-is-joined-too-early", breaks=["RUN-CONTROL-09"])
def slow_run_is_joined_too_early(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_join")
    def hurry(request: WireRequest) -> WireAnswer | None:
        there = found_run(broken.store, run_id_in(request))
        slow = there is not None and there[1].graph_id == "slow" and there[1].active
        return WireAnswer(200, b"null") if slow else None


@fault("run-that-waits-is-joined-too-early", breaks=["RUN-CONTROL-09"])
def run_that_waits_is_joined_too_early(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_join")
    def hurry(request: WireRequest) -> WireAnswer | None:
        there = found_run(broken.store, run_id_in(request))
        active = [run for run in runs_on(broken.store, request.thread_id) if run.active]
        behind = there is not None and there[1] in active[1:]
        return WireAnswer(200, b"null") if behind else None


fault("join-answers-a-wrapped-output", breaks=["INTERRUPT-24", "RUN-CONTROL-10", "RUN-CONTROL-23"])(
    change_answer("run_join", to=lambda _, output: {"values": output})
)


fault("unknown-run-is-joined", breaks=["RUN-CONTROL-11"])(accepting("run_join", {}))

# Unknown runs


def _other_status(*operations: str, when: When = always) -> Apply:
    return with_status(422, *operations, instead_of=404, when=when)


fault("run-of-an-unknown-thread-is-422", breaks=["RUN-CONTROL-18"])(_other_status(*RUN_STARTS))
fault("joining-an-unknown-run-is-422", breaks=["RUN-CONTROL-19"])(_other_status("run_join"))
fault("deleting-an-unknown-run-is-422", breaks=["RUN-CONTROL-20"])(_other_status("run_delete"))
fault("deleting-an-unknown-run-is-204", breaks=["RUN-CONTROL-20"])(
    accepting("run_delete", None, 204)
)
fault("stream-of-an-unknown-run-is-422", breaks=["RUN-CONTROL-21"])(
    _other_status("run_join_stream")
)
fault("stream-of-an-unknown-run-is-empty", breaks=["RUN-CONTROL-21"])(
    accepting("run_join_stream", None)
)


@fault("list-of-runs-holds-twenty-by-default", breaks=["RUN-CONTROL-22"])
def list_of_runs_holds_twenty(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_list", when=lambda request: not request.query)
    def more(request: WireRequest) -> None:
        request.query = {**request.query, "limit": "20"}


# Deleting runs

fault("deleted-run-stays", breaks=["RUN-CONTROL-12", "RUN-CONTROL-20"])(
    answering_without_effect("run_delete", None, 204)
)


@fault("run-is-deleted-with-those-before-it", breaks=["RUN-CONTROL-12"])
def run_is_deleted_with_those_before_it(broken: FaultyDeployment) -> None:
    @broken.override(Runs.delete_run)
    def delete_run(right: Any, thread_id: str, run_id: str) -> None:
        for run in runs_on(broken.store, thread_id):
            right(thread_id, run.run_id)
            if run.run_id == run_id:
                break


# Options of runs

fault("metadata-of-a-run-is-dropped", breaks=["RUN-CONTROL-13"])(ignoring("metadata", *RUN_STARTS))

fault("metadata-of-a-run-is-flat", breaks=["RUN-CONTROL-13"])(
    change_request(
        *RUN_STARTS,
        to=lambda body: {
            **body,
            "metadata": {name: str(value) for name, value in body["metadata"].items()},
        },
        when=lambda request: isinstance(request.members.get("metadata"), dict),
    )
)

fault("if-not-exists-is-ignored", breaks=["RUN-CONTROL-14"])(ignoring("if_not_exists", *RUN_STARTS))


@fault("thread-made-by-a-run-forgets-it", breaks=["RUN-CONTROL-14"])
def thread_made_by_a_run_forgets_it(broken: FaultyDeployment) -> None:
    @broken.wire.after(*RUN_STARTS, when=having("if_not_exists", "create"))
    def forget(request: WireRequest, _answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None:
            broken.store.records.keep(replace(thread, checkpoints=()))


fault("after-seconds-is-ignored", breaks=["RUN-CONTROL-15"])(ignoring("after_seconds", *RUN_STARTS))

fault("after-seconds-is-halved", breaks=["RUN-CONTROL-15"])(
    change_request(
        *RUN_STARTS,
        to=lambda body: {**body, "after_seconds": body["after_seconds"] / 2},
        when=lambda request: isinstance(request.members.get("after_seconds"), float),
    )
)

fault("run-ignores-its-checkpoint", breaks=["RUN-CONTROL-16", "INTERRUPT-18"])(
    ignoring("checkpoint", *RUN_STARTS)
)
fault("streamed-run-ignores-its-checkpoint", breaks=["RUN-CONTROL-16", "INTERRUPT-18"])(
    ignoring("checkpoint", "run_stream")
)


@fault("checkpoint-counts-for-the-first-run-that-names-it", breaks="RUN-CONTROL-16")
def counts_for_the_first_run(broken: FaultyDeployment) -> None:
    """Take a checkpoint from which a run has started for used up: the next run forgets it."""
    used: set[tuple[str, str]] = set()

    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        named = (request.get("checkpoint") or {}).get("checkpoint_id")
        key = (thread_id.lower(), str(named))
        run: Run = right(thread_id, without(request, "checkpoint") if key in used else request)
        if named is not None:
            used.add(key)
        return run


@fault("run-starts-before-its-checkpoint", breaks="RUN-CONTROL-16 NESTED-12")
def run_starts_before_its_checkpoint(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=having("checkpoint"))
    def earlier(request: WireRequest) -> None:
        body = request.body
        thread = stored_thread(broken, request.thread_id)
        known = thread.checkpoints if thread else ()
        for checkpoint in known:
            named = body["checkpoint"].get("checkpoint_id")
            if checkpoint.checkpoint_id == named and checkpoint.parent_id:
                body["checkpoint"]["checkpoint_id"] = checkpoint.parent_id
                break
        request.body = body


fault("failing-run-answers-its-values", breaks=["RUN-CONTROL-17"])(
    change_answer(
        "run_wait",
        to=lambda _, output: without(output, "__error__") if isinstance(output, dict) else output,
        when=of_graph("failing"),
    )
)

fault("failing-run-answers-null", breaks=["RUN-CONTROL-17"])(
    change_answer("run_wait", to=lambda _request, _output: None, when=of_graph("failing"))
)


# Joining failed runs


def _joined_failure(to: Callable[[FaultyDeployment, str], Json], late: bool) -> Apply:
    """Answer the join of a failed run by `to(broken, thread id)`; if `late`, only after its end."""

    def apply(broken: FaultyDeployment) -> None:
        ended: set[int] = set()

        @broken.wire.before("run_join")
        def look(request: WireRequest) -> None:
            found = found_run(broken.store, run_id_in(request))
            if found is not None and not found[1].active:
                ended.add(id(request))

        @broken.wire.answers("run_join")
        def answer(request: WireRequest, body: Json) -> Json:
            concerned = not late or id(request) in ended
            ended.discard(id(request))
            failed = isinstance(body, dict) and "__error__" in body
            return to(broken, request.thread_id) if failed and concerned else body

    return apply


def _values(broken: FaultyDeployment, thread_id: str) -> Json:
    return broken.store.records.thread(thread_id).values


fault("joining-a-failing-run-answers-null", breaks=["RUN-CONTROL-23"])(
    _joined_failure(lambda _broken, _thread_id: None, late=False)
)
fault("joining-a-failed-run-answers-the-values", breaks=["RUN-CONTROL-23"])(
    _joined_failure(_values, late=True)
)

# Deleting threads with active runs


fault("deleting-a-thread-with-a-run-under-way-is-500", breaks="DELETE-19")(
    lambda broken: _failing_to_delete(broken, lambda run: run.started and run.active)
)


def _failing_to_delete(broken: FaultyDeployment, hinders: Callable[[Run], bool]) -> None:
    @broken.wire.before("delete")
    def fail(request: WireRequest) -> WireAnswer | None:
        hindered = any(map(hinders, runs_on(broken.store, request.thread_id)))
        return json_answer(500, {"detail": "the thread has runs"}) if hindered else None


@fault("run-under-way-brings-its-deleted-thread-back", breaks="DELETE-19")
def run_under_way_brings_its_deleted_thread_back(broken: FaultyDeployment) -> None:
    @broken.override(Threads.delete)
    def delete(right: Any, thread_id: str) -> None:
        thread = broken.store.records.thread(thread_id)
        under_way = [run for run in thread.runs if run.started and run.active]
        right(thread_id)
        if under_way:
            ended = replace(under_way[0], status="success")
            broken.store.records.keep(replace(thread, runs=(ended,), status="idle"))


@fault("runs-of-a-thread-deleted-meanwhile-are-shown", breaks=["RUN-CONTROL-24"])
def runs_of_a_thread_deleted_meanwhile_are_shown(broken: FaultyDeployment) -> None:
    left: dict[str, Json] = {}

    @broken.wire.before("delete")
    def note(request: WireRequest) -> None:
        for run in runs_on(broken.store, request.thread_id):
            if run.active:
                left[run.run_id] = broken.store.runs.get_run(request.thread_id, run.run_id)

    @broken.wire.after("run_get", status=404)
    def show(request: WireRequest, answer: WireAnswer) -> None:
        if found := left.get(run_id_in(request)):
            answer.status, answer.body = 200, found

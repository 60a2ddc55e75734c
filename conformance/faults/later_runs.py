"""Faults of threads that have had other runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import without
from conformance.faults.kit.runs import RUN_STARTS, having, runs_on
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Run, Thread
from conformance.model.runs import Runs
from conformance.model.views import Views
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer

_OWN = ("graph_id", "assistant_id")


@fault("create-if-missing-makes-an-existing-thread-anew", breaks="RUN-21")
def makes_anew(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: Any) -> Run:
        thread = stored_thread(broken, thread_id)
        idle = thread is not None and not any(run.active for run in thread.runs)
        if thread is not None and idle and request.get("if_not_exists") == "create":
            emptied = store.threads.new_thread(thread_id, thread.metadata)
            store.records.keep(replace(emptied, runs=thread.runs))
        run: Run = right(thread_id, request)
        return run


@fault("create-if-missing-is-a-conflict-where-the-thread-is-idle", breaks="RUN-21")
def conflicts(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=having("if_not_exists", "create"))
    def refuse(request: WireRequest) -> WireAnswer | None:
        known = runs_on(broken.store, request.thread_id)
        if not known or any(run.active for run in known):
            return None
        return json_answer(409, {"detail": "the thread exists"})


@fault("create-if-missing-is-a-conflict-while-a-run-is-under-way", breaks="RUN-22")
def conflicts_while_busy(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=having("if_not_exists", "create"))
    def refuse(request: WireRequest) -> WireAnswer | None:
        if not any(run.active for run in runs_on(broken.store, request.thread_id)):
            return None
        return json_answer(409, {"detail": "the thread is about to be created"})


def _showing(broken: FaultyDeployment, place: int) -> None:
    """Add to each run the metadata of the run `place` positions later in the thread."""

    @broken.override(Views.run_view)
    def run_view(right: Any, thread: Thread, run: Run) -> Json:
        view = right(thread, run)
        ids = [each.run_id for each in thread.runs]
        at = ids.index(run.run_id) + place if run.run_id in ids else -1
        if not 0 <= at < len(ids):
            return view
        return {**view, "metadata": {**thread.runs[at].metadata, **view["metadata"]}}


@fault("a-run-shows-the-metadata-of-the-run-before-it", breaks="RUN-23")
def shows_the_one_before(broken: FaultyDeployment) -> None:
    _showing(broken, -1)


@fault("a-run-shows-the-metadata-of-the-run-after-it", breaks="RUN-23")
def shows_the_one_after(broken: FaultyDeployment) -> None:
    _showing(broken, 1)


@fault("run-list-takes-its-page-before-the-status", breaks="RUN-24")
def page_before_status(broken: FaultyDeployment) -> None:
    @broken.override(Runs.list_runs)
    def list_runs(
        right: Any, thread_id: str, *, limit: int = 10, offset: int = 0, status: Any = None
    ) -> Json:
        if status is None or not offset:
            return right(thread_id, limit=limit, offset=offset, status=status)
        page = right(thread_id, limit=1000, offset=offset)
        return [each for each in page if each["status"] == status][:limit]


@fault("run-list-forgets-its-offset-with-a-status", breaks="RUN-24")
def offset_is_forgotten(broken: FaultyDeployment) -> None:
    @broken.override(Runs.list_runs)
    def list_runs(
        right: Any, thread_id: str, *, limit: int = 10, offset: int = 0, status: Any = None
    ) -> Json:
        kept = offset if status is None else 0
        return right(thread_id, limit=limit, offset=kept, status=status)


@fault("run-list-selects-nothing-on-a-page-by-status", breaks="RUN-25")
def selects_nothing(broken: FaultyDeployment) -> None:
    @broken.wire.before(
        "run_list", when=lambda request: {"select", "status", "limit"} <= request.query.keys()
    )
    def forget(request: WireRequest) -> None:
        request.query = without(request.query, "select")


def _has_failed(broken: FaultyDeployment, request: WireRequest) -> bool:
    known = runs_on(broken.store, request.thread_id)
    return bool(known) and known[-1].status == "error"


@fault("a-thread-in-error-is-run-no-more", breaks="RUN-26")
def is_run_no_more(broken: FaultyDeployment) -> None:
    @broken.wire.before("run_wait")
    def refuse(request: WireRequest) -> WireAnswer | None:
        if not _has_failed(broken, request):
            return None
        return json_answer(409, {"detail": "the last run of the thread has failed"})


@fault("a-run-after-a-failure-drops-its-input", breaks="RUN-26")
def drops_input(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS)
    def drop(request: WireRequest) -> None:
        if _has_failed(broken, request) and request.members.get("assistant_id") == "slow":
            request.body = {**request.members, "input": {"messages": []}}


def _known_messages(broken: FaultyDeployment, request: WireRequest) -> dict[str, Any]:
    """Return the messages of the request's thread by their ids."""
    thread = stored_thread(broken, request.thread_id)
    found = thread.values.get("messages", []) if thread else []
    return {each["id"]: each for each in found if isinstance(each, dict) and each.get("id")}


def _meeting_known_messages(change: Callable[[dict[str, Any], Any], Any]) -> Apply:
    """Replace each input message whose id the thread has by `change(message, the thread's one)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(*RUN_STARTS)
        def alter(request: WireRequest) -> None:
            given = request.members.get("input")
            messages = given.get("messages") if isinstance(given, dict) else None
            known = _known_messages(broken, request) if isinstance(messages, list) else {}
            if not isinstance(given, dict) or not isinstance(messages, list) or not known:
                return
            changed = [
                change(each, known[each["id"]])
                if isinstance(each, dict) and each.get("id") in known
                else each
                for each in messages
            ]
            request.body = {**request.members, "input": {**given, "messages": changed}}

    return apply


fault("a-message-of-a-known-id-gets-another-id", breaks="RUN-27")(
    _meeting_known_messages(lambda message, _known: {**message, "id": f"{message['id']}-again"})
)
fault("a-message-of-a-known-id-is-ignored", breaks="RUN-27")(
    _meeting_known_messages(lambda _message, known: known)
)

"""Faults of threads that have had other runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import altered_by, change_request, without
from conformance.faults.kit.runs import (
    RUN_STARTS,
    ending_at_its_start,
    goes_on,
    having,
    runs_on,
)
from conformance.faults.kit.state import messages, stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Run, Thread
from conformance.model.executor import Executor
from conformance.model.records import Records
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


def _messages_elsewhere(broken: FaultyDeployment, request: WireRequest) -> dict[str, Any]:
    """Return the messages of the thread that the state from which the run starts does not have."""
    thread = stored_thread(broken, request.thread_id)
    checkpoint = request.members.get("checkpoint")
    named = checkpoint.get("checkpoint_id") if isinstance(checkpoint, dict) else None
    states = thread.checkpoints if thread else ()
    base = next((each for each in states if each.checkpoint_id == named), None)
    if base is None:
        return {}
    there = {each["id"] for each in messages(base)}
    known = [each for state in states for each in messages(state)]
    return {each["id"]: each for each in known if each["id"] not in there}


def _meeting_known_messages(
    change: Callable[[dict[str, Any], Any], Any],
    known_to: Callable[[FaultyDeployment, WireRequest], dict[str, Any]] = _known_messages,
) -> Apply:
    """Replace each input message whose id the thread has by `change(message, the thread's one)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(*RUN_STARTS)
        def alter(request: WireRequest) -> None:
            given = request.members.get("input")
            sent = given.get("messages") if isinstance(given, dict) else None
            known = known_to(broken, request) if isinstance(sent, list) else {}
            if not isinstance(given, dict) or not isinstance(sent, list) or not known:
                return
            changed = [
                change(each, known[each["id"]])
                if isinstance(each, dict) and each.get("id") in known
                else each
                for each in sent
            ]
            request.body = {**request.members, "input": {**given, "messages": changed}}

    return apply


fault("a-message-of-a-known-id-gets-another-id", breaks="RUN-27")(
    _meeting_known_messages(lambda message, _known: {**message, "id": f"{message['id']}-again"})
)
fault("a-message-of-a-known-id-is-ignored", breaks="RUN-27")(
    _meeting_known_messages(lambda _message, known: known)
)
fault("a-message-of-an-id-of-another-branch-has-the-content-there", breaks="RUN-27")(
    _meeting_known_messages(lambda _message, known: known, _messages_elsewhere)
)

# Runs from a checkpoint


@fault("input-of-a-run-from-a-checkpoint-has-no-parent", breaks="RUN-28")
def has_no_parent(broken: FaultyDeployment) -> None:
    @broken.override(Executor.first_position)
    def first_position(right: Any, graph: Any, base: Any, run: Run) -> Checkpoint:
        made: Checkpoint = right(graph, base, run)
        begins = run.base_id is not None and run.kwargs.get("input") is not None
        return replace(made, parent_id=None) if begins else made


@fault("run-without-an-input-follows-the-newest-state", breaks="RUN-28")
def follows_the_newest(broken: FaultyDeployment) -> None:
    @broken.override(Records.with_checkpoint)
    def with_checkpoint(right: Any, thread: Thread, made: Checkpoint) -> Any:
        known = {each.run_id: each for each in thread.runs}
        run = known.get(str(made.metadata.get("run_id")))
        if run is not None and goes_on(run) and made.parent_id == run.base_id and thread.latest:
            made = replace(made, parent_id=thread.latest.checkpoint_id)
        return right(thread, made)


# Threads that wait, or failed


@fault("input-where-a-breakpoint-stopped-is-lost", breaks="RUN-29")
def is_lost(broken: FaultyDeployment) -> None:
    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        thread = stored_thread(broken, thread_id)
        earlier = [
            each
            for each in (thread.runs[-1:] if thread else ())
            if each.status == "interrupted" and each.graph_id == request["assistant_id"]
        ]
        stopped = any(each.kwargs.get("interrupt_before") for each in earlier)
        if stopped and not request.get("checkpoint"):
            request = without(request, "input")
        run: Run = right(thread_id, request)
        return run


@fault("input-where-the-thread-asks-is-the-answer", breaks="RUN-29")
def is_the_answer(broken: FaultyDeployment) -> None:
    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: dict[str, Any]) -> Run:
        thread = stored_thread(broken, thread_id)
        latest = thread.latest if thread else None
        asks = latest is not None and any(task.is_interrupted for task in latest.tasks)
        asked = [run.graph_id for run in thread.runs[-1:]] if asks and thread else []
        at = request.get("checkpoint")
        if asked == [request["assistant_id"]] and request.get("input") and not at:
            answer = {"resume": str(request["input"])}
            request = {**without(request, "input"), "command": answer}
        run: Run = right(thread_id, request)
        return run


def _in_error(thread: Thread) -> bool:
    return thread.latest is not None and any(task.error for task in thread.latest.tasks)


fault("run-without-an-input-in-error-ends-well", breaks="RUN-30")(
    ending_at_its_start(lambda thread, run: goes_on(run) and _in_error(thread))
)


@fault("run-with-an-empty-input-is-refused", breaks="RUN-31")
def empty_input_is_refused(broken: FaultyDeployment) -> None:
    @broken.wire.before(*RUN_STARTS, when=having("input", {}))
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(422, {"detail": "the input is empty"})


def _lend_metadata(broken: FaultyDeployment, thread_id: str, request: dict[str, Any]) -> None:
    """Write the metadata of a run over the members of the thread's."""
    thread = stored_thread(broken, thread_id)
    if thread is not None:
        given = request.get("metadata") or {}
        over = {name: given[name] for name in given if name in thread.metadata}
        broken.store.records.keep(replace(thread, metadata={**thread.metadata, **over}))


def _lending_metadata(when: Callable[[Any], bool]) -> Apply:
    """Write the metadata of runs over the members of the thread's, where `when(request)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Runs.begin_run)
        def begin_run(right: Any, thread_id: str, request: Any) -> Run:
            run: Run = right(thread_id, request)
            if when(request):
                _lend_metadata(broken, thread_id, request)
            return run

    return apply


fault("metadata-of-a-run-replaces-that-of-its-thread", breaks="RUN-32")(
    _lending_metadata(lambda request: request.get("if_not_exists") != "create")
)
fault("metadata-of-a-run-replaces-that-of-the-thread-it-might-create", breaks="RUN-32")(
    _lending_metadata(lambda request: request.get("if_not_exists") == "create")
)


@fault("metadata-of-a-background-run-replaces-that-of-its-thread", breaks="RUN-32")
def background_run_lends_metadata(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_background")
    def lend(request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            _lend_metadata(broken, request.thread_id, request.members)


def _input_of(request: WireRequest) -> dict[str, Any]:
    given = request.members.get("input")
    return given if isinstance(given, dict) else {}


def _without_empty_values(is_empty: Callable[[Json], bool], *operations: str) -> Apply:
    """Skip the members of the input of a run that are empty."""

    def skip(body: dict[str, Any]) -> dict[str, Any]:
        given = body.get("input")
        if not isinstance(given, dict):
            return body
        kept = {name: value for name, value in given.items() if not is_empty(value)}
        return {**body, "input": kept}

    return change_request(*operations, to=skip, when=altered_by(skip))


fault("runs-skip-empty-lists-of-their-input", breaks="RUN-33")(
    _without_empty_values(lambda value: value == [], *RUN_STARTS)
)
fault("streamed-runs-write-the-first-channel-of-their-input-alone", breaks="RUN-34")(
    change_request(
        "run_stream",
        to=lambda body: {**body, "input": dict([*body["input"].items()][:1])},
        when=lambda request: len(_input_of(request)) > 1,
    )
)
fault("streamed-runs-skip-empty-objects-of-their-input", breaks="RUN-33")(
    _without_empty_values(lambda value: value == {}, "run_stream")
)

"""Faults of runs as the documents use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_shown, refusing, with_status, without
from conformance.faults.kit.runs import RUN_STARTS, taking_time
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.assistants import Assistants
from conformance.model.errors import InvalidError
from conformance.model.executor import Executor
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.reference.wire import WireAnswer, WireRequest

#: The operations that may start the first run of a thread.
_RUNNING = frozenset({*RUN_STARTS, "cron_create"}) | {
    f"stateless_{way}" for way in ("background", "wait", "stream", "batch")
}


def forgetting(operation: str, after: str = "") -> Apply:
    """Discard the states that the first run of a thread, begun by `operation`, has made.

    They are discarded when `after` is answered, by default `operation`.
    """

    def apply(broken: FaultyDeployment) -> None:
        store = broken.store
        empty: set[str] = set()

        @broken.wire.before(operation)
        def note(request: WireRequest) -> None:
            thread = store.records.threads_by_id.get(request.thread_id)
            if thread and not thread.checkpoints:
                empty.add(request.thread_id)

        @broken.wire.after(after or operation)
        def forget(request: WireRequest, _answer: WireAnswer) -> None:
            if request.thread_id in empty:
                empty.remove(request.thread_id)
                store.records.keep(replace(store.records.thread(request.thread_id), checkpoints=()))

    return apply


# Each way to run

fault(
    "waited-run-leaves-no-history",
    breaks=(
        "RUN-01 INTERRUPT-01 INTERRUPT-02 INTERRUPT-05 INTERRUPT-07 INTERRUPT-09 "
        "INTERRUPT-11 NESTED-01 NESTED-02 NESTED-03 NESTED-06 NESTED-09 CANCEL-16 "
        "STATE-19"
    ),
)(forgetting("run_wait"))
fault("streamed-run-leaves-no-history", breaks="RUN-02 CANCEL-16")(forgetting("run_stream"))
fault(
    "background-run-leaves-no-history",
    breaks=("RUN-03 CANCEL-01 MULTITASK-02 MULTITASK-03 MULTITASK-06 RUN-CONTROL-15"),
)(forgetting("run_background", after="run_join"))
fault("waiting-is-not-offered", breaks=["RUN-01", "RUN-CONTROL-14"])(
    refusing("run_wait", status=404)
)
fault("streaming-is-not-offered", breaks=["RUN-02"])(refusing("run_stream", status=405))
fault("background-runs-are-not-offered", breaks=["RUN-03"])(refusing("run_background", status=404))


@fault(
    "waited-run-answers-an-error-with-200",
    breaks="COPY-17 PREPOP-17 RUN-01 RUN-11 RUN-CONTROL-14 INTERRUPT-23 MULTITASK-15",
)
def waited_run_answers_an_error(broken: FaultyDeployment) -> None:
    @broken.wire.answers("run_wait")
    def fail(_request: WireRequest, _output: Any) -> Any:
        return {"__error__": {"error": "ValueError", "message": "no"}}


# Effects on the thread


def starting(change: Callable[[Any], Any]) -> Apply:
    """Change the states of the thread on which a run starts.

    Runs of `slow` are left alone: what a check sees while they start depends on timing.
    """

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Executor.start)
        def start(right: Any, thread: Any, run: Any) -> Any:
            if run.graph_id == "slow":
                return right(thread, run)
            return right(replace(thread, checkpoints=tuple(change(thread.checkpoints))), run)

    return apply


fault(
    "run-forgets-the-oldest-state",
    breaks=(
        "COPY-17 HISTORY-03 INTERRUPT-31 NESTED-13 PREPOP-17 RUN-09 RUN-CONTROL-16 SEQ-04 SEQ-06"
    ),
)(starting(lambda states: states[1:] or states))
fault("run-keeps-ten-states", breaks=["HISTORY-03", "RUN-09"])(
    starting(lambda states: states[-10:])
)
fault(
    "run-dates-the-states-that-were-there-anew",
    breaks=["COPY-17", "PREPOP-17", "RUN-09", "SEQ-04"],
)(starting(lambda states: [replace(each, created_at=states[-1].created_at) for each in states]))


@fault(
    "run-starts-from-nothing",
    breaks=(
        "COPY-17 RUN-08 INTERRUPT-05 INTERRUPT-06 INTERRUPT-07 INTERRUPT-11 INTERRUPT-12 "
        "INTERRUPT-15 MULTITASK-03 MULTITASK-06 MULTITASK-07 NESTED-06 NESTED-09 "
        "RUN-CONTROL-16 SEQ-10 INTERRUPT-16 INTERRUPT-17 INTERRUPT-18 MULTITASK-10 "
        "MULTITASK-11 RUN-15 RUN-16 RUN-17 INTERRUPT-27 NESTED-11 NESTED-12 THREAD-STREAM-28"
    ),
)
def run_starts_from_nothing(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Executor.start)
    def start(right: Any, thread: Any, run: Any) -> Any:
        step = right(replace(thread, checkpoints=()), run)
        begun = store.records.thread(thread.thread_id)
        store.records.keep(replace(begun, checkpoints=(*thread.checkpoints, *begun.checkpoints)))
        return step


def taking_input(change: Callable[[dict[str, Any]], Any]) -> Apply:
    """Change the input of runs, unless it has a duration: the outcome would depend on timing."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Runs.begin_run)
        def begin_run(right: Any, thread_id: str, request: Any) -> Any:
            given = request.get("input")
            if isinstance(given, dict) and "seconds" not in given:
                request = {**request, "input": change(given)}
            return right(thread_id, request)

    return apply


fault(
    "run-drops-its-input",
    breaks="RUN-08 NESTED-02 RUN-CONTROL-16 RUN-15 RUN-16 RUN-17 RUN-29",
)(taking_input(lambda _given: {}))
fault("run-takes-its-input-for-an-answer", breaks=["RUN-08", "RUN-15", "RUN-16", "RUN-17"])(
    taking_input(
        lambda given: {"messages": [{**each, "type": "ai"} for each in given.get("messages", [])]}
    )
)


# A second run


def taking_later_input(change: Callable[[Any, Any], Any], *ways: str) -> Apply:
    """Replace the input of every run but a thread's first by `change(input, first input)`.

    Runs of `slow` are left alone: what a check sees while they are in progress depends on timing.
    """

    def apply(broken: FaultyDeployment) -> None:
        first: dict[str, Any] = {}

        def with_input(request: WireRequest) -> bool:
            return isinstance(request.members.get("input"), dict) and not taking_time(request)

        @broken.wire.before(*(ways or RUN_STARTS), when=with_input)
        def alter(request: WireRequest) -> None:
            given = request.members["input"]
            thread = stored_thread(broken, request.thread_id)
            if thread is not None and thread.runs:
                changed = change(given, first.get(request.thread_id, {}))
                request.body = {**request.members, "input": changed}
            else:
                first[request.thread_id] = given

    return apply


fault(
    "input-of-every-run-but-the-first-is-lost",
    breaks=(
        "RUN-15 RUN-16 RUN-17 MULTITASK-10 MULTITASK-11 MULTITASK-03 MULTITASK-06 "
        "MULTITASK-07 RUN-CONTROL-16 CANCEL-13"
    ),
)(taking_later_input(lambda _given, _first: {}))
fault(
    "input-of-a-second-waited-run-is-lost", breaks="RUN-15 MULTITASK-10 MULTITASK-11 RUN-CONTROL-16"
)(taking_later_input(lambda _given, _first: {}, "run_wait"))
fault(
    "input-of-a-second-streamed-run-is-lost",
    breaks="RUN-16 MULTITASK-10 MULTITASK-11 RUN-CONTROL-16",
)(taking_later_input(lambda _given, _first: {}, "run_stream"))
fault(
    "second-background-run-takes-the-first-input",
    breaks="RUN-17 MULTITASK-03 MULTITASK-06 MULTITASK-07 RUN-CONTROL-16 CANCEL-13",
)(taking_later_input(lambda _given, first: first, "run_background"))


@fault(
    "second-run-begins-with-an-empty-state",
    breaks=(
        "RUN-15 RUN-16 RUN-17 MULTITASK-10 MULTITASK-11 MULTITASK-03 MULTITASK-06 "
        "MULTITASK-07 RUN-CONTROL-16 SEQ-10"
    ),
)
def second_run_begins_with_an_empty_state(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Executor.start)
    def start(right: Any, thread: Any, run: Any) -> Any:
        again = thread.runs[0].run_id != run.run_id and run.kwargs.get("input") is not None
        if not again:
            return right(thread, run)
        step = right(replace(thread, checkpoints=()), run)
        begun = store.records.thread(thread.thread_id)
        store.records.keep(replace(begun, checkpoints=(*thread.checkpoints, *begun.checkpoints)))
        return step


@fault(
    "thread-stays-busy-after-its-run",
    breaks=(
        "RUN-10 STATUS-01 STATUS-02 STATUS-04 STATUS-05 STATUS-09 STATUS-15 CANCEL-12 "
        "STATE-UPDATE-04"
    ),
)
def thread_stays_busy(broken: FaultyDeployment) -> None:
    broken.from_first = _RUNNING

    @broken.override(Records.status_of)
    def status_of(right: Any, thread: Any) -> Any:
        return "busy" if thread.runs else right(thread)


@fault(
    "thread-is-interrupted-after-its-run",
    breaks=["RUN-10", "STATUS-02", "STATUS-04", "STATUS-05", "STATUS-09", "STATUS-12"],
)
def thread_is_interrupted(broken: FaultyDeployment) -> None:
    broken.from_first = _RUNNING

    @broken.override(Records.status_of)
    def status_of(right: Any, thread: Any) -> Any:
        ended = thread.runs and not any(run.active for run in thread.runs)
        return "interrupted" if ended else right(thread)


fault("waited-run-answers-without-its-last-message", breaks=["RUN-11"])(
    change_shown(
        "run_wait", to=lambda output: {**output, "messages": output.get("messages", [])[:-1]}
    )
)
fault("waited-run-answers-nothing", breaks="RUN-11 RUN-CONTROL-17 INTERRUPT-23 MULTITASK-15")(
    change_shown("run_wait", to=lambda _output: {})
)

# Refusals

fault("background-run-names-its-run-as-thread", breaks=["RUN-14"])(
    change_shown("run_background", to=lambda run: {**run, "thread_id": run["run_id"]})
)
fault("background-run-names-no-run", breaks=["RUN-03", "RUN-14"])(
    change_shown("run_background", to=lambda run: without(run, "run_id"))
)
fault("stream-on-an-unknown-thread-is-200", breaks=["RUN-12"])(
    with_status(200, "run_stream", instead_of=404)
)
fault("waiting-on-an-unknown-thread-is-500", breaks=["DELETE-10", "RUN-12", "RUN-CONTROL-18"])(
    with_status(500, "run_wait", instead_of=404)
)


@fault("run-makes-an-unknown-thread", breaks=["DELETE-10", "RUN-12"])
def run_makes_an_unknown_thread(broken: FaultyDeployment) -> None:
    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, request: Any) -> Any:
        return right(thread_id, {**request, "if_not_exists": "create"})


@fault("run-of-an-unknown-assistant-runs-the-agent", breaks=["RUN-13", "STATELESS-07"])
def unknown_assistant_is_the_agent(broken: FaultyDeployment) -> None:
    @broken.override(Assistants.assistant)
    def assistant(right: Any, assistant_id: str) -> Any:
        try:
            return right(assistant_id)
        except InvalidError:
            return broken.store.assistants.graphs["agent"]


def _of_no_assistant(request: WireRequest) -> bool:
    return b"no-such-graph" in request.raw


fault("stream-of-an-unknown-assistant-is-200", breaks=["RUN-13"])(
    with_status(200, "run_stream", instead_of=422, when=_of_no_assistant)
)

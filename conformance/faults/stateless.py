"""Faults of stateless runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.contract.schemas import violations
from conformance.faults.kit.http_changes import change_answer, change_request
from conformance.faults.kit.runs import accepting, having, ignoring, streaming
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.executor import Executor
from conformance.reference.wire import Json, WireAnswer, WireRequest

_WAYS = ("stateless_wait", "stateless_stream", "stateless_background")

fault("stateless-run-answers-its-input", breaks=["STATELESS-01"])(
    change_answer(
        "stateless_wait",
        to=lambda request, output: (
            {**output, "messages": output["messages"][:1]}
            if isinstance(output, dict) and output.get("messages")
            else output
        ),
    )
)

fault("stateless-run-answers-null", breaks=["STATELESS-01", "STATELESS-04"])(
    change_answer("stateless_wait", to=lambda _request, _output: None)
)


def _keeping(operation: str) -> Apply:
    return change_request(
        operation,
        to=lambda body: {"on_completion": "keep", **body},
        when=lambda request: request.members.get("assistant_id") == "agent",
    )


for way in _WAYS:
    fault(f"{way.replace('_', '-')}-leaves-its-thread", breaks=["STATELESS-02"])(_keeping(way))


fault("on-completion-keep-is-ignored", breaks=["STATELESS-03"])(
    ignoring("on_completion", *_WAYS, when=having("on_completion", "keep"))
)


@fault("kept-thread-has-no-history", breaks=["STATELESS-03"])
def kept_thread_has_no_history(broken: FaultyDeployment) -> None:
    kept: set[str] = set()

    @broken.wire.after(*_WAYS, when=having("on_completion", "keep"))
    def note(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok and isinstance(answer.body, dict):
            kept.add(answer.body.get("thread_id", ""))

    @broken.wire.after("run_join")
    def forget(request: WireRequest, _answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if thread is not None and request.thread_id in kept:
            broken.store.records.keep(replace(thread, checkpoints=()))


# Runs that fail


def _failing(request: WireRequest) -> bool:
    return request.members.get("assistant_id") == "failing"


fault("stateless-wait-leaves-the-thread-of-a-failure", breaks=["STATELESS-08"])(
    change_request(
        "stateless_wait", to=lambda body: {"on_completion": "keep", **body}, when=_failing
    )
)


@fault("failure-leaves-a-stateless-thread-behind", breaks=["STATELESS-08"])
def failure_leaves_a_thread(broken: FaultyDeployment) -> None:
    @broken.override(Executor.keep_after_run)
    def keep_after_run(right: Any, thread: Any) -> None:
        failed = any(run.status == "error" for run in thread.runs)
        right(replace(thread, temporary=thread.temporary and not failed))


fault("on-completion-keep-is-ignored-where-the-run-fails", breaks=["STATELESS-09"])(
    ignoring(
        "on_completion",
        *_WAYS,
        when=lambda request: having("on_completion", "keep")(request) and _failing(request),
    )
)


@fault("stateless-runs-remember-each-other", breaks=["STATELESS-04"])
def stateless_runs_remember_each_other(broken: FaultyDeployment) -> None:
    said: list[Json] = []

    @broken.wire.before("stateless_wait")
    def remember(request: WireRequest) -> None:
        body = request.members
        given = body.get("input")
        if not isinstance(given, dict) or body.get("assistant_id") != "slow":
            return
        messages = list(given.get("messages", []))
        request.body = {**body, "input": {**given, "messages": [*messages, *said]}}
        said[:] = messages


@fault("stateless-stream-is-plain-text", breaks=["STATELESS-05"])
def stateless_stream_is_plain_text(broken: FaultyDeployment) -> None:
    @broken.wire.after("stateless_stream")
    def plain(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            kept = [header for header in answer.headers if header[0] != b"content-type"]
            answer.headers = [*kept, (b"content-type", b"text/plain; charset=utf-8")]


@fault("events-of-a-stateless-run-are-not-json", breaks=["STATELESS-12"])
def events_of_a_stateless_run_are_not_json(broken: FaultyDeployment) -> None:
    @broken.wire.after("stateless_stream")
    def quoted(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            answer.raw = answer.raw.replace(b'data: {"', b"data: {'")


fault("stateless-stream-has-no-values", breaks=["STATELESS-05"])(
    streaming("stateless_stream", to=lambda events: [e for e in events if e[1] != "values"])
)


def _is_valid(body: Any) -> bool:
    """Return whether a body matches the published schema; others are refused, correctly."""
    return isinstance(body, dict) and not violations("run_create_stateless", body)


@fault("batch-begins-only-its-first-run", breaks=["STATELESS-06"])
def batch_begins_only_its_first_run(broken: FaultyDeployment) -> None:
    @broken.wire.before("stateless_batch")
    def cut(request: WireRequest) -> None:
        if isinstance(request.body, list) and all(map(_is_valid, request.body)):
            request.body = request.body[:1]


fault("batch-answers-one-run-for-all", breaks=["STATELESS-06"])(
    change_answer("stateless_batch", to=lambda _, runs: runs[:1] * len(runs))
)


def _members_of_batches(change: Callable[[list[Json]], list[Json]], member: str) -> Apply:
    """Replace the values of `member` in the bodies of a batch by `change(all these values)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before("stateless_batch")
        def replace_members(request: WireRequest) -> None:
            bodies = request.body
            if isinstance(bodies, list) and all(
                _is_valid(each) and member in each for each in bodies
            ):
                changed = change([each[member] for each in bodies])
                request.body = [
                    {**each, member: value} for each, value in zip(bodies, changed, strict=True)
                ]

    return apply


fault("batch-gives-every-run-the-first-metadata", breaks=["STATELESS-10"])(
    _members_of_batches(lambda given: given[:1] * len(given), "metadata")
)
fault("batch-gives-two-runs-one-metadata", breaks=["STATELESS-10"])(
    _members_of_batches(lambda given: [*given[:-1], *given[:1]], "metadata")
)
fault("batch-runs-the-last-input-each-time", breaks=["STATELESS-11"])(
    _members_of_batches(lambda given: given[-1:] * len(given), "input")
)
fault("batch-shifts-its-inputs-by-one", breaks=["STATELESS-11"])(
    _members_of_batches(lambda given: [*given[1:], *given[:1]], "input")
)


fault("unknown-assistant-is-null", breaks=["STATELESS-07"])(
    accepting("stateless_wait", None, when=lambda request: _is_valid(request.members))
)


@fault("unknown-assistant-is-the-first", breaks=["STATELESS-07"])
def unknown_assistant_is_the_first(broken: FaultyDeployment) -> None:
    @broken.wire.before(*_WAYS)
    def choose(request: WireRequest) -> None:
        body = request.members
        if _is_valid(body) and body["assistant_id"] not in broken.store.assistants.graphs:
            request.body = {**body, "assistant_id": "agent"}


def _starting(which: Callable[[list[Json]], list[Json]]) -> Apply:
    """Start `which(members)` of a batch that is then refused for an unknown assistant."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before("stateless_batch")
        def start(request: WireRequest) -> None:
            bodies = request.body if isinstance(request.body, list) else []
            if not bodies or not all(map(_is_valid, bodies)):
                return
            known = broken.store.assistants.graphs
            if all(each["assistant_id"] in known for each in bodies):
                return
            for each in which([body for body in bodies if body["assistant_id"] in known]):
                broken.store.runs.begin_stateless_run(each)

    return apply


fault("refused-batch-starts-what-can-be-started", breaks=["STATELESS-13"])(
    _starting(lambda members: members)
)

"""Bodies of runs that must be refused, and how to start a run with any body."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from conformance.checks.api import ThreadsApi
from conformance.checks.generators.wrong_bodies import RUN_TYPES, WRONG_TYPES
from conformance.checks.runs import run_in, run_of
from conformance.checks.valid_requests import tags
from conformance.checks.views import Thread, id_of
from conformance.contract.operations import BY_NAME
from conformance.deployment.client import ABSENT, Answer, ThreadsClient
from conformance.deployment.ownership.guard import DisposableOnlyRefusal

#: Operations that run on a thread, and those that start one run without a thread.
ON_A_THREAD = ("run_background", "run_wait", "run_stream")
STATELESS = ("stateless_background", "stateless_wait", "stateless_stream")
BATCH = "stateless_batch"
#: The operations for whose bodies `on_disconnect` is published.
FOLLOWED = ("run_wait", "run_stream")
FOLLOWED_STATELESS = ("stateless_wait", "stateless_stream")

#: Members of types other than published, by operation.
WRONG_RUN_TYPES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(ON_A_THREAD, WRONG_TYPES["run_wait"]),
    **dict.fromkeys(STATELESS, RUN_TYPES),
}

_OUT_OF_MODES = ({"stream_mode": "colour"}, {"stream_mode": ["values", "colour"]})
#: Values outside the published enumerations, by operation.
OUT_OF_ENUM: dict[str, tuple[dict[str, Any], ...]] = {
    **dict.fromkeys(
        ON_A_THREAD,
        (
            {"multitask_strategy": "queue"},
            {"if_not_exists": "ignore"},
            *_OUT_OF_MODES,
            {"durability": "never"},
        ),
    ),
    **dict.fromkeys(
        STATELESS, (*_OUT_OF_MODES, {"on_completion": "archive"}, {"durability": "never"})
    ),
}
OUT_OF_DISCONNECT: tuple[dict[str, Any], ...] = ({"on_disconnect": "pause"},)


def start_run(
    client: ThreadsClient,
    operation: str,
    thread: Thread,
    body: Any = ABSENT,
    *,
    raw: bytes | None = None,
) -> Answer:
    """Start a run by one of the operations; the stateless ones ignore the thread."""
    path = BY_NAME[operation].path
    if operation in ON_A_THREAD:
        path = path.format(thread_id=quote(id_of(thread), safe=""))
    return client.send(operation, "POST", path, body, raw=raw, timeout_s=client.run_timeout_s)


def valid_run(given: ThreadsApi) -> dict[str, Any]:
    """Return a valid body of a run, with the tags of this check."""
    return given.run_body(metadata=tags(given))


def thread_offering_runs(given: ThreadsApi, operation: str) -> Thread:
    """Return a thread on which the operation has run the graph once, to its end.

    Stateless runs are sent to disposable deployments only, else `DisposableOnlyRefusal`: a thread
    that a lenient deployment makes for a bad body could not be told from other people's threads.
    """
    if operation not in ON_A_THREAD and not given.client.ownership.disposable:
        raise DisposableOnlyRefusal(f"bad bodies of {BY_NAME[operation].path}")
    thread = given.empty()
    right = valid_run(given)
    body = [right] if operation == BATCH else right
    answer = start_run(given.client, operation, thread, body)
    given.ensure_success(answer, thread if operation in ON_A_THREAD else None)
    first = answer.body[0] if isinstance(answer.body, list) and answer.body else None
    if run := run_of(first) or run_in(answer):
        given.client.run_join(run.thread_id, run.run_id)
    return thread

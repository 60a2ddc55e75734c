"""A valid request of every operation on one thread, its run and its cron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.checks.api import ThreadsApi
from conformance.checks.valid_requests import tags
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import numbered
from conformance.deployment.wire.stream_reading import Reader, always_enough

Send = Callable[[ThreadsClient], Answer]

#: Operations that reveal nothing of threads, and that load balancers call without credentials.
OPEN_TO_ALL = ("ok", "info", "openapi")


@dataclass(frozen=True)
class Targets:
    """The thread, checkpoint, run and cron that the requests name."""

    thread: Thread
    checkpoint_id: str
    run_id: str
    cron_id: str


def every_operation(given: ThreadsApi, targets: Targets) -> dict[str, Send]:
    """Return a valid request by operation name; operations that only read come first."""
    thread_id, run_id, cron_id = id_of(targets.thread), targets.run_id, targets.cron_id
    marks = tags(given)
    run = given.run_body(metadata=marks)
    cron = given.run_body(schedule="0 0 1 1 *", metadata=marks)
    return {
        "search": lambda client: client.search({"metadata": marks}),
        "count": lambda client: client.count({"metadata": marks}),
        "get": lambda client: client.get(thread_id),
        "state": lambda client: client.state(thread_id),
        "state_at_checkpoint": lambda client: client.state_at_checkpoint(
            thread_id, targets.checkpoint_id
        ),
        "post_state_at_checkpoint": lambda client: client.post_state_at_checkpoint(
            thread_id, {"checkpoint": {"checkpoint_id": targets.checkpoint_id}}
        ),
        "history": lambda client: client.history(thread_id),
        "post_history": lambda client: client.post_history(thread_id, {"limit": 1}),
        "run_list": lambda client: client.runs.list(thread_id),
        "run_get": lambda client: client.runs.get(thread_id, run_id),
        "run_join": lambda client: client.run_join(thread_id, run_id),
        "run_join_stream": lambda client: client.runs.join_stream(thread_id, run_id),
        "thread_stream": lambda client: client.thread_stream(thread_id, Reader(always_enough)),
        "thread_events": lambda client: client.thread_events(
            thread_id, Reader(always_enough), {"channels": ["lifecycle"]}
        ),
        "cron_search": lambda client: client.crons.search({"thread_id": thread_id}),
        "cron_count": lambda client: client.crons.count({"thread_id": thread_id}),
        "cron_get": lambda client: client.crons.get(cron_id),
        "assistants_search": lambda client: client.assistants({"limit": 1}),
        "create": lambda client: client.create(
            {"thread_id": client.ownership.new_id(), "metadata": marks},
        ),
        "copy": lambda client: client.copy(thread_id),
        "update": lambda client: client.update(thread_id, {"metadata": {"changed": True}}),
        "update_state": lambda client: client.update_state(
            thread_id, numbered(given.context.graph().append, 7)
        ),
        "run_background": lambda client: client.run_background(thread_id, run),
        "run_wait": lambda client: client.run_wait(thread_id, run),
        "run_stream": lambda client: client.run_stream(thread_id, run),
        "thread_command": lambda client: client.thread_command(
            thread_id, {"id": 1, "method": "run.start", "params": run}
        ),
        "stateless_background": lambda client: client.runs.stateless("background", run),
        "stateless_wait": lambda client: client.runs.stateless("wait", run),
        "stateless_stream": lambda client: client.runs.stateless("stream", run),
        "stateless_batch": lambda client: client.runs.stateless("batch", [run]),
        "run_cancel": lambda client: client.runs.cancel(thread_id, run_id),
        "runs_cancel": lambda client: client.runs.cancel_many(
            {"thread_id": thread_id, "run_ids": [run_id]}
        ),
        "cron_create": lambda client: client.crons.create(thread_id, cron),
        "cron_update": lambda client: client.crons.update(cron_id, {"schedule": "0 0 2 2 *"}),
        "cron_delete": lambda client: client.crons.delete(cron_id),
        "run_delete": lambda client: client.runs.delete(thread_id, run_id),
        "prune": lambda client: client.prune({"thread_ids": [thread_id]}),
        "delete": lambda client: client.delete(thread_id),
    }

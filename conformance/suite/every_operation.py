"""A right request of every operation on one thread, its run and its cron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import numbered
from conformance.suite.asking import Asker
from conformance.suite.right_requests import tags
from conformance.suite.shown import Thread, id_of

Ask = Callable[[ThreadsClient], Answer]

#: They tell nothing of anyone's threads, and are asked without credentials by load balancers.
OPEN_TO_ALL = ("ok", "info", "openapi")


@dataclass(frozen=True)
class Things:
    """What the operations are asked about."""

    thread: Thread
    checkpoint_id: str
    run_id: str
    cron_id: str


def every_operation(given: Asker, things: Things) -> dict[str, Ask]:
    """The requests by the names of their operations: first those that only read."""
    thread_id, run_id, cron_id = id_of(things.thread), things.run_id, things.cron_id
    marked = tags(given)
    run = given.run_body(metadata=marked)
    cron = given.run_body(schedule="0 0 1 1 *", metadata=marked)
    return {
        "search": lambda ask: ask.search({"metadata": marked}),
        "count": lambda ask: ask.count({"metadata": marked}),
        "get": lambda ask: ask.get(thread_id),
        "state": lambda ask: ask.state(thread_id),
        "state_at_checkpoint": lambda ask: ask.state_at_checkpoint(thread_id, things.checkpoint_id),
        "post_state_at_checkpoint": lambda ask: ask.post_state_at_checkpoint(
            thread_id, {"checkpoint": {"checkpoint_id": things.checkpoint_id}}
        ),
        "history": lambda ask: ask.history(thread_id),
        "post_history": lambda ask: ask.post_history(thread_id, {"limit": 1}),
        "run_list": lambda ask: ask.runs.list(thread_id),
        "run_get": lambda ask: ask.runs.get(thread_id, run_id),
        "run_join": lambda ask: ask.run_join(thread_id, run_id),
        "run_join_stream": lambda ask: ask.runs.join_stream(thread_id, run_id),
        "cron_search": lambda ask: ask.crons.search({"thread_id": thread_id}),
        "cron_count": lambda ask: ask.crons.count({"thread_id": thread_id}),
        "cron_get": lambda ask: ask.crons.get(cron_id),
        "assistants_search": lambda ask: ask.assistants({"limit": 1}),
        "create": lambda ask: ask.create(
            {"thread_id": ask.ownership.new_id(), "metadata": marked},
        ),
        "copy": lambda ask: ask.copy(thread_id),
        "update": lambda ask: ask.update(thread_id, {"metadata": {"changed": True}}),
        "update_state": lambda ask: ask.update_state(
            thread_id, numbered(given.case.graph().append, 7)
        ),
        "run_background": lambda ask: ask.run_background(thread_id, run),
        "run_wait": lambda ask: ask.run_wait(thread_id, run),
        "run_stream": lambda ask: ask.run_stream(thread_id, run),
        "stateless_background": lambda ask: ask.runs.stateless("background", run),
        "stateless_wait": lambda ask: ask.runs.stateless("wait", run),
        "stateless_stream": lambda ask: ask.runs.stateless("stream", run),
        "stateless_batch": lambda ask: ask.runs.stateless("batch", [run]),
        "run_cancel": lambda ask: ask.runs.cancel(thread_id, run_id),
        "runs_cancel": lambda ask: ask.runs.cancel_many(
            {"thread_id": thread_id, "run_ids": [run_id]}
        ),
        "cron_create": lambda ask: ask.crons.create(thread_id, cron),
        "cron_update": lambda ask: ask.crons.update(cron_id, {"schedule": "0 0 2 2 *"}),
        "cron_delete": lambda ask: ask.crons.delete(cron_id),
        "run_delete": lambda ask: ask.runs.delete(thread_id, run_id),
        "prune": lambda ask: ask.prune({"thread_ids": [thread_id]}),
        "delete": lambda ask: ask.delete(thread_id),
    }

"""Every operation as an act on a thread, for checks that hold in each condition of a thread.

Acts are grouped by what the sources say of them. Acts in `NOT_CHANGING` only read the thread, or
make another thread. Acts in `REFUSED` must be refused. Acts in `CHANGING` must be accepted unless a
run is pending or running. Acts in `BUSY` are made while a run is pending or running; where no
source says whether such an act is accepted, both are right. `LEFT_OUT` lists the pairs of operation
and condition that no check needs to reach, each with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.checks.api import ENOUGH_THREADS, ThreadsApi
from conformance.checks.conditions import UNSETTLED, ThreadInCondition, settled
from conformance.checks.outcomes import Blocked
from conformance.checks.runs import NOT_ENDED, Run, Runs, run_of
from conformance.checks.thread_commands import ThreadCommands
from conformance.checks.views import id_of, known_checkpoint_id
from conformance.contract.operations import OPERATIONS
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import numbered
from conformance.deployment.wire.stream_reading import Reader, always_enough

#: Operations on a thread with a history; those of crons and stateless runs are not among them.
SUBJECT = tuple(
    each.name
    for each in OPERATIONS
    if each.path.startswith(("/threads", "/runs/cancel")) and "cron" not in each.name
)

#: The name of the act after which a thread is gone.
DELETION = "delete"

_NO_NODE = "a node that no graph has"
_WRONG_RUN = {"assistant_id": 5, "input": {}}
_NO_RUN = "no run can be stopped: asked with an id that no run has, which is refused"
_WAITS = "it is answered only once the run has ended: asked of a run that is not there, or refused"


@dataclass(frozen=True)
class LeftOutPairs:
    """Pairs of operation and condition for which no check needs an accepted request, and why."""

    operations: tuple[str, ...]
    conditions: tuple[str, ...]
    reason: str

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the pairs of condition and operation."""
        yield from ((each, one) for each in self.conditions for one in self.operations)


#: Pairs of condition and operation for which no check needs a request that is accepted.
LEFT_OUT = (
    LeftOutPairs(("run_cancel", "runs_cancel"), settled(), _NO_RUN),
    LeftOutPairs(("run_join", "run_join_stream", "run_wait", "run_stream"), UNSETTLED, _WAITS),
    LeftOutPairs(
        ("state_at_checkpoint", "post_state_at_checkpoint"),
        ("empty", "with metadata", "a copy (empty)", "a copy of a copy (empty)"),
        "the thread has no checkpoint: asked with an id that none has, which is refused",
    ),
    LeftOutPairs(
        ("update_state",),
        UNSETTLED,
        "no source says whether it is accepted beside a run: asked, and refused by some",
    ),
)


@dataclass(frozen=True)
class Subject:
    """A thread in a condition, with the ids of its oldest state and newest run that acts name.

    `checkpoint_id` or `run_id` is an id that does not exist where the thread has no state or no
    run. `join_returns_at_once` says whether joining a run of the thread is answered at once,
    because none of its runs is pending or running.
    """

    api: ThreadsApi
    made: ThreadInCondition
    checkpoint_id: str
    run_id: str
    join_returns_at_once: bool

    @property
    def thread_id(self) -> str:
        """The id of the thread."""
        return id_of(self.made.thread)

    @property
    def ended_run_id(self) -> str:
        """The id of a run that has ended, else an id of no run: a join is answered at once."""
        return self.run_id if self.join_returns_at_once else self.api.client.ownership.absent_id()


def subject_of(api: ThreadsApi, made: ThreadInCondition, shown: Mapping[str, Any]) -> Subject:
    """Return the subject of acts for a thread; `shown` is the result of `ways.shown_of` for it."""
    absent = api.client.ownership.absent_id
    states, listed = (shown[each][1] for each in ("history", "run_list"))
    oldest = known_checkpoint_id(states[-1]) if isinstance(states, list) and states else None
    listed = listed if isinstance(listed, list) else []
    return Subject(
        api,
        made,
        checkpoint_id=str(oldest or absent()),
        run_id=str(listed[0][0]) if listed else absent(),
        join_returns_at_once=not any(status in NOT_ENDED for _, status in listed),
    )


Send = Callable[[Subject], Answer]


def _create(if_exists: str) -> Send:
    return lambda on: on.api.client.create(
        {
            "thread_id": on.thread_id,
            "metadata": {**on.api.client.tag, **on.api.context.tag, "colour": "of another"},
            "if_exists": if_exists,
        }
    )


#: Acts that leave the thread as it is: they only read it, or make another thread. The reads of
#: `ways.shown_of` belong to them as well.
NOT_CHANGING: dict[str, Send] = {
    "search": lambda on: on.api.client.search(
        {"metadata": on.api.context.tag, "limit": ENOUGH_THREADS}
    ),
    "count": lambda on: on.api.client.count({"metadata": on.api.context.tag}),
    "state_at_checkpoint": lambda on: on.api.client.state_at_checkpoint(
        on.thread_id, on.checkpoint_id
    ),
    "post_state_at_checkpoint": lambda on: on.api.client.post_state_at_checkpoint(
        on.thread_id, {"checkpoint": {"checkpoint_id": on.checkpoint_id, "checkpoint_ns": ""}}
    ),
    "post_history": lambda on: on.api.client.post_history(on.thread_id, {"limit": 2}),
    "run_get": lambda on: on.api.client.runs.get(on.thread_id, on.run_id),
    "run_join": lambda on: on.api.client.run_join(on.thread_id, on.ended_run_id),
    "run_join_stream": lambda on: on.api.client.runs.join_stream(on.thread_id, on.ended_run_id),
    "thread_stream": lambda on: on.api.client.thread_stream(on.thread_id, Reader(always_enough)),
    "thread_events": lambda on: on.api.client.thread_events(
        on.thread_id, Reader(always_enough), {"channels": ["lifecycle"]}
    ),
    "create": _create("do_nothing"),
    "copy": lambda on: on.api.client.copy(on.thread_id),
}

#: Acts that must be refused: they break a published type, create a thread whose id is taken, or
#: name a run or a node that does not exist.
REFUSED: dict[str, Send] = {
    "create": _create("raise"),
    "update": lambda on: on.api.client.update(on.thread_id, {"metadata": 5}),
    "update_state": lambda on: on.api.client.update_state(
        on.thread_id, {**numbered(on.api.context.graph().append, 8), "as_node": _NO_NODE}
    ),
    "prune": lambda on: on.api.client.prune(
        {"thread_ids": [on.thread_id], "strategy": "a strategy that is not published"}
    ),
    "run_wait": lambda on: on.api.client.run_wait(on.thread_id, _WRONG_RUN),
    "run_stream": lambda on: on.api.client.run_stream(on.thread_id, _WRONG_RUN),
    "run_background": lambda on: on.api.client.run_background(on.thread_id, _WRONG_RUN),
    "thread_command": lambda on: on.api.client.thread_command(
        on.thread_id, {"id": 1, "method": "run.start", "params": _WRONG_RUN}
    ),
    "run_delete": lambda on: on.api.client.runs.delete(
        on.thread_id, on.api.client.ownership.absent_id()
    ),
    "run_cancel": lambda on: on.api.client.runs.cancel(
        on.thread_id, on.api.client.ownership.absent_id()
    ),
    "runs_cancel": lambda on: on.api.client.runs.cancel_many(
        {"thread_id": on.thread_id, "run_ids": [on.api.client.ownership.absent_id()]}
    ),
}


@dataclass(frozen=True)
class ActContext:
    """The thread of an act, and the clients that send it; `api` decides how a refusal counts."""

    api: ThreadsApi
    runs: Runs
    made: ThreadInCondition


Act = Callable[[ActContext], object]


def _update(on: ActContext) -> object:
    return on.api.update(on.made.thread, metadata={"acted": "on"})


def _prune(on: ActContext) -> object:
    return on.api.prune(on.made.thread, strategy="keep_latest")


def _update_state(on: ActContext) -> object:
    """Update the state as the node that is next, else as the settings say.

    If that is refused, set the graph of the settings in the thread's metadata and send the update
    of the settings: the thread may have no graph, or the runs may be of a graph without that node.
    """
    append = numbered(on.api.context.graph().append, 8)
    left = on.api.state(on.made.thread).get("next") or []
    body = {**append, "as_node": left[0]} if left else append
    answer = on.api.client.update_state(id_of(on.made.thread), body)
    if answer.ok:
        return on.api.object_of(answer, on.made.thread)
    # With the tag, by which the thread is found: other checks judge whether an update merges.
    metadata = {**on.api.context.tag, "graph_id": on.api.context.graph().id}
    on.api.update(on.made.thread, metadata=metadata)
    return on.api.update_state(on.made.thread, **append)


def _update_state_during_a_run(on: ActContext) -> object:
    append = numbered(on.api.context.graph().append, 8)
    left = on.api.state(on.made.thread).get("next") or []
    body = {**append, "as_node": left[0]} if left else append
    return on.api.client.update_state(id_of(on.made.thread), body)


def _delete(on: ActContext) -> None:
    on.api.delete(on.made.thread)


def _wait(on: ActContext) -> object:
    return on.api.run(on.made.thread, 8)


def _stream(on: ActContext) -> object:
    answer = on.api.client.run_stream(id_of(on.made.thread), on.api.run_body(9))
    return on.api.ensure_success(answer, on.made.thread)


def _background(on: ActContext) -> None:
    """Start a run, join it (which also reads its status), join its stream, and delete it."""
    run = on.runs.start(on.made.thread, "agent")
    on.runs.join(run)
    on.runs.join_stream(run)
    on.runs.delete(run)


def _command(on: ActContext) -> None:
    """Start a run by a command, and join it unless it has ended."""
    ThreadCommands(on.api, on.runs).start(on.made.thread, "agent")
    for each in _runs_not_ended(on):
        on.runs.join(each)


#: Acts that change a thread, in groups. All acts of a group are made on one thread in this order:
#: the first on the thread in its condition, each other one on what the act before it has left.
CHANGING: dict[str, dict[str, Act]] = {
    "an update, pruning and deletion": {"update": _update, "prune": _prune, DELETION: _delete},
    "a state update": {"update_state": _update_state},
    "runs": {
        "run_wait": _wait,
        "run_stream": _stream,
        "run_background": _background,
        "thread_command": _command,
    },
}


#: Acts after which the thread is not read, to save requests: what they leave is judged after the
#: act that follows.
JUDGED_LATER = ("update", "run_stream", "run_background")


def _send_refused_run(on: ActContext, way: str) -> object:
    """Send a request for a run that must be refused.

    On a thread with a running run it says `multitask_strategy: reject`. Where the other run is not
    running yet, such a request might be accepted: then the request has a wrong type instead.
    """
    reject = on.api.run_body(9, multitask_strategy="reject")
    body = reject if on.made.status == "busy" else _WRONG_RUN
    client = on.api.client
    send = {"run_wait": client.run_wait, "run_stream": client.run_stream}[way]
    return send(id_of(on.made.thread), body)


#: Acts on a thread with a run that is running or waits to begin: either accepted or refused.
BUSY: dict[str, Act] = {
    "update": lambda on: on.api.client.update(id_of(on.made.thread), {"metadata": {"acted": "on"}}),
    "update_state": _update_state_during_a_run,
    "run_wait": lambda on: _send_refused_run(on, "run_wait"),
    "run_stream": lambda on: _send_refused_run(on, "run_stream"),
    "run_background": lambda on: on.runs.enqueue(on.made.thread, "agent"),
    "thread_command": lambda on: on.api.client.thread_command(
        id_of(on.made.thread),
        {
            "id": 1,
            "method": "run.start",
            "params": on.api.run_body(9, metadata=on.api.client.tag),
        },
    ),
    "prune": lambda on: on.api.client.prune(
        {"thread_ids": [id_of(on.made.thread)], "strategy": "keep_latest"}
    ),
}


#: The ways to stop runs of a thread. A run that has meanwhile ended by itself is refused.
STOPPING: dict[str, Callable[[ThreadsClient, list[Run]], object]] = {
    "run_cancel": lambda client, runs: [
        client.runs.cancel(each.thread_id, each.run_id) for each in runs
    ],
    "runs_cancel": lambda client, runs: client.runs.cancel_many(
        {"thread_id": runs[0].thread_id, "run_ids": [each.run_id for each in runs]}
    ),
    "run_delete": lambda client, runs: [
        client.runs.delete(each.thread_id, each.run_id) for each in runs
    ],
}


def stop(way: str, on: ActContext) -> None:
    """Stop all runs of a thread in one way, and wait for their end."""
    runs = _runs_not_ended(on)
    if not runs:
        raise Blocked("no run is listed as under way", by="RUN-CONTROL-02")
    STOPPING[way](on.api.client, runs)
    for each in runs:
        if (status := on.runs.status_once_ended_or_deleted(each)) in NOT_ENDED:
            raise Blocked(f"a run that was stopped is {status}", by="CANCEL-01")


def _runs_not_ended(on: ActContext) -> list[Run]:
    """Return the runs that have not ended, pending ones first, since they would begin otherwise."""
    listed = on.runs.list_runs(on.made.thread)
    runs = [run_of(each) for status in NOT_ENDED for each in listed if each.get("status") == status]
    return [each for each in runs if each is not None]

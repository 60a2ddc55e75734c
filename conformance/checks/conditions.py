"""The conditions in which a thread can be, each made by its name.

An operation that works on a fresh thread may fail on one that was forked, interrupted or copied, or
whose run failed. Checks name the conditions registered here in which they judge a rule, so that a
failure names the condition. Threads are made by `given` and `given_runs`, so that a condition which
a deployment cannot make blocks the check. A thread that is *asking* stands at an interrupt().
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.breakpoints import nodes_of
from conformance.checks.outcomes import Blocked
from conformance.checks.runs import NOT_ENDED, Run, Runs
from conformance.checks.views import History, State, Thread, checkpoint_id_of, id_of
from conformance.deployment.settings import numbered

#: A ttl, in minutes, so long that no thread expires during a run.
_TTL_MINUTES = 600
#: The `after_seconds` of a run that must not begin while the check lasts, in seconds.
FAR_S = 600.0
#: For each status of a thread, the requirement that the thread shows it.
SHOWN_BY = {
    "idle": "CREATE-09",
    "interrupted": "STATUS-01",
    "error": "STATUS-02",
    "busy": "STATUS-03",
}
#: The conditions in which a run is running or waits to begin.
UNSETTLED = ("running", "running with a run waiting", "with a run to come")
#: The conditions of pruned threads, each with the condition before the pruning.
UNPRUNED = {
    "forked and pruned": "forked",
    "pruned": "prepopulated",
    "asking and pruned": "asking again",
}
#: They are judged by requirements of their own: not every deployment offers pruning.
PRUNED = tuple(UNPRUNED)
_KEEP_LATEST = {"strategy": "keep_latest"}
#: Values that answer for a node that asks, in an update as that node.
ANSWER = {"messages": [{"type": "ai", "content": "answered for the node"}]}


@dataclass(frozen=True)
class ThreadInCondition:
    """A thread in a condition, and what is known of it.

    `status` is the status that the thread must show by the sources, None where no source says.
    `settles` says whether to wait until the thread is no longer busy. `source` is the thread that
    it was copied from, `run` the last run that was started on it in the background.
    """

    thread: Thread
    status: str | None = "idle"
    source: Thread | None = None
    run: Run | None = None
    settles: bool = True


@dataclass(frozen=True)
class Maker:
    """The APIs by which conditions are made: those for prerequisites, so that a refusal blocks."""

    given: ThreadsApi
    runs: Runs


Make = Callable[[Maker], ThreadInCondition]
#: The function of each condition by its name.
MAKERS: dict[str, Make] = {}


def condition(name: str) -> Callable[[Make], Make]:
    """Register a function that makes a thread in the condition of that name."""

    def register(make: Make) -> Make:
        assert name not in MAKERS
        MAKERS[name] = make
        return make

    return register


def names() -> tuple[str, ...]:
    """Return the names of all conditions."""
    return tuple(MAKERS)


def settled() -> tuple[str, ...]:
    """Return the names of the conditions in which no run is running or waits to begin."""
    return tuple(each for each in MAKERS if each not in UNSETTLED)


def in_conditions(*wanted: str) -> pytest.MarkDecorator:
    """Parametrize a check by conditions: it is made once for each name, as `condition`.

    An unknown name raises KeyError while the checks are collected.
    """
    return pytest.mark.parametrize("condition", [pytest.param(_known(each)) for each in wanted])


def make(name: str, given: ThreadsApi, runs: Runs) -> ThreadInCondition:
    """Make a thread in that condition, and wait until it is no longer busy if `settles` says so."""
    made = MAKERS[name](Maker(given, runs))
    if made.settles:
        given.get_settled(made.thread)
    return made


def make_shown(name: str, given: ThreadsApi, runs: Runs) -> ThreadInCondition:
    """Make a thread in that condition; `Blocked` unless it shows the status that it should have."""
    made = make(name, given, runs)
    if made.status is not None:
        shown = given.context.eventually(
            lambda: given.get(made.thread).get("status"), lambda status: status == made.status
        )
        if shown != made.status:
            raise Blocked(f"{name}: {made.status} is shown as {shown}", by=SHOWN_BY[made.status])
    return made


def _known(name: str) -> str:
    if name not in MAKERS:
        raise KeyError(f"there is no condition {name!r}, only {', '.join(MAKERS)}")
    return name


# Without a run


@condition("empty")
def empty(maker: Maker) -> ThreadInCondition:
    """Create a thread and nothing more."""
    return ThreadInCondition(maker.given.empty())


@condition("with metadata")
def with_metadata(maker: Maker) -> ThreadInCondition:
    """Create an empty thread with metadata of several types."""
    return ThreadInCondition(
        maker.given.empty(metadata={"colour": "red", "size": 3, "deep": {"er": [1]}})
    )


@condition("with a ttl")
def with_a_ttl(maker: Maker) -> ThreadInCondition:
    """Create a thread with a state and a time to live."""
    return ThreadInCondition(maker.given.with_state(ttl={"ttl": _TTL_MINUTES}))


@condition("prepopulated")
def prepopulated(maker: Maker) -> ThreadInCondition:
    """Create a thread by supersteps up to the end of its graph."""
    return ThreadInCondition(maker.given.prepopulated())


@condition("stopped midway")
def stopped_midway(maker: Maker) -> ThreadInCondition:
    """Create a thread by supersteps that leave a node next; no source says its status."""
    steps = [numbered(each, 1) for each in maker.given.context.graph().supersteps]
    return ThreadInCondition(maker.given.prepopulated(steps[:-1]), status=None)


@condition("updated")
def updated(maker: Maker) -> ThreadInCondition:
    """Update the state of a prepopulated thread."""
    thread = maker.given.prepopulated()
    maker.given.append(thread, 2)
    return ThreadInCondition(thread)


@condition("updated with null")
def updated_with_null(maker: Maker) -> ThreadInCondition:
    """Write null to the keys of the state that an update replaces, if the graph has any."""
    given = maker.given
    graph = given.context.graph()
    thread = given.prepopulated()
    update = numbered(graph.append, 2)
    values = update.get("values")
    nulls = {**values, **dict.fromkeys(graph.replacing)} if isinstance(values, dict) else values
    try:
        given.update_state(thread, **{**update, "values": nulls})
    except Blocked:  # a graph without these keys
        given.update_state(thread, **update)
    if None not in _object(given.state(thread).get("values")).values():
        given.context.note("the graph keeps no null in its state: updated without")
    return ThreadInCondition(thread)


@condition("forked")
def forked(maker: Maker) -> ThreadInCondition:
    """Update the state of a prepopulated thread at its oldest checkpoint."""
    thread = maker.given.prepopulated()
    maker.given.append(thread, 2)
    _fork(maker, thread, states_of(maker.given, thread)[-1])
    return ThreadInCondition(thread, status=None)


@condition("forked and pruned")
def forked_and_pruned(maker: Maker) -> ThreadInCondition:
    """Prune a forked thread to its newest state, which is not that of the highest step."""
    thread = forked(maker).thread
    maker.given.prune(thread, **_KEEP_LATEST)
    return ThreadInCondition(thread, status=None)


@condition("pruned")
def pruned(maker: Maker) -> ThreadInCondition:
    """Prune a thread of several states to its newest state."""
    thread = maker.given.prepopulated()
    maker.given.prune(thread, **_KEEP_LATEST)
    return ThreadInCondition(thread)


@condition("deleted and made again")
def deleted_and_made_again(maker: Maker) -> ThreadInCondition:
    """Create a thread under the id of a deleted one that had a state and other metadata."""
    given = maker.given
    thread_id = given.generate_id()
    given.delete(given.with_state(thread_id=thread_id, metadata={"colour": "old"}))
    return ThreadInCondition(given.prepopulated(thread_id=thread_id, metadata={"colour": "new"}))


# Runs to the end


@condition("run once")
def run_once(maker: Maker) -> ThreadInCondition:
    """Run the graph on an empty thread."""
    thread = maker.given.empty()
    maker.given.run(thread)
    return ThreadInCondition(thread)


@condition("run twice")
def run_twice(maker: Maker) -> ThreadInCondition:
    """Run the graph twice, one run after the other."""
    thread = run_once(maker).thread
    maker.given.run(thread, 2)
    return ThreadInCondition(thread)


@condition("run and updated")
def run_and_updated(maker: Maker) -> ThreadInCondition:
    """Update the state of a thread that was run."""
    thread = run_once(maker).thread
    maker.given.append(thread, 2)
    return ThreadInCondition(thread)


@condition("run and forked")
def run_and_forked(maker: Maker) -> ThreadInCondition:
    """Update the state of a thread that was run at its oldest checkpoint."""
    thread = run_once(maker).thread
    _fork(maker, thread, states_of(maker.given, thread)[-1])
    return ThreadInCondition(thread, status=None)


@condition("failed")
def failed(maker: Maker) -> ThreadInCondition:
    """Run a graph that raises an exception, on a thread that has a state."""
    thread = maker.given.prepopulated()
    maker.runs.run_to_end(thread, "failing")
    return ThreadInCondition(thread, status="error")


@condition("failed and recovered")
def failed_and_recovered(maker: Maker) -> ThreadInCondition:
    """Run a graph to its end on a thread whose run failed."""
    thread = failed(maker).thread
    maker.given.run(thread)
    return ThreadInCondition(thread)


# Interrupted threads


@condition("asking")
def interrupted(maker: Maker) -> ThreadInCondition:
    """Run a graph that calls interrupt()."""
    return _run_to_interrupt(maker, maker.given.empty(), "interrupter")


@condition("asking again")
def interrupted_again(maker: Maker) -> ThreadInCondition:
    """Answer the first interrupt, and run the graph to an interrupt again."""
    thread = interrupted(maker).thread
    maker.runs.resume(thread, "interrupter", "the first answer")
    return _run_to_interrupt(maker, thread, "interrupter")


@condition("asking in a subgraph")
def interrupted_in_a_subgraph(maker: Maker) -> ThreadInCondition:
    """Run a graph whose subgraph calls interrupt()."""
    return _run_to_interrupt(maker, maker.given.empty(), "nested")


@condition("asking and pruned")
def interrupted_and_pruned(maker: Maker) -> ThreadInCondition:
    """Prune an interrupted thread to its newest state."""
    made = interrupted_again(maker)
    maker.given.prune(made.thread, **_KEEP_LATEST)
    return made


@condition("answered")
def answered(maker: Maker) -> ThreadInCondition:
    """Answer the interrupt by a run that resumes."""
    thread = interrupted(maker).thread
    maker.runs.resume(thread, "interrupter", "yes")
    return ThreadInCondition(thread)


@condition("answered by an update")
def answered_by_an_update(maker: Maker) -> ThreadInCondition:
    """Update the state as the interrupted node, which leaves no node next."""
    made = interrupted(maker)
    (asked,) = _next(maker.given.state(made.thread))
    maker.given.update_state(made.thread, values=ANSWER, as_node=asked)
    if left := maker.given.state(made.thread).get("next"):
        raise Blocked(f"after the update as {asked} {left} is next")
    return ThreadInCondition(made.thread)


@condition("stopped before a node")
def stopped_before_a_node(maker: Maker) -> ThreadInCondition:
    """Run a graph up to a breakpoint before its second node."""
    return _stopped(maker, "interrupt_before", second=True)


@condition("stopped after a node")
def stopped_after_a_node(maker: Maker) -> ThreadInCondition:
    """Run a graph up to a breakpoint after its first node."""
    return _stopped(maker, "interrupt_after", second=False)


# Runs that were cancelled or deleted


@condition("cancelled")
def cancelled(maker: Maker) -> ThreadInCondition:
    """Cancel a running run, on a thread that has a state, by the action interrupt."""
    return _cancelled(maker, "interrupt")


@condition("rolled back")
def rolled_back(maker: Maker) -> ThreadInCondition:
    """Cancel a running run, on a thread that has a state, by the action rollback."""
    return _cancelled(maker, "rollback")


@condition("with a run deleted")
def with_a_run_deleted(maker: Maker) -> ThreadInCondition:
    """Run the graph twice, and delete the later run; no source says which status results."""
    thread = run_once(maker).thread
    run = maker.runs.start(thread, "agent")
    maker.runs.join(run)
    maker.runs.delete(run)
    return ThreadInCondition(thread, status=None)


# Runs that have not ended


@condition("running")
def running(maker: Maker) -> ThreadInCondition:
    """Start a run that is still running when a check has read the thread."""
    thread = maker.given.empty()
    return ThreadInCondition(
        thread, status="busy", run=maker.runs.start_long(thread), settles=False
    )


@condition("running with a run waiting")
def running_with_a_run_waiting(maker: Maker) -> ThreadInCondition:
    """Enqueue a run behind one that is running."""
    made = running(maker)
    waiting = maker.runs.start(made.thread, "agent", multitask_strategy="enqueue")
    return ThreadInCondition(made.thread, status="busy", run=waiting, settles=False)


@condition("with a run to come")
def with_a_run_to_come(maker: Maker) -> ThreadInCondition:
    """Create a run that begins later; no source says whether the thread is busy until then."""
    thread = maker.given.prepopulated()
    run = maker.runs.start(thread, "agent", after_seconds=FAR_S)
    if (status := maker.runs.status(run)) != "pending":
        raise Blocked(f"a run with after_seconds is {status}", by="RUN-CONTROL-15")
    return ThreadInCondition(thread, status=None, run=run, settles=False)


# Copies


def _copied(name: str, times: int = 1) -> Make:
    def copy(maker: Maker) -> ThreadInCondition:
        source = MAKERS[name](maker)
        thread = source.thread
        for _ in range(times):
            thread = maker.given.copy(thread)
        # No document says whether a copy is in error or interrupted as its source is.
        status = "idle" if source.status == "idle" else None
        return ThreadInCondition(thread, status, source.thread)

    return copy


for _name in ("empty", "prepopulated", "forked", "failed", "asking", "running"):
    condition(f"a copy ({_name})")(_copied(_name))
for _name in ("empty", "forked", "asking"):
    condition(f"a copy of a copy ({_name})")(_copied(_name, times=2))


# Parts of conditions


def _run_to_interrupt(maker: Maker, thread: Thread, graph: str) -> ThreadInCondition:
    maker.runs.run_to_end(thread, graph)
    if len(_next(maker.given.state(thread))) != 1:
        raise Blocked(f"the graph {graph} leaves no one node next", by="INTERRUPT-02")
    return ThreadInCondition(thread, status="interrupted")


def _stopped(maker: Maker, option: str, *, second: bool) -> ThreadInCondition:
    nodes = _nodes_of_slow(maker)
    thread = maker.given.empty()
    stop: dict[str, Any] = {option: [nodes[1 if second else 0]]}
    maker.runs.run_to_end(thread, "slow", seconds=0, **stop)
    if (left := _next(maker.given.state(thread))) != [nodes[1]]:
        by = "INTERRUPT-13" if second else "INTERRUPT-14"
        raise Blocked(f"the run with {option} leaves {left} next", by=by)
    return ThreadInCondition(thread, status="interrupted")


def _nodes_of_slow(maker: Maker) -> list[str]:
    """Return the nodes of the slow graph in the order in which they run; `Blocked` if too few."""
    thread = maker.given.empty()
    maker.runs.run_to_end(thread, "slow", seconds=0)
    return nodes_of(History(id_of(thread), maker.given.page(thread, limit=20)))


def _cancelled(maker: Maker, action: str) -> ThreadInCondition:
    thread = maker.given.prepopulated()
    before = len(maker.given.page(thread, limit=20))
    run = maker.runs.start_long(thread)
    maker.runs.cancel(run, action, wait=False)
    if (status := maker.runs.status_once_ended_or_deleted(run)) in NOT_ENDED:
        raise Blocked(f"a run that was cancelled is {status}", by="CANCEL-01")
    if action == "rollback":
        left = maker.given.context.eventually(
            lambda: len(maker.given.page(thread, limit=20)), lambda left: left <= before
        )
        if left > before:
            raise Blocked("a run that was rolled back leaves states", by="CANCEL-05")
    # CANCEL-12 judges that such a thread is no longer busy: that is not waited for here.
    return ThreadInCondition(thread, status=None, run=run, settles=False)


def _fork(maker: Maker, thread: Thread, at: State) -> None:
    checkpoint = {"checkpoint_id": checkpoint_id_of(at), "checkpoint_ns": ""}
    maker.given.append(thread, 7, checkpoint=checkpoint)


def _next(state: State) -> list[str]:
    return [str(each) for each in state.get("next") or []]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def states_of(given: ThreadsApi, thread: Thread) -> list[State]:
    """Return the states of a history, the newest first; `Blocked` if it shows none."""
    states = given.history(thread).states
    if not states:
        raise Blocked("the history shows no state")
    return states

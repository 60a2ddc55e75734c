"""Whether GET follows what is done to a thread, and what is beside the thread stays.

All acts that change a thread are made one after the other. GET, read between them, is judged by
facts that others judge on fresh threads: a fact may be broken while the others hold, so that each
is judged by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from conformance.checks.acts import CHANGING, DELETION, ActContext
from conformance.checks.api import ThreadsApi
from conformance.checks.events import Event, events_or_blocked
from conformance.checks.expect import (
    assert_equal,
    assert_same_thread,
    assert_that,
    timestamp_or_blocked,
)
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported
from conformance.checks.runs import Run, run_error
from conformance.checks.thread_commands import ThreadCommands
from conformance.checks.views import Thread, checkpoint_named, id_of, items_of_followed_list
from conformance.checks.ways import noting
from conformance.deployment.settings import GraphSettings

#: Stands for the values of a run whose way tells none.
_UNTOLD = object()

#: Makes an act, may keep something for a later one, and returns what its run answered.
Act = Callable[[ActContext, dict[str, Any]], Any]


@dataclass(frozen=True)
class Step:
    """An act, and GET before and after it.

    `answered` are the values that its run answered, where its way tells them. `left` are the nodes
    that are next, where the state was read.
    """

    act: str
    before: Thread
    after: Thread
    answered: Any = _UNTOLD
    left: list[Any] | None = None


# The acts


def _act_named(name: str) -> Callable[[ActContext], Any]:
    return next(acts[name] for acts in CHANGING.values() if name in acts)


def _update(on: ActContext, _kept: dict[str, Any]) -> Any:
    _act_named("update")(on)
    return _UNTOLD


def _update_state(on: ActContext, kept: dict[str, Any]) -> Any:
    """Update the state, and keep the checkpoint that it made."""
    kept["checkpoint"] = checkpoint_named(_act_named("update_state")(on))
    return _UNTOLD


def _wait(on: ActContext, _kept: dict[str, Any]) -> Any:
    return on.api.run(on.made.thread, 8)


def _stream(on: ActContext, kept: dict[str, Any]) -> Any:
    """Stream a run from the checkpoint of the state update, which holds for this run alone."""
    named = {"checkpoint": kept["checkpoint"]} if "checkpoint" in kept else {}
    answer = on.api.client.run_stream(id_of(on.made.thread), on.api.run_body(9, **named))
    return _last_values(events_or_blocked(on.api.ensure_success(answer, on.made.thread).text))


def _background(on: ActContext, kept: dict[str, Any]) -> Any:
    kept["run"] = run = on.runs.start(on.made.thread, "agent")
    answer = on.api.client.run_join(run.thread_id, run.run_id)
    if run_error(on.api.ensure_success(answer, on.made.thread)) is not None:
        raise Blocked("the run of the settings' graph failed")
    return answer.body


def _command(on: ActContext, kept: dict[str, Any]) -> Any:
    """Delete the run before, and start another by a command."""
    if "run" in kept:
        with suppress(Blocked, Unsupported):
            on.runs.delete(kept.pop("run"))
    result = ThreadCommands(on.api, on.runs).start(on.made.thread, "agent")
    run = Run(id_of(on.made.thread), str(result.get("run_id")))
    status = on.runs.status_once_ended(run, on.api.context.settings.run_timeout_s)
    if status != "success":
        raise Blocked(f"the run of the settings' graph that a command started is {status}")
    return _UNTOLD


def _prune(on: ActContext, _kept: dict[str, Any]) -> Any:
    _act_named("prune")(on)
    return _UNTOLD


#: Acts in the order in which they are made, each on what the act before it has left. The run that
#: names a checkpoint is followed by one that names none.
FOLLOWED: dict[str, Act] = {
    "update": _update,
    "run_wait": _wait,
    "update_state": _update_state,
    "run_stream": _stream,
    "run_background": _background,
    "thread_command": _command,
    "prune": _prune,
}
_RUNS = ("run_wait", "run_stream", "run_background", "thread_command")
#: The run that follows one which named a checkpoint.
_AFTER_NAMED = "run_background"


def _last_values(events: list[Event]) -> Any:
    if any(each.name == "error" for each in events):
        raise Blocked("the run of the settings' graph failed")
    return next((each.data for each in reversed(events) if each.name == "values"), _UNTOLD)


# The facts


def assert_status_follows(_thread: Thread, step: Step) -> None:
    """Assert that the status says what is so, as far as a source says what it is after the act."""
    was, shown = step.before.get("status"), step.after.get("status")
    if step.act in ("update", "prune"):
        assert_equal(shown, was, f"the status after {step.act}")
    elif step.act in _RUNS or (step.left == [] and was in ("idle", "interrupted")):
        assert_equal(shown, "idle", f"the status after {step.act}")
    else:
        assert_that(shown != "busy", "another status than busy, since no run is under way", shown)


def assert_updated_at_follows(_thread: Thread, step: Step) -> None:
    """Assert that updated_at is later after the act; no source says so of pruning."""
    if step.act != "prune":
        before, after = (
            timestamp_or_blocked(each.get("updated_at"), "updated_at")
            for each in (step.before, step.after)
        )
        assert_that(after > before, f"updated_at after {before}, after {step.act}", str(after))


def assert_answer_is_shown(_thread: Thread, step: Step) -> None:
    """Assert that the values of the thread are those that the run answered, where it shows any."""
    if step.after.get("values") is not None:
        assert_equal(step.answered, step.after["values"], f"what {step.act} answers")


def assert_checkpoint_held_once(_thread: Thread, step: Step, graph: GraphSettings) -> None:
    """Assert that a run goes on from the newest state, though the one before named a checkpoint."""
    before, after = (items_of_followed_list(each, graph) for each in (step.before, step.after))
    if before and after:
        assert_equal(after[: len(before)], before, f"the items before {step.act}")


def assert_beside_stays(api: ThreadsApi, beside: Thread, _changed: Thread) -> None:
    """Assert that GET shows a thread beside the one that was changed as it did before."""
    assert_same_thread(api.get(beside), beside, "the thread beside")


#: The names of the facts.
FACTS = ("status", "updated_at", "answers", "checkpoint", "beside")


# The story


def facts_broken_by_acts(on: ActContext) -> dict[str, PromiseBroken]:
    """Make all acts on the thread and delete it; return how each fact was broken first, by fact.

    An act that the deployment refuses or does not offer is left out, with a note. `Blocked` if all
    are.
    """
    api, thread = on.api, on.made.thread
    beside = _beside(on)
    broken: dict[str, PromiseBroken] = {}
    kept: dict[str, Any] = {}
    left_out = 0
    before = api.get_settled(thread)
    for name in FOLLOWED:
        try:
            step = _made(on, name, before, kept, known=broken)
        except (Blocked, Unsupported):
            api.context.note(f"left out: {name}")
            left_out += 1
            before = api.get_settled(thread)
            continue
        broken = {**_facts_broken(on, step), **broken}
        before = step.after
    if left_out == len(FOLLOWED):
        raise Blocked("the deployment accepts no act that changes the thread")
    with suppress(Blocked, Unsupported):
        _act_named(DELETION)(on)
    with noting(broken, "beside"):
        assert_beside_stays(api, beside, thread)
    return broken


def _beside(on: ActContext) -> Thread:
    """Return a thread beside as GET shows it: the source of a copy unless busy, or another."""
    source = on.made.source and on.api.get(on.made.source)
    if source and source.get("status") != "busy":
        return source
    return on.api.get(on.api.empty())


def _made(
    on: ActContext, name: str, before: Thread, kept: dict[str, Any], *, known: Collection[str]
) -> Step:
    """Make an act; return what GET shows once all facts hold, or at the deadline.

    Facts that are known to be broken are not waited for. Two changes within the same moment may
    have the same time: then the act is made again, unless it is a run, which takes longer.
    """
    thread = on.made.thread

    def act() -> Step:
        answered = FOLLOWED[name](on, kept)
        left = on.api.state(thread).get("next") if name == "update_state" else None
        return Step(name, before, before, answered, left)

    def settled(step: Step) -> Step:
        return on.api.context.eventually(
            lambda: replace(step, after=on.api.get_settled(thread)),
            lambda step: not _facts_broken(on, step).keys() - known,
        )

    step = settled(act())
    same_moment = step.after.get("updated_at") == before.get("updated_at")
    if same_moment and name in ("update", "update_state") and "updated_at" not in known:
        return settled(act())
    return step


def _facts_broken(on: ActContext, step: Step) -> dict[str, PromiseBroken]:
    thread = on.made.thread
    broken: dict[str, PromiseBroken] = {}
    with noting(broken, "status"):
        assert_status_follows(thread, step)
    with noting(broken, "updated_at"):
        assert_updated_at_follows(thread, step)
    if step.answered is not _UNTOLD:
        with noting(broken, "answers"):
            assert_answer_is_shown(thread, step)
    if step.act == _AFTER_NAMED:
        with noting(broken, "checkpoint"):
            assert_checkpoint_held_once(thread, step, on.api.context.graph())
    return broken

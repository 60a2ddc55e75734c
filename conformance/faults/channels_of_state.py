"""Faults of states with several channels: messages are right, other channels are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.copied_history import copying, each_state
from conformance.faults.kit.http_changes import (
    HISTORIES,
    altered_by,
    change_request,
    change_shown,
    copies_of,
    each_shown,
    prepopulates,
    without,
)
from conformance.faults.kit.state import afterwards, with_latest
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Thread
from conformance.model.graphs import OTHER_CHANNELS
from conformance.model.runs import Runs
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireRequest

Values = dict[str, Any]
State = dict[str, Any]


def one_channel(values: Values) -> Values:
    """Return values with the messages as their only channel."""
    return without(values, *OTHER_CHANNELS)


def shown_with_one_channel(holder: State) -> State:
    """Return a thread or state with the messages as the only channel of its values."""
    return {**holder, "values": one_channel(holder["values"])} if "values" in holder else holder


def _values(change: Callable[[Values], Values]) -> Callable[[Checkpoint], Checkpoint]:
    return lambda state: replace(state, values=change(state.values))


def _with(name: str, value: Json) -> Callable[[Values], Values]:
    return lambda values: {**values, name: value} if name in values else values


_TO_ONE = _values(one_channel)
_OF_COPIES = "COPY-03 COPY-08 COPY-09"


# Copies

fault("copy-loses-all-but-one-channel", breaks=_OF_COPIES)(each_state(_TO_ONE))
fault("copy-loses-the-last-channel", breaks=_OF_COPIES)(
    each_state(_values(lambda values: without(values, list(OTHER_CHANNELS)[-1])))
)
fault("copy-empties-nested-objects", breaks=_OF_COPIES)(each_state(_values(_with("profile", {}))))
fault("copy-starts-counters-anew", breaks=_OF_COPIES)(each_state(_values(_with("turns", 0))))
fault("copied-states-but-the-newest-lose-a-channel", breaks=["COPY-03"])(
    copying(lambda states: [*map(_TO_ONE, states[:-1]), *states[-1:]])
)


def copies_show_one_channel(*operations: str) -> Apply:
    """Show only the messages of a copy in these operations."""

    def apply(broken: FaultyDeployment) -> None:
        copies = copies_of(broken)

        @each_shown(broken, *operations)
        def show(request: WireRequest, holder: Any) -> Json:
            return shown_with_one_channel(holder) if request.thread_id in copies else holder

    return apply


fault("get-shows-one-channel-of-a-copy", breaks=["COPY-08"])(copies_show_one_channel("get"))
fault("state-shows-one-channel-of-a-copy", breaks=["COPY-09"])(copies_show_one_channel("state"))
fault("checkpoints-of-a-copy-show-one-channel", breaks=["COPY-20"])(
    copies_show_one_channel("state_at_checkpoint")
)


@fault("run-on-a-copy-begins-with-one-channel", breaks=["COPY-17"])
def run_on_a_copy_begins_with_one_channel(broken: FaultyDeployment) -> None:
    store, copies = broken.store, copies_of(broken)

    @broken.override(Runs.begin_run)
    def begin_run(right: Any, thread_id: str, *arguments: Any, **named: Any) -> Any:
        thread = store.records.thread(thread_id) if thread_id in copies else None
        if thread is not None and thread.latest is not None:
            store.records.keep(with_latest(thread, values=one_channel(thread.latest.values)))
        return right(thread_id, *arguments, **named)


# Prepopulation


def supersteps(change: Callable[[Values], Values]) -> Apply:
    """Change the values of every update in the supersteps of a create request."""

    def changed(update: Any) -> Any:
        values = update.get("values") if isinstance(update, dict) else None
        return {**update, "values": change(values)} if isinstance(values, dict) else update

    def body(members: State) -> State:
        steps = members.get("supersteps")
        if not isinstance(steps, list) or not all(_has_updates(each) for each in steps):
            return members
        steps = [{**each, "updates": [*map(changed, each["updates"])]} for each in steps]
        return {**members, "supersteps": steps}

    return change_request("create", to=body, when=altered_by(body))


def _has_updates(superstep: Any) -> bool:
    return isinstance(superstep, dict) and isinstance(superstep.get("updates"), list)


fault("prepopulation-keeps-one-channel", breaks=["PREPOP-02"])(supersteps(one_channel))
fault("prepopulation-keeps-no-nested-objects", breaks=["PREPOP-02"])(
    supersteps(_with("profile", {}))
)
fault("prepopulation-doubles-what-is-added-up", breaks=["PREPOP-02"])(
    supersteps(
        lambda values: {**values, "turns": values["turns"] * 2} if "turns" in values else values
    )
)
fault("create-answers-one-channel", breaks=["PREPOP-02", "PREPOP-21"])(
    change_shown("create", to=shown_with_one_channel, when=prepopulates)
)
fault("get-shows-one-channel", breaks=["PREPOP-21"])(change_shown("get", to=shown_with_one_channel))


@fault("prepopulated-states-all-have-the-newest-plan", breaks=["PREPOP-10"])
def prepopulated_states_have_the_newest_plan(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.override(Threads.create)
    def create(right: Any, **members: Any) -> Any:
        made = right(**members)
        thread = store.records.thread(made["thread_id"])
        if thread.latest is not None and "plan" in thread.latest.values:
            plan = _values(_with("plan", thread.latest.values["plan"]))
            store.records.keep(replace(thread, checkpoints=tuple(map(plan, thread.checkpoints))))
        return made


# States and histories

fault("state-shows-one-channel", breaks=["STATE-01", "STATE-UPDATE-03"])(
    change_shown("state", to=shown_with_one_channel)
)
fault("history-shows-one-channel", breaks=["PREPOP-10", "CHECKPOINT-02"])(
    change_shown(*HISTORIES, to=shown_with_one_channel)
)
fault("history-by-post-shows-one-channel", breaks="HISTORY-04 HISTORY-SELECT-03")(
    change_shown("post_history", to=shown_with_one_channel)
)
fault("checkpoint-shows-one-channel", breaks=["CHECKPOINT-02"])(
    change_shown("state_at_checkpoint", to=shown_with_one_channel)
)


# Updates and forks


def update_becomes(change: Callable[[Thread, Thread], Thread], *, fork: bool) -> Apply:
    """Change the stored thread after each update, or after each fork."""
    return afterwards(
        change, "update_state", when=lambda request: ("checkpoint" in request.members) is fork
    )


def _loses_the_others(_before: Thread, now: Thread) -> Thread:
    return with_latest(now, values=one_channel(now.latest.values)) if now.latest else now


def _keeps_the_later(before: Thread, now: Thread) -> Thread:
    if before.latest is None or now.latest is None:
        return now
    later = {key: value for key, value in before.latest.values.items() if key in OTHER_CHANNELS}
    return with_latest(now, values={**now.latest.values, **later})


fault("update-loses-the-other-channels", breaks=["STATE-UPDATE-03"])(
    update_becomes(_loses_the_others, fork=False)
)
fault("update-writes-one-channel", breaks=["STATE-UPDATE-03"])(
    update_becomes(_keeps_the_later, fork=False)
)
fault("fork-loses-the-other-channels", breaks=["STATE-UPDATE-09"])(
    update_becomes(_loses_the_others, fork=True)
)
fault("fork-keeps-later-channels", breaks=["STATE-UPDATE-09"])(
    update_becomes(_keeps_the_later, fork=True)
)

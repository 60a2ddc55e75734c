"""Faults of copying threads: the history of a copy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.threads import Threads

States = tuple[Any, ...]


def copying(change: Callable[[States], Iterable[Any]]) -> Apply:
    """Change the states with which a copy starts."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Threads.copied_checkpoints)
        def copied_checkpoints(right: Any, source: Any) -> Any:
            return tuple(change(right(source)))

    return apply


def each_state(change: Callable[[Any], Any]) -> Apply:
    """Change each state with which a copy starts."""
    return copying(lambda states: map(change, states))


def metadata(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Apply:
    """Change the metadata of each state with which a copy starts."""
    return each_state(lambda state: replace(state, metadata=change(state.metadata)))


def _from_tenth(states: States, change: Callable[[Any], Any]) -> Iterable[Any]:
    return [change(each) if place >= 10 else each for place, each in enumerate(states)]


def _sorted_as_text(states: States) -> Iterable[Any]:
    return sorted(states, key=lambda state: str(state.step)) if len(states) > 15 else states


# States that are lost

fault(
    "copy-forgets-the-oldest-state",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-13 COPY-14 COPY-19 COPY-20 RUN-04 "
        "RUN-05 RUN-06 CONCURRENT-04 CONCURRENT-05 CONCURRENT-06 "
        "COPY-29 INTERRUPT-08 "
        "NESTED-07 SEQ-03 SEQ-06"
    ),
)(copying(lambda states: states[1:]))


@fault(
    "copy-of-an-idle-thread-forgets-the-newest-state",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-08 COPY-09 COPY-11 COPY-13 COPY-14 "
        "COPY-19 COPY-20 PREPOP-18 RUN-04 RUN-05 RUN-06 CONCURRENT-06 "
        "COPY-29 INTERRUPT-08 INTERRUPT-10 INTERRUPT-11 NESTED-07 NESTED-08 NESTED-09 SEQ-03"
    ),
)
def copy_forgets_the_newest_state(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Any) -> Any:
        # While a run is active, the history without its newest state may be right.
        return right(source)[: None if broken.store.records.status_of(source) == "busy" else -1]


fault(
    "copy-keeps-the-newest-ten-states",
    breaks=["COPY-06", "COPY-07", "CONCURRENT-04", "CONCURRENT-06"],
)(copying(lambda states: states[-10:]))
fault("copy-keeps-the-newest-hundred-states", breaks=["COPY-07"])(
    copying(lambda states: states[-100:])
)
fault("copy-keeps-what-runs-made-if-any", breaks="COPY-05 COPY-13 CONDITION-08")(
    copying(lambda states: [each for each in states if "run_id" in each.metadata] or states)
)
fault(
    "copy-forgets-the-loop-of-runs",
    breaks=(
        "COPY-04 COPY-05 COPY-13 COPY-19 RUN-04 RUN-05 RUN-06 CONCURRENT-05 COPY-29 "
        "INTERRUPT-08 INTERRUPT-10 INTERRUPT-11 NESTED-07 NESTED-08 NESTED-09 "
        "CONDITION-08"
    ),
)(copying(lambda states: [each for each in states if each.metadata["source"] != "loop"]))
fault("copy-forgets-other-branches", breaks=["STATE-UPDATE-14"])(
    copying(lambda states: _branch(states))
)

# States that are changed, or come in another order

fault("copy-of-a-long-history-is-sorted-as-text", breaks=["COPY-07", "CONCURRENT-06"])(
    copying(_sorted_as_text)
)
fault(
    "copy-turns-the-oldest-two-states",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-14 COPY-19 RUN-04 RUN-05 RUN-06 "
        "CONCURRENT-04 CONCURRENT-05 CONCURRENT-06 COPY-29 INTERRUPT-08 "
        "INTERRUPT-10 INTERRUPT-11 NESTED-07 NESTED-08 NESTED-09"
    ),
)(copying(lambda states: [*states[1::-1], *states[2:]]))
fault(
    "copy-rounds-created-at",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-09 COPY-13 COPY-14 COPY-19 "
        "RUN-04 RUN-05 RUN-06 CONCURRENT-04 CONCURRENT-05 CONCURRENT-06 "
        "COPY-29 INTERRUPT-08 NESTED-07 NESTED-08 SEQ-03"
    ),
)(each_state(lambda each: replace(each, created_at=f"{each.created_at[:23]}000+00:00")))


@fault(
    "copy-makes-the-oldest-state-anew",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-14 COPY-19 RUN-04 RUN-05 RUN-06 "
        "CONCURRENT-04 CONCURRENT-05 CONCURRENT-06 COPY-29 INTERRUPT-08 NESTED-07 "
        "SEQ-03"
    ),
)
def copy_makes_the_oldest_anew(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Any) -> Any:
        states = right(source)
        return (
            *(replace(each, created_at=broken.store.records.now()) for each in states[:1]),
            *states[1:],
        )


fault(
    "copy-loses-tasks",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-11 COPY-13 COPY-14 COPY-19 "
        "RUN-04 RUN-05 RUN-06 CONCURRENT-04 CONCURRENT-05 CONCURRENT-06 "
        "COPY-29 INTERRUPT-08 INTERRUPT-09 INTERRUPT-10 INTERRUPT-11 NESTED-07 NESTED-08 NESTED-09 "
        "SEQ-03"
    ),
)(each_state(lambda each: replace(each, tasks=())))
fault(
    "copy-loses-parents",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-09 COPY-13 COPY-14 COPY-19 "
        "RUN-04 RUN-05 RUN-06 CONCURRENT-04 CONCURRENT-05 CONCURRENT-06 "
        "COPY-29 INTERRUPT-08 NESTED-07 NESTED-08 SEQ-03"
    ),
)(each_state(lambda each: replace(each, parent_id=None)))
fault(
    "copy-names-a-wrong-parent-from-the-eleventh-state",
    breaks=["COPY-06", "COPY-07", "CONCURRENT-04", "CONCURRENT-06"],
)(
    copying(
        lambda states: _from_tenth(
            states, lambda each: replace(each, parent_id=states[0].checkpoint_id)
        )
    )
)
fault(
    "copied-states-have-no-values",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-08 COPY-09 COPY-13 COPY-14 COPY-19 "
        "PREPOP-18 RUN-04 RUN-05 RUN-06 CONCURRENT-04 CONCURRENT-05 "
        "CONCURRENT-06 COPY-29 INTERRUPT-08 NESTED-07 NESTED-08 SEQ-03"
    ),
)(each_state(lambda each: replace(each, values={"messages": []})))
# COPY-13 holds nevertheless: a copy of a copy has the same steps as the copy.
fault(
    "copy-counts-steps-anew",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-09 COPY-14 COPY-19 RUN-04 "
        "RUN-05 RUN-06 CONCURRENT-04 CONCURRENT-05 CONCURRENT-06 "
        "COPY-29 INTERRUPT-08 "
        "NESTED-07 NESTED-08 SEQ-03"
    ),
)(
    copying(
        lambda states: [
            replace(each, metadata={**each.metadata, "step": place})
            for place, each in enumerate(states)
        ]
    )
)


@fault(
    "copy-adds-a-state-of-its-own",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-09 COPY-13 COPY-14 COPY-19 RUN-04 "
        "RUN-05 RUN-06 CONCURRENT-04 CONCURRENT-05 CONCURRENT-06 "
        "COPY-29 INTERRUPT-08 "
        "NESTED-07 NESTED-08 SEQ-03"
    ),
)
def copy_adds_a_state(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Any) -> Any:
        states = right(source)
        own = broken.store.records.stamp().checkpoint_id
        return (
            *states,
            *(
                replace(last, checkpoint_id=own, parent_id=last.checkpoint_id)
                for last in states[-1:]
            ),
        )


@fault(
    "copy-gives-messages-new-ids",
    breaks=(
        "COPY-03 COPY-04 COPY-05 COPY-06 COPY-07 COPY-08 COPY-09 COPY-13 COPY-14 COPY-19 "
        "PREPOP-18 RUN-04 RUN-05 RUN-06 CONCURRENT-04 "
        "CONCURRENT-05 CONCURRENT-06 COPY-29 INTERRUPT-08 NESTED-07 NESTED-08 SEQ-03"
    ),
)
def copy_gives_messages_new_ids(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copied_checkpoints)
    def copied_checkpoints(right: Any, source: Any) -> Any:
        return tuple(replace(each, values=_renamed(each.values)) for each in right(source))


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    return {
        **values,
        "messages": [{**each, "id": f"copy-{each['id']}"} for each in values["messages"]],
    }


def _branch(states: States) -> Iterable[Any]:
    """Return the states that led to the newest one."""
    wanted = states[-1].checkpoint_id if states else None
    branch = []
    for each in reversed(states):
        if each.checkpoint_id == wanted:
            branch.append(each)
            wanted = each.parent_id
    return branch[::-1]


def _within_two_bytes(values: Any) -> Any:
    """Return values with U+FFFD in place of each character beyond U+FFFF."""
    text = json.dumps(values, ensure_ascii=False)
    return json.loads(re.sub("[\U00010000-\U0010ffff]", "\ufffd", text))


fault("copy-replaces-characters-beyond-two-bytes", breaks=["COPY-03"])(
    each_state(lambda state: replace(state, values=_within_two_bytes(state.values)))
)

fault("copy-forgets-why-a-task-failed", breaks="COPY-29 CONDITION-08")(
    each_state(
        lambda state: replace(state, tasks=tuple(replace(task, error=None) for task in state.tasks))
    )
)

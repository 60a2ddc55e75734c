"""Faults of creating threads with a state: how supersteps are processed, what they leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import (
    altered_by,
    change_request,
    prepopulates,
    prepopulates_new_thread,
    refusing,
    without,
)
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Checkpoint
from conformance.reference.wire import Json, WireAnswer, WireRequest, always

_NODES = ("__input__", "__start__", "call_model")
Steps = list[Any]


def supersteps(change: Callable[[Steps], Steps]) -> Apply:
    """Change the supersteps of a create request."""

    def changed(body: dict[str, Any]) -> dict[str, Any]:
        steps = body.get("supersteps")
        if not isinstance(steps, list) or not all(_has_updates(step) for step in steps):
            return body
        return {**body, "supersteps": change(steps)}

    return change_request("create", to=changed, when=altered_by(changed))


def updates(change: Callable[[Steps], Steps]) -> Apply:
    """Change the updates in each superstep of a create request."""
    return supersteps(lambda steps: [{"updates": change(step["updates"])} for step in steps])


def taking_malformed(change: Callable[[Any], Any]) -> Apply:
    """Change malformed supersteps for a graph, so that they are not refused."""

    def changed(body: dict[str, Any]) -> dict[str, Any]:
        if _graph_of(body) is None or "supersteps" not in body:
            return body
        return {**body, "supersteps": change(body["supersteps"])}

    return change_request("create", to=changed, when=altered_by(changed))


def change_states(
    change: Callable[[tuple[Any, ...]], Any], when: Callable[[WireRequest], bool] = always
) -> Apply:
    """Change the stored states of a prepopulated thread."""

    def apply(broken: FaultyDeployment) -> None:
        store = broken.store

        @broken.wire.after("create", when=lambda each: prepopulates_new_thread(each) and when(each))
        def keep(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok:
                thread = store.records.thread(answer.body["thread_id"])
                store.records.keep(
                    replace(thread, checkpoints=tuple(change((*thread.checkpoints,))))
                )

    return apply


def _graph_of(body: dict[str, Any]) -> Any:
    metadata = body.get("metadata")
    return metadata.get("graph_id") if isinstance(metadata, dict) else None


def _prepopulates_anonymously(request: WireRequest) -> bool:
    named = "thread_id" in request.members or _graph_of(request.members) is None
    return prepopulates(request) and not named


def _emptied_for_unknown_graphs(body: dict[str, Any]) -> dict[str, Any]:
    known = _graph_of(body) in (None, "agent")
    return body if known else {**body, "supersteps": []}


def _has_updates(step: Any) -> bool:
    found = step.get("updates") if isinstance(step, dict) else None
    return isinstance(found, list) and all(isinstance(each, dict) for each in found)


def _known(update: dict[str, Any]) -> bool:
    node = update.get("as_node")
    return not isinstance(node, str) or node in _NODES


def _known_only(step: dict[str, Any]) -> bool:
    return all(map(_known, step["updates"]))


def _without_values(step: dict[str, Any]) -> dict[str, Any]:
    return {"updates": [{**without(each, "command"), "values": {}} for each in step["updates"]]}


def _names_unknown_node(request: WireRequest) -> bool:
    return b'"no_such_node"' in request.raw and prepopulates(request)


# Acceptance

fault("prepopulation-without-an-id-is-refused", breaks=["PREPOP-01"])(
    refusing("create", _prepopulates_anonymously)
)
fault("prepopulation-answers-an-error-with-200", breaks=["PREPOP-01"])(
    refusing("create", _prepopulates_anonymously, status=200)
)
fault("prepopulation-of-an-unknown-graph-is-an-empty-thread", breaks=["PREPOP-13"])(
    change_request(
        "create",
        to=_emptied_for_unknown_graphs,
        when=altered_by(_emptied_for_unknown_graphs),
    )
)
fault("prepopulation-of-an-unknown-graph-is-500", breaks=["PREPOP-13"])(
    refusing("create", lambda each: prepopulates(each) and b"no-such-graph" in each.raw, 500)
)
fault("prepopulation-skips-an-unknown-first-node", breaks=["PREPOP-14"])(
    supersteps(lambda steps: [*filter(_known_only, steps[:1]), *steps[1:]])
)
fault("supersteps-that-are-no-list-are-ignored", breaks=["PREPOP-15"])(
    taking_malformed(lambda steps: steps if isinstance(steps, list) else [])
)
fault("a-superstep-without-updates-is-ignored", breaks=["PREPOP-15", "ERROR-ANY-01"])(
    taking_malformed(
        lambda steps: [each for each in steps if each != {}] if isinstance(steps, list) else steps
    )
)


def leaving(steps_kept: int) -> Apply:
    """Store a thread with that many of its supersteps when a prepopulation is refused."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after("create", when=_names_unknown_node)
        def leave(request: WireRequest, answer: WireAnswer) -> None:
            if not answer.ok:
                broken.store.threads.create(
                    thread_id=request.members["thread_id"],
                    metadata=request.members["metadata"],
                    if_exists="do_nothing",
                    supersteps=[
                        each
                        for each in request.members["supersteps"][:steps_kept]
                        if all(map(_known, each["updates"]))
                    ],
                )

    return apply


fault("refused-prepopulation-leaves-an-empty-thread", breaks=["PREPOP-16"])(leaving(0))
fault("refused-prepopulation-leaves-what-came-before", breaks=["PREPOP-16"])(leaving(3))

# Resulting states

fault("prepopulation-takes-a-hundred-supersteps", breaks=["PREPOP-09"])(
    supersteps(lambda steps: steps[:100])
)
fault("long-prepopulation-adds-a-closing-state", breaks=["PREPOP-09", "PREPOP-11", "PREPOP-27"])(
    supersteps(lambda steps: [*steps, *map(_without_values, steps[-1:] * (len(steps) > 3))])
)
fault("prepopulation-loses-the-eleventh-values", breaks=["PREPOP-10"])(
    supersteps(lambda steps: [*steps[:10], *map(_without_values, steps[10:11]), *steps[11:]])
)
fault("superstep-keeps-the-first-update", breaks=["PREPOP-11", "PREPOP-14", "ERROR-ANY-01"])(
    updates(lambda ups: ups[:1])
)
fault("superstep-keeps-two-updates", breaks=["PREPOP-11"])(updates(lambda ups: ups[:2]))
fault("prepopulated-states-have-the-final-values", breaks=["PREPOP-10"])(
    change_states(
        lambda states: [replace(each, values=states[-1].values) for each in states],
        when=lambda request: len(request.members["supersteps"]) > 3,
    )
)


@fault("prepopulation-dates-the-creation-last", breaks=["PREPOP-20"])
def prepopulation_dates_the_creation_last(broken: FaultyDeployment) -> None:
    store = broken.store

    @broken.wire.answers("create", when=prepopulates_new_thread)
    def date_last(_request: WireRequest, made: Json) -> Json:
        thread = replace(store.records.thread(made["thread_id"]), created_at=store.records.now())
        return store.views.thread_view(store.records.keep(thread))


def _without_results(state: Checkpoint) -> Checkpoint:
    return replace(state, tasks=tuple(replace(task, result=None) for task in state.tasks))


fault("tasks-of-supersteps-are-done-without-results", breaks=["PREPOP-28"])(
    change_states(lambda states: map(_without_results, states))
)


# Updates without values, and with a list of them


def updates_sent(request: WireRequest) -> list[dict[str, Any]]:
    """Return the updates of a create request whose supersteps are well-formed."""
    steps = request.members.get("supersteps")
    if not isinstance(steps, list):
        return []
    return [update for step in steps if _has_updates(step) for update in step["updates"]]


def _has_list(request: WireRequest) -> bool:
    return any(isinstance(update.get("values"), list) for update in updates_sent(request))


def _lacks_values(request: WireRequest) -> bool:
    return any(not update.keys() & {"values", "command"} for update in updates_sent(request))


fault("superstep-with-a-list-of-values-is-refused", breaks=["PREPOP-24"])(
    refusing("create", _has_list, status=400)
)
fault("superstep-takes-the-first-of-a-list", breaks=["PREPOP-24"])(
    updates(
        lambda given: [
            {**update, "values": update["values"][:1]}
            if isinstance(update.get("values"), list)
            else update
            for update in given
        ]
    )
)


def _writes(step: Any) -> bool:
    """Return whether a superstep has an update whose values are not null."""
    return not _has_updates(step) or any(
        update.get("values", "left out") is not None for update in step["updates"]
    )


fault("superstep-with-null-makes-no-state", breaks=["PREPOP-25", "PREPOP-30"])(
    supersteps(lambda steps: [step for step in steps if _writes(step)])
)
fault("superstep-without-values-is-refused", breaks=["PREPOP-25"])(
    refusing("create", _lacks_values)
)

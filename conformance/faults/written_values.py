"""Faults of storing the values of an update: messages with ids, nulls, concurrent updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.faults.kit.http_changes import altered_by, change_request, without
from conformance.faults.kit.state import messages, stored_thread
from conformance.faults.prepopulate import updates
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.reference.wire import Json, WireRequest

UPDATE = "update_state"
Update = dict[str, Any]


def _values(change: Callable[[Update], Json]) -> Apply:
    """Change the values of a state update."""

    def changed(body: Update) -> Update:
        values = body.get("values")
        return {**body, "values": change(values)} if isinstance(values, dict) else body

    return change_request(UPDATE, to=changed, when=altered_by(changed))


def _sent(values: Update) -> list[Any]:
    found = values.get("messages")
    return found if isinstance(found, list) else []


def _removes(message: Any) -> bool:
    return isinstance(message, dict) and message.get("type") == "remove"


fault("state-update-skips-messages-that-remove", breaks=["STATE-UPDATE-21"])(
    _values(
        lambda values: (
            {**values, "messages": [each for each in _sent(values) if not _removes(each)]}
            if any(map(_removes, _sent(values)))
            else values
        )
    )
)


@fault("state-update-adds-messages-under-known-ids-anew", breaks=["STATE-UPDATE-21"])
def adds_known_messages_anew(broken: FaultyDeployment) -> None:
    @broken.wire.before(UPDATE)
    def forget_known_ids(request: WireRequest) -> None:
        thread = stored_thread(broken, request.thread_id)
        values = request.members.get("values")
        if thread is None or not isinstance(values, dict):
            return
        known = {each["id"] for each in messages(thread.latest)}
        sent = _sent(values)
        if any(isinstance(each, dict) and each.get("id") in known for each in sent):
            anew = [each if _removes(each) else without(each, "id") for each in sent]
            request.body = {**request.members, "values": {**values, "messages": anew}}


# Empty values


def _unless(is_empty: Callable[[Json], bool]) -> Callable[[Json], Json]:
    """Return a change that leaves values of an update out which are empty."""
    return lambda values: (
        {name: value for name, value in values.items() if not is_empty(value)}
        if isinstance(values, dict)
        else values
    )


fault("state-update-does-not-write-empty-objects", breaks=["STATE-UPDATE-03"])(
    _values(_unless(lambda value: value == {}))
)


# Nulls


def _without_nulls(value: Json, depth: int = 0) -> Json:
    """Return a JSON value without the members that are null inside of objects."""
    if isinstance(value, list):
        return [_without_nulls(each, depth + 1) for each in value]
    if isinstance(value, dict):
        kept = {k: each for k, each in value.items() if each is not None or depth == 0}
        return {name: _without_nulls(each, depth + 1) for name, each in kept.items()}
    return value


def _with_empty_texts(value: Json, depth: int = 0) -> Json:
    """Return a JSON value with empty texts for the members that are null inside of objects."""
    if isinstance(value, list):
        return [_with_empty_texts(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {
            name: "" if each is None and depth else _with_empty_texts(each, depth + 1)
            for name, each in value.items()
        }
    return value


def _of_each_update(change: Callable[[Json], Json]) -> Callable[[list[Any]], list[Any]]:
    return lambda given: [
        {**update, "values": change(update["values"])} if "values" in update else update
        for update in given
    ]


fault("state-update-leaves-out-inner-nulls", breaks=["STATE-UPDATE-22"])(_values(_without_nulls))
fault("state-update-writes-inner-nulls-as-texts", breaks=["STATE-UPDATE-22"])(
    _values(_with_empty_texts)
)
fault("superstep-does-not-write-empty-lists", breaks=["PREPOP-02"])(
    updates(_of_each_update(_unless(lambda value: value == [])))
)
fault("superstep-leaves-out-inner-nulls", breaks=["PREPOP-29"])(
    updates(_of_each_update(_without_nulls))
)

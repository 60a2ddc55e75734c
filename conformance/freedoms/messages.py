"""Freedoms of messages: application data, except for type, content and id."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from conformance.deployment.settings import GraphSettings
from conformance.freedoms.kit import JsonObject, change_every_object
from conformance.freedoms.registry import freedom
from conformance.model.entities import Task
from conformance.model.records import Records
from conformance.model.superstep_execution import Steps
from conformance.model.supersteps import Stamp
from conformance.reference.altered import Altered
from conformance.reference.wire import Json, WireRequest

_DATA = (
    "Rules of fairness: of a message type, content and id are the contract, and the rest "
    "is application data."
)


def _is_message(value: JsonObject) -> bool:
    return {"type", "content", "id"} <= value.keys()


def _bare(value: JsonObject) -> JsonObject:
    extras = (
        "additional_kwargs",
        "response_metadata",
        "name",
        "example",
        "tool_calls",
        "invalid_tool_calls",
        "usage_metadata",
    )
    if not _is_message(value):
        return value
    return {name: each for name, each in value.items() if name not in extras or each}


def _rich(value: JsonObject) -> JsonObject:
    return {**value, "tool_call_chunks": [], "cache": None} if _is_message(value) else value


# Values that a filter compares must be shown as they are stored.
freedom(
    "messages-are-bare",
    allowed_by=_DATA,
    choice=("extras of messages", "filters by objects"),
)(change_every_object(_bare, application_data=True))


def _without_riches(value: Json) -> Json:
    if isinstance(value, list):
        return [_without_riches(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = ("tool_call_chunks", "cache") if _is_message(value) else ()
    return {name: _without_riches(each) for name, each in value.items() if name not in named}


@freedom("messages-have-other-extras", allowed_by=_DATA, choice="extras of messages")
def messages_have_other_extras(altered: Altered) -> None:
    change_every_object(_rich, application_data=True)(altered)

    @altered.wire.before(when=lambda request: b"tool_call_chunks" in request.raw)
    def take_back(request: WireRequest) -> None:
        # A filter may contain a message as it was shown.
        request.body = _without_riches(request.body)


def _without_null_members(value: Json) -> Json:
    if isinstance(value, list):
        return [_without_null_members(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {n: _without_null_members(each) for n, each in value.items() if each is not None}


freedom(
    "messages-have-no-null-members",
    allowed_by=_DATA,
    may_block="STATE-UPDATE-22 PREPOP-29",
    choice=("extras of messages", "filters by objects", "graph of the deployment"),
    settings={
        "graph": GraphSettings(
            channels={"turns": 2, "plan": ["step {n}", "then the end"]}, replacing=("plan",)
        )
    },
)(
    change_every_object(
        lambda each: _without_null_members(each) if _is_message(each) else each,
        application_data=True,
    )
)


def _message_id() -> str:
    return f"run--{uuid.uuid4()}-0"


@freedom(
    "message-ids-are-no-uuids",
    allowed_by="The SDK's reference prints ids such as run-159b782c-…; no source gives their form.",
)
def message_ids_are_no_uuids(altered: Altered) -> None:
    @altered.override(Records.stamp)
    def stamp(right: Any) -> Stamp:
        made: Stamp = right()
        return replace(made, new_id=_message_id)

    @altered.override(Steps.with_result)
    def finished(right: Any, task: Task, result: Any) -> Any:
        if isinstance(result, dict) and isinstance(result.get("messages"), list):
            messages = [
                {**each, "id": _message_id()} if each.get("type") == "ai" else each
                for each in result["messages"]
            ]
            result = {**result, "messages": messages}
        return right(task, result)

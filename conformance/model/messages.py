"""The `messages` channel: messages in the documented form, merged by id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.model.errors import InvalidError
from conformance.model.ids_and_times import JsonObject, deep_copy

_TYPE_OF_ROLE = {
    "human": "human",
    "user": "human",
    "ai": "ai",
    "assistant": "ai",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "remove": "remove",
}


def add_messages(current: list[JsonObject], update: Any, new_id: Callable[[], str]) -> Any:
    """Return `current` with the messages of `update` added; a known id replaces its message.

    `update` is one message or a list of them; InvalidError if one is malformed.
    """
    merged = {message["id"]: message for message in current}
    for message in normalise_all(update, new_id):
        if message["type"] != "remove":
            merged[message["id"]] = message
        elif merged.pop(message["id"], None) is None:
            raise InvalidError(f"there is no message {message['id']!r} to remove")
    return list(merged.values())


def normalise_all(update: Any, new_id: Callable[[], str]) -> list[JsonObject]:
    """Return each message of an update, one or a list of them, with every documented member."""
    return [normalise(raw, new_id) for raw in (update if isinstance(update, list) else [update])]


def normalise(raw: Any, new_id: Callable[[], str]) -> JsonObject:
    """Return a message with every documented member added; its other members are kept.

    InvalidError if it is malformed.
    """
    if not isinstance(raw, dict):
        raise InvalidError(
            "a message must be an object such as {'type': 'human', 'content': 'hello'}"
        )
    message: JsonObject = deep_copy(raw)
    kind = _kind(message)
    message_id = message.pop("id", None) or new_id()
    if not isinstance(message_id, str):
        raise InvalidError("a message's 'id' must be a string")
    if kind == "remove":
        return {"type": kind, "id": message_id}
    form: JsonObject = {
        "content": _content(message),
        "additional_kwargs": _member(message, "additional_kwargs", dict, {}),
        "response_metadata": _member(message, "response_metadata", dict, {}),
        "type": kind,
        "name": _member(message, "name", str, None),
        "id": message_id,
    }
    if kind in ("human", "ai"):
        form["example"] = _member(message, "example", bool, False)
    if kind == "ai":
        form["tool_calls"] = _member(message, "tool_calls", list, [])
        form["invalid_tool_calls"] = _member(message, "invalid_tool_calls", list, [])
        form["usage_metadata"] = _member(message, "usage_metadata", dict, None)
    if kind == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise InvalidError("a message of type 'tool' must have a 'tool_call_id'")
    return form | message


def text_of(message: JsonObject) -> str:
    """Return the text of a message; of its text blocks where its content is a list."""
    content = message["content"]
    if isinstance(content, str):
        return content
    texts = [block if isinstance(block, str) else block.get("text", "") for block in content]
    return "".join(text for text in texts if isinstance(text, str))


def _kind(message: JsonObject) -> str:
    role = message.pop("role", None)
    named = message.pop("type", None) or role
    kind = _TYPE_OF_ROLE.get(named) if isinstance(named, str) else None
    if kind is None:
        raise InvalidError(
            "a message must have a 'type' (or 'role') out of " + ", ".join(_TYPE_OF_ROLE)
        )
    return kind


def _content(message: JsonObject) -> Any:
    content = message.pop("content", None)
    is_blocks = isinstance(content, list) and all(isinstance(b, str | dict) for b in content)
    if not isinstance(content, str) and not is_blocks:
        raise InvalidError("a message's 'content' must be a string or a list of blocks")
    return content


def _member(message: JsonObject, name: str, kind: type, default: Any) -> Any:
    value = message.pop(name, None)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise InvalidError(f"a message's {name!r} has the wrong type")
    return value

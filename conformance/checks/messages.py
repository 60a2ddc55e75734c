"""What the lists of a thread's state must hold, given the updates that were sent.

The items of such a list are messages, or values of any other JSON type. Of a message
only type and content are the contract, the rest is the application's; of another item
all of it was sent.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from conformance.deployment.settings import NUMBER, GraphSettings

#: A message, or whatever else is an item of a list that updates add to.
Message = Any


def is_message(item: Any) -> bool:
    """Whether an item is a message: an object with a type and a content."""
    return isinstance(item, dict) and "type" in item and "content" in item


def told(items: Sequence[Message]) -> list[Message]:
    """Type and content of each message; any other item as it is."""
    return [
        {"type": item["type"], "content": item["content"]} if is_message(item) else item
        for item in items
    ]


def followed(graph: GraphSettings) -> str:
    """The key of the list that the checks follow; empty where the settings name none."""
    return graph.appending[0] if graph.appending else ""


def messages_sent(supersteps: Sequence[dict[str, Any]], graph: GraphSettings) -> list[Message]:
    """What all updates of some supersteps add to the list followed, as `told`, in order."""
    return [
        message
        for superstep in supersteps
        for update in superstep["updates"]
        for message in messages_sent_in(update, graph)
    ]


def messages_sent_in(update: dict[str, Any], graph: GraphSettings) -> list[Message]:
    """What one update adds to the list followed, as `told`."""
    return told(items_in(update.get("values"), followed(graph)))


def items_in(values: Any, key: str) -> list[Any]:
    """The items of the list that some values hold under a key; none where there is no list."""
    found = values.get(key) if isinstance(values, dict) else None
    return found if isinstance(found, list) else []


def message_keys(graph: GraphSettings) -> tuple[str, ...]:
    """The keys whose lists hold messages, judged by what the settings send."""
    updates = [update for superstep in graph.supersteps for update in superstep["updates"]]
    sent = [update.get("values") for update in (*updates, graph.append)]
    found = []
    for key in graph.appending:
        items = [item for values in (*sent, graph.run_input) for item in items_in(values, key)]
        if items and all(map(is_message, items)):
            found.append(key)
    return tuple(found)


def saying(text: str, graph: GraphSettings) -> dict[str, Any]:
    """Values of an update in which a text stands: as a message, or wherever a text may.

    That is where the update of the settings has `{n}`, and else the whole of a text.
    """
    messages = message_keys(graph)
    values: dict[str, Any] = graph.append.get("values") or {}
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key in messages:
            found[key] = [{"type": "ai", "content": text}]
        elif any(NUMBER in each for each in texts_in(value)):
            found[key] = _with_texts(value, text)
        elif isinstance(value, str):
            found[key] = text
        elif key in graph.appending and any(
            isinstance(each, str) for each in items_in(values, key)
        ):
            found[key] = [text]
    return found


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts_in(each)


def _with_texts(value: Any, text: str) -> Any:
    """A JSON value in which a text stands wherever a number was to stand."""
    if isinstance(value, str):
        return text if NUMBER in value else value
    if isinstance(value, list):
        return [_with_texts(each, text) for each in value]
    if isinstance(value, dict):
        return {key: _with_texts(each, text) for key, each in value.items()}
    return value

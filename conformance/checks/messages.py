"""The list items that a thread's state must hold, given the updates that were sent.

An item is a message or any other JSON value. Of a message only type and content are compared, since
the rest is the application's; any other item is compared as a whole.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from conformance.deployment.settings import NUMBER, GraphSettings

#: A message, or any other item of a list that updates append to.
Message = Any


def is_message(item: Any) -> bool:
    """Return whether an item is a message: an object with a type and a content."""
    return isinstance(item, dict) and "type" in item and "content" in item


def type_and_content(items: Sequence[Message]) -> list[Message]:
    """Return the items, with each message reduced to type and content."""
    return [
        {"type": item["type"], "content": item["content"]} if is_message(item) else item
        for item in items
    ]


def followed_key(graph: GraphSettings) -> str:
    """Return the key of the list that the checks follow; empty if the settings name none."""
    return graph.appending[0] if graph.appending else ""


def items_sent(supersteps: Sequence[dict[str, Any]], graph: GraphSettings) -> list[Message]:
    """Return the type and content of what these supersteps add to the followed list, in order."""
    return [
        message
        for superstep in supersteps
        for update in superstep["updates"]
        for message in items_sent_in(update, graph)
    ]


def items_sent_in(update: dict[str, Any], graph: GraphSettings) -> list[Message]:
    """Return the type and content of what one update adds to the followed list."""
    return type_and_content(items_in(update.get("values"), followed_key(graph)))


def items_in(values: Any, key: str) -> list[Any]:
    """Return the list that some values hold under a key; empty if there is none."""
    found = values.get(key) if isinstance(values, dict) else None
    return found if isinstance(found, list) else []


def node_of_updates(graph: GraphSettings) -> str:
    """Return the node as which an update can be made: that of `append`, else of a superstep."""
    updates = [graph.append, *(each["updates"][-1] for each in graph.supersteps[::-1])]
    return next(
        str(each["as_node"]) for each in updates if each.get("as_node") not in (None, "__input__")
    )


def message_keys(graph: GraphSettings) -> tuple[str, ...]:
    """Return the keys whose lists hold messages, judged by what the settings send."""
    updates = [update for superstep in graph.supersteps for update in superstep["updates"]]
    sent = [update.get("values") for update in (*updates, graph.append)]
    found = []
    for key in graph.appending:
        items = [item for values in (*sent, graph.run_input) for item in items_in(values, key)]
        if items and all(map(is_message, items)):
            found.append(key)
    return tuple(found)


def server_generates_message_ids(graph: GraphSettings) -> bool:
    """Return whether the supersteps of the settings send a message without an id.

    The deployment gives such a message another id in each thread, so that no two threads made by
    these supersteps have the same values.
    """
    updates = [update for superstep in graph.supersteps for update in superstep["updates"]]
    sent = [
        item
        for update in updates
        for key in message_keys(graph)
        for item in items_in(update.get("values"), key)
    ]
    return any(item.get("id") is None for item in sent)


def values_with_text(
    text: str, graph: GraphSettings, like: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return values for an update that contain `text`, in a message or in place of another text.

    They are made from the values `like`, by default those of the settings' `append` update: each
    text with `{n}`, or where a key has none its whole text, is replaced by `text`. Keys without a
    place for a text are left out.
    """
    messages = message_keys(graph)
    values: dict[str, Any] = graph.append.get("values") or {} if like is None else like
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
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts_in(each)


def _with_texts(value: Any, text: str) -> Any:
    """Return a JSON value in which every text with `{n}` is replaced by `text`."""
    if isinstance(value, str):
        return text if NUMBER in value else value
    if isinstance(value, list):
        return [_with_texts(each, text) for each in value]
    if isinstance(value, dict):
        return {key: _with_texts(each, text) for key, each in value.items()}
    return value

"""What a thread's messages must be, given the updates that were sent.

Only type and content are the contract; the rest is the application's.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from conformance.deployment.settings import GraphSettings

Message = dict[str, Any]


def told(messages: list[Message]) -> list[Message]:
    """Type and content of each message."""
    return [
        {"type": message.get("type"), "content": message.get("content")} for message in messages
    ]


def messages_sent(supersteps: Sequence[dict[str, Any]], graph: GraphSettings) -> list[Message]:
    """Type and content of all messages in the updates of some supersteps, in order."""
    return [
        message
        for superstep in supersteps
        for update in superstep["updates"]
        for message in messages_sent_in(update, graph)
    ]


def messages_sent_in(update: dict[str, Any], graph: GraphSettings) -> list[Message]:
    """Type and content of the messages in one update."""
    values = update.get("values") or {}
    return told([message for key in graph.appending for message in values.get(key, [])])


def saying(text: str, graph: GraphSettings) -> dict[str, Any]:
    """Values of an update in which a text stands: as a message, or wherever a text may."""
    message = {"type": "ai", "content": text}
    values: dict[str, Any] = graph.append.get("values") or {}
    return {
        key: [message] if key in graph.appending else text
        for key, value in values.items()
        if key in graph.appending or isinstance(value, str)
    }


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts_in(each)

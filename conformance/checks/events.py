"""Server-sent events, parsed strictly: every event has a name and JSON data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.excerpt import excerpt
from conformance.json_text import parse_json

#: Names of events that are about the stream, and not about the graph.
OF_THE_STREAM = ("metadata", "heartbeat", "end", "error")

#: The fields of an event that mean something.
_FIELDS = {"event", "data", "id", "retry"}

#: A stream of more lines is not parsed: that of a run has a few hundred.
MOST_LINES = 100_000


@dataclass(frozen=True)
class Event:
    """One event: its name, its parsed data, and its id if the stream gives one."""

    name: str
    data: Any
    id: str | None = None


def parse_events(text: str) -> list[Event]:
    """Parse a whole stream; `PromiseBroken` if an event is malformed or the stream too long."""
    if text.count("\n") > MOST_LINES:
        raise PromiseBroken(
            f"a stream of at most {MOST_LINES} lines", f"{len(text)} characters of events"
        )
    blocks = text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    return [event for block in blocks if (event := _parse_event(block)) is not None]


def events_or_blocked(text: str) -> list[Event]:
    """Parse a whole stream; `Blocked` if it is malformed, which another check judges."""
    try:
        return parse_events(text)
    except PromiseBroken as malformed:
        raise Blocked.because(malformed) from None


def data_of(events: Iterable[Event], name: str) -> list[Any]:
    """Return the data of all events of this name, in order."""
    return [each.data for each in events if each.name == name]


def _parse_event(block: str) -> Event | None:
    fields: dict[str, list[str]] = {}
    for line in block.split("\n"):
        # A line that begins with a colon is a comment, sent to keep the stream alive.
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
    # A block without any field of an event is some other text, such as JSON.
    if fields and not fields.keys() & _FIELDS:
        raise PromiseBroken("every event with a name, in SSE format", excerpt(block, 300))
    # By the HTML standard other fields mean nothing, and what has no data is no event: `retry`
    # says how long to wait before joining again, and a name alone is passed over by every client.
    if "data" not in fields:
        return None
    if not "".join(fields.get("event", [])):
        raise PromiseBroken("every event with a name, in SSE format", excerpt(block, 300))
    try:
        data = parse_json("\n".join(fields["data"]))
    except ValueError:
        raise PromiseBroken("every event with JSON data", excerpt(block, 300)) from None
    return Event(fields["event"][-1], data, fields["id"][-1] if "id" in fields else None)

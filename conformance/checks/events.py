"""Server-sent events: the parsing of a stream, and the names and JSON data of its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from conformance.checks.expect import assert_that
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.json_text import parse_json
from conformance.safe_text import excerpt

#: Names of the events of the published modes; a server may send others.
PUBLISHED_MODES = frozenset(
    {
        "values",
        "updates",
        "messages",
        "messages-tuple",
        "tasks",
        "checkpoints",
        "events",
        "debug",
        "custom",
    }
)

#: The fields of an event to which the HTML standard gives a meaning.
_FIELDS = {"event", "data", "id", "retry"}

#: A stream of more lines is not parsed: the stream of a run has a few hundred.
MOST_LINES = 100_000


@dataclass(frozen=True)
class Event:
    """One event: its name, its parsed data, and its id if the stream gives one."""

    name: str
    data: Any
    id: str | None = None


def parse_events(text: str) -> list[Event]:
    """Parse a whole stream; `PromiseBroken` if an event is malformed or the stream too long."""
    return [event for block in _blocks(text) if (event := _parse_event(block)) is not None]


def names_of_events(text: str) -> list[str]:
    """Return the name of each event of a stream, whatever its data is; "" for one without a name.

    `PromiseBroken` if the stream is too long.
    """
    found = [_fields_of(block) for block in _blocks(text)]
    return ["".join(fields.get("event", [])[-1:]) for fields in found if _data_in(fields)]


def events_or_blocked(text: str) -> list[Event]:
    """Parse a whole stream; `Blocked` if it is malformed, which another check judges."""
    try:
        return parse_events(text)
    except PromiseBroken as malformed:
        raise Blocked.because(malformed) from None


def assert_names_and_json_data(text: str, by: str) -> None:
    """Assert that every event of a stream has a name and JSON data.

    `Blocked` by the requirement `by` if the stream has no event.
    """
    if not names_of_events(text):
        raise Blocked("the stream has no event", by=by)
    assert_that(bool(parse_events(text)), "events with names and JSON data", excerpt(text, 300))


def modes_of(events: Iterable[Event]) -> set[str]:
    """Return the published modes in the names of the events: `values` for `values|…`, too."""
    names = {event.name.partition("|")[0].partition("/")[0] for event in events}
    return names & PUBLISHED_MODES


def events_of_the_graph(events: Iterable[Event]) -> list[Event]:
    """Return the events of published modes: others are about the stream, or server-specific."""
    return [event for event in events if modes_of([event])]


def data_of(events: Iterable[Event], name: str) -> list[Any]:
    """Return the data of all events of this name, in order."""
    return [each.data for each in events if each.name == name]


def _blocks(text: str) -> list[str]:
    if text.count("\n") > MOST_LINES:
        raise PromiseBroken(
            f"a stream of at most {MOST_LINES} lines", f"{len(text)} characters of events"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")


def _fields_of(block: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for line in block.split("\n"):
        # A line that begins with a colon is a comment, sent to keep the stream alive.
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
    return fields


def _data_in(fields: dict[str, list[str]]) -> str:
    return "\n".join(fields.get("data", []))


def _parse_event(block: str) -> Event | None:
    fields = _fields_of(block)
    # A block without any field of an event is some other text, such as JSON.
    if fields and not fields.keys() & _FIELDS:
        raise PromiseBroken("every event with a name, in SSE format", excerpt(block, 300))
    # By the HTML standard other fields are ignored, and a block without data is no event: `retry`
    # sets the time to wait before reconnecting, and clients ignore a block with only a name. A
    # block with empty data, such as a heartbeat, is treated the same way.
    text = _data_in(fields)
    if not text:
        return None
    if not "".join(fields.get("event", [])):
        raise PromiseBroken("every event with a name, in SSE format", excerpt(block, 300))
    try:
        data = parse_json(text)
    except ValueError:
        raise PromiseBroken("every event with JSON data", excerpt(block, 300)) from None
    return Event(fields["event"][-1], data, fields["id"][-1] if "id" in fields else None)

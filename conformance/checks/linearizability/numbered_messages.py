"""The messages that programs append to a thread, distinguished by their numbers."""

from __future__ import annotations

import json
from typing import Any

from conformance.checks.comparable_members import require_some
from conformance.checks.linearizability.threads import Shown
from conformance.checks.messages import Message, items_sent_in, type_and_content
from conformance.checks.outcomes import Blocked
from conformance.checks.views import items_of_followed_list
from conformance.deployment.settings import GraphSettings, numbered
from conformance.safe_text import excerpt

#: Added to the numbers of a program, so that its messages differ from those before the program.
_BEYOND = 100


class Appended:
    """The settings' `append` update by number, and which numbers a state shows.

    `most` is the highest number, `first` are the messages that the thread has before the program.
    `Blocked` if two numbers give the same messages.
    """

    def __init__(self, graph: GraphSettings, most: int, first: list[Message]) -> None:
        self._graph = graph
        self._first = type_and_content(first)
        self._sent = {
            number: items_sent_in(self.update(number), graph) for number in range(1, most + 1)
        }
        require_some(self._sent.values(), "append of the settings appends nothing")
        if len({json.dumps(each, sort_keys=True) for each in self._sent.values()}) < most:
            raise Blocked("append of the settings appends the same for different numbers")

    def update(self, number: int) -> dict[str, Any]:
        """Return the body of the state update that appends the message of that number."""
        body: dict[str, Any] = numbered(self._graph.append, _BEYOND + number)
        return body

    def numbers_in(self, holder: Any) -> Shown:
        """Return the numbers of the messages after the first ones.

        A message that was not appended by number is returned as an excerpt. If the first messages
        are missing, an entry says so.
        """
        items = type_and_content(items_of_followed_list(holder, self._graph)) if holder else []
        known = len(self._first)
        shown: list[str] = []
        if items[:known] != self._first:
            shown, known = ["without the first messages"], 0
        while known < len(items):
            found = self._number_at(items, known)
            shown.append(str(found) if found else excerpt(json.dumps(items[known]), 60))
            known += len(self._sent[found]) if found else 1
        return tuple(shown)

    def _number_at(self, items: list[Message], place: int) -> int:
        """Return the number whose messages are at a place of the list; 0 if there is none."""
        for number, sent in self._sent.items():
            if items[place : place + len(sent)] == sent:
                return number
        return 0

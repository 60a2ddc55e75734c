"""The comparison of two histories, page by page.

However long the histories are, no more than a page of each is in memory: equal states are known by
their text, as it was sent or in canonical form, and of those that differ the first are kept, and
the rest counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from conformance.checks.comparable_members import OWN_THREAD, maskable_state, masked_state
from conformance.checks.comparison_count import count_comparison
from conformance.checks.views import Page, State, has_data, known_checkpoint_id
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.json_differences import ABSENT, Change, ItemDifferences, differences
from conformance.parallel import start, wait_for

#: Members in one order, and every character beyond ASCII as an escape.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
#: The beginning of an escape of a character that an id may have; canonical texts have none.
_ASCII_ESCAPE = re.compile(r"\\u00[2-7]")


class HistoryInPages(Protocol):
    """A history that can be read page by page, newest first."""

    @property
    def thread_id(self) -> str:
        """The id of the thread."""

    def pages(self) -> Iterator[Page]:
        """Yield the states, newest first, in pages that are not empty."""


@dataclass
class HistoryComparison:
    """What a comparison of a copy's history with its source's found.

    `copied` and `expected` are the numbers of states. `states` are the differences of the states in
    the same place, after each thread's own id is masked.
    """

    copied: int = 0
    expected: int = 0
    shows_values: bool = False
    states: ItemDifferences = field(default_factory=ItemDifferences)
    #: The first place that shows another checkpoint.
    parting: Change | None = None
    #: The checkpoint ids of copy and source, as many as a page has.
    _ids: tuple[list[Any], list[Any]] = field(default_factory=lambda: ([], []))

    def id_differences(self) -> tuple[str, ...]:
        """Return the differences of the checkpoint ids; of long histories only the first one."""
        if max(self.copied, self.expected) <= LONGEST_PAGE:
            shown, wanted = self._ids
            return differences(wanted, shown)
        return (str(self.parting),) if self.parting else ()

    def add(self, copied: Page, expected: Page, copy_id: str, source_id: str) -> None:
        """Compare the next states of both: equally many, or none of the history that has ended."""
        if not self.shows_values:
            count_comparison([state.get("values") for state in expected])
            self.shows_values = any(has_data(state.get("values")) for state in expected)
        self._note_ids(copied, expected)
        self.copied += len(copied)
        self.expected += len(expected)
        if len(copied) != len(expected):
            return
        if is_same_text(copied, expected, copy_id, source_id):
            self.states.add_equal(len(expected))
            return
        for one, other in zip(copied, expected, strict=True):
            self.states.add(masked_state(other, source_id), masked_state(one, copy_id, source_id))

    def _note_ids(self, copied: list[State], expected: list[State]) -> None:
        shown, wanted = (list(map(known_checkpoint_id, states)) for states in (copied, expected))
        for known, more in zip(self._ids, (shown, wanted), strict=True):
            known += more[: LONGEST_PAGE - len(known)]
        if self.parting is None and shown != wanted:
            length = max(len(shown), len(wanted))
            pairs = [each + [ABSENT] * (length - len(each)) for each in (wanted, shown)]
            place = next(n for n in range(length) if pairs[0][n] != pairs[1][n])
            at = max(self.copied, self.expected) + place
            self.parting = Change((at,), pairs[0][place], pairs[1][place])


def compare_histories(copy: HistoryInPages, source: HistoryInPages) -> HistoryComparison:
    """Read both histories to their ends, page by page, and return what differs."""
    found = HistoryComparison()
    for copied, expected in aligned(copy.pages(), source.pages()):
        found.add(copied, expected, copy.thread_id, source.thread_id)
    if not found.expected:
        count_comparison([])
    return found


def aligned(ones: Iterable[Page], others: Iterable[Page]) -> Iterator[tuple[Page, Page]]:
    """Yield the states of two histories in parts of equal length, then what only one of them has.

    The pages of a history may be shorter than those of the other.
    """
    one_pages, other_pages = iter(ones), iter(others)
    one, other = Page(()), Page(())
    while True:
        if one or other:
            one = one or next(one_pages, one)
            other = other or next(other_pages, other)
        else:
            # At the same time: while one page is parsed, the deployment makes the other.
            coming = start(partial(next, other_pages, other))
            try:
                one = next(one_pages, one)
            finally:
                wait_for([coming])
            other = coming.result()
        length = min(len(one), len(other)) or max(len(one), len(other))
        if not length:
            return
        yield _beginning(one, length), _beginning(other, length)
        one, other = Page(one[length:]), Page(other[length:])


def _beginning(page: Page, length: int) -> Page:
    return page if len(page) <= length else Page(page[:length])


def is_same_text(copied: Page, expected: Page, copy_id: str, source_id: str) -> bool:
    """Return whether states of a copy and its source are equal, as far as their texts show it.

    If this is false they may still be equal: 1 and 1.0 are, and so are ids in upper and lower case.
    """
    sent = _masked_text(copied.text, copy_id)
    if sent is not None and sent == _masked_text(expected.text, source_id):
        return True
    text = _masked_text(_canonical_text(copied, source_id), copy_id)
    return text is not None and text == _masked_text(_canonical_text(expected), source_id)


def _canonical_text(states: Page, copied_from: str | None = None) -> str:
    return _canonical([maskable_state(state, copied_from) for state in states])


def _masked_text(text: str | None, thread_id: str) -> str | None:
    """Return the JSON text of states with the id of their thread masked.

    None if it cannot be masked in the text: where it is the name of a member, in another case, or
    perhaps written with escapes.
    """
    own = json.dumps(thread_id)
    if (
        text is None
        or _ASCII_ESCAPE.search(text)
        # The end of a text that holds a quotation mark would look like a whole text.
        or f"\\{own}" in text
        or re.search(rf"{re.escape(own)}\s*:", text)
        or text.lower().count(own.lower()) != text.count(own)
    ):
        return None
    return text.replace(own, json.dumps(OWN_THREAD))

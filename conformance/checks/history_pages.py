"""The whole history of a thread, read page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from conformance.checks.check_context import CheckContext
from conformance.checks.outcomes import Blocked
from conformance.checks.views import (
    Page,
    State,
    Thread,
    id_of,
    is_newest_first,
    known_checkpoint_id,
    parent_id_of,
)
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.contract.causes import NOT_GRANTED, Cause
from conformance.deployment.client import Answer, ThreadsClient

#: A history of more pages is not read to its end, unless the check made as many states.
MOST_PAGES = 1000
#: The evidence of a check holds no more pages of a long history; it would be in memory otherwise.
_PAGES_TO_REPORT = 2


class Api(Protocol):
    """What is needed of a `ThreadsApi`."""

    client: ThreadsClient
    context: CheckContext
    arranging: bool

    def list_of(self, answer: Answer, of: Thread | None = None) -> list[dict[str, Any]]:
        """Return the JSON list of objects of a successful answer."""


class HistoryPages:
    """The whole history of a thread, read anew with each call of `pages`; no page is kept.

    `made` is the number of states that the check has made, if it knows; `limit` that of each page.
    """

    def __init__(
        self, api: Api, thread: Thread, made: int | None = None, limit: int = LONGEST_PAGE
    ) -> None:
        self._api, self._thread, self._made, self._limit = api, thread, made, limit
        self.thread_id = id_of(thread)
        #: The number of characters of the pages read so far, without the first.
        self.characters = 0

    def pages(self) -> Iterator[Page]:
        """Read the history page by page, as `unordered_pages` does, and report the last pages only.

        `Blocked` if a prerequisite history is not ordered newest first.
        """
        before: list[State] = []
        for number, page in enumerate(self.unordered_pages(), start=1):
            if number > _PAGES_TO_REPORT:
                self._api.context.forget()
            if self._api.arranging and not is_newest_first([*before, *page]):
                raise Blocked(f"the history of {self.thread_id} is not ordered newest first")
            yield page
            before = page[-1:]

    def unordered_pages(self) -> Iterator[Page]:
        """Yield the pages, until a page is empty or holds no new state.

        New is what neither the page before nor the first one holds. Where `before` is refused, the
        pages read so far count as whole if their last state has no parent, or if they hold as many
        states as the check made; else `Blocked`.
        """
        api = self._api
        answer = api.client.history(self.thread_id, limit=self._limit)
        fresh = Page(api.list_of(answer, self._thread), answer.text)
        first = former = _ids(fresh)
        pages, states = 1, len(fresh)
        while fresh:
            yield fresh
            last = fresh[-1]
            if not (oldest := known_checkpoint_id(last)):
                return
            answer = api.client.history(self.thread_id, limit=self._limit, before=oldest)
            if not answer.ok or not isinstance(answer.body, list):
                has_begun = "parent_checkpoint" in last and not parent_id_of(last)
                if has_begun or (self._made is not None and states >= self._made):
                    return
                raise Blocked(
                    f"the history of {self.thread_id} cannot be read whole: "
                    f"GET history?before answers {answer.status}",
                    by=Cause.refused(answer.operation, answer.status, NOT_GRANTED),
                )
            shown: list[State] = answer.body
            known = first | former
            fresh = Page(each for each in shown if str(known_checkpoint_id(each)) not in known)
            if len(fresh) == len(shown):
                fresh.text = answer.text
            former = _ids(shown)
            pages, states = pages + 1, states + len(fresh)
            self.characters += len(answer.text)
            if pages > MOST_PAGES and states > 2 * (self._made or 0):
                raise Blocked(f"the history of {self.thread_id} does not end: {states} states")


def _ids(states: list[State]) -> set[str]:
    return {str(known_checkpoint_id(state)) for state in states}

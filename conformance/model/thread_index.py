"""An index of threads by their metadata, so that a search does not look at every thread.

A store with a million threads of other people is searched as fast as an empty one, as long as the
search names one text in the metadata, such as the tag of a run, or asks for the newest threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from conformance.model.entities import Thread
from conformance.model.ids_and_times import JsonObject
from conformance.model.records import Records
from conformance.model.search import DEFAULT_SORT, Query, Searches
from conformance.model.views import Views

#: Where more threads than this have a text, the newest threads are looked at in turn.
_FEW = 1000


class IndexedThreads(dict[str, Thread]):
    """Threads by id, and for each text in their metadata the ids of those that have it.

    A thread that is removed by another method than `del` may stay in the index; one that is added
    by another way than `[...] =` is not found.
    """

    def __init__(self, held: Mapping[str, Thread]) -> None:
        super().__init__()
        self._ids: dict[tuple[str, str], dict[str, None]] = {}
        for thread_id, thread in held.items():
            self[thread_id] = thread

    def __setitem__(self, thread_id: str, thread: Thread) -> None:
        former = self.get(thread_id)
        super().__setitem__(thread_id, thread)
        if former is not None and former.metadata is not thread.metadata:
            self._drop(former)
        if former is None or former.metadata is not thread.metadata:
            for text in _texts(thread.metadata):
                self._ids.setdefault(text, {})[thread_id] = None

    def __delitem__(self, thread_id: str) -> None:
        self._drop(self[thread_id])
        super().__delitem__(thread_id)

    def _drop(self, thread: Thread) -> None:
        for text in _texts(thread.metadata):
            ids = self._ids[text]
            del ids[thread.thread_id]
            if not ids:
                del self._ids[text]

    def have_text(self, metadata: JsonObject) -> int:
        """Return how many threads have the rarest text of `metadata`; all, if it has none."""
        return min((len(self._ids.get(each, ())) for each in _texts(metadata)), default=len(self))

    def with_metadata(self, metadata: JsonObject) -> Iterable[Thread]:
        """Return, oldest first, threads among which are all that have this metadata."""
        found = [self._ids.get(text, {}) for text in _texts(metadata)]
        if not found:
            return self.values()
        threads = [self[each] for each in min(found, key=len) if each in self]
        return sorted(threads, key=lambda thread: thread.created_at)


class IndexedSearches(Searches):
    """Searches that look only at the threads that have one of the texts in a filter by metadata."""

    def __init__(self, records: Records, views: Views) -> None:
        super().__init__(records, views)
        records.threads_by_id = IndexedThreads(records.threads_by_id)

    def candidates(self, query: Query) -> Iterable[Thread]:
        """Return threads among which are all that match `query`, oldest first."""
        threads = self.records.threads_by_id
        if isinstance(threads, IndexedThreads) and query.metadata:
            return threads.with_metadata(query.metadata)
        return super().candidates(query)

    def found_page(
        self, query: Query, offset: int, limit: int, sort_by: str, sort_order: str
    ) -> Sequence[Thread]:
        """Return one page of the threads that match; the newest ones without a look at all others.

        The threads of a store are in the order in which they were created.
        """
        threads = self.records.threads_by_id
        newest_first = sort_by == DEFAULT_SORT and sort_order != "asc" and query.ids is None
        if (
            newest_first
            and isinstance(threads, IndexedThreads)
            and threads.have_text(query.metadata or {}) > _FEW
        ):
            found = (each for each in reversed(threads.values()) if self.matches(each, query))
            return list(islice(found, offset, offset + limit))
        return super().found_page(query, offset, limit, sort_by, sort_order)


def _texts(metadata: JsonObject) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in metadata.items() if isinstance(value, str))

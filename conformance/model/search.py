"""Search and count of threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.model import extract as paths
from conformance.model.containment import contains
from conformance.model.entities import Thread
from conformance.model.errors import InvalidError
from conformance.model.ids_and_times import JsonObject, canonical_id
from conformance.model.records import Records
from conformance.model.views import Views

DEFAULT_SORT = "created_at"


@dataclass(frozen=True)
class Query:
    """A filter for threads: every member that is given must match.

    A thread whose metadata contains one of `exclude_metadata` does not match.
    """

    ids: Sequence[str] | None = None
    metadata: JsonObject | None = None
    values: JsonObject | None = None
    status: str | None = None
    exclude_metadata: Sequence[JsonObject] | None = None


class Searches:
    """The operations that find threads by a query."""

    def __init__(self, records: Records, views: Views) -> None:
        self.records, self.views = records, views

    def search(
        self,
        query: Query = Query(),
        *,
        limit: int = 10,
        offset: int = 0,
        sort_by: str = DEFAULT_SORT,
        sort_order: str = "desc",
        select: Sequence[str] | None = None,
        extract: dict[str, str] | None = None,
    ) -> list[JsonObject]:
        """Return at most `limit` matching threads from `offset` on, each as `get` shows it.

        `select` keeps only those members; `extract` maps aliases to paths and adds `extracted`, the
        values by alias.
        """
        if extract is not None and len(extract) > paths.MOST_PATHS:
            raise InvalidError(f"extract takes at most {paths.MOST_PATHS} paths")
        for path in (extract or {}).values():
            paths.parse_path(path)
        page = self.found_page(query, offset, limit, sort_by, sort_order)
        return [self.selected(self.views.thread_view(thread), select, extract) for thread in page]

    def found_page(
        self, query: Query, offset: int, limit: int, sort_by: str, sort_order: str
    ) -> Sequence[Thread]:
        """Return one page of the threads that match `query`, in the order requested."""
        ordered = self.ordered_threads(self.matching(query), sort_by, sort_order)
        return self.page(ordered, offset, limit)

    def count(self, query: Query = Query()) -> int:
        """Return the number of matching threads."""
        return len(self.matching(query))

    def matching(self, query: Query) -> list[Thread]:
        """Return every thread that matches `query`, oldest first."""
        ids = None
        if query.ids is not None:
            ids = {canonical_id(one, "each of ids") for one in query.ids}
        return [
            thread
            for thread in self.candidates(query)
            if (ids is None or thread.thread_id in ids) and self.matches(thread, query)
        ]

    def candidates(self, query: Query) -> Iterable[Thread]:
        """Return threads among which are all that match `query`, oldest first."""
        return self.records.threads_by_id.values()

    def matches(self, thread: Thread, query: Query) -> bool:
        """Return whether a thread has the status, metadata and values that `query` requires."""
        return (
            (query.status is None or thread.status == query.status)
            and (not query.metadata or contains(thread.metadata, query.metadata))
            and (not query.values or contains(thread.values, query.values))
            and not (query.exclude_metadata and self.excluded(thread, query))
        )

    def excluded(self, thread: Thread, query: Query) -> bool:
        """Return whether the metadata of a thread contains one of `exclude_metadata`."""
        return any(contains(thread.metadata, each) for each in query.exclude_metadata or ())

    def ordered_threads(
        self, threads: Sequence[Thread], sort_by: str, sort_order: str
    ) -> list[Thread]:
        """Return threads in the order requested, the newer first among equals."""
        newest_first = sorted(threads, key=lambda thread: thread.created_at, reverse=True)
        backwards = sort_order != "asc"
        # Python's reversed sort keeps the order of equals, as wanted here.
        return sorted(
            newest_first, key=lambda thread: str(getattr(thread, sort_by)), reverse=backwards
        )

    def page(self, threads: Sequence[Thread], offset: int, limit: int) -> Sequence[Thread]:
        """Return one page of a search's results."""
        return threads[offset : offset + limit]

    def selected(
        self, view: JsonObject, select: Sequence[str] | None, extract: dict[str, str] | None
    ) -> JsonObject:
        """Return a thread in the form of a search result."""
        shown = view if select is None else {name: view[name] for name in select}
        if extract:
            found = {alias: paths.value_at_path(view, path) for alias, path in extract.items()}
            shown = {**shown, "extracted": found}
        return shown

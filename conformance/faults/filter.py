"""Faults of finding threads by ids and by values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_request, without
from conformance.faults.kit.runs import having
from conformance.faults.kit.search import (
    disturbed_by,
    filtered_metadata,
    matching,
    with_metadata,
    without_filter_by_metadata,
)
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.ids_and_times import JsonObject
from conformance.model.search import Query, Searches
from conformance.reference.wire import WireAnswer, WireRequest, json_answer

# By ids


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _has_ids(request: WireRequest) -> bool:
    ids = request.members.get("ids")
    return isinstance(ids, list) and all(_UUID.fullmatch(str(one)) for one in ids)


def _by_ids(change: Callable[[FaultyDeployment, Any, Query], Any]) -> Apply:
    """Search by `change(broken, right, query)` where the query has ids."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Searches.matching)
        def match(right: Any, query: Query) -> Any:
            return change(broken, right, query) if query.ids else right(query)

    return apply


fault(
    "search-ignores-ids",
    breaks="FILTER-01 FILTER-02 FILTER-04 FILTER-05 FILTER-07 SEQ-14 FILTER-09",
)(change_request("search", to=lambda body: without(body, "ids"), when=_has_ids))

fault("search-looks-at-the-first-id-only", breaks=["FILTER-01", "FILTER-02", "FILTER-07"])(
    change_request("search", to=lambda body: {**body, "ids": body["ids"][:1]}, when=_has_ids)
)


@fault("search-by-an-unknown-id-is-404", breaks=["FILTER-02", "ERROR-ANY-05"])
def by_an_unknown_id_is_404(broken: FaultyDeployment) -> None:
    @broken.wire.before("search", when=_has_ids)
    def refuse(request: WireRequest) -> WireAnswer | None:
        known = all(one in broken.store.records.threads_by_id for one in request.members["ids"])
        return None if known else json_answer(404, {"detail": "one of ids is unknown"})


fault("search-by-ids-ignores-metadata", breaks=["FILTER-04", "FILTER-07", "SEQ-14", "FILTER-09"])(
    _by_ids(lambda _, right, query: right(with_metadata(query, {})))
)


@fault("search-looks-for-ids-after-the-limit", breaks=["FILTER-01"])
def ids_after_the_limit(broken: FaultyDeployment) -> None:
    @broken.override(Searches.search)
    def search(right: Any, query: Query, **options: Any) -> list[JsonObject]:
        page = list(right(replace(query, ids=None), **options))
        if query.ids is None or options.get("select") is not None:
            return page
        ids = {one.lower() for one in query.ids}
        return [each for each in page if each["thread_id"] in ids]


# By values

fault(
    "search-ignores-values",
    breaks=["FILTER-03", "FILTER-06", "COUNT-08", "COUNT-09", "FILTER-08", "COUNT-10", "FILTER-09"],
)(matching(lambda right, thread, query: right(thread, replace(query, values=None))))


def _by_values(same: Callable[[Any, Any], bool]) -> Apply:
    """Compare values by `same(stored, wanted)`, member by member."""

    def matches(right: Any, thread: Any, query: Query) -> bool:
        return right(thread, replace(query, values=None)) and all(
            name in thread.values and same(thread.values[name], wanted)
            for name, wanted in (query.values or {}).items()
        )

    return matching(matches)


fault(
    "search-compares-only-keys-of-values",
    breaks=["FILTER-03", "FILTER-06", "COUNT-09", "FILTER-08", "COUNT-10", "FILTER-09"],
)(_by_values(lambda _there, _wanted: True))


# Threads in other conditions than the one that is searched for

fault("search-by-values-beside-a-thread-without-values-is-500", breaks=["FILTER-03"])(
    disturbed_by("search", "values", lambda thread: not thread.checkpoints)
)
fault("search-by-values-beside-an-interrupted-thread-is-500", breaks=["FILTER-08"])(
    disturbed_by("search", "values", lambda thread: thread.status == "interrupted")
)
fault("filters-by-metadata-hide-threads-with-a-ttl", breaks=["FILTER-08", "COUNT-09"])(
    matching(
        lambda right, thread, query: (
            right(thread, query)
            and not (filtered_metadata(query) and thread.ttl and thread.checkpoints)
        )
    )
)


# By values together with other filters

fault("search-by-ids-forgets-the-values", breaks=["FILTER-09"])(
    _by_ids(lambda _, right, query: right(replace(query, values=None)))
)
fault("search-by-values-forgets-the-metadata", breaks=["FILTER-09"])(
    change_request("search", to=without_filter_by_metadata, when=having("values"))
)
fault("search-by-values-forgets-the-status", breaks=["FILTER-09"])(
    change_request("search", to=lambda body: without(body, "status"), when=having("values"))
)

"""Faults of paging through the results of a search."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from conformance.faults.kit.http_changes import change_request
from conformance.faults.kit.search import empty_is_missing
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.ids_and_times import JsonObject
from conformance.model.search import Searches
from conformance.reference.wire import Json, WireRequest


def _offset(request: WireRequest) -> bool:
    offset = request.members.get("offset")
    return type(offset) is int and offset > 0


def _taking(change: Callable[[int, int], int]) -> Apply:
    """Replace the offset by `change(offset, limit)`."""

    def changed(body: JsonObject) -> JsonObject:
        return {**body, "offset": change(body["offset"], body.get("limit", 10))}

    return change_request("search", to=changed, when=_offset)


fault("offset-leaves-out-one-less", breaks="FILTER-07 PAGE-01 PAGE-02 PAGE-03 SEQ-16 EXCLUDE-06")(
    _taking(lambda offset, _: offset - 1)
)
fault("offset-leaves-out-one-more", breaks="FILTER-07 PAGE-01 PAGE-02 SEQ-16 EXCLUDE-06")(
    _taking(lambda offset, _: offset + 1)
)
fault("offset-beyond-the-end-is-404", breaks=["ERROR-ANY-05", "FILTER-07", "PAGE-03"])(
    empty_is_missing("search", [], _offset)
)


@fault("later-pages-end-one-too-early", breaks="PAGE-02 FILTER-07 EXCLUDE-06")
def later_pages_end_too_early(broken: FaultyDeployment) -> None:
    @broken.wire.answers("search", when=_offset)
    def shorter(request: WireRequest, body: Json) -> Json:
        full = len(body) == request.members.get("limit", 10) > 1
        return body[:-1] if full else body


@fault("each-search-turns-threads-of-one-status-round", breaks=["PAGE-02"])
def turns_threads_of_one_status_round(broken: FaultyDeployment) -> None:
    forwards = [True]

    @broken.override(Searches.ordered_threads)
    def ordered_threads(right: Any, threads: Any, sort_by: str, sort_order: str) -> Any:
        found = right(threads, sort_by, sort_order)
        if sort_by != "status":
            return found
        forwards[0] = not forwards[0]
        step = 1 if forwards[0] else -1
        groups = groupby(found, key=lambda thread: thread.status)
        return [thread for _, group in groups for thread in [*group][::step]]

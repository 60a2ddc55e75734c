"""Faults of sorting the results of a search."""

from __future__ import annotations

from typing import Any

from conformance.faults.kit.http_changes import change_answer, change_request, without
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.ids_and_times import JsonObject
from conformance.model.search import Query, Searches
from conformance.reference.wire import WireRequest


def _taking(member: str, other: str) -> Apply:
    """Sort by `other` where `member` is requested."""
    return change_request(
        "search",
        to=lambda body: {**body, "sort_by": other},
        when=lambda request: request.members.get("sort_by") == member,
    )


fault("sort-by-thread-id-is-by-age", breaks=["SORT-01", "SORT-06"])(
    _taking("thread_id", "created_at")
)
fault("sort-by-created-at-is-by-change", breaks=["SORT-02"])(_taking("created_at", "updated_at"))
fault("sort-by-updated-at-is-by-age", breaks=["SORT-03"])(_taking("updated_at", "created_at"))
fault("sort-by-state-is-by-any-change", breaks=["SORT-04"])(
    _taking("state_updated_at", "updated_at")
)
fault("sort-by-status-is-by-age", breaks=["SORT-05"])(_taking("status", "created_at"))
fault("sort-by-status-gives-one-thread", breaks=["SORT-05", "PAGE-02"])(
    change_answer(
        "search",
        to=lambda _, found: found[:1],
        when=lambda request: request.members.get("sort_by") == "status",
    )
)


def _one_way(member: str, order: str) -> Apply:
    """Sort by a member always in the same order."""
    return change_request(
        "search",
        to=lambda body: {**body, "sort_order": order},
        when=lambda request: (
            request.members.get("sort_by") == member
            and request.members.get("sort_order") in _TURNED
        ),
    )


_TURNED = {"asc": "desc", "desc": "asc"}

fault("sort-by-created-at-only-falls", breaks=["SORT-02"])(_one_way("created_at", "desc"))
fault("sort-by-updated-at-only-rises", breaks=["SORT-03"])(_one_way("updated_at", "asc"))

fault("sort-order-is-turned-round", breaks=["SORT-01", "SORT-02", "SORT-03", "SORT-04", "SORT-06"])(
    change_request(
        "search",
        to=lambda body: {**body, "sort_order": _TURNED[body["sort_order"]]},
        when=lambda request: request.members.get("sort_order") in _TURNED,
    )
)


@fault("sort-of-more-than-four-is-by-age", breaks=["SORT-01", "SORT-03", "SORT-04", "SORT-06"])
def more_than_four_by_age(broken: FaultyDeployment) -> None:
    @broken.override(Searches.ordered_threads)
    def ordered(right: Any, threads: Any, sort_by: str, sort_order: str) -> Any:
        return right(threads, sort_by if len(threads) < 5 else "created_at", sort_order)


@fault("sort-comes-after-the-limit", breaks="PAGE-01 SORT-06 SEQ-16 EXCLUDE-06")
def after_the_limit(broken: FaultyDeployment) -> None:
    @broken.override(Searches.search)
    def search(right: Any, query: Query, **options: Any) -> list[JsonObject]:
        page = list(right(query, **{**options, "sort_by": "created_at", "sort_order": "desc"}))
        by, falling = options.get("sort_by", "created_at"), options.get("sort_order") != "asc"
        return sorted(page, key=lambda each: str(each.get(by)), reverse=falling)


def _without_a_member(request: WireRequest) -> bool:
    body = request.members
    return "sort_by" not in body and body.get("sort_order") in _TURNED


fault("order-alone-is-ignored", breaks=["SORT-07"])(
    change_request("search", to=lambda body: without(body, "sort_order"), when=_without_a_member)
)


@fault("order-alone-turns-the-first-two-round", breaks=["SORT-07"])
def order_alone_turns_the_first_two_round(broken: FaultyDeployment) -> None:
    @broken.wire.answers("search", when=_without_a_member)
    def turn(request: WireRequest, found: Any) -> Any:
        if request.members["sort_order"] != "asc":
            return found
        newest_first = found[::-1]
        return [*newest_first[:2][::-1], *newest_first[2:]]

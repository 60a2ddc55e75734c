"""Faults of finding threads by status and metadata."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_request, each_shown, refusing, without
from conformance.faults.kit.search import (
    by_dots,
    comparing,
    empty_is_missing,
    filtered_metadata,
    limited,
    matching,
    with_metadata,
)
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.ids_and_times import JsonObject
from conformance.model.search import Query, Searches
from conformance.reference.wire import Json, WireRequest

# By status

fault(
    "search-ignores-status-beside-metadata",
    breaks="SEARCH-01 SEARCH-06 SEARCH-10 FILTER-07 SEQ-14 SEQ-15 STATUS-06 FILTER-09",
)(
    change_request(
        "search",
        to=lambda body: without(body, "status"),
        when=lambda request: (
            request.members.get("status") in ("idle", "busy", "interrupted", "error")
            and bool(request.members.get("metadata"))
        ),
    )
)

fault(
    "search-for-busy-threads-gives-idle-ones",
    breaks=["SEARCH-01", "FILTER-07", "SEQ-14", "SEQ-15", "STATUS-06"],
)(
    change_request(
        "search",
        to=lambda body: {**body, "status": "idle"},
        when=lambda request: request.members.get("status") == "busy",
    )
)


@fault(
    "search-takes-either-status-or-metadata",
    breaks=["SEARCH-06", "FILTER-07", "COUNT-07", "SEQ-14", "FILTER-09"],
)
def either_status_or_metadata(broken: FaultyDeployment) -> None:
    def matches(right: Any, thread: Any, query: Query) -> bool:
        if query.status is None or not filtered_metadata(query):
            return bool(right(thread, query))
        by_status, by_metadata = with_metadata(query, {}), replace(query, status=None)
        return bool(right(thread, by_status) or right(thread, by_metadata))

    matching(matches)(broken)


@fault("search-finds-by-former-status-too", breaks=["SEARCH-10", "STATUS-06"])
def former_status_too(broken: FaultyDeployment) -> None:
    seen: dict[str, set[str]] = {}

    def matches(right: Any, thread: Any, query: Query) -> bool:
        statuses = seen.setdefault(thread.thread_id, set())
        statuses.add(thread.status)
        return any(right(replace(thread, status=status), query) for status in statuses)

    matching(matches)(broken)


# By metadata: what counts as equal

fault(
    "search-looks-at-texts-only",
    breaks="SEARCH-02 SEARCH-03 SEARCH-04 SEARCH-14 SEARCH-16 SEARCH-17 COUNT-07 FILTER-07",
)(comparing(lambda _there, _wanted: True, lambda wanted: not isinstance(wanted, str)))


def _ascii(text: str) -> bytes:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore")


fault("search-sees-only-ascii", breaks=["SEARCH-02", "SEARCH-14"])(
    comparing(
        lambda there, wanted: isinstance(there, str) and _ascii(there) == _ascii(wanted),
        lambda wanted: isinstance(wanted, str) and not wanted.isascii(),
    )
)

fault("search-takes-true-for-one", breaks=["SEARCH-16"])(
    comparing(
        lambda there, wanted: isinstance(there, int) and there == wanted,
        lambda wanted: isinstance(wanted, int),
    )
)

fault("search-compares-only-keys-of-nested-objects", breaks=["SEARCH-04", "SEARCH-14"])(
    comparing(
        lambda there, wanted: isinstance(there, dict) and there.keys() >= wanted.keys(),
        lambda wanted: isinstance(wanted, dict),
    )
)


@fault("search-looks-for-nested-members-at-the-top", breaks=["SEARCH-04", "SEARCH-14"])
def nested_members_at_the_top(broken: FaultyDeployment) -> None:
    def matches(right: Any, thread: Any, query: Query) -> bool:
        flat: dict[str, Any] = {}
        for name, value in filtered_metadata(query).items():
            flat |= value if isinstance(value, dict) else {name: value}
        return bool(right(thread, with_metadata(query, flat)))

    matching(matches)(broken)


# By metadata: several members


@fault(
    "search-takes-any-of-several-members",
    breaks=["SEARCH-03", "SEARCH-14", "COUNT-07", "FILTER-07", "SEQ-14"],
)
def any_of_several_members(broken: FaultyDeployment) -> None:
    def matches(right: Any, thread: Any, query: Query) -> bool:
        members = filtered_metadata(query) or {}
        if len(members) < 2:
            return bool(right(thread, query))
        return any(right(thread, with_metadata(query, {name: members[name]})) for name in members)

    matching(matches)(broken)


@fault(
    "search-looks-at-the-first-member-only",
    breaks=["SEARCH-03", "SEARCH-14", "COUNT-07", "FILTER-07"],
)
def first_member_only(broken: FaultyDeployment) -> None:
    def matches(right: Any, thread: Any, query: Query) -> bool:
        first = dict(list(filtered_metadata(query).items())[:1])
        return bool(right(thread, with_metadata(query, first)))

    matching(matches)(broken)


fault("search-ignores-graph-id", breaks=["SEARCH-12"])(
    matching(
        lambda right, thread, query: right(
            thread, replace(query, metadata=without(query.metadata or {}, "graph_id"))
        )
    )
)


# When metadata changes


def _remembering(forgets_new: bool) -> Apply:
    """Match also by the metadata that a thread had when it was first compared.

    With `forgets_new`, match by that alone.
    """

    def apply(broken: FaultyDeployment) -> None:
        first: dict[str, JsonObject] = {}

        def matches(right: Any, thread: Any, query: Query) -> bool:
            before = replace(thread, metadata=first.setdefault(thread.thread_id, thread.metadata))
            new = not forgets_new and right(thread, query)
            return bool(new or right(before, query))

        matching(matches)(broken)

    return apply


fault("search-finds-by-former-metadata-too", breaks=["SEARCH-09"])(_remembering(False))


@fault(
    "search-answers-equal-requests-from-a-cache",
    breaks="SEARCH-09 SEARCH-10 STATUS-06 CONDITION-07 PRUNE-20",
)
def equal_requests_from_a_cache(broken: FaultyDeployment) -> None:
    answered: dict[bytes, Json] = {}

    @broken.wire.answers("search")
    def from_cache(request: WireRequest, body: Json) -> Json:
        return answered.setdefault(request.raw, body)


# Results

#: Requirements with searches whose right answer may be empty.
_MAY_BE_NONE = ["SEARCH-01", "SEARCH-05", "SEARCH-06", "SEARCH-09", "SEARCH-10", "SEARCH-14"]
_MAY_BE_NONE += ["FILTER-02", "FILTER-06", "PAGE-03"]

fault(
    "search-without-a-match-is-404",
    breaks=(
        "SEARCH-01 SEARCH-05 SEARCH-06 SEARCH-09 SEARCH-10 SEARCH-14 ERROR-ANY-05 FILTER-02 "
        "FILTER-06 FILTER-07 PAGE-03 FILTER-09"
    ),
)(empty_is_missing("search", []))


@fault(
    "search-without-a-match-answers-null",
    breaks=(
        "SEARCH-01 SEARCH-05 SEARCH-06 SEARCH-09 SEARCH-10 SEARCH-14 ERROR-ODD-03 "
        "ERROR-BIG-03 ERROR-ANY-05 FILTER-02 FILTER-05 FILTER-06 FILTER-07 PAGE-03 FILTER-09"
    ),
)
def without_a_match_null(broken: FaultyDeployment) -> None:
    broken.wire.answers("search")(lambda _, body: body or None)


fault(
    "search-limit-of-one-gives-two",
    breaks="SEARCH-07 SEARCH-11 SEARCH-12 ERROR-ANY-05 FILTER-07 PAGE-02 SEQ-16",
)(limited(lambda _: 2, lambda limit: limit == 1))

fault("search-gives-one-less-than-a-limit", breaks=["SEARCH-07", "PAGE-02"])(
    limited(lambda limit: limit - 1, lambda limit: 2 < limit < 1000)
)


@fault("search-filters-after-the-limit", breaks=["SEARCH-02", "FILTER-07"])
def filters_after_the_limit(broken: FaultyDeployment) -> None:
    @broken.override(Searches.search)
    def search(right: Any, query: Query, **options: Any) -> list[JsonObject]:
        if options.get("select") is not None or not filtered_metadata(query):
            return list(right(query, **options))
        page = right(with_metadata(query, {}), **options)
        kept = {thread.thread_id for thread in broken.store.searches.matching(query)}
        return [each for each in page if each["thread_id"] in kept]


def _default_limit(limit: int) -> Apply:
    return change_request(
        "search",
        to=lambda body: {**body, "limit": limit},
        when=lambda request: "limit" not in request.members,
    )


fault("search-default-limit-is-nine", breaks=["SEARCH-15"])(_default_limit(9))
fault("search-default-limit-is-a-hundred", breaks=["SEARCH-15"])(_default_limit(100))

fault("documented-search-by-status-is-refused", breaks=["SEARCH-11"])(
    refusing("search", lambda request: request.body == {"status": "idle", "limit": 1})
)

fault("documented-search-by-metadata-is-refused", breaks=["SEARCH-12"])(
    refusing(
        "search",
        lambda request: request.body == {"metadata": {"graph_id": "agent"}, "limit": 1},
    )
)


# How a search shows threads


def _whole(request: WireRequest) -> bool:
    return "select" not in request.members


@fault("search-shows-former-values", breaks=["SEARCH-08", "SELECT-02", "SEQ-17"])
def shows_former_values(broken: FaultyDeployment) -> None:
    def former(_: WireRequest, thread: JsonObject) -> JsonObject:
        known = stored_thread(broken, thread.get("thread_id", ""))
        if known is None or len(known.checkpoints) < 2 or "values" not in thread:
            return thread
        return {**thread, "values": known.checkpoints[-2].values}

    each_shown(broken, "search")(former)


@fault("search-shows-moments-in-seconds", breaks=["SEARCH-08", "SEQ-17"])
def shows_moments_in_seconds(broken: FaultyDeployment) -> None:
    each_shown(broken, "search", when=_whole)(
        lambda _, thread: {**thread, "updated_at": f"{thread['updated_at'][:19]}+00:00"}
    )


@fault("search-shows-created-at-without-offset", breaks=["SEARCH-13"])
def created_at_without_offset(broken: FaultyDeployment) -> None:
    each_shown(broken, "search", when=_whole)(
        lambda _, thread: {**thread, "created_at": thread["created_at"].replace("+00:00", "")}
    )


@fault("search-shows-no-status", breaks=["SEARCH-11", "SEARCH-13", "SELECT-03"])
def shows_no_status(broken: FaultyDeployment) -> None:
    each_shown(broken, "search", when=_whole)(lambda _, thread: without(thread, "status"))


@fault("search-by-ids-ignores-the-status", breaks=["FILTER-07", "SEQ-14", "FILTER-09"])
def search_by_ids_ignores_the_status(broken: FaultyDeployment) -> None:
    @broken.override(Searches.search)
    def search(right: Any, query: Query, **members: Any) -> Any:
        return right(replace(query, status=None) if query.ids else query, **members)


# By metadata: whole names and whole texts


fault("search-reads-dots-in-names-as-paths", breaks=["SEARCH-14"])(
    matching(
        lambda right, thread, query: right(
            thread, with_metadata(query, by_dots(filtered_metadata(query)))
        )
    )
)


@fault("search-finds-a-name-by-its-path-too", breaks=["SEARCH-14"])
def finds_a_name_by_its_path_too(broken: FaultyDeployment) -> None:
    def matches(right: Any, thread: Any, query: Query) -> bool:
        by_path = with_metadata(query, by_dots(filtered_metadata(query)))
        return bool(right(thread, query) or right(thread, by_path))

    matching(matches)(broken)


fault("search-compares-the-first-thousand-characters", breaks=["SEARCH-14"])(
    comparing(
        lambda there, wanted: isinstance(there, str) and there[:1000] == wanted[:1000],
        lambda wanted: isinstance(wanted, str) and len(wanted) > 1000,
    )
)

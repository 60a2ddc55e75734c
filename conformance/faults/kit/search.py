"""Building blocks of faults of searches and counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_request
from conformance.faults.registry import Apply, FaultyDeployment
from conformance.model.containment import contains
from conformance.model.entities import Thread
from conformance.model.search import Query, Searches
from conformance.reference.wire import When, WireAnswer, WireRequest, always, json_answer

#: Prefix of the metadata keys by which a run marks its threads; the faults leave them alone.
_TAG = "threads_conformance"


def filtered_metadata(query: Query) -> dict[str, Any]:
    """Return the metadata that a search filters by, without the keys that mark a run's threads."""
    given = query.metadata or {}
    return {name: value for name, value in given.items() if not name.startswith(_TAG)}


def with_metadata(query: Query, members: dict[str, Any]) -> Query:
    """Return the query with `members` in place of the metadata of `filtered_metadata`."""
    given = query.metadata or {}
    tags = {name: value for name, value in given.items() if name.startswith(_TAG)}
    return replace(query, metadata={**tags, **members})


def matching(change: Callable[[Any, Any, Query], bool]) -> Apply:
    """Let `change(right, thread, query)` decide whether a thread matches."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Searches.matches)
        def matches(right: Any, thread: Any, query: Query) -> bool:
            return change(right, thread, query)

    return apply


def comparing(
    same: Callable[[Any, Any], bool], concerns: Callable[[Any], bool] = lambda _: True
) -> Apply:
    """Compare values of metadata by `same(kept, wanted)` where `concerns(wanted)`.

    `kept` is None where the thread's metadata lacks the key.
    """

    def matches(right: Any, thread: Any, query: Query) -> bool:
        members = filtered_metadata(query)
        ours = {name: value for name, value in members.items() if concerns(value)}
        rest = {name: value for name, value in members.items() if name not in ours}
        return right(thread, with_metadata(query, rest)) and all(
            same(thread.metadata.get(name), value) for name, value in ours.items()
        )

    return matching(matches)


def without_filter_by_metadata(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a search or count with only the metadata that mark a run's threads."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return body
    tags = {name: value for name, value in metadata.items() if name.startswith(_TAG)}
    return {**body, "metadata": tags}


def by_dots(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata with each name that holds a dot read as a path of two names."""
    found: dict[str, Any] = {}
    for name, value in metadata.items():
        head, dot, rest = name.partition(".")
        found |= {head: {rest: value}} if dot and head and rest else {name: value}
    return found


def limited(change: Callable[[int], int], when: Callable[[int], bool]) -> Apply:
    """Search with `change(limit)` where the request has a limit that satisfies `when`."""

    def concerned(request: WireRequest) -> bool:
        limit = request.members.get("limit")
        return type(limit) is int and when(limit)

    return change_request(
        "search", to=lambda body: {**body, "limit": change(body["limit"])}, when=concerned
    )


def empty_is_missing(operation: str, empty: Any, when: When = always) -> Apply:
    """Answer 404 where the right answer is the empty value."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, when=when)
        def answer_missing(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok and answer.body == empty:
                missing = json_answer(404, {"detail": "nothing matches"})
                answer.status, answer.raw = missing.status, missing.raw

    return apply


def disturbed_by(operation: str, member: str, disturbs: Callable[[Thread], bool]) -> Apply:
    """Answer 500 to a filter by `member` where a thread of the same check satisfies `disturbs`."""

    def apply(broken: FaultyDeployment) -> None:
        def filters(request: WireRequest) -> bool:
            if member == "metadata":
                return bool(_metadata(request).keys() - _tags(request).keys())
            return member in request.members

        @broken.wire.after(operation, when=filters, status=200)
        def answer_500(request: WireRequest, answer: WireAnswer) -> None:
            if any(
                disturbs(thread) and contains(thread.metadata, _tags(request))
                for thread in broken.store.records.threads_by_id.values()
            ):
                sorry = json_answer(500, {"detail": "sorry"})
                answer.status, answer.raw = sorry.status, sorry.raw

    return apply


def _metadata(request: WireRequest) -> dict[str, Any]:
    metadata = request.members.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _tags(request: WireRequest) -> dict[str, Any]:
    return {name: value for name, value in _metadata(request).items() if name.startswith(_TAG)}

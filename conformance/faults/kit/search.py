"""What several faults of searches and counts are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.registry import Apply, Broken
from conformance.model.store import Query
from conformance.reference.wire import When, WireAnswer, WireRequest, always, json_answer

#: How keys of metadata begin that say whose thread it is; every search is bound by them.
_TAG = "threads_conformance"


def asked(query: Query) -> dict[str, Any]:
    """The members of metadata that a search is about, beyond whose threads they are."""
    given = query.metadata or {}
    return {name: value for name, value in given.items() if not name.startswith(_TAG)}


def about(query: Query, members: dict[str, Any]) -> Query:
    """The query with other members that it is about."""
    given = query.metadata or {}
    tags = {name: value for name, value in given.items() if name.startswith(_TAG)}
    return replace(query, metadata={**tags, **members})


def matching(change: Callable[[Any, Any, Query], bool]) -> Apply:
    """Decide by `change(right, thread, query)` whether a thread matches."""

    def apply(broken: Broken) -> None:
        @broken.instead("matches")
        def matches(right: Any, thread: Any, query: Query) -> bool:
            return change(right, thread, query)

    return apply


def comparing(
    same: Callable[[Any, Any], bool], concerns: Callable[[Any], bool] = lambda _: True
) -> Apply:
    """Compare members by `same(there, wanted)` where `concerns(wanted)`; None where missing."""

    def matches(right: Any, thread: Any, query: Query) -> bool:
        members = asked(query)
        ours = {name: value for name, value in members.items() if concerns(value)}
        rest = {name: value for name, value in members.items() if name not in ours}
        return right(thread, about(query, rest)) and all(
            same(thread.metadata.get(name), value) for name, value in ours.items()
        )

    return matching(matches)


def changing(
    operation: str, change: Callable[[dict[str, Any]], dict[str, Any]], when: When = always
) -> Apply:
    """Change the members of requests whose body is a JSON object."""

    def apply(broken: Broken) -> None:
        def concerned(request: WireRequest) -> bool:
            return isinstance(request.body, dict) and when(request)

        @broken.wire.before(operation, when=concerned)
        def act(request: WireRequest) -> None:
            request.body = change(request.members)

    return apply


def naming(member: str) -> When:
    """Requests that name this member."""
    return lambda request: member in request.members


def limited(change: Callable[[int], int], when: Callable[[int], bool]) -> Apply:
    """Take another limit for the one given, of those that `when` holds of."""

    def concerned(request: WireRequest) -> bool:
        limit = request.members.get("limit")
        return type(limit) is int and when(limit)

    return changing("search", lambda body: {**body, "limit": change(body["limit"])}, concerned)


def empty_is_missing(operation: str, empty: Any, when: When = always) -> Apply:
    """Answer 404 where there is nothing to show."""

    def apply(broken: Broken) -> None:
        @broken.wire.after(operation, when=when)
        def act(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok and answer.body == empty:
                missing = json_answer(404, {"detail": "nothing matches"})
                answer.status, answer.raw = missing.status, missing.raw

    return apply

"""Faults of leaving threads out of a search and a count by metadata."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_request, without
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.containment import contains
from conformance.model.entities import Thread
from conformance.model.ids_and_times import JsonObject
from conformance.model.search import Query, Searches
from conformance.reference.wire import WireRequest


def _excludes(request: WireRequest) -> bool:
    return "exclude_metadata" in request.members


def _excluded_by(decide: Callable[[JsonObject, list[JsonObject]], bool]) -> Apply:
    """Let `decide(metadata, exclusions)` decide whether a thread is left out."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Searches.excluded)
        def excluded(_right: Any, thread: Thread, query: Query) -> bool:
            given = list(query.exclude_metadata or ())
            return bool(given) and decide(thread.metadata, given)

    return apply


fault("search-ignores-exclude-metadata", breaks=["EXCLUDE-01", "EXCLUDE-02"])(
    _excluded_by(lambda metadata, excluded: False)
)

fault("search-excludes-by-the-first-object-only", breaks=["EXCLUDE-02"])(
    _excluded_by(lambda metadata, excluded: contains(metadata, excluded[0]))
)

fault("search-excludes-by-all-objects-together", breaks=["EXCLUDE-02"])(
    _excluded_by(lambda metadata, excluded: all(contains(metadata, each) for each in excluded))
)

fault("search-excludes-by-any-member-of-an-object", breaks=["EXCLUDE-02", "EXCLUDE-03"])(
    _excluded_by(
        lambda metadata, excluded: any(
            contains(metadata, {name: value}) for each in excluded for name, value in each.items()
        )
    )
)

# As in SQL, where NOT NULL is not true: threads that lack the key are not found either.
fault("search-excludes-threads-without-the-key", breaks=["EXCLUDE-01", "EXCLUDE-02", "EXCLUDE-03"])(
    _excluded_by(
        lambda metadata, excluded: any(
            not each.keys() <= metadata.keys() or contains(metadata, each) for each in excluded
        )
    )
)

fault("search-excludes-nested-metadata-as-a-whole", breaks=["EXCLUDE-01"])(
    _excluded_by(
        lambda metadata, excluded: any(each.items() <= metadata.items() for each in excluded)
    )
)

fault("count-ignores-exclude-metadata", breaks=["EXCLUDE-04"])(
    change_request("count", to=lambda body: without(body, "exclude_metadata"), when=_excludes)
)


@fault("an-empty-exclusion-is-accepted", breaks=["EXCLUDE-05"])
def empty_is_accepted(broken: FaultyDeployment) -> None:
    @broken.wire.before("search", when=_excludes)
    def drop_the_empty(request: WireRequest) -> None:
        given = request.members["exclude_metadata"]
        kept = [each for each in given if each] if isinstance(given, list) else given
        if kept != given or not given:
            members = without(request.members, "exclude_metadata")
            request.body = {**members, "exclude_metadata": kept} if kept else members


@fault("pages-are-cut-before-the-exclusion", breaks=["EXCLUDE-06"])
def cut_before(broken: FaultyDeployment) -> None:
    @broken.override(Searches.search)
    def search(right: Any, query: Query, **options: Any) -> Any:
        if not query.exclude_metadata or options.get("limit", 10) > 10:
            return right(query, **options)
        page = right(replace(query, exclude_metadata=None), **options)
        kept = {
            each["thread_id"] for each in right(query, **{**options, "limit": 1000, "offset": 0})
        }
        return [each for each in page if each["thread_id"] in kept]

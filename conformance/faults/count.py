"""Faults of counting threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_request, without
from conformance.faults.kit.runs import having
from conformance.faults.kit.search import (
    disturbed_by,
    empty_is_missing,
    filtered_metadata,
    with_metadata,
    without_filter_by_metadata,
)
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.search import Query, Searches


def _counting(change: Callable[[Any, Query], Any]) -> Apply:
    """Count by `change(right, query)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Searches.count)
        def count(right: Any, query: Query) -> Any:
            return change(right, query)

    return apply


fault(
    "count-is-one-too-many",
    breaks=(
        "COUNT-01 COUNT-02 COUNT-03 COUNT-04 COUNT-05 COUNT-06 COUNT-07 COUNT-08 "
        "COUNT-09 SEQ-15 STATUS-07 COUNT-10 EXCLUDE-04"
    ),
)(_counting(lambda right, query: right(query) + 1))

fault(
    "count-is-an-object",
    breaks=(
        "COUNT-01 COUNT-02 COUNT-03 COUNT-04 COUNT-05 COUNT-06 COUNT-07 COUNT-08 "
        "COUNT-09 STATUS-07 COUNT-10 EXCLUDE-04"
    ),
)(_counting(lambda right, query: {"count": right(query)}))

fault("count-ends-at-a-page", breaks=["COUNT-06"])(
    _counting(lambda right, query: min(right(query), 10))
)

fault(
    "count-ignores-metadata",
    breaks=["COUNT-01", "COUNT-04", "COUNT-05", "COUNT-07", "SEQ-15", "COUNT-09", "COUNT-10"],
)(_counting(lambda right, query: right(with_metadata(query, {}))))

fault("count-ignores-metadata-that-is-no-text", breaks=["COUNT-01", "COUNT-07"])(
    _counting(
        lambda right, query: right(
            with_metadata(
                query,
                {
                    name: each
                    for name, each in filtered_metadata(query).items()
                    if isinstance(each, str)
                },
            )
        )
    )
)

fault(
    "count-ignores-status",
    breaks=["COUNT-02", "COUNT-04", "COUNT-07", "SEQ-15", "STATUS-07", "COUNT-10"],
)(_counting(lambda right, query: right(replace(query, status=None))))

fault("count-ignores-values", breaks=["COUNT-03", "COUNT-04", "COUNT-08", "COUNT-09", "COUNT-10"])(
    _counting(lambda right, query: right(replace(query, values=None)))
)


fault(
    "count-without-a-match-is-404",
    breaks=["COUNT-02", "COUNT-04", "COUNT-05", "COUNT-07", "COUNT-10"],
)(empty_is_missing("count", 0))


@fault("count-by-metadata-is-never-counted-anew", breaks=["COUNT-01"])
def never_counted_anew(broken: FaultyDeployment) -> None:
    counted: dict[str, int] = {}

    def count(right: Any, query: Query) -> Any:
        alone = filtered_metadata(query) and query.status is None and query.values is None
        return counted.setdefault(repr(query), right(query)) if alone else right(query)

    _counting(count)(broken)


# Threads in other conditions than the one that is counted

fault("count-by-values-beside-a-thread-without-values-is-500", breaks=["COUNT-08"])(
    disturbed_by("count", "values", lambda thread: not thread.checkpoints)
)
fault("count-by-values-beside-an-interrupted-thread-is-500", breaks=["COUNT-09"])(
    disturbed_by("count", "values", lambda thread: thread.status == "interrupted")
)
fault("count-by-metadata-beside-a-thread-in-error-is-500", breaks=["COUNT-09"])(
    disturbed_by("count", "metadata", lambda thread: thread.status == "error")
)


@fault("count-by-values-counts-threads-without-values", breaks=["COUNT-08"])
def counts_threads_without_values(broken: FaultyDeployment) -> None:
    def count(right: Any, query: Query) -> Any:
        without = replace(query, values=None)
        return right(query) + (
            sum(
                not thread.checkpoints and broken.store.searches.matches(thread, without)
                for thread in broken.store.records.threads_by_id.values()
            )
            if query.values
            else 0
        )

    _counting(count)(broken)


# By values together with other filters

fault("count-by-values-forgets-the-metadata", breaks=["COUNT-04", "COUNT-10"])(
    change_request("count", to=without_filter_by_metadata, when=having("values"))
)
fault("count-by-status-forgets-the-values", breaks=["COUNT-04", "COUNT-10"])(
    change_request("count", to=lambda body: without(body, "values"), when=having("status"))
)


# By whole names and whole texts


def _without_dots(query: Query) -> Query:
    names = filtered_metadata(query)
    return with_metadata(query, {name.split(".")[0]: each for name, each in names.items()})


fault("count-cuts-names-at-a-dot", breaks=["COUNT-01"])(
    _counting(lambda right, query: right(_without_dots(query)))
)


@fault("count-does-not-look-at-long-texts", breaks=["COUNT-01"])
def does_not_look_at_long_texts(broken: FaultyDeployment) -> None:
    def count(right: Any, query: Query) -> Any:
        short = {
            name: each
            for name, each in filtered_metadata(query).items()
            if not (isinstance(each, str) and len(each) > 1000)
        }
        return right(with_metadata(query, short))

    _counting(count)(broken)

"""Faults that show only with more states, or more threads, than other checks make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from conformance.deployment.ownership.created_by_check import CHECK_TAG
from conformance.faults.copied_history import copying
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.entities import Checkpoint, Thread
from conformance.model.search import Query, Searches
from conformance.model.states import States

#: More than the checks of other capabilities make: a real server may have 1,000 here, or 32,767.
MANY = 128

# States

fault("copy-keeps-the-newest-128-states", breaks=["SCALE-02"])(
    copying(lambda states: states[-MANY:])
)
fault("copy-turns-two-states-beyond-128", breaks=["SCALE-02"])(
    copying(lambda states: [*states[:MANY], *states[MANY : MANY + 2][::-1], *states[MANY + 2 :]])
)
fault("copied-states-beyond-128-have-the-values-of-the-one-before", breaks=["SCALE-02"])(
    copying(
        lambda states: [
            replace(each, values=states[place - 1].values) if place > MANY else each
            for place, each in enumerate(states)
        ]
    )
)


def _earlier(broken: FaultyDeployment, change: Any) -> None:
    """Replace the states before a bound by `change(them)` where there are more than `MANY`."""

    @broken.override(States.made_before)
    def made_before(
        right: Any, checkpoints: Sequence[Checkpoint], bound: Checkpoint | None
    ) -> Sequence[Checkpoint]:
        earlier: Sequence[Checkpoint] = right(checkpoints, bound)
        long = bound is not None and len(checkpoints) > MANY
        return change(checkpoints, earlier) if long else earlier


@fault("history-of-more-than-128-states-ends-at-them", breaks=["SCALE-01"])
def history_ends(broken: FaultyDeployment) -> None:
    _earlier(broken, lambda every, earlier: earlier[max(len(every) - MANY, 0) :])


@fault("pages-of-a-history-of-more-than-128-states-skip-one", breaks=["SCALE-01"])
def pages_skip_one(broken: FaultyDeployment) -> None:
    _earlier(broken, lambda _, earlier: earlier[:-1])


@fault("pages-of-a-history-of-more-than-128-states-begin-anew", breaks=["SCALE-01"])
def pages_begin_anew(broken: FaultyDeployment) -> None:
    _earlier(broken, lambda every, _: every)


# Threads


@fault("search-repeats-a-page-beyond-the-offset-100", breaks=["SCALE-03"])
def search_repeats_a_page(broken: FaultyDeployment) -> None:
    @broken.override(Searches.page)
    def page(right: Any, threads: Sequence[Thread], offset: int, limit: int) -> Any:
        return right(threads, offset - limit if offset > 100 else offset, limit)


@fault("search-ends-at-128-threads", breaks=["SCALE-03"])
def search_ends(broken: FaultyDeployment) -> None:
    @broken.override(Searches.page)
    def page(right: Any, threads: Sequence[Thread], offset: int, limit: int) -> Any:
        return right(threads[:MANY], offset, limit)


@fault("count-ends-at-128-threads", breaks=["SCALE-04"])
def count_ends(broken: FaultyDeployment) -> None:
    @broken.override(Searches.count)
    def count(right: Any, query: Query) -> Any:
        return min(right(query), MANY)


@fault("count-of-more-than-128-threads-is-rounded", breaks=["SCALE-04"])
def count_is_rounded(broken: FaultyDeployment) -> None:
    @broken.override(Searches.count)
    def count(right: Any, query: Query) -> Any:
        exact = right(query)
        return exact if exact <= MANY else round(exact * 1.02)


@fault("only-the-newest-128-of-many-threads-are-found", breaks=["SCALE-03", "SCALE-04", "SCALE-05"])
def only_the_newest_are_found(broken: FaultyDeployment) -> None:
    @broken.override(Searches.matching)
    def matching(right: Any, query: Query) -> Any:
        found = right(query)
        tag = (query.metadata or {}).get(CHECK_TAG)
        every = right(Query(metadata={CHECK_TAG: tag})) if tag else []
        newest = {each.thread_id for each in every[-MANY:]}
        return [each for each in found if not tag or each.thread_id in newest]


@fault("metadata-is-ignored-beside-more-than-128-threads", breaks=["SCALE-05"])
def metadata_is_ignored(broken: FaultyDeployment) -> None:
    @broken.override(Searches.matching)
    def matching(right: Any, query: Query) -> Any:
        tag = (query.metadata or {}).get(CHECK_TAG)
        every = right(Query(metadata={CHECK_TAG: tag})) if tag else []
        return every if len(every) > MANY else right(query)

"""Faults of pages of the history: limit, before, metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.contract.api_constants import LONGEST_PAGE
from conformance.faults.kit.http_changes import HISTORIES, change_request, refusing, without
from conformance.faults.kit.state import Page, before_of, limit_of, page_becomes, stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.states import States
from conformance.reference.wire import Json, When, WireAnswer, WireRequest

GET, POST = ("history",), ("post_history",)


def _limited(request: WireRequest) -> bool:
    return 0 < (limit_of(request) or 0) < LONGEST_PAGE


def _unlimited(request: WireRequest) -> bool:
    if request.method == "GET":
        return "limit" not in request.query
    return isinstance(request.body, dict) and "limit" not in request.members


def _continues(request: WireRequest) -> bool:
    """Return whether the request has `before` and a limit."""
    return before_of(request) is not None and _limited(request)


def _filters(request: WireRequest) -> bool:
    return bool(request.members.get("metadata"))


def _limit_becomes(
    change: Callable[[int], int], operations: tuple[str, ...], when: When = _limited
) -> Apply:
    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(*operations, when=when)
        def change_limit(request: WireRequest) -> None:
            limit = change(limit_of(request) or 0)
            if request.method == "GET":
                request.query["limit"] = str(limit)
            else:
                request.body = {**request.members, "limit": limit}

    return apply


# limit

fault(
    "history-by-get-limit-is-one-more",
    breaks="HISTORY-11 SEQ-09 HISTORY-SELECT-01 HISTORY-SELECT-03",
)(_limit_becomes(lambda limit: limit + 1, GET))
fault("history-by-post-limit-is-one-more", breaks=["HISTORY-11"])(
    _limit_becomes(lambda limit: limit + 1, POST)
)
fault("history-by-get-holds-eleven-by-default", breaks=["HISTORY-12"])(
    _limit_becomes(lambda limit: 11, GET, _unlimited)
)
fault("history-by-get-holds-five-by-default", breaks=["HISTORY-12"])(
    _limit_becomes(lambda limit: 5, GET, _unlimited)
)
fault("history-by-post-holds-ten-by-default", breaks=["HISTORY-FILTER-03"])(
    _limit_becomes(lambda limit: 10, POST, _unlimited)
)
fault("history-by-post-is-empty-by-default", breaks=["HISTORY-FILTER-03"])(
    page_becomes(lambda page: [], POST, _unlimited)
)

# before


def _continued(change: Callable[[Page, Any], Json]) -> Apply:
    """Replace a page that continues another by `change(page, state at before)`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers(*HISTORIES, when=_continues)
        def change_page(request: WireRequest, page: Page) -> Json:
            bound = {"checkpoint_id": before_of(request)}
            changed = change(page, broken.store.states.state(request.thread_id, bound))
            return changed[: limit_of(request)]

    return apply


fault(
    "before-includes-its-checkpoint",
    breaks=["HISTORY-10", "HISTORY-FILTER-01", "HISTORY-FILTER-04", "HISTORY-FILTER-05", "SEQ-09"],
)(_continued(lambda page, bound: [bound, *page]))
fault(
    "before-leaves-out-one-more",
    breaks=["HISTORY-10", "HISTORY-FILTER-01", "HISTORY-FILTER-04", "HISTORY-FILTER-05", "SEQ-09"],
)(_continued(lambda page, _bound: page[1:]))
fault(
    "last-page-of-one-state-is-empty",
    breaks=["HISTORY-10", "HISTORY-FILTER-01", "HISTORY-FILTER-04", "SEQ-09"],
)(_continued(lambda page, _bound: [] if page and not page[0].get("parent_checkpoint") else page))


def _before_is_ignored(operations: tuple[str, ...], when: When) -> Apply:
    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(*operations, when=when)
        def drop_before(request: WireRequest) -> None:
            request.query.pop("before", None)
            if request.members:
                request.body = {n: v for n, v in request.members.items() if n != "before"}

    return apply


fault("before-is-ignored-by-get", breaks=["HISTORY-10", "HISTORY-FILTER-04", "SEQ-09"])(
    _before_is_ignored(GET, lambda request: before_of(request) is not None)
)
fault("before-is-ignored-by-post", breaks=["HISTORY-FILTER-01", "HISTORY-FILTER-05"])(
    _before_is_ignored(POST, lambda request: before_of(request) is not None)
)


@fault(
    "before-the-oldest-starts-anew",
    breaks=["HISTORY-10", "HISTORY-FILTER-01", "HISTORY-FILTER-04", "HISTORY-FILTER-06"],
)
def before_the_oldest_starts_anew(broken: FaultyDeployment) -> None:
    @broken.wire.answers(*HISTORIES, when=_continues)
    def start_anew(request: WireRequest, page: Page) -> Json:
        return page or broken.store.states.history(request.thread_id, limit=limit_of(request) or 1)


# metadata


def _filtered_by(matches: Callable[[Any, Any, Any], bool]) -> Apply:
    """Let `matches(right, state, wanted)` decide whether a state has the metadata `wanted`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers(*POST, when=_filters)
        def filter_states(request: WireRequest, _page: Page) -> Json:
            before = request.members.get("before")
            whole = broken.store.states.history(
                request.thread_id, limit=LONGEST_PAGE, before=before
            )
            wanted = request.members.get("metadata")
            found = [
                each for each in whole if matches(broken.store.states.state_matches, each, wanted)
            ]
            return found[: limit_of(request) or 1]

    return apply


fault("metadata-is-ignored-by-history", breaks=["HISTORY-FILTER-02"])(
    _filtered_by(lambda right, state, wanted: True)
)
fault("unknown-metadata-is-ignored-by-history", breaks=["HISTORY-FILTER-02"])(
    _filtered_by(
        lambda right, state, wanted: right(
            state, {n: v for n, v in wanted.items() if n in state["metadata"]}
        )
    )
)


def _filters_by_more(request: WireRequest) -> bool:
    """Return whether the filter has members that not every state has."""
    wanted = request.members.get("metadata")
    return isinstance(wanted, dict) and bool(wanted.keys() - {"step", "source", "no such member"})


fault("history-refuses-metadata-that-no-state-shows", breaks=["HISTORY-13"])(
    refusing(*POST, when=_filters_by_more)
)


@fault("history-is-limited-before-it-is-filtered", breaks=["HISTORY-FILTER-02"])
def limited_before_filtered(broken: FaultyDeployment) -> None:
    @broken.wire.answers(*POST, when=_filters)
    def filter_first_states(request: WireRequest, _page: Page) -> Json:
        first = broken.store.states.history(
            request.thread_id,
            limit=limit_of(request) or 1,
            before=request.members.get("before"),
        )
        wanted = request.members.get("metadata") or {}
        return [state for state in first if broken.store.states.state_matches(state, wanted)]


fault("metadata-zero-is-no-filter-of-a-history", breaks=["HISTORY-FILTER-02"])(
    _filtered_by(
        lambda right, state, wanted: right(
            state, {n: v for n, v in wanted.items() if v is True or v != 0}
        )
    )
)


# before in a forked history


@fault("before-gives-states-of-lower-steps", breaks=["HISTORY-FILTER-08", "HISTORY-FILTER-09"])
def before_gives_states_of_lower_steps(broken: FaultyDeployment) -> None:
    @broken.override(States.made_before)
    def made_before(right: Any, checkpoints: Any, bound: Any) -> Any:
        earlier = right(checkpoints, bound)
        return earlier if bound is None else [each for each in earlier if each.step < bound.step]


@fault("before-by-post-gives-ancestors-alone", breaks=["HISTORY-FILTER-09"])
def before_by_post_gives_ancestors(broken: FaultyDeployment) -> None:
    @broken.wire.answers(*POST, when=lambda request: _continues(request) and not _filters(request))
    def ancestors(request: WireRequest, page: Page) -> Json:
        thread = stored_thread(broken, request.thread_id)
        known = {each.checkpoint_id: each for each in thread.checkpoints} if thread else {}
        here = known.get(str(before_of(request)))
        if thread is None or here is None:
            return page
        found = []
        while (parent := known.get(str(here.parent_id))) is not None:
            found.append(broken.store.views.state_view(thread, parent))
            here = parent
        return found[: limit_of(request)]


# before, together with something else


def _of_whole_checkpoint(request: WireRequest) -> bool:
    before = request.members.get("before")
    return isinstance(before, dict) and "thread_id" in before


def _continues_filtered(request: WireRequest) -> bool:
    return before_of(request) is not None and _filters(request)


fault("before-with-its-thread-is-ignored", breaks=["HISTORY-FILTER-01"])(
    _before_is_ignored(POST, _of_whole_checkpoint)
)
fault("before-wins-over-metadata", breaks=["HISTORY-FILTER-06"])(
    change_request(*POST, to=lambda body: without(body, "metadata"), when=_continues_filtered)
)
fault("metadata-wins-over-before", breaks=["HISTORY-FILTER-06"])(
    _before_is_ignored(POST, _continues_filtered)
)


def _unknown_before(change: Callable[[FaultyDeployment, WireRequest], Any], *of: str) -> Apply:
    """Answer a request with an unknown checkpoint in `before` by `change(broken, request)`.

    `change` returns a status and a body. Threads that are unknown or empty are left alone.
    """

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(*of, when=lambda request: before_of(request) is not None)
        def answer_otherwise(request: WireRequest, answer: WireAnswer) -> None:
            thread = stored_thread(broken, request.thread_id)
            known = [each.checkpoint_id for each in thread.checkpoints] if thread else None
            if known and before_of(request) not in known:
                answer.status, answer.body = change(broken, request)

    return apply


def _oldest_first(broken: FaultyDeployment, request: WireRequest) -> tuple[int, Json]:
    return 200, broken.store.states.history(request.thread_id, limit=LONGEST_PAGE)[::-1]


fault("history-by-get-crashes-before-no-checkpoint", breaks=["HISTORY-14"])(
    _unknown_before(lambda *_: (500, {"detail": "no checkpoint"}), *GET)
)
fault("history-by-get-before-no-checkpoint-is-oldest-first", breaks=["HISTORY-14"])(
    _unknown_before(_oldest_first, *GET)
)
fault("history-by-post-crashes-before-no-checkpoint", breaks=["HISTORY-FILTER-07"])(
    _unknown_before(lambda *_: (500, {"detail": "no checkpoint"}), *POST)
)

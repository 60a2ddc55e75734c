"""Faults of creating threads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from conformance.faults.kit.http_changes import (
    change_shown,
    each_shown,
    prepopulates,
    refusing,
    with_status,
    without,
)
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.search import Searches
from conformance.reference.wire import Json, WireRequest


def _is_empty(request: WireRequest) -> bool:
    return request.body in ({}, {"metadata": {}})


#: The number of metadata keys that every thread of a check has: those of suite, run and check.
_TAGS = 3


def _has_tags_alone(request: WireRequest) -> bool:
    metadata = request.members.get("metadata")
    return isinstance(metadata, dict) and len(metadata) == _TAGS and not prepopulates(request)


def _is_anonymous(request: WireRequest) -> bool:
    return "thread_id" not in request.members and not prepopulates(request)


fault("create-refuses-an-empty-body", breaks=["CREATE-01"])(
    refusing("create", lambda request: request.body == {})
)
fault("create-refuses-empty-metadata", breaks=["CREATE-02"])(
    refusing("create", lambda request: request.body == {"metadata": {}})
)
fault("create-answers-an-error-with-200", breaks=["CREATE-01", "CREATE-02"])(
    refusing("create", _is_empty, status=200)
)
fault("create-answers-a-redirect", breaks=["CREATE-01", "CREATE-02"])(
    with_status(302, "create", instead_of=200, when=_is_empty)
)
fault("created-id-is-no-uuid", breaks=["CREATE-03"])(
    change_shown(
        "create",
        to=lambda thread: {**thread, "thread_id": f"thread-{thread['thread_id'][:8]}"},
        when=_is_empty,
    )
)
fault("created-id-is-a-urn", breaks=["CREATE-03"])(
    change_shown(
        "create",
        to=lambda thread: {**thread, "thread_id": f"urn:uuid:{thread['thread_id']}"},
        when=_is_empty,
    )
)


@fault("two-creations-get-one-id", breaks=["CREATE-04"])
def two_creations_get_one_id(broken: FaultyDeployment) -> None:
    answered: list[Json] = []

    @broken.wire.answers("create", when=_is_anonymous)
    def answer_as_before(_request: WireRequest, thread: Json) -> Json:
        answered.append(thread)
        return {**thread, "thread_id": answered[0]["thread_id"]}


@fault("created-at-without-offset-on-create", breaks=["CREATE-05", "PREPOP-20"])
def created_at_without_offset(broken: FaultyDeployment) -> None:
    each_shown(broken, "create")(
        lambda _, thread: {**thread, "created_at": thread["created_at"].replace("+00:00", "")}
    )


fault("updated-at-as-a-date-on-create", breaks=["CREATE-06"])(
    change_shown(
        "create",
        to=lambda thread: {**thread, "updated_at": thread["updated_at"][:10]},
        when=_is_empty,
    )
)


@fault("new-thread-counts-as-updated", breaks=["CREATE-07"])
def new_thread_counts_as_updated(broken: FaultyDeployment) -> None:
    @broken.wire.answers("create", when=_is_empty)
    def update_soon(_request: WireRequest, thread: Json) -> Json:
        soon = datetime.fromisoformat(thread["created_at"]) + timedelta(minutes=1)
        return {**thread, "updated_at": soon.isoformat()}


@fault("default-metadata-is-added", breaks=["CREATE-08"])
def default_metadata_is_added(broken: FaultyDeployment) -> None:
    @broken.wire.before("create", when=_is_empty)
    def add(request: WireRequest) -> None:
        request.body = {"metadata": {"created_by": "system"}}


fault("missing-metadata-is-null", breaks=["CREATE-08"])(
    change_shown(
        "create",
        to=lambda thread: {**thread, "metadata": None},
        when=lambda request: "metadata" not in request.members,
    )
)


fault("new-thread-without-metadata-is-interrupted", breaks=["CREATE-09"])(
    change_shown("create", to=lambda thread: {**thread, "status": "interrupted"}, when=_is_empty)
)
fault("empty-values-are-null", breaks=["CREATE-10"])(
    change_shown("create", to=lambda thread: {**thread, "values": None}, when=_is_empty)
)
fault("empty-values-are-left-out", breaks=["CREATE-10"])(
    change_shown("create", to=lambda thread: without(thread, "values"), when=_is_empty)
)


@fault("first-get-of-a-new-thread-says-busy", breaks=["CREATE-11", "GET-04"])
def first_get_says_busy(broken: FaultyDeployment) -> None:
    fresh: set[str] = set()

    @broken.wire.answers("create", when=_has_tags_alone)
    def note(_request: WireRequest, thread: Json) -> Json:
        fresh.add(thread["thread_id"])
        return thread

    @broken.wire.answers("get")
    def lag(request: WireRequest, thread: Json) -> Json:
        if request.thread_id not in fresh:
            return thread
        fresh.remove(request.thread_id)
        return {**thread, "status": "busy"}


@fault(
    "get-shows-the-time-of-asking-as-updated-at",
    breaks=("CREATE-11 SEARCH-08 SELECT-02 CONCURRENT-07 SEQ-01 SEQ-02 SEQ-12 SEQ-17 CONDITION-13"),
)
def get_shows_the_time_of_asking(broken: FaultyDeployment) -> None:
    each_shown(broken, "get")(
        lambda _, thread: {**thread, "updated_at": broken.store.records.now()}
    )


fault(
    "get-rounds-created-at",
    breaks="CREATE-11 SEARCH-08 SELECT-02 SEQ-12 SEQ-17",
)(change_shown("get", to=lambda thread: {**thread, "created_at": f"{thread['created_at'][:19]}Z"}))


@fault(
    "search-by-metadata-hides-threads-with-tags-alone",
    breaks="CREATE-12 EXCLUDE-01 EXCLUDE-02 EXCLUDE-03",
)
def search_hides_threads_with_tags_alone(broken: FaultyDeployment) -> None:
    @broken.override(Searches.matches)
    def matches(right: Any, thread: Any, query: Any) -> Any:
        found = right(thread, query)
        return found and (len(thread.metadata) > _TAGS or query.ids or query.status)


@fault("run-dates-the-creation-last", breaks=["CREATE-18"])
def run_dates_the_creation_last(broken: FaultyDeployment) -> None:
    store = broken.store
    broken.from_first = frozenset({"run_wait"})

    @broken.wire.answers("get")
    def date_last(request: WireRequest, shown: Json) -> Json:
        run = any(each.status == "success" for each in store.records.thread(request.thread_id).runs)
        later = datetime.fromisoformat(shown["updated_at"]) + timedelta(minutes=1)
        return {**shown, "created_at": later.isoformat()} if run else shown


fault("create-refuses-an-explicit-raise", breaks=["CREATE-19", "IDENTITY-02"])(
    refusing("create", lambda request: request.members.get("if_exists") == "raise")
)

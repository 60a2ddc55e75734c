"""Faults of access control: requests without a valid key, and one tenant's access to another.

They take effect only where the reference has API keys and tenants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.errors import ModelError
from conformance.model.search import Query
from conformance.model.store import ThreadStore
from conformance.reference.tenants import KEY_HEADER
from conformance.reference.wire import (
    Json,
    When,
    WireAnswer,
    WireRequest,
    always,
    json_answer,
)

_HEADER = KEY_HEADER.encode()


def key_of(request: WireRequest) -> str:
    """Return the API key of a request; "" without one."""
    return next((value.decode() for name, value in request.headers if name == _HEADER), "")


def give_key(request: WireRequest, key: str) -> None:
    """Replace the API key of a request."""
    others = [each for each in request.headers if each[0] != _HEADER]
    request.headers = [*others, (_HEADER, key.encode())]


# Access without a valid key


def without_key(_broken: FaultyDeployment, request: WireRequest) -> bool:
    """Return whether the request has no API key."""
    return not key_of(request)


def with_wrong_key(broken: FaultyDeployment, request: WireRequest) -> bool:
    """Return whether the request has a key that is neither valid nor the prefix of a valid one."""
    return bool(key_of(request)) and not _beginning(broken, request)


def with_cut_key(broken: FaultyDeployment, request: WireRequest) -> bool:
    """Return whether the request has a proper prefix of a valid API key."""
    return _beginning(broken, request) and key_of(request) not in broken.by_key


def _beginning(broken: FaultyDeployment, request: WireRequest) -> bool:
    key = key_of(request)
    return bool(key) and any(each.startswith(key) for each in broken.by_key)


Unknown = Callable[[FaultyDeployment, WireRequest], bool]


def open_to(*unknown: Unknown, operations: tuple[str, ...] = ()) -> Apply:
    """Serve requests that one of `unknown` selects as the first tenant's.

    Each of `unknown` selects requests without a valid key. Without `operations`, all are concerned.
    """

    def apply(broken: FaultyDeployment) -> None:
        def is_let_in(request: WireRequest) -> bool:
            return any(each(broken, request) for each in unknown)

        @broken.wire.before(*operations, when=is_let_in)
        def let_in(request: WireRequest) -> None:
            give_key(request, next(iter(broken.by_key)))

    return apply


fault("no-key-is-needed", breaks=["ACCESS-01"])(open_to(without_key))
for _operation in (
    "count",
    "get",
    "run_list",
    "cron_search",
    "stateless_wait",
    "thread_stream",
    "thread_events",
    "thread_command",
):
    fault(f"{_operation.replace('_', '-')}-needs-no-key", breaks=["ACCESS-01"])(
        open_to(without_key, operations=(_operation,))
    )
fault("any-key-is-taken", breaks=["ACCESS-02"])(open_to(with_wrong_key))
fault("search-takes-any-key", breaks=["ACCESS-02"])(open_to(with_wrong_key, operations=("search",)))
fault("the-beginning-of-a-key-is-enough", breaks=["ACCESS-03"])(open_to(with_cut_key))
fault("delete-takes-the-beginning-of-a-key", breaks=["ACCESS-03"])(
    open_to(with_cut_key, operations=("delete",))
)
fault("whoever-comes-is-let-in", breaks=["ACCESS-01", "ACCESS-02", "ACCESS-03"])(
    open_to(without_key, with_wrong_key, with_cut_key)
)


@fault("without-a-key-it-is-400", breaks=["ACCESS-01"])
def without_a_key_400(broken: FaultyDeployment) -> None:
    @broken.wire.before(when=lambda request: without_key(broken, request))
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(400, {"detail": "give a key"})


def refused_when_done(operation: str) -> Apply:
    """Check the API key only after the request has taken effect."""

    def apply(broken: FaultyDeployment) -> None:
        def unknown(request: WireRequest) -> bool:
            return key_of(request) not in broken.by_key

        refused: list[WireRequest] = []

        @broken.wire.before(operation, when=unknown)
        def let_in(request: WireRequest) -> None:
            refused.append(request)
            give_key(request, next(iter(broken.by_key)))

        @broken.wire.after(operation, when=unknown)
        def refuse(request: WireRequest, answer: WireAnswer) -> None:
            if request in refused:
                answer.status, answer.body = 401, {"detail": "give a key"}

    return apply


for _operation in ("update", "create", "copy", "run_wait", "delete", "run_delete", "cron_create"):
    fault(f"{_operation.replace('_', '-')}-is-refused-when-it-is-done", breaks=["ACCESS-04"])(
        refused_when_done(_operation)
    )


# Access to another tenant's resources


def owner_key(broken: FaultyDeployment, request: WireRequest) -> str | None:
    """Return the key of the tenant that owns the thread or cron of a request; None if none does."""
    cron_id = request.path.rpartition("/")[2]
    named = request.thread_id or str(request.members.get("thread_id", ""))
    for key, store in broken.by_key.items():
        crons = (
            [] if request.thread_id else [each["cron_id"] for each in store.crons.search_crons({})]
        )
        if named in store.records.threads_by_id or cron_id in crons:
            return key
    return None


def serving_as_owner(*operations: str, when: When = always) -> Apply:
    """Serve requests as the owner of the thread or cron, whatever tenant sent them."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.before(*operations, when=when)
        def as_owner(request: WireRequest) -> None:
            key = owner_key(broken, request)
            if key is not None and key_of(request) in broken.by_key:
                give_key(request, key)

    return apply


def others(broken: FaultyDeployment, request: WireRequest) -> Iterator[ThreadStore]:
    """Yield the stores of all tenants except the one that sent the request."""
    own = broken.by_key.get(key_of(request))
    if own is not None:
        yield from (each for each in broken.by_key.values() if each is not own)


for _name, _operation, _broken in (
    ("anothers-thread-is-shown", "get", "ACCESS-05"),
    ("anothers-state-is-shown", "state", "ACCESS-06"),
    ("anothers-state-at-a-checkpoint-is-shown", "state_at_checkpoint", "ACCESS-06"),
    ("anothers-state-is-shown-by-post", "post_state_at_checkpoint", "ACCESS-06"),
    ("anothers-history-is-shown", "history", "ACCESS-07"),
    ("anothers-history-is-shown-by-post", "post_history", "ACCESS-07"),
    ("anothers-thread-is-copied", "copy", "ACCESS-08"),
    ("anothers-thread-is-updated", "update", "ACCESS-11"),
    ("anothers-state-is-updated", "update_state", "ACCESS-11"),
    ("anothers-thread-is-deleted", "delete", "ACCESS-11"),
    ("anothers-runs-are-listed", "run_list", "ACCESS-13"),
    ("anothers-run-is-shown", "run_get", "ACCESS-13"),
    ("anothers-run-is-joined", "run_join", "ACCESS-13"),
    ("anothers-run-is-streamed", "run_join_stream", "ACCESS-13"),
    ("anothers-thread-is-run", "run_wait", "ACCESS-14"),
    ("anothers-thread-is-run-in-a-stream", "run_stream", "ACCESS-14"),
    ("anothers-thread-is-run-in-the-background", "run_background", "ACCESS-14"),
    ("anothers-run-is-cancelled", "run_cancel", "ACCESS-15"),
    ("anothers-runs-are-cancelled", "runs_cancel", "ACCESS-15"),
    ("anothers-run-is-deleted", "run_delete", "ACCESS-15"),
    ("anothers-cron-is-shown", "cron_get", "ACCESS-16"),
    ("anothers-crons-are-counted", "cron_count", "ACCESS-16"),
    ("anothers-crons-are-found", "cron_search", "ACCESS-16"),
    ("anothers-cron-is-changed", "cron_update", "ACCESS-17"),
    ("anothers-cron-is-deleted", "cron_delete", "ACCESS-17"),
    ("a-cron-is-made-on-anothers-thread", "cron_create", "ACCESS-17"),
):
    fault(_name, breaks=[_broken])(serving_as_owner(_operation))


fault("creating-over-anothers-thread-shows-it", breaks=["ACCESS-12"])(
    serving_as_owner(
        "create", when=lambda request: request.members.get("if_exists") == "do_nothing"
    )
)


@fault("creating-over-anothers-thread-deletes-it", breaks=["ACCESS-12"])
def creating_deletes(broken: FaultyDeployment) -> None:
    @broken.wire.before("create")
    def delete(request: WireRequest) -> None:
        for store in others(broken, request):
            _quietly(store.threads.delete, str(request.members.get("thread_id")))


@fault("prune-reaches-the-threads-of-others", breaks=["ACCESS-11"])
def prune_reaches_others(broken: FaultyDeployment) -> None:
    @broken.wire.before("prune")
    def prune(request: WireRequest) -> None:
        for store in others(broken, request):
            _quietly(store.threads.prune, request.members.get("thread_ids") or [])


@fault("search-finds-the-threads-of-others", breaks=["ACCESS-09"])
def search_finds_others(broken: FaultyDeployment) -> None:
    @broken.wire.answers("search")
    def find(request: WireRequest, found: Json) -> Json:
        for store in others(broken, request):
            found = [*found, *store.searches.search(_query(request))]
        return found


@fault("search-by-ids-finds-the-threads-of-others", breaks=["ACCESS-09"])
def search_by_ids_finds_others(broken: FaultyDeployment) -> None:
    @broken.wire.answers("search", when=lambda request: "ids" in request.members)
    def find(request: WireRequest, found: Json) -> Json:
        for store in others(broken, request):
            found = [*found, *store.searches.search(_query(request))]
        return found


@fault("count-counts-the-threads-of-others", breaks=["ACCESS-10"])
def count_counts_others(broken: FaultyDeployment) -> None:
    @broken.wire.answers("count")
    def count(request: WireRequest, counted: Json) -> Json:
        return counted + sum(
            each.searches.count(_query(request)) for each in others(broken, request)
        )


def distinguishing(operation: str, status: int, detail: str) -> Apply:
    """Answer differently for another tenant's thread than for an unknown one."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, status=404)
        def tell(request: WireRequest, answer: WireAnswer) -> None:
            if any(
                request.thread_id in each.records.threads_by_id for each in others(broken, request)
            ):
                answer.status, answer.body = status, {"detail": detail}

    return apply


fault("anothers-thread-is-forbidden", breaks=["ACCESS-18"])(
    distinguishing("get", 403, "this thread is not yours")
)
fault("anothers-history-is-known-to-be-there", breaks=["ACCESS-18"])(
    distinguishing("history", 404, "this thread is not yours")
)


def _query(request: WireRequest) -> Query:
    members = request.members
    return Query(members.get("ids"), members.get("metadata"))


def _quietly(act: Callable[..., Any], *arguments: Any) -> None:
    """Call a function and ignore it if the model refuses."""
    try:
        act(*arguments)
    except ModelError:
        return

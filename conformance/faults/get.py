"""Faults of getting threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.faults.kit.http_changes import (
    change_shown,
    get_shows_status_of_finished,
    refusing,
    with_status,
    without,
)
from conformance.faults.kit.state import malformed
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.threads import Threads

fault("get-leaves-out-updated-at", breaks=["GET-01"])(
    change_shown("get", to=lambda thread: without(thread, "updated_at"))
)


#: All operations that show threads; a search with `select` may lack members.
_SHOWING = ("create", "get", "copy", "update", "search")


def _with(member: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda thread: {**thread, member: change(thread[member])} if member in thread else thread


fault("threads-show-state-updated-at-as-a-number", breaks=["GET-05"])(
    change_shown(*_SHOWING, to=_with("state_updated_at", lambda _: 1747063028))
)
fault("threads-show-interrupts-as-a-list", breaks=["GET-05"])(
    change_shown(*_SHOWING, to=_with("interrupts", lambda each: list(each.values())))
)


fault(
    "finished-thread-is-done",
    breaks=["GET-01", "PREPOP-05", "SEARCH-08", "SELECT-02", "SEQ-12", "SEQ-17"],
)(get_shows_status_of_finished("done"))
fault("get-of-an-unknown-thread-is-400", breaks=["DELETE-02", "GET-02"])(
    with_status(400, "get", instead_of=404)
)
fault(
    "get-of-an-unknown-thread-is-200-with-an-error",
    breaks=["GET-02", "DELETE-02", "CONCURRENT-07", "SEQ-18", "STATELESS-02", "STATELESS-08"],
)(with_status(200, "get", instead_of=404))


fault("get-of-a-malformed-id-is-500", breaks=["GET-03"])(refusing("get", malformed, status=500))
fault("get-of-a-malformed-id-is-200", breaks=["GET-03"])(refusing("get", malformed, status=200))


@fault(
    "get-shows-metadata-of-the-newest-thread-with-the-same-keys",
    breaks=["GET-04", "SEQ-01", "SEQ-12"],
)
def get_shows_the_newest_metadata(broken: FaultyDeployment) -> None:
    @broken.override(Threads.get)
    def get(right: Any, thread_id: str, *include: Any) -> Any:
        thread = right(thread_id, *include)
        *_, newest = broken.store.records.threads_by_id.values()
        alike = newest.metadata.keys() == thread["metadata"].keys()
        return {**thread, "metadata": newest.metadata} if alike else thread


def _neighbour(thread_id: str) -> str:
    return thread_id[:-1] + ("1" if thread_id.endswith("0") else "0")


fault(
    "get-shows-a-neighbouring-id",
    breaks=(
        "CREATE-11 GET-04 SEARCH-08 SELECT-02 CONCURRENT-01 CONCURRENT-02 RUN-CONTROL-14 "
        "SEQ-12 SEQ-14 SEQ-17"
    ),
)(change_shown("get", to=lambda thread: {**thread, "thread_id": _neighbour(thread["thread_id"])}))
fault(
    "get-always-says-idle",
    breaks=(
        "GET-04 INTERRUPT-09 STATUS-01 STATUS-02 STATUS-03 STATUS-08 STATUS-15 "
        "CONDITION-03 CONDITION-06 CONDITION-16"
    ),
)(change_shown("get", to=lambda thread: {**thread, "status": "idle"}))

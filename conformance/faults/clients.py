"""Faults that only the documents' clients see: plain HTTP requests are answered correctly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.faults.kit.http_changes import (
    change_answer,
    change_shown,
    copies_of,
    prepopulates,
    refusing,
    without,
)
from conformance.faults.kit.runs import having, where
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.reference.wire import Json, When, WireRequest, always

_AGENTS = (b"curl/", b"langgraph-sdk", b"node")


def _by_client(request: WireRequest) -> bool:
    """Return whether the User-Agent is that of one of the documents' clients."""
    agent = dict(request.headers).get(b"user-agent", b"")
    return any(each in agent for each in _AGENTS)


def _is_empty(request: WireRequest) -> bool:
    return not request.members.get("metadata") and not prepopulates(request)


def _has_metadata_alone(request: WireRequest) -> bool:
    return bool(request.members.get("metadata")) and not prepopulates(request)


def _found(operation: str, change: Callable[[list[Any]], list[Any]], when: When = always) -> Apply:
    """Change the list that a search or a history returns to the documents' clients."""
    return change_answer(operation, to=lambda _, found: change(found), when=where(_by_client, when))


fault("clients-cannot-create-without-a-body", breaks=["CLIENT-01"])(
    refusing("create", where(_by_client, _is_empty))
)
fault("clients-are-told-that-a-new-thread-is-busy", breaks=["CLIENT-01"])(
    change_shown(
        "create", to=lambda thread: {**thread, "status": "busy"}, when=where(_by_client, _is_empty)
    )
)
fault("metadata-that-clients-send-is-not-shown", breaks=["CLIENT-02"])(
    change_shown(
        "create",
        to=lambda thread: {**thread, "metadata": {}},
        when=where(_by_client, _has_metadata_alone),
    )
)
fault("clients-get-a-copy-without-values", breaks=["CLIENT-03"])(
    change_shown("copy", to=lambda thread: {**thread, "values": {}}, when=_by_client)
)
fault("clients-see-a-history-from-its-oldest-state", breaks=["CLIENT-11"])(
    _found("history", lambda states: states[::-1])
)
fault("prepopulation-by-clients-shows-no-values", breaks=["CLIENT-05"])(
    change_shown(
        "create", to=lambda thread: {**thread, "values": {}}, when=where(_by_client, prepopulates)
    )
)
fault("clients-find-nothing-by-status", breaks=["CLIENT-06"])(
    _found("search", lambda _: [], having("status"))
)
fault("clients-find-nothing-by-metadata", breaks=["CLIENT-07"])(
    _found(
        "search",
        lambda _: [],
        lambda request: "status" not in request.members and "metadata" in request.members,
    )
)
fault("clients-get-a-thread-without-values", breaks=["CLIENT-08"])(
    change_shown("get", to=lambda thread: {**thread, "values": {}}, when=_by_client)
)
fault("clients-see-a-state-without-next", breaks=["CLIENT-09"])(
    change_shown("state", to=lambda state: without(state, "next"), when=_by_client)
)
fault("clients-see-nothing-next-at-a-checkpoint", breaks=["CLIENT-10"])(
    change_shown("state_at_checkpoint", to=lambda state: {**state, "next": []}, when=_by_client)
)
fault("clients-see-a-history-without-its-oldest-state", breaks=["CLIENT-12"])(
    _found("history", lambda states: states[:-1])
)


@fault("clients-see-a-copy-without-its-oldest-state", breaks=["CLIENT-04"])
def copies_are_shown_shorter(broken: FaultyDeployment) -> None:
    copies = copies_of(broken)

    @broken.wire.answers("history", when=_by_client)
    def shorten(request: WireRequest, states: Json) -> Json:
        return states[:-1] if request.thread_id in copies else states

"""Faults of ids in upper case: UUIDs are compared as if they were texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from conformance.faults.kit.http_changes import HISTORIES, change_answer, change_request, refusing
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.search import Query, Searches
from conformance.model.threads import Threads
from conformance.reference.wire import WireAnswer, WireRequest, json_answer


def _in_upper_case(text: object) -> bool:
    return isinstance(text, str) and text != text.lower()


def _of_upper_case(request: WireRequest) -> bool:
    return _in_upper_case(request.thread_id)


def _creates_upper_case(request: WireRequest) -> bool:
    return _in_upper_case(request.members.get("thread_id"))


# Reads

fault("get-by-an-id-in-upper-case-is-404", breaks=["IDENTITY-09"])(
    refusing("get", _of_upper_case, status=404)
)
fault("history-by-an-id-in-upper-case-is-empty", breaks=["IDENTITY-09"])(
    change_answer(*HISTORIES, to=lambda _request, _page: [], when=_of_upper_case)
)


@fault("search-compares-ids-as-texts", breaks=["IDENTITY-09"])
def search_compares_ids_as_texts(broken: FaultyDeployment) -> None:
    @broken.override(Searches.matching)
    def matching(right: Any, query: Query) -> Any:
        found = right(query)
        named = [each for each in query.ids or () if _in_upper_case(each)]
        return [each for each in found if each.thread_id.upper() not in named]


# Changes

fault("update-by-an-id-in-upper-case-is-404", breaks=["IDENTITY-10"])(
    refusing("update", _of_upper_case, status=404)
)


@fault("state-update-by-an-id-in-upper-case-is-lost", breaks=["IDENTITY-10"])
def state_update_is_lost(broken: FaultyDeployment) -> None:
    @broken.wire.before("update_state", when=_of_upper_case)
    def lose(request: WireRequest) -> WireAnswer | None:
        thread = stored_thread(broken, request.thread_id.lower())
        if thread is None:
            return None
        checkpoint = {"thread_id": request.thread_id, "checkpoint_id": str(uuid4())}
        return json_answer(200, {"checkpoint": {**checkpoint, "checkpoint_ns": ""}})


@fault("copy-by-an-id-in-upper-case-has-no-history", breaks=["IDENTITY-10"])
def copy_has_no_history(broken: FaultyDeployment) -> None:
    @broken.wire.answers("copy", when=_of_upper_case)
    def empty(_request: WireRequest, made: Any) -> Any:
        copy = broken.store.records.thread(made["thread_id"])
        broken.store.records.keep(replace(copy, checkpoints=()))
        return made


@fault("prune-compares-ids-as-texts", breaks=["IDENTITY-10"])
def prune_compares_ids_as_texts(broken: FaultyDeployment) -> None:
    @broken.override(Threads.prune)
    def prune(right: Any, thread_ids: list[str], strategy: str = "delete") -> Any:
        return right([each for each in thread_ids if not _in_upper_case(each)], strategy)


# Creations

fault("creation-under-an-id-in-upper-case-makes-another-thread", breaks=["IDENTITY-11"])(
    change_request(
        "create",
        to=lambda body: {**body, "thread_id": str(uuid4())},
        when=_creates_upper_case,
    )
)


@fault("creation-under-an-id-in-upper-case-changes-the-thread", breaks=["IDENTITY-11"])
def creation_changes_the_thread(broken: FaultyDeployment) -> None:
    @broken.wire.before("create", when=_creates_upper_case)
    def merge(request: WireRequest) -> None:
        thread = stored_thread(broken, request.members["thread_id"].lower())
        if thread is not None:
            metadata = thread.metadata | (request.members.get("metadata") or {})
            broken.store.records.keep(replace(thread, metadata=metadata))

"""Freedoms of creating threads: who chooses the ids, and further metadata."""

from __future__ import annotations

import uuid
from typing import Any

from conformance.freedoms.registry import freedom
from conformance.model.entities import Thread
from conformance.model.ids_and_times import JsonObject
from conformance.model.records import Records
from conformance.model.threads import Threads
from conformance.reference.altered import Altered


@freedom(
    "server-chooses-thread-ids",
    allowed_by="The documents never send a thread_id; that it is kept is published, and is "
    "judged in IDENTITY alone.",
    # Requirements about one id in several create requests.
    may_block="CONCURRENT-01 CONCURRENT-02 CONDITION-16 CONDITION-17 DELETE-07 DELETE-17 DELETE-18 "
    "DELETE-20 DELETE-21 ERROR-SAFE-07 LINEAR-01 PREPOP-16 SEQ-19",
    breaks="IDENTITY-*",
)
def server_chooses_thread_ids(altered: Altered) -> None:
    @altered.override(Threads.create)
    def create(right: Any, *, thread_id: str | None = None, **members: Any) -> Any:
        return right(**members)


@freedom(
    "metadata-gets-an-owner",
    allowed_by="LangGraph's page on custom authentication has a handler that adds `owner` to the "
    "metadata of what is created; no source says that nothing may be added.",
)
def metadata_gets_an_owner(altered: Altered) -> None:
    @altered.override(Threads.new_thread)
    def new_thread(right: Any, thread_id: str, metadata: JsonObject, ttl: Any = None) -> Any:
        return right(thread_id, {"owner": "user-1", **metadata}, ttl)


@freedom(
    "copies-name-their-source-in-metadata",
    allowed_by="The documents promise a history that is identical; no source says that nothing is "
    "added to the metadata of a copy.",
)
def copies_name_their_source_in_metadata(altered: Altered) -> None:
    @altered.override(Threads.copied_metadata)
    def copied(right: Any, source: Thread) -> JsonObject:
        return {**right(source), "copied_from": source.thread_id}


@freedom(
    "ids-are-uuids-of-another-version",
    allowed_by="Published is the format uuid and no version; 003 prints a UUID of version 1.",
    choice="form of new ids",
)
def ids_are_uuids_of_another_version(altered: Altered) -> None:
    @altered.override(Records.new_id)
    def new_id(_right: Any) -> str:
        return str(uuid.uuid1())


@freedom(
    "ids-count-up",
    allowed_by="Published is the format uuid; no source says that ids are random.",
    choice="form of new ids",
)
def ids_count_up(altered: Altered) -> None:
    begun = uuid.uuid4().int >> 32 << 32

    @altered.override(Records.new_id)
    def new_id(_right: Any) -> str:
        nonlocal begun
        begun += 1
        return str(uuid.UUID(int=begun))

"""Freedoms of creating threads: who chooses the ids, and further metadata."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from conformance.freedoms.kit import with_success_status
from conformance.freedoms.registry import freedom
from conformance.model.entities import Thread
from conformance.model.ids_and_times import JsonObject, timestamp
from conformance.model.records import Records
from conformance.model.threads import Threads
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import WireAnswer, WireRequest, json_answer


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
    "updated-a-moment-after-created",
    allowed_by="004 Get thread prints an updated_at eight microseconds after created_at; no source "
    "says that they are equal.",
    choice="updated_at of a new thread",
)
def updated_a_moment_after_created(altered: Altered) -> None:
    @altered.override(Threads.new_thread)
    def new_thread(right: Any, *given: Any) -> Thread:
        made: Thread = right(*given)
        later = datetime.fromisoformat(made.created_at) + timedelta(milliseconds=2)
        return replace(made, updated_at=timestamp(later), state_updated_at=timestamp(later))


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


def _deletions_answering(raw: bytes) -> Apply:
    def apply(altered: Altered) -> None:
        @altered.wire.after("delete", "run_delete", "cron_delete")
        def answer_so(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok:
                answer.status, answer.raw = 200, raw
                answer.headers = [(b"content-type", b"application/json")]

    return apply


freedom(
    "creations-answer-201",
    allowed_by="Rules of fairness: any 2xx is right for a success.",
    choice="status of a creation",
)(with_success_status(201, "create", "copy", "cron_create"))

freedom(
    "creations-answer-202",
    allowed_by="Rules of fairness: any 2xx is right for a success.",
    choice="status of a creation",
)(
    with_success_status(
        202, "create", "copy", "run_background", "stateless_background", "stateless_batch"
    )
)

freedom(
    "runs-answer-201",
    allowed_by="Rules of fairness: any 2xx is right for a success.",
    choice="status of a run",
)(with_success_status(201, "run_background", "run_wait", "run_stream", "stateless_background"))

freedom(
    "deletions-answer-200-and-null",
    allowed_by="Rules of fairness: any 2xx is right for a success; the published response "
    "of a deletion is {}, any JSON.",
    choice="answer to a deletion",
)(_deletions_answering(b"null"))
freedom(
    "deletions-answer-200-and-the-id",
    allowed_by="Rules of fairness: any 2xx is right for a success; the published response "
    "of a deletion is {}, any JSON.",
    choice="answer to a deletion",
)(_deletions_answering(b'["deleted"]'))
freedom(
    "cancellations-answer-202",
    allowed_by="Rules of fairness: any 2xx is right for a success.",
    profile="full",
)(with_success_status(202, "run_cancel", "runs_cancel"))


@freedom(
    "copies-keep-the-times-of-their-source",
    allowed_by="No source says when a copy was created.",
)
def copies_keep_the_times_of_their_source(altered: Altered) -> None:
    @altered.override(Threads.copy)
    def copy(right: Any, thread_id: str) -> Any:
        store = altered.store
        source = store.records.thread(thread_id)
        made = store.records.thread(right(thread_id)["thread_id"])
        times = {name: getattr(source, name) for name in ("created_at", "updated_at")}
        return store.views.thread_view(store.records.keep(replace(made, **times)))


@freedom(
    "ttls-of-many-years-are-refused",
    allowed_by="Published is a number of minutes; no source says how large it may be.",
    profile="extended",
)
def ttls_of_many_years_are_refused(altered: Altered) -> None:
    def far(request: WireRequest) -> bool:
        ttl = request.members.get("ttl")
        minutes = ttl.get("ttl") if isinstance(ttl, dict) else None
        return isinstance(minutes, int | float) and minutes > 60 * 24 * 366 * 60

    @altered.wire.before("create", "update", when=far)
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(422, {"detail": "a ttl may be sixty years at most"})

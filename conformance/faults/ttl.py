"""Faults of the time to live of threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from conformance.contract.schemas import violations
from conformance.faults.kit.http_changes import (
    altered_by,
    change_request,
    prepopulates,
    refusing,
    without,
)
from conformance.faults.kit.runs import having
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.entities import Ttl
from conformance.model.ids_and_times import JsonObject, timestamp
from conformance.model.threads import Threads
from conformance.reference.wire import Json, WireAnswer, WireRequest

_STRATEGIES = ("delete", "keep_latest")


def _setting(request: WireRequest) -> bool:
    ttl = request.members.get("ttl")
    if not isinstance(ttl, dict) or ttl.get("strategy", "delete") not in _STRATEGIES:
        return False
    return type(ttl.get("ttl")) is int and ttl["ttl"] > 0


def _set(change: Callable[[JsonObject], JsonObject]) -> Apply:
    """Change the body of requests that set a time to live."""

    def apply(broken: FaultyDeployment) -> None:
        for operation in ("create", "update"):
            change_request(operation, to=change, when=_setting)(broken)

    return apply


def _shown(change: Callable[[JsonObject], JsonObject]) -> Apply:
    """Change the time to live that GET shows."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.answers("get", when=lambda request: "include" in request.query)
        def change_ttl(_: WireRequest, thread: Json) -> Json:
            return {**thread, "ttl": change(thread["ttl"])} if "ttl" in thread else thread

    return apply


fault("ttl-is-forgotten", breaks=["TTL-01"])(_set(lambda body: without(body, "ttl")))
fault("ttl-always-deletes", breaks=["TTL-01"])(
    _set(lambda body: {**body, "ttl": {**body["ttl"], "strategy": "delete"}})
)
fault("ttl-is-shown-in-seconds", breaks=["TTL-01"])(
    _shown(lambda ttl: {**ttl, "ttl_minutes": ttl["ttl_minutes"] * 60})
)
fault("ttl-has-no-end", breaks=["TTL-03"])(_shown(lambda ttl: without(ttl, "expires_at")))
fault("ttl-end-has-no-offset", breaks=["TTL-03"])(
    _shown(lambda ttl: {**ttl, "expires_at": ttl["expires_at"].replace("+00:00", "")})
)


@fault("ttl-is-shown-unasked", breaks=["TTL-02"])
def shown_unasked(broken: FaultyDeployment) -> None:
    @broken.override(Threads.get)
    def get(right: Any, thread_id: str, include: Any = ()) -> Any:
        return right(thread_id, ("ttl",))


@fault("ttl-is-not-set-by-update", breaks=["TTL-04", "TTL-10"])
def not_set_by_update(broken: FaultyDeployment) -> None:
    @broken.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Any = None, ttl: Any = None) -> Any:
        return right(thread_id, metadata)


fault("update-with-a-minimal-answer-sets-no-strategy", breaks=["TTL-04"])(
    change_request(
        "update",
        to=lambda body: {**body, "ttl": without(body["ttl"], "strategy")},
        when=lambda request: (
            _setting(request) and (b"prefer", b"return=minimal") in request.headers
        ),
    )
)


def _is_a_ttl_alone(request: WireRequest) -> bool:
    """Return whether an update has only a `ttl`, and a valid one."""
    body = request.members
    return list(body) == ["ttl"] and not violations("thread_patch", body)


fault("update-with-ttl-alone-is-500", breaks=["TTL-06"])(
    refusing("update", _is_a_ttl_alone, status=500)
)


fault("creation-with-ttl-is-refused", breaks=["TTL-05"])(refusing("create", having("ttl")))


@fault("thread-with-ttl-is-not-kept", breaks=["TTL-01", "TTL-05"])
def not_kept(broken: FaultyDeployment) -> None:
    @broken.wire.answers("create", when=having("ttl"))
    def gone(_: WireRequest, made: Json) -> Json:
        broken.store.threads.delete(made["thread_id"])
        return made


@fault("update-of-metadata-forgets-the-ttl", breaks=["TTL-07"])
def update_forgets_the_ttl(broken: FaultyDeployment) -> None:
    @broken.override(Threads.update)
    def update(
        right: Any,
        thread_id: str,
        metadata: JsonObject | None = None,
        ttl: JsonObject | None = None,
    ) -> Any:
        answer = right(thread_id, metadata, ttl)
        if ttl is None:
            broken.store.records.keep(replace(broken.store.records.thread(thread_id), ttl=None))
        return answer


@fault("update-of-metadata-resets-the-strategy-of-the-ttl", breaks=["TTL-07"])
def update_resets_the_strategy(broken: FaultyDeployment) -> None:
    @broken.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Any = None, ttl: Any = None) -> Any:
        answer = right(thread_id, metadata, ttl)
        thread = broken.store.records.thread(thread_id)
        if ttl is None and thread.ttl is not None:
            broken.store.records.keep(replace(thread, ttl=replace(thread.ttl, strategy="delete")))
        return answer


@fault("first-ttl-by-update-ignores-its-strategy", breaks=["TTL-04"])
def first_by_update_ignores_its_strategy(broken: FaultyDeployment) -> None:
    @broken.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Any = None, ttl: Any = None) -> Any:
        first = broken.store.records.thread(thread_id).ttl is None
        plain = {**ttl, "strategy": "delete"} if first and isinstance(ttl, dict) else ttl
        return right(thread_id, metadata, plain)


# Amounts


def _minutes_kept(change: Callable[[float], float], operation: str) -> Apply:
    """Keep `change(minutes)` where a request of this operation sets a ttl."""

    def changed(body: JsonObject) -> JsonObject:
        ttl = body.get("ttl")
        if not isinstance(ttl, dict) or type(ttl.get("ttl")) not in (int, float):
            return body
        return {**body, "ttl": {**ttl, "ttl": change(ttl["ttl"])}}

    return change_request(operation, to=changed, when=altered_by(changed))


fault("creation-rounds-a-ttl-up", breaks=["TTL-08"])(_minutes_kept(math.ceil, "create"))
fault("second-ttl-loses-its-fraction", breaks=["TTL-08"])(_minutes_kept(int, "update"))
fault("creation-with-half-a-minute-of-ttl-is-refused", breaks=["TTL-08"])(
    refusing(
        "create",
        lambda request: isinstance((request.members.get("ttl") or {}).get("ttl"), float),
    )
)


@fault("ttl-of-many-years-ends-before-it-begins", breaks=["TTL-09"])
def ends_before_it_begins(broken: FaultyDeployment) -> None:
    @broken.override(Threads.ttl_from)
    def ttl_from(right: Any, ttl: Any, moment: datetime) -> Any:
        made = right(ttl, moment)
        if made is None or made.minutes * 60 < 2**31:
            return made
        # The seconds overflow 32 bits and become negative.
        return replace(made, expires_at=timestamp(moment - timedelta(minutes=made.minutes)))


fault("ttl-of-many-years-is-500", breaks=["TTL-09"])(
    refusing(
        "create",
        lambda request: _setting(request) and request.members["ttl"]["ttl"] * 60 >= 2**31,
        status=500,
    )
)


# Set again, or alone, or together with supersteps


def _set_again(change: Callable[[Ttl, Ttl], Ttl]) -> Apply:
    """Keep `change(before, after)` as the ttl of a thread that had one and was given another."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.override(Threads.update)
        def update(right: Any, thread_id: str, metadata: Any = None, ttl: Any = None) -> Any:
            before = broken.store.records.thread(thread_id).ttl
            answer = right(thread_id, metadata, ttl)
            thread = broken.store.records.thread(thread_id)
            if ttl is not None and before is not None and thread.ttl is not None:
                broken.store.records.keep(replace(thread, ttl=change(before, thread.ttl)))
            return answer

    return apply


fault("second-ttl-is-ignored", breaks=["TTL-08", "TTL-10"])(_set_again(lambda before, _: before))
fault("second-ttl-keeps-the-strategy", breaks=["TTL-10"])(
    _set_again(lambda before, after: replace(after, strategy=before.strategy))
)
fault("ttl-of-an-update-keeps-the-latest-by-default", breaks=["TTL-10"])(
    change_request(
        "update",
        to=lambda body: {**body, "ttl": {"strategy": "keep_latest", **body["ttl"]}},
        when=lambda request: _setting(request) and "strategy" not in request.members["ttl"],
    )
)
fault("second-ttl-keeps-the-end-of-the-first", breaks=["TTL-10"])(
    _set_again(lambda before, after: replace(after, expires_at=before.expires_at))
)
fault("second-ttl-only-prolongs", breaks=["TTL-10"])(
    _set_again(lambda *both: max(both, key=lambda ttl: ttl.minutes))
)


@fault("ttl-alone-empties-the-metadata", breaks=["TTL-11"])
def alone_empties_the_metadata(broken: FaultyDeployment) -> None:
    @broken.wire.after("update", when=_is_a_ttl_alone, status=200)
    def empty(request: WireRequest, _answer: WireAnswer) -> None:
        thread = broken.store.records.thread(request.thread_id)
        broken.store.records.keep(replace(thread, metadata={}))


@fault("ttl-alone-empties-the-history", breaks=["TTL-11"])
def alone_empties_the_history(broken: FaultyDeployment) -> None:
    @broken.wire.after("update", when=_is_a_ttl_alone, status=200)
    def empty(request: WireRequest, _answer: WireAnswer) -> None:
        thread = broken.store.records.thread(request.thread_id)
        broken.store.records.keep(replace(thread, checkpoints=()))


def _creates_with_ttl(request: WireRequest) -> bool:
    """Return whether a valid creation has a ttl."""
    return _setting(request) and not violations("thread_create", request.members)


fault("prepopulation-forgets-the-ttl", breaks=["TTL-12"])(
    change_request("create", to=lambda body: without(body, "ttl"), when=prepopulates)
)
fault("ttl-forgets-the-supersteps", breaks=["TTL-12"])(
    change_request("create", to=lambda body: without(body, "supersteps"), when=_creates_with_ttl)
)
fault("prepopulation-ignores-the-strategy-of-its-ttl", breaks=["TTL-12"])(
    change_request(
        "create",
        to=lambda body: {**body, "ttl": {**body["ttl"], "strategy": "delete"}},
        when=lambda request: prepopulates(request) and _creates_with_ttl(request),
    )
)

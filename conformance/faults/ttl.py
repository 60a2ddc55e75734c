"""Faults of the time to live of threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.contract.schemas import violations
from conformance.faults.kit.search import naming
from conformance.faults.kit.wire import change_request, refusing, without
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.threads import Threads
from conformance.model.values import JsonObject
from conformance.reference.wire import Json, WireRequest

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


@fault("ttl-is-not-set-by-update", breaks=["TTL-04"])
def not_set_by_update(broken: FaultyDeployment) -> None:
    @broken.override(Threads.update)
    def update(right: Any, thread_id: str, metadata: Any = None, ttl: Any = None) -> Any:
        return right(thread_id, metadata)


def _is_a_ttl_alone(request: WireRequest) -> bool:
    """Return whether an update has only a `ttl`, and a valid one."""
    body = request.members
    return list(body) == ["ttl"] and not violations("thread_patch", body)


fault("update-with-ttl-alone-is-500", breaks=["TTL-06"])(
    refusing("update", _is_a_ttl_alone, status=500)
)


fault("creation-with-ttl-is-refused", breaks=["TTL-05"])(refusing("create", naming("ttl")))


@fault("thread-with-ttl-is-not-kept", breaks=["TTL-01", "TTL-05"])
def not_kept(broken: FaultyDeployment) -> None:
    @broken.wire.answers("create", when=naming("ttl"))
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

"""Faults of single keywords of the request schemas: invalid values accepted, valid ones refused."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from uuid import UUID

from conformance.faults.kit.http_changes import refusing, without
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import FaultyDeployment, fault
from conformance.model.threads import Threads
from conformance.reference.wire import WireAnswer, WireRequest


def _is_id(value: Any) -> bool:
    try:
        return bool(UUID(value))
    except (AttributeError, TypeError, ValueError):
        return False


def _names_what_is_no_id(request: WireRequest) -> bool:
    named = request.members.get("thread_ids")
    return isinstance(named, list) and not all(map(_is_id, named))


def _namespace_is_no_text(request: WireRequest) -> bool:
    checkpoint = request.members.get("checkpoint")
    namespace = checkpoint.get("checkpoint_ns", "") if isinstance(checkpoint, dict) else ""
    return not isinstance(namespace, str)


def _values_in_a_list(request: WireRequest) -> bool:
    return isinstance(request.members.get("values"), list)


def _an_update_has_values_in_a_list(request: WireRequest) -> bool:
    return b'"values": [' in request.raw or b'"values":[' in request.raw


def _messages_are_a_number(request: WireRequest) -> bool:
    return re.search(rb'"messages": ?-?\d', request.raw) is not None


def _subgraphs_declined(request: WireRequest) -> bool:
    return request.members.get("subgraphs") is False


@fault("prune-skips-what-is-no-id", breaks=["ERROR-TYPE-04", "ERROR-RANGE-04", "ERROR-ANY-07"])
def prune_skips_what_is_no_id(broken: FaultyDeployment) -> None:
    @broken.wire.before("prune", when=_names_what_is_no_id)
    def skip(request: WireRequest) -> None:
        named = list(filter(_is_id, request.members["thread_ids"]))
        request.body = {**request.members, "thread_ids": named}


@fault("refused-prune-touches-its-threads", breaks=["ERROR-SAFE-08"])
def refused_prune_touches_its_threads(broken: FaultyDeployment) -> None:
    @broken.wire.after("prune", when=_names_what_is_no_id)
    def touch(request: WireRequest, answer: WireAnswer) -> None:
        for thread in [stored_thread(broken, str(e)) for e in request.members["thread_ids"]]:
            if answer.status == 422 and thread is not None:
                broken.store.records.keep(replace(thread, updated_at=broken.store.records.now()))


@fault("prune-leaves-out-the-first-of-several", breaks=["PRUNE-01", "PRUNE-02", "ERROR-ANY-12"])
def prune_leaves_out_the_first(broken: FaultyDeployment) -> None:
    @broken.override(Threads.prune)
    def prune(right: Any, thread_ids: list[str], *others: Any, **named: Any) -> Any:
        return right(thread_ids[1:] if len(thread_ids) > 1 else thread_ids, *others, **named)


@fault("post-state-ignores-a-namespace-that-is-no-text", breaks=["ERROR-ANY-09"])
def namespace_is_ignored(broken: FaultyDeployment) -> None:
    @broken.wire.before("post_state_at_checkpoint", when=_namespace_is_no_text)
    def ignore(request: WireRequest) -> None:
        checkpoint = without(request.members["checkpoint"], "checkpoint_ns")
        request.body = {**request.members, "checkpoint": checkpoint}


@fault("refused-state-update-touches-its-thread", breaks=["ERROR-SAFE-03", "ERROR-SAFE-06"])
def refused_state_update_touches_its_thread(broken: FaultyDeployment) -> None:
    @broken.wire.after("update_state")
    def touch(request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if answer.status == 422 and thread is not None:
            broken.store.records.keep(replace(thread, updated_at=broken.store.records.now()))


fault("state-update-with-values-in-a-list-is-500", breaks=["ERROR-ANY-10", "STATE-UPDATE-20"])(
    refusing("update_state", when=_values_in_a_list, status=500)
)
fault(
    "superstep-with-values-in-a-list-is-500", breaks=["ERROR-ANY-01", "ERROR-ANY-11", "PREPOP-24"]
)(refusing("create", when=_an_update_has_values_in_a_list, status=500))
fault("state-update-with-messages-that-are-no-list-is-500", breaks=["ERROR-ANY-10"])(
    refusing("update_state", when=_messages_are_a_number, status=500)
)
fault("superstep-with-messages-that-are-no-list-is-500", breaks=["ERROR-ANY-11"])(
    refusing("create", when=_messages_are_a_number, status=500)
)
fault("post-state-without-subgraphs-is-500", breaks=["ERROR-ANY-13"])(
    refusing("post_state_at_checkpoint", when=_subgraphs_declined, status=500)
)

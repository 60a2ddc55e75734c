"""Faults of valid bodies: what fits a request schema is answered by 500."""

from __future__ import annotations

import re

from conformance.faults.kit.http_changes import refusing
from conformance.faults.registry import fault
from conformance.reference.wire import WireRequest


def _values_in_a_list(request: WireRequest) -> bool:
    return isinstance(request.members.get("values"), list)


def _an_update_has_values_in_a_list(request: WireRequest) -> bool:
    return b'"values": [' in request.raw or b'"values":[' in request.raw


def _messages_are_a_number(request: WireRequest) -> bool:
    return re.search(rb'"messages": ?-?\d', request.raw) is not None


def _subgraphs_declined(request: WireRequest) -> bool:
    return request.members.get("subgraphs") is False


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

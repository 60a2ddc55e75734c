"""Deviations of deployed servers: each breaks only the requirements about it.

They are faults so that checks of other requirements never again fail because of them.
"""

from __future__ import annotations

from conformance.faults.kit.http_changes import STATES, change_shown, refusing, without
from conformance.faults.kit.runs import ignoring
from conformance.faults.registry import fault
from conformance.reference.wire import WireRequest


def _asks_for_more_than_a_hundred(request: WireRequest) -> bool:
    limit = request.members.get("limit")
    return isinstance(limit, int) and limit > 100


fault("supersteps-are-ignored", breaks="PREPOP-02 ERROR-ANY-01")(ignoring("supersteps", "create"))
fault("search-refuses-a-limit-above-a-hundred", breaks=["ERROR-ANY-05", "FILTER-07"])(
    refusing("search", _asks_for_more_than_a_hundred)
)
fault("history-before-is-a-500", breaks=["HISTORY-10", "HISTORY-FILTER-04"])(
    refusing("history", lambda request: "before" in request.query, status=500)
)
fault("states-have-no-ids-at-the-top", breaks=["STATE-06", "STATE-07"])(
    change_shown(*STATES, to=lambda state: without(state, "checkpoint_id", "parent_checkpoint_id"))
)

"""The values of a thread, as a filter by values takes them."""

from __future__ import annotations

from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import require_some
from conformance.checks.outcomes import Blocked
from conformance.checks.views import Thread


def values_to_find(given: ThreadsApi, thread: Thread) -> dict[str, Any]:
    """Return the values of a thread's state; `Blocked` if they are empty, or a list.

    A state may show a list, by its published type; a filter takes an object.
    """
    values: Any = given.state(thread)["values"]
    require_some([values], "the state has no values", "STATE-01")
    if not isinstance(values, dict):
        raise Blocked("the values of the state are a list, and a filter takes an object")
    return values

"""Whether a deployment offers an operation, shown with the simplest thread that works.

A check on an unknown or an empty thread needs no history, and must not be blocked where no history
can be made.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked, Unsupported
from conformance.checks.views import Thread


def require_operation(given: ThreadsApi, call: Callable[[Thread], object]) -> None:
    """Require that an operation succeeds on an empty thread, or else on one with a history."""
    try:
        call(given.empty())
    except (Blocked, Unsupported):
        call(given.prepopulated())


def try_with_history(given: ThreadsApi, call: Callable[[Thread], object]) -> None:
    """Call an operation on a thread with a history, if one can be made.

    Once it has succeeded, a refusal for another thread is not taken as a missing operation.
    """
    with suppress(Blocked, Unsupported):
        call(given.prepopulated())

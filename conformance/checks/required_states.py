"""A prerequisite of checks that read the states of a history one by one."""

from conformance.checks.outcomes import Blocked
from conformance.checks.views import History


def require_states(history: History, least: int = 1) -> History:
    """Return the history; `Blocked` if it has fewer than `least` states.

    That a history shows the states that were made is judged by HISTORY-01 and PREPOP-09.
    """
    if len(history) < least:
        by = "PREPOP-09" if len(history) else "HISTORY-01"
        raise Blocked(f"the history holds {len(history)} states where {least} are needed", by=by)
    return history

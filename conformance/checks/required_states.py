"""Prerequisites of checks that read the states of a history one by one."""

from collections.abc import Callable

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked, Unsupported
from conformance.checks.views import History, Thread, checkpoint_id_of
from conformance.deployment.settings import numbered


def require_states(history: History, least: int = 1) -> History:
    """Return the history; `Blocked` if it has fewer than `least` states.

    That a history shows the states that were made is judged by HISTORY-01 and PREPOP-09.
    """
    if len(history) < least:
        by = "PREPOP-09" if len(history) else "HISTORY-01"
        raise Blocked(f"the history holds {len(history)} states where {least} are needed", by=by)
    return history


def done_after_a_look(
    given: ThreadsApi, look: Callable[[Thread, str], object] | None = None
) -> tuple[Thread, str]:
    """Return a thread and a checkpoint id, at which `look` has read a state with tasks to be done.

    The update or run that follows does them, so that the tasks of that state have results.
    """
    made = next(iter(given.unfinished()), None)
    if made is None:
        made = given.empty()
        given.run(made, interrupt_before="*")
    checkpoint_id = checkpoint_id_of(given.state(made))
    if look is not None:
        look(made, checkpoint_id)
    try:
        # As the node that the supersteps leave next, which `append` need not name.
        update = given.context.graph().supersteps[-1]["updates"][0]
        given.update_state(made, **numbered(update, 2))
    except Unsupported:
        # Without an input: it would begin the graph anew.
        given.run(made, input=None)
    return made, checkpoint_id

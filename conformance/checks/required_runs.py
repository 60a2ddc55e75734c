"""Prerequisites of checks about runs: what ordinary runs do.

Called where another run did not do what it should: if no run does, another requirement judges it.
"""

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked
from conformance.checks.runs import Runs, message_contents
from conformance.checks.views import checkpoint_named


def require_runs_from_a_checkpoint(given: ThreadsApi, given_runs: Runs, way: str = "wait") -> None:
    """Raise `Blocked` if a run with an input, from a checkpoint of a thread, starts elsewhere."""
    thread = given.empty()
    given_runs.run_to_end(thread, "slow", "first", seconds=0)
    earlier = given.state(thread)
    given_runs.run_to_end(thread, "slow", "second", seconds=0)
    at = {"checkpoint": checkpoint_named(earlier)}
    given_runs.run_by(way, thread, given_runs.body("slow", "third", seconds=0, **at))
    expected = [*message_contents(earlier), "third"]
    said = message_contents(given.state(thread))
    if said[: len(expected)] != expected:
        raise Blocked(
            f"a run from a checkpoint with {expected[:-1]} leaves {said}", by="RUN-CONTROL-16"
        )

"""Assertions about the histories of programs; a failure shows a small bad part as a timeline."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.checks.api import ThreadsApi
from conformance.checks.comparison_count import count_judgement
from conformance.checks.linearizability.checker import linearize
from conformance.checks.linearizability.program_runner import ProgramRunner
from conformance.checks.linearizability.programs import Step
from conformance.checks.linearizability.smallest import smallest_bad
from conformance.checks.linearizability.threads import (
    Request,
    ThreadOperation,
    ThreadState,
    describe,
    describe_state,
    has_no_effect,
    step,
)
from conformance.checks.linearizability.timeline import timeline
from conformance.checks.outcomes import Blocked, SequenceBroken
from conformance.contract.causes import Cause


def require_served_one_by_one(
    given: ThreadsApi,
    runner: ProgramRunner,
    initial: ThreadState,
    script: Sequence[tuple[Request, bool]],
) -> None:
    """Block the check unless the requests of a script are answered correctly without concurrency.

    Other requirements judge that. `script` says of each request whether it must succeed. If an
    operation is missing, the check is unsupported.
    """
    state = initial
    for request, served in script:
        operation, answer = runner.send(1, Step(0, request))
        if served:
            given.ensure_success(answer)
        following = step(state, operation)
        if following is None or (answer.ok and not served):
            raise Blocked(
                "one request after another is not served as expected already: "
                f"{describe(operation)}, where there is {describe_state(state)}"
            )
        state = following


def assert_linearizable(
    history: Sequence[ThreadOperation], initial: ThreadState, requirement: str
) -> None:
    """Assert that one order of the operations on a thread explains all their answers.

    The failure shows the timeline of a small part of the operations that no order explains.
    """
    count_judgement()

    def is_bad(part: tuple[ThreadOperation, ...]) -> bool:
        return linearize(part, initial, step) is None

    whole = tuple(history)
    if not is_bad(whole):
        return
    found = smallest_bad(whole, is_bad, has_no_effect)
    ended = [each for each in found if each.returned is not None]
    last = max(ended, key=lambda each: each.returned or 0)
    raise SequenceBroken(
        "answers that one order of the requests explains, in which each takes effect at one "
        "moment between its call and its answer",
        f"no such order of {len(found)} requests, the last of them: {describe(last)}",
        (f"at first: {describe_state(initial)}", *timeline(found, describe)),
        cause=Cause.at(requirement),
    )

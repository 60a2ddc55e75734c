"""A state machine over the public operations, which tests a promise with random sequences.

Hypothesis chooses the steps and, where the promise is broken, finds a shorter sequence that breaks
it. The machine judges nothing itself: every check passes a judge of one promise.
"""

from __future__ import annotations

from typing import Any

import httpx
import hypothesis
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from conformance.checks.api import ThreadsApi
from conformance.checks.generators.hypothesis_setup import hypothesis_settings
from conformance.checks.outcomes import Blocked, PromiseBroken, SequenceBroken
from conformance.checks.sequences.counterexample_search import EFFORTS, CounterexampleSearch, Judge
from conformance.checks.sequences.sequence_state import Step
from conformance.time_account import Activity, spend

#: The members of metadata that steps write and filters use.
METADATA_KEYS = ("k", "l")
#: Operations in addition to those that a check judges. The first sequence that hypothesis
#: tries repeats the first operation only: with `delete`, it ends soon.
OTHER_OPERATIONS = "delete append copy update create fork prepopulate"
_VALUES = st.sampled_from(["red", "ünï", "", "1", 1, 7, {"a": "x"}, {"a": "y"}])
_METADATA = st.dictionaries(st.sampled_from(METADATA_KEYS), _VALUES, max_size=2).map(
    lambda chosen: tuple(sorted(chosen.items()))
)
_STATUSES = st.sampled_from([None, None, None, "idle", "busy", "interrupted", "error"])
_CHOSEN = st.fixed_dictionaries(
    {
        "thread": st.sampled_from([0, 0, 1, 1, 2, 3]),
        "at": st.integers(0, 7),
        "metadata": _METADATA,
        "status": _STATUSES,
        "some": st.sampled_from([0, 0, 1, 2, 3, 6, 13]),
        "limit": st.integers(1, 4),
    }
)


class _ConnectionBroke(BaseException):
    """Carries a connection error past hypothesis, which must not shrink the sequence for it."""

    def __init__(self, broken: httpx.HTTPError) -> None:
        self.broken = broken


class Machine(RuleBasedStateMachine):
    """The state machine: each rule is an operation with generated arguments."""

    search: CounterexampleSearch

    def __init__(self) -> None:
        super().__init__()
        self._sequence, self._withheld = self.search.begin()
        self._steps: list[Step] = []
        self._may_run = False

    @initialize(metadata=_METADATA, luck=st.integers(0, 7))
    def begin(self, metadata: Any, luck: int) -> None:
        """Begin with one thread. Runs are rare, since one takes about a second."""
        self._may_run = luck == 7
        name = "prepopulate" if self._sequence.graph else "create"
        self._take(Step(name, metadata=metadata))

    @rule(name=st.runner().flatmap(lambda machine: machine.search.names), chosen=_CHOSEN)
    def act(self, name: str, chosen: dict[str, Any]) -> None:
        """Take one step."""
        if name == "append" and self._may_run:
            name, self._may_run = "run", False
        self._take(Step(name, **chosen))

    def teardown(self) -> None:
        """Send the withheld steps if the sequence is known to fail."""
        if self._withheld and repr(self._steps) in self.search.failing:
            for step in self._steps:
                self._send(step)

    def _take(self, step: Step) -> None:
        self._steps.append(step)
        if not self._withheld:
            self._send(step)

    def _send(self, step: Step) -> None:
        try:
            with spend(Activity.JUDGING):
                self.search.take(self._sequence, step)
        except PromiseBroken as broken:
            self.search.record_failure(self._steps, broken)
            raise
        except httpx.HTTPError as broken:
            raise _ConnectionBroke(broken) from broken


def check_sequences(
    api: ThreadsApi, judge: Judge, judged_operations: str, not_judged: str = OTHER_OPERATIONS
) -> None:
    """Test a promise with random sequences; raise `SequenceBroken` with a short one that breaks it.

    `judged_operations` names the operations (separated by spaces; a name given twice is chosen more
    often) at which `judge` is called, `not_judged` those that are sent without being judged. A
    refused step is not judged. `Blocked` if no step could be judged.
    """
    settings = api.context.settings
    effort = EFFORTS[settings.effort]
    search = CounterexampleSearch(
        api, judge, tuple(judged_operations.split()), tuple(not_judged.split()), effort
    )
    kind: type[Machine] = type("Sequence", (Machine,), {"search": search})
    machine = hypothesis.seed(settings.seed)(kind)
    try:
        with spend(Activity.GENERATING):
            run_state_machine_as_test(
                machine,
                settings=hypothesis_settings(
                    settings, effort.examples, stateful_step_count=effort.steps
                ),
            )
    except (PromiseBroken, Flaky) as ended:
        # A deployment that behaves differently each time still broke the promise.
        broken = ended if isinstance(ended, PromiseBroken) else search.broken
        if broken is None:
            raise
        raise SequenceBroken(
            broken.expected, broken.actual, broken.diff, kinds=broken.kinds, cause=broken.cause
        ) from None
    except _ConnectionBroke as ended:
        raise ended.broken from None
    finally:
        # Hypothesis keeps every class of state machines; it must not keep the answers as well.
        del kind.search
    if not search.judged:
        missing = api.context.graph_missing()
        raise search.refusal or Blocked(missing or "no sequence came to what is judged")

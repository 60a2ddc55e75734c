"""The search of one check for a sequence that breaks its promise."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from hypothesis import strategies as st

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported
from conformance.checks.sequences.sequence_state import SequenceState, Step, StepResult

#: Returns a generator that reads what it needs before a step and, resumed with the step's result,
#: judges that step.
Judge = Callable[[SequenceState, Step], Generator[None, StepResult, None]]


@dataclass(frozen=True)
class Effort:
    """How many sequences are tried (`examples`), and the most steps of each.

    Once a sequence fails, up to `shorter` more are tried, for `seconds` at most, to find a shorter
    failing one.
    """

    examples: int
    steps: int
    shorter: int
    seconds: float


EFFORTS = {
    "quick": Effort(examples=3, steps=8, shorter=40, seconds=10),
    "standard": Effort(examples=4, steps=8, shorter=80, seconds=20),
    "thorough": Effort(examples=60, steps=25, shorter=400, seconds=120),
}


@dataclass
class CounterexampleSearch:
    """The search of one check for a sequence that breaks its promise."""

    api: ThreadsApi
    judge: Judge
    judged_operations: tuple[str, ...]
    not_judged: tuple[str, ...]
    effort: Effort
    judged: int = 0
    refusal: Exception | None = None
    broken: PromiseBroken | None = None
    failing: set[str] = field(default_factory=set)
    _tried: int = 0
    _deadline: float = 0.0

    @property
    def names(self) -> st.SearchStrategy[str]:
        """The operations to choose from, of which about half or more are judged."""
        return st.sampled_from(
            [
                *self.not_judged,
                *self.judged_operations
                * max(len(self.not_judged) // len(self.judged_operations), 1),
            ]
        )

    def begin(self) -> tuple[SequenceState, bool]:
        """Start a sequence; return it, and whether its steps are withheld.

        Once the search budget is spent, only sequences that are known to fail are sent.
        """
        context = self.api.context
        context.forget()
        graph = None if context.graph_missing() else context.settings.graph
        if self.broken:
            self._tried += 1
        spent = self._tried > self.effort.shorter or time.monotonic() > self._deadline
        return SequenceState(self.api, graph), bool(self.broken) and spent

    def take(self, sequence: SequenceState, step: Step) -> None:
        """Take one step, and judge it if the check is about it."""
        if not sequence.can(step):
            return
        judging = self.judge(sequence, step) if step.name in self.judged_operations else None
        if judging and not self._advance(sequence, judging):
            judging = None
        done = sequence.do(step)
        if judging and done:
            self._advance(sequence, judging, done)
        self.refusal = sequence.refusal or self.refusal

    def record_failure(self, steps: list[Step], broken: PromiseBroken) -> None:
        """Record that these steps broke the promise."""
        if not self.broken:
            self._deadline = time.monotonic() + self.effort.seconds
        self.broken = broken
        self.failing.add(repr(steps))

    def _advance(
        self,
        sequence: SequenceState,
        judging: Generator[None, StepResult, None],
        done: StepResult | None = None,
    ) -> bool:
        """Advance the judge by one step; return whether it waits for the result of a step.

        A prerequisite that is refused ends the judgement.
        """
        try:
            if done is None:
                next(judging)
                return True
            judging.send(done)
        except StopIteration:
            self.judged += done is not None
        except (Blocked, Unsupported) as refused:
            sequence.refusal = refused
        return False

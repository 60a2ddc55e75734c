"""The context of the running check: its settings, tag and notes, and waiting with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from conformance.checks.outcomes import Blocked
from conformance.deployment.settings import GraphSettings, Settings
from conformance.waiting import wait_until

_T = TypeVar("_T")

#: From this round trip on, in seconds, independent requests of a check are sent together.
_FAR_S = 0.02
#: Not more, since each of many workers may send so many.
_AT_ONCE = 4
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.25
#: What changes no verdict of a requirement is waited for so many times as long as the longest wait
#: that was of use, in a first attempt and in a repetition at least so long.
_TIMES_AS_LONG, _LEAST_S, _LEAST_AGAIN_S = 10, 1.0, 0.25


@dataclass
class Patience:
    """How long the checks of one process wait for what may become visible late.

    Until a check has failed it waits for the whole deadline. Its repetitions, which only tell
    stable from flaky, do not wait far longer than was of any use so far; nor do further checks of
    requirements that a check broke after it had waited for the whole deadline, since these stay
    broken whatever is seen.
    """

    repeats: bool = False
    longest_useful_s: float = 0.0
    _requirements: frozenset[str] = frozenset()
    _broken_late: set[str] = field(default_factory=set)
    _waited_in_vain: bool = False

    def begin_check(self, requirements: Iterable[str]) -> None:
        """Begin an attempt of a check of these requirements."""
        self._requirements = frozenset(requirements)
        if not self.repeats:
            self._waited_in_vain = False

    def check_failed(self) -> None:
        """Take note that the check, and each repetition of it, failed."""
        if self._waited_in_vain:
            self._broken_late |= self._requirements

    def deadline_s(self, declared_s: float) -> float:
        """Return the deadline of the running check, in seconds."""
        is_broken = bool(self._requirements) and self._requirements <= self._broken_late
        if not (self.repeats or is_broken):
            return declared_s
        least_s = _LEAST_AGAIN_S if self.repeats else _LEAST_S
        return min(declared_s, max(least_s, _TIMES_AS_LONG * self.longest_useful_s))

    def was_useful(self, waited_s: float) -> None:
        """Take note that something became visible after so many seconds."""
        self.longest_useful_s = max(self.longest_useful_s, waited_s)

    def was_in_vain(self) -> None:
        """Take note that nothing became visible until the whole deadline had passed."""
        self._waited_in_vain = True


@dataclass
class CheckContext:
    """The settings, tag and notes of the running check.

    `offers` names the documented operations whose presence the check itself decides.
    `why_graph_missing` returns why the graph with an id cannot be used, or None.
    `granted` holds the operations that succeeded once: if refused later, they are not missing.
    `forget` drops the exchanges recorded so far, so that a failure does not report them.
    `round_trip_s` returns about how many seconds the way to the deployment and back takes.
    `patience` is shared by the checks of a process.
    """

    settings: Settings
    tag: dict[str, str]
    offers: str = ""
    why_graph_missing: Callable[[str], str | None] = lambda graph_id: None
    notes: list[str] = field(default_factory=list)
    granted: set[str] = field(default_factory=set)
    forget: Callable[[], None] = lambda: None
    round_trip_s: Callable[[], float] = lambda: 0.0
    patience: Patience = field(default_factory=Patience)

    @property
    def at_once(self) -> int:
        """How many requests that do not depend on one another are sent at a time: one if near."""
        return _AT_ONCE if self.round_trip_s() >= _FAR_S else 1

    def graph(self) -> GraphSettings:
        """Return the graph to use; `Blocked` where the deployment does not have it."""
        if sentence := self.graph_missing():
            raise Blocked(
                f"{sentence}, or name a graph of its own with --graph and describe it in the "
                "[graph] table of threads-conformance.toml"
            )
        return self.settings.graph

    def graph_missing(self) -> str | None:
        """Return a sentence if the deployment lacks the graph of the settings, else None."""
        return self.why_graph_missing(self.settings.graph.id)

    def other_graph(self, name: str) -> str:
        """Return the id of `interrupter`, `failing`, `slow` or `nested`; `Blocked` without it."""
        graph_id: str = getattr(self.settings.graphs, name)
        if sentence := self.why_graph_missing(graph_id):
            raise Blocked(
                f"{sentence}, or name a graph that does the same as {name} in the [graphs] "
                "table of threads-conformance.toml"
            )
        return graph_id

    def note(self, text: str) -> None:
        """Add a note that the report shows with the verdict."""
        self.notes.append(text)

    def eventually(
        self, read: Callable[[], _T], holds: Callable[[_T], bool], within_s: float | None = None
    ) -> _T:
        """Call `read` until `holds` accepts the result or time is up; return the last result.

        The deadline is `within_s` seconds, by default the setting `visible_within_s`, or less where
        that changes no verdict of a requirement (see `Patience`). The last call begins after the
        deadline, so that what is visible by then is seen, however long a call takes. A note says
        how long was waited, unless the first result was accepted.
        """
        deadline = within_s
        if deadline is None:
            deadline = self.patience.deadline_s(self.settings.visible_within_s)
        started = time.monotonic()
        reads, holds_now = 0, False

        def is_accepted(seen: _T) -> bool:
            nonlocal reads, holds_now
            reads, holds_now = reads + 1, holds(seen)
            return holds_now

        seen = wait_until(
            read,
            is_accepted,
            within_s=deadline,
            pause_s=_FIRST_WAIT_S,
            longest_pause_s=_LONGEST_WAIT_S,
        )
        if reads > 1:
            waited_s = time.monotonic() - started
            self.note(f"waited {waited_s * 1000:.0f} ms")
            if holds_now:
                self.patience.was_useful(waited_s)
            elif within_s is None and deadline == self.settings.visible_within_s:
                self.patience.was_in_vain()
        return seen

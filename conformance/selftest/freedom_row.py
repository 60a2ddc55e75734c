"""What one freedom, or two at once, came to: a row of the freedom matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from conformance.contract.causes import Cause


class Outcome(StrEnum):
    """What the suite made of freedoms. Only `FREE` is as it should be."""

    FREE = "everything stayed as it was"
    RED = "turned checks red"
    BLOCKED = "left undecided what it does not name"
    NEVER_EXERCISED = "never exercised"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Undecided:
    """A check of which nothing can be said under the freedoms.

    `causes` are why, as data. `leave` are those of its requirements that the freedoms
    name, `others` the rest.
    """

    verdict: str
    reason: str
    causes: tuple[Cause, ...]
    leave: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Red:
    """A check that failed or broke: its verdict, its requirements and what it says."""

    verdict: str
    requirements: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class FreedomRow:
    """One or two freedoms, and what changed under them, by the id of the check.

    `checks` is the number of checks that were run; all others provably never touch what
    a freedom alters. `broke` are the requirements of wider profiles that fell and that a
    freedom names; `unexercised` are the freedoms that no check reached.
    """

    freedoms: tuple[str, ...]
    red: dict[str, Red] = field(default_factory=dict)
    undecided: dict[str, Undecided] = field(default_factory=dict)
    broke: tuple[str, ...] = ()
    unexercised: tuple[str, ...] = ()
    crashes: tuple[str, ...] = ()
    checks: int = 0
    duration_s: float = 0.0

    @property
    def name(self) -> str:
        """The name of the freedom, or of both."""
        return name_of(self.freedoms)

    @property
    def without_leave(self) -> dict[str, Undecided]:
        """What became undecided though no freedom names it, or without a cause."""
        return {
            check: each for check, each in self.undecided.items() if each.others or not each.causes
        }

    @property
    def blocked(self) -> tuple[str, ...]:
        """The requirements that became undecided by the leave of a freedom."""
        return tuple(sorted({one for each in self.undecided.values() for one in each.leave}))

    @property
    def outcome(self) -> Outcome:
        """What the suite made of it."""
        if self.crashes:
            return Outcome.CRASHED
        if self.red:
            return Outcome.RED
        if self.without_leave:
            return Outcome.BLOCKED
        return Outcome.NEVER_EXERCISED if self.unexercised else Outcome.FREE


BETWEEN = " + "


def name_of(freedoms: tuple[str, ...]) -> str:
    """The name of a row: those of its freedoms."""
    return BETWEEN.join(freedoms)

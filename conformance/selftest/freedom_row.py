"""The result of one freedom, or of two at once, a row of the freedom matrix; and the matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from conformance.contract.causes import Cause


class Outcome(StrEnum):
    """The result of trying freedoms. Only `FREE` is right."""

    FREE = "everything stayed as it was"
    RED = "turned checks red"
    BLOCKED = "left undecided what it does not name"
    NEVER_EXERCISED = "never exercised"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Undecided:
    """A check that is undecided under the freedoms.

    `causes` are the typed causes. `declared` are those of its requirements that the freedoms may
    leave undecided, `others` are the rest.
    """

    verdict: str
    reason: str
    causes: tuple[Cause, ...]
    declared: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Red:
    """A check that failed or broke: its verdict, its requirements and its message."""

    verdict: str
    requirements: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class FreedomRow:
    """One or two freedoms, and what changed under them, by check id.

    `checks` is the number of checks that were run; all others provably never reach an alteration.
    `broke` are the requirements of wider profiles that failed as a freedom declares; `unexercised`
    are the freedoms that no check reached. `catalogue` is the digest of the requirements at that
    time.
    """

    freedoms: tuple[str, ...]
    red: dict[str, Red] = field(default_factory=dict)
    undecided: dict[str, Undecided] = field(default_factory=dict)
    broke: tuple[str, ...] = ()
    unexercised: tuple[str, ...] = ()
    crashes: tuple[str, ...] = ()
    checks: int = 0
    duration_s: float = 0.0
    catalogue: str = ""

    @property
    def name(self) -> str:
        """The name of the freedom, or of both."""
        return name_of(self.freedoms)

    @property
    def undeclared(self) -> dict[str, Undecided]:
        """The checks that are undecided though no freedom declares it, or without a cause."""
        return {
            check: each for check, each in self.undecided.items() if each.others or not each.causes
        }

    @property
    def blocked(self) -> tuple[str, ...]:
        """The requirements that are undecided as a freedom declares."""
        return tuple(sorted({one for each in self.undecided.values() for one in each.declared}))

    @property
    def outcome(self) -> Outcome:
        """The outcome of the row."""
        if self.crashes:
            return Outcome.CRASHED
        if self.red:
            return Outcome.RED
        if self.undeclared:
            return Outcome.BLOCKED
        return Outcome.NEVER_EXERCISED if self.unexercised else Outcome.FREE


@dataclass(frozen=True)
class FreedomMatrix:
    """The rows of single freedoms and of pairs. `partial`: only some were tried.

    `again` are the names of the rows that were tried a second time.
    """

    rows: tuple[FreedomRow, ...]
    partial: bool
    profile: str
    seed: int
    duration_s: float
    again: tuple[str, ...] = ()
    #: If there are any, only the checks of these were run.
    requirements: tuple[str, ...] = ()

    @cached_property
    def alone(self) -> tuple[FreedomRow, ...]:
        """The rows of single freedoms."""
        return tuple(row for row in self.rows if len(row.freedoms) == 1)

    @cached_property
    def pairs(self) -> tuple[FreedomRow, ...]:
        """The rows of pairs."""
        return tuple(row for row in self.rows if len(row.freedoms) > 1)

    @property
    def fair(self) -> bool:
        """Whether every row has the outcome `FREE`."""
        return all(map(is_free, self.rows))


def is_free(row: FreedomRow) -> bool:
    """Return whether all verdicts are the same as without the freedoms."""
    return row.outcome is Outcome.FREE


BETWEEN = " + "


def name_of(freedoms: tuple[str, ...]) -> str:
    """Return the name of a row: the names of its freedoms."""
    return BETWEEN.join(freedoms)

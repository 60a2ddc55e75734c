"""The result of one fault, a row of the kill matrix; and the matrix of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from conformance.contract.catalogue import ALL_CLIENTS, COUNTED_LEVELS, Requirement, load_catalogue


class Outcome(StrEnum):
    """The result of trying a fault. Only the first two are right."""

    KILLED = "killed by exactly the named requirements"
    LEFT_ALONE = "not noticed, and breaks none of the requirements"
    INEXACT = "killed, but not by exactly the named requirements"
    SURVIVED = "survived"
    NEVER_EXERCISED = "never exercised"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Row:
    """A fault, the requirements that it breaks, and those that failed, were blocked or in error.

    `checks` is the number of checks that were run; the others never reach the alteration, as
    a run without the fault showed. `why` maps ids of failed and blocked checks to the first line of
    their message. `narrow` says that only the checks of the requirements in `breaks` were run,
    `catalogue` is the digest of the requirements at that time.
    """

    fault: str
    breaks: tuple[str, ...]
    fell: tuple[str, ...]
    blocked: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    exercised: bool = True
    crashes: tuple[str, ...] = ()
    checks: int = 0
    duration_s: float = 0.0
    why: dict[str, str] | None = None
    narrow: bool = False
    catalogue: str = ""

    @property
    def name(self) -> str:
        """The name of the fault."""
        return self.fault

    @property
    def missed(self) -> tuple[str, ...]:
        """The named requirements that did not fail."""
        return tuple(sorted(set(self.breaks) - set(self.fell)))

    @property
    def unnamed(self) -> tuple[str, ...]:
        """The requirements that failed without being named."""
        return tuple(sorted(set(self.fell) - set(self.breaks)))

    @property
    def outcome(self) -> Outcome:
        """The outcome of the row."""
        if self.crashes:
            return Outcome.CRASHED
        if not (self.breaks or self.fell):
            return Outcome.LEFT_ALONE
        if not self.exercised:
            return Outcome.NEVER_EXERCISED
        if not self.fell:
            return Outcome.SURVIVED
        return Outcome.INEXACT if self.missed or self.unnamed else Outcome.KILLED


@dataclass(frozen=True)
class Matrix:
    """The rows of the faults. `partial`: only some faults were tried.

    `again` are the names of the faults tried a second time.
    """

    rows: tuple[Row, ...]
    partial: bool
    profile: str
    duration_s: float
    again: tuple[str, ...] = ()
    #: If there are any, only the checks of these were run.
    requirements: tuple[str, ...] = ()

    @property
    def narrow(self) -> int:
        """The number of faults tried only by the checks of the requirements that they break."""
        return sum(row.narrow for row in self.rows)

    @cached_property
    def killers(self) -> dict[str, list[str]]:
        """The faults that were killed exactly, by the requirements that failed."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            if row.outcome is Outcome.KILLED:
                for requirement in row.fell:
                    found.setdefault(requirement, []).append(row.fault)
        return found

    @cached_property
    def judged(self) -> tuple[Requirement, ...]:
        """The requirements of the profile, including those of the documents' clients."""
        return load_catalogue().in_profile(self.profile, ALL_CLIENTS)

    @cached_property
    def unproved(self) -> dict[str, list[str]]:
        """The requirements of each level for which no fault was killed."""
        return {
            level: [e.id for e in self.judged if e.level == level and e.id not in self.killers]
            for level in COUNTED_LEVELS
        }

    @property
    def sharp(self) -> bool:
        """Whether every fault was killed, and every MUST and SHOULD has a fault."""
        killed = all(map(is_killed, self.rows))
        return killed and (self.partial or not any(self.unproved.values()))


def is_killed(row: Row) -> bool:
    """Return whether exactly the requirements failed that the fault breaks."""
    return row.outcome in (Outcome.KILLED, Outcome.LEFT_ALONE)

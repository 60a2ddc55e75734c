"""The result of one fault: a row of the kill matrix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The result of trying a fault. Only `KILLED` is right."""

    KILLED = "killed by exactly the named requirements"
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
        if not self.exercised:
            return Outcome.NEVER_EXERCISED
        if not self.fell:
            return Outcome.SURVIVED
        return Outcome.INEXACT if self.missed or self.unnamed else Outcome.KILLED

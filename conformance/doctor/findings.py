"""What a trial of the settings found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Whose matter a finding is."""

    WRONG = "wrong"
    """The settings: they say otherwise than the deployment does."""
    ABSENT = "absent"
    """Nobody's: the deployment does not offer something, and checks are left undecided."""
    SERVER = "server"
    """The deployment's: it broke, or did not answer; a run tells which promise that breaks."""


@dataclass(frozen=True)
class Finding:
    """A sentence that says what to do, and what stays undecided if it is not done."""

    kind: Kind
    sentence: str
    blocks: str = ""

    def __str__(self) -> str:
        return f"{self.sentence}; blocked: {self.blocks}" if self.blocks else self.sentence

"""The findings of a trial of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Where the cause of a finding lies."""

    WRONG = "wrong"
    """The settings, which do not describe the deployment as it is."""
    ABSENT = "absent"
    """Nobody's fault: the deployment does not offer something; checks stay undecided."""
    SERVER = "server"
    """The deployment, which failed or did not answer; a run shows which promise that breaks."""


@dataclass(frozen=True)
class Finding:
    """A sentence that says what to do, and what stays undecided until it is done."""

    kind: Kind
    sentence: str
    undecided: str = ""

    def __str__(self) -> str:
        return f"{self.sentence}; blocked: {self.undecided}" if self.undecided else self.sentence

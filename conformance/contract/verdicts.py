"""The verdicts of checks, requirements and runs.

The report format (`schemas/report.json`) pins their values, since other tools read them.
"""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """The verdict on a check or a requirement."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    BLOCKED = "blocked"
    NOT_RUN = "not_run"
    UNSUPPORTED = "unsupported"


class RunVerdict(StrEnum):
    """The verdict of a whole run on a deployment."""

    CONFORMANT = "conformant"
    NON_CONFORMANT = "non_conformant"
    INCOMPLETE = "incomplete"


class Stability(StrEnum):
    """Whether a failed check failed on every repetition."""

    STABLE = "stable"
    FLAKY = "flaky"


#: Worst first: a requirement takes the worst verdict of its checks.
WORST_FIRST = (
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.BLOCKED,
    Verdict.NOT_RUN,
    Verdict.UNSUPPORTED,
    Verdict.PASS,
)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of `verdicts`; `not_run` if there is none."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.NOT_RUN)

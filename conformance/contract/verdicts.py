"""The words in which checks and requirements are judged.

They are pinned by the report format (`schemas/report.json`): other tools read them.
"""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """How a check, or a requirement, ended."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    BLOCKED = "blocked"
    NOT_RUN = "not_run"
    UNSUPPORTED = "unsupported"


class RunVerdict(StrEnum):
    """What a whole run says of a deployment."""

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
    """The worst of `verdicts`; `not_run` when there is none."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.NOT_RUN)

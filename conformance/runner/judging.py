"""Verdict, causes and fingerprint of the exception that ended a check."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from conformance.checks.outcomes import (
    Blocked,
    NotRun,
    PromiseBroken,
    Unsupported,
)
from conformance.contract.causes import Cause, fingerprint
from conformance.contract.verdicts import Verdict, worst
from conformance.deployment.ownership.guard import DisposableOnlyRefusal, NotOursRefusal
from conformance.deployment.record.exchange import Exchange

#: Modules whose functions judge, and those among them that only help others to judge.
_JUDGING = ("conformance.suite.", "conformance.checks.", "conformance.clients.")
_HELPING = frozenset({"conformance.checks.api", "conformance.checks.expect"})


def verdict_of(ended: BaseException) -> Verdict:
    """Return the verdict that an exception means for the requirements of its check."""
    match ended:
        case Blocked():
            return Verdict.BLOCKED
        case Unsupported():
            return Verdict.UNSUPPORTED
        case NotRun() | DisposableOnlyRefusal():
            return Verdict.NOT_RUN
        case NotOursRefusal():
            return Verdict.BLOCKED
        case AssertionError():
            return Verdict.FAIL
        case BaseExceptionGroup():
            # Hypothesis raises several distinct failures of one property together.
            return worst(verdict_of(each) for each in ended.exceptions)
        case _:
            # The deployment did not answer, or the suite has a defect.
            return Verdict.ERROR


def worst_failure(ended: BaseException) -> BaseException:
    """Return the worst of several failures of one property, which hypothesis raises as a group."""
    if not isinstance(ended, BaseExceptionGroup):
        return ended
    verdict = verdict_of(ended)
    return worst_failure(next(each for each in ended.exceptions if verdict_of(each) is verdict))


def causes_of(ended: BaseException) -> tuple[Cause, ...]:
    """Return why a check is undecided: the causes that are named, else the function that raised."""
    match verdict_of(ended):
        case Verdict.BLOCKED | Verdict.UNSUPPORTED:
            named: tuple[Cause, ...] = getattr(ended, "by", ())
            return named or (Cause.at(judging_function(ended)),)
        case _:
            return ()


def fingerprint_of(ended: BaseException, exchanges: Sequence[Exchange]) -> str:
    """Return the fingerprint of a failure, which does not depend on any sentence.

    It is the fingerprint of the cause if the exception names one. Else it is made of the last
    operation, its status, and the places that differ or, without such places, the function that
    judged.
    """
    broken = ended if isinstance(ended, PromiseBroken) else None
    if broken and broken.cause:
        return broken.cause.fingerprint
    last = exchanges[-1] if exchanges else None
    asked = (last.operation, last.status) if last else ("", None)
    kinds = broken.kinds if broken else ()
    return fingerprint("failed", *asked, *(kinds or (judging_function(ended),)))


def judging_function(ended: BaseException) -> str:
    """Return the innermost function of the suite that judged, leaving out helpers."""
    place = type(ended).__name__
    for frame, _ in traceback.walk_tb(ended.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(_JUDGING) and module not in _HELPING:
            place = f"{module.rpartition('.')[2]}.{frame.f_code.co_qualname}"
    return place


def private_facts(ended: BaseException) -> str:
    """Return what an exception may reveal about other people's threads: no content, no id."""
    if isinstance(ended, PromiseBroken | Blocked) and ended.facts:
        return ended.facts
    if isinstance(ended, Unsupported):
        return str(ended)
    return f"{type(ended).__name__}; no more is told, as it may hold other people's content"


def first_line(ended: BaseException) -> str:
    """Return the first line of an exception's message, else its type."""
    return (str(ended) or type(ended).__name__).splitlines()[0]

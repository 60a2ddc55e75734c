"""What the exception that ended a check says: its verdict, cause and fingerprint."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import httpx

from conformance.checks.outcomes import (
    Blocked,
    NotRun,
    PromiseBroken,
    Unsupported,
)
from conformance.contract.causes import Cause, fingerprint
from conformance.contract.verdicts import Verdict, worst
from conformance.deployment.exchange import Exchange
from conformance.deployment.guard import DisposableOnlyRefusal, NotOursRefusal

#: Where checks are written, and what of it only helps them to ask and to judge.
_JUDGING = ("conformance.suite.", "conformance.checks.", "conformance.clients.")
_HELPING = frozenset({"conformance.checks.api", "conformance.checks.expect"})


def verdict_of(ended: BaseException) -> Verdict:
    """What an exception that ended a check says of the promise."""
    match ended:
        case Blocked():
            return Verdict.BLOCKED
        case Unsupported():
            return Verdict.UNSUPPORTED
        case NotRun() | DisposableOnlyRefusal():
            return Verdict.NOT_RUN
        case NotOursRefusal():
            return Verdict.BLOCKED
        case httpx.HTTPError():
            return Verdict.ERROR
        case AssertionError():
            return Verdict.FAIL
        case BaseExceptionGroup():
            # Hypothesis raises several distinct failures of one property together.
            return worst(verdict_of(each) for each in ended.exceptions)
        case _:
            return Verdict.ERROR


def decisive(ended: BaseException) -> BaseException:
    """Of several failures of one property, which hypothesis raises together, the worst."""
    if not isinstance(ended, BaseExceptionGroup):
        return ended
    verdict = verdict_of(ended)
    return decisive(next(each for each in ended.exceptions if verdict_of(each) is verdict))


def causes_of(ended: BaseException) -> tuple[Cause, ...]:
    """Why nothing can be said, as data: what the exception names, else where it was raised."""
    match verdict_of(ended):
        case Verdict.BLOCKED | Verdict.UNSUPPORTED:
            named: tuple[Cause, ...] = getattr(ended, "by", ())
            return named or (Cause.at(place_of(ended)),)
        case _:
            return ()


def fingerprint_of(ended: BaseException, exchanges: Sequence[Exchange]) -> str:
    """The fingerprint of a failure, made of no sentence.

    It is that of the refusal by which the promise fell; else it is made of the last
    operation, its status, and the places that differ, or the function that judged.
    """
    broken = ended if isinstance(ended, PromiseBroken) else None
    if broken and broken.cause:
        return broken.cause.fingerprint
    last = exchanges[-1] if exchanges else None
    asked = (last.operation, last.status) if last else ("", None)
    kinds = broken.kinds if broken else ()
    return fingerprint("failed", *asked, *(kinds or (place_of(ended),)))


def place_of(ended: BaseException) -> str:
    """The name of the function of the suite that ended a check: what judged, not what helped."""
    place = type(ended).__name__
    for frame, _ in traceback.walk_tb(ended.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(_JUDGING) and module not in _HELPING:
            place = f"{module.rpartition('.')[2]}.{frame.f_code.co_qualname}"
    return place


def private_facts(ended: BaseException) -> str:
    """What an exception may tell of other people's threads: no content, and no id."""
    if isinstance(ended, PromiseBroken | Blocked) and ended.facts:
        return ended.facts
    if isinstance(ended, Unsupported):
        return str(ended)
    return f"{type(ended).__name__}; no more is told, as it may hold other people's content"


def first_line(ended: BaseException) -> str:
    """What an exception says in its first line, else its name."""
    return (str(ended) or type(ended).__name__).splitlines()[0]

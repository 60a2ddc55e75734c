"""Verdict, causes and fingerprint of the exception that ends a check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from conformance.checks.outcomes import (
    Blocked,
    NotRun,
    OptionNotGiven,
    PromiseBroken,
    SequenceBroken,
    Unsupported,
)
from conformance.contract.causes import Cause, fingerprint
from conformance.contract.verdicts import Verdict
from conformance.deployment.ownership.guard import (
    DisposableOnlyRefusal,
    GuardRefusal,
    NotOursRefusal,
)
from conformance.runner.judging import (
    causes_of,
    fingerprint_of,
    first_line,
    judging_function,
    private_facts,
    verdict_of,
    worst_failure,
)
from tests.report_examples import exchange

MISSING = Cause.refused("copy", 404, "missing")
BROKEN, BLOCKED = PromiseBroken("4 states", "3 states"), Blocked("no states")
UNSUPPORTED = Unsupported("no prune", by=MISSING)
REQUEST = httpx.Request("GET", "http://deployment")


def group(*ended: Exception) -> ExceptionGroup[Exception]:
    return ExceptionGroup("several failures of one property", ended)


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        (BROKEN, Verdict.FAIL),
        (SequenceBroken("4 states", "3 states"), Verdict.FAIL),
        (AssertionError("of a client"), Verdict.FAIL),
        (BLOCKED, Verdict.BLOCKED),
        (NotOursRefusal("a stranger's"), Verdict.BLOCKED),
        (UNSUPPORTED, Verdict.UNSUPPORTED),
        (NotRun("curl"), Verdict.NOT_RUN),
        (OptionNotGiven("--restart"), Verdict.NOT_RUN),
        (DisposableOnlyRefusal("DELETE"), Verdict.NOT_RUN),
        (httpx.ReadTimeout("", request=REQUEST), Verdict.ERROR),
        (httpx.ConnectError("", request=REQUEST), Verdict.ERROR),
        (GuardRefusal("an unknown path"), Verdict.ERROR),
        (KeyError("a defect of the suite"), Verdict.ERROR),
        (group(BLOCKED, BROKEN), Verdict.FAIL),
        (group(BLOCKED, group(UNSUPPORTED, KeyError())), Verdict.ERROR),
        (group(UNSUPPORTED, BLOCKED), Verdict.BLOCKED),
    ],
)
def test_the_verdict_of_an_exception(ended: BaseException, verdict: Verdict) -> None:
    assert verdict_of(ended) is verdict


def test_of_several_failures_the_worst_is_told() -> None:
    assert worst_failure(BLOCKED) is BLOCKED
    assert worst_failure(group(BLOCKED, group(UNSUPPORTED, BROKEN))) is BROKEN
    assert worst_failure(group(UNSUPPORTED, BLOCKED)) is BLOCKED


@pytest.mark.parametrize(
    ("ended", "causes"),
    [
        (Blocked("", by="COPY-03"), (Cause.broken("COPY-03"),)),
        (Blocked("", by=MISSING), (MISSING,)),
        (Blocked("", by=(MISSING, Cause.broken("A-1"))), (MISSING, Cause.broken("A-1"))),
        (UNSUPPORTED, (MISSING,)),
        (BLOCKED, (Cause.at("Blocked"),)),
        (NotOursRefusal(""), (Cause.at("NotOursRefusal"),)),
        # A failure has a fingerprint, and an error shows nothing about the deployment.
        (PromiseBroken("", "", cause=MISSING), ()),
        (KeyError(), ()),
        (NotRun(), ()),
    ],
)
def test_the_causes_of_what_is_undecided(ended: BaseException, causes: tuple[Cause, ...]) -> None:
    assert causes_of(ended) == causes


# Functions that judged


def function_of(module: str, body: str, **known: Any) -> Callable[[], None]:
    """Make a function `judge` of a module."""
    names = {"__name__": module, **known}
    exec(f"def judge():\n    {body}", names)
    judge: Callable[[], None] = names["judge"]
    return judge


def raised_in(*modules: str, by: BaseException) -> BaseException:
    """Raise an exception in the last of these modules, which the others call."""
    judge = function_of(modules[-1], "raise ended", ended=by)
    for each in reversed(modules[:-1]):
        judge = function_of(each, "inner()", inner=judge)
    try:
        judge()
    except BaseException as ended:
        return ended
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("modules", "place"),
    [
        (["conformance.suite.test_copy"], "test_copy.judge"),
        (["conformance.suite.test_copy", "conformance.checks.acts"], "acts.judge"),
        (["conformance.clients.curl", "elsewhere"], "curl.judge"),
        # These help others to judge: whom they help is told.
        (["conformance.suite.test_copy", "conformance.checks.expect"], "test_copy.judge"),
        (["conformance.suite.test_copy", "conformance.checks.api"], "test_copy.judge"),
        # These are none of the suite's checks.
        (["conformance.runner.worker", "conformance.deployment.client"], "Blocked"),
        (["conformance.checks.expect"], "Blocked"),
    ],
)
def test_the_innermost_function_that_judged_is_told(modules: list[str], place: str) -> None:
    ended = raised_in(*modules, by=Blocked("nothing to compare"))
    assert judging_function(ended) == place
    assert causes_of(ended) == (Cause.at(place),)


def test_where_no_function_of_the_suite_judged_the_type_is_told() -> None:
    assert judging_function(BLOCKED) == "Blocked"
    assert judging_function(KeyError()) == "KeyError"


# Fingerprints

COPIED = exchange(operation="copy", status=500)
READ = exchange(operation="get", status=200)


def test_a_failure_with_a_cause_has_its_fingerprint() -> None:
    assert fingerprint_of(PromiseBroken("", "", cause=MISSING), [READ]) == MISSING.fingerprint


@pytest.mark.parametrize(
    ("ended", "last"),
    [
        (PromiseBroken("", "", kinds=("$.a str number",)), ("$.a str number",)),
        (PromiseBroken("", "", kinds=("$.a", "$.b")), ("$.a", "$.b")),
        (BROKEN, ("PromiseBroken",)),
        (AssertionError("of a client"), ("AssertionError",)),
    ],
)
def test_a_fingerprint_is_made_of_the_last_answer_and_what_differs(
    ended: BaseException, last: tuple[str, ...]
) -> None:
    assert fingerprint_of(ended, [READ, READ, COPIED]) == fingerprint("failed", "copy", 500, *last)
    assert fingerprint_of(ended, [COPIED, READ]) == fingerprint("failed", "get", 200, *last)
    assert fingerprint_of(ended, []) == fingerprint("failed", "", None, *last)


def test_a_fingerprint_tells_the_function_that_judged() -> None:
    ended = raised_in("conformance.suite.test_copy", by=PromiseBroken("", ""))
    assert fingerprint_of(ended, []) == fingerprint("failed", "", None, "test_copy.judge")


# What may be told


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (PromiseBroken("secret", "secret", facts="2 threads"), "2 threads"),
        (Blocked("secret", facts="no thread"), "no thread"),
        # The reason names an operation, and nothing that is on a deployment.
        (UNSUPPORTED, "no prune"),
    ],
)
def test_facts_may_be_told_where_content_may_not(ended: BaseException, told: str) -> None:
    assert private_facts(ended) == told


@pytest.mark.parametrize(
    "ended", [PromiseBroken("secret", "secret"), Blocked("secret"), KeyError("secret")]
)
def test_without_facts_only_the_type_is_told(ended: BaseException) -> None:
    told = private_facts(ended)
    assert told.startswith(type(ended).__name__)
    assert "secret" not in told


def test_the_first_line_of_a_message_is_told_or_else_the_type() -> None:
    assert first_line(Blocked("one\ntwo")) == "one"
    assert first_line(AssertionError()) == "AssertionError"

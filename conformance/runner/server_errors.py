"""Answers by 500 in the traffic of a run that no check has judged.

Most checks judge one answer, and ignore the answers to other requests, such as those of the
clean-up. Here all answers by 500 are judged, as one requirement, with one result for each
operation. An answer by 500 that made a check fail or blocked it is already reported by that check,
and is not reported again. Under a user's own pytest there is no report, so that these results are
not shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.catalogue import Catalogue
from conformance.contract.causes import fingerprint
from conformance.contract.operations import BY_NAME
from conformance.contract.verdicts import Stability, Verdict
from conformance.deployment.record.exchange import INTERNAL_SERVER_ERROR, Exchange
from conformance.deployment.record.reproduction import reproduction
from conformance.deployment.recorder import Recorder
from conformance.report.record import CheckResult, Failure

#: The requirement that such answers break.
INTERNAL_ERROR = "ERROR-INTERNAL-01"
#: The name that stands for the clean-up in places where a check is named.
CLEAN_UP = "clean-up"
#: The same for the users of a load.
LOAD = "load"
#: What the id of a result begins with; the operation follows.
_OF_ANSWERS = "answers::"
#: Exchanges quoted for one operation.
_QUOTED = 5


@dataclass(frozen=True)
class ServerError:
    """One exchange that was answered by 500: in which check, and how to send it again.

    `recurs` is true if in each repetition of the check the operation was answered by 500 as well.
    `times` is how many such exchanges it stands for.
    """

    check: str
    operation: str
    summary: dict[str, Any]
    curl: str
    recurs: bool = False
    times: int = 1


def server_error(
    check: str, exchange: Exchange, before: Sequence[Exchange] = (), base: str = ""
) -> ServerError:
    """Make a `ServerError`; `before` are the exchanges of the check, in their order.

    `base` is the URL of the deployment.
    """
    place = next((n for n, each in enumerate(before, 1) if each is exchange), 0)
    curl = reproduction(before[:place], base) if place else exchange.curl()
    return ServerError(check, exchange.operation, exchange.summary(), curl)


def errors_in_passed_check(
    result: CheckResult, recorder: Recorder, exchanges: Sequence[Exchange], base: str = ""
) -> tuple[ServerError, ...]:
    """Return the answers by 500 in a check that passed; none if there was network trouble.

    `recorder` is the recorder as the check has left it, `exchanges` are those of the check,
    and `base` is the URL of the deployment.
    """
    if result.verdict is not Verdict.PASS or recorder.troubles or recorder.doubts:
        return ()
    return tuple(server_error(result.id, each, exchanges, base) for each in recorder.server_errors)


def errors_of_load(
    times: Mapping[str, int], exchanges: Sequence[Exchange]
) -> tuple[ServerError, ...]:
    """Return the answers by 500 to a load, which has kept only a few `exchanges` of each operation.

    `times` is how many there were of each operation.
    """
    unkept = dict(times)
    for each in exchanges:
        unkept[each.operation] -= 1
    found = []
    for each in exchanges:
        error = server_error(LOAD, each)
        found.append(dataclasses.replace(error, times=1 + unkept.pop(each.operation, 0)))
    return tuple(found)


def results_of_errors(
    errors: Iterable[ServerError], results: Sequence[CheckResult], catalogue: Catalogue
) -> tuple[CheckResult, ...]:
    """Return a failure of the requirement for each operation that was answered by 500.

    Operations whose 500 is why one of `results` did not pass are left out.
    """
    already_reported = _already_reported(results)
    by_operation: dict[str, list[ServerError]] = {}
    for each in errors:
        if each.operation not in already_reported:
            by_operation.setdefault(each.operation, []).append(each)
    return tuple(
        _result(operation, found, catalogue) for operation, found in sorted(by_operation.items())
    )


def without_reported(checks: Collection[CheckResult]) -> list[CheckResult]:
    """Return checks without answers by 500 that are why another of them did not pass."""
    reported = _already_reported(each for each in checks if not _is_of_answers(each))
    return [
        each
        for each in checks
        if not (_is_of_answers(each) and each.id.removeprefix(_OF_ANSWERS) in reported)
    ]


def _is_of_answers(check: CheckResult) -> bool:
    """Return whether a result is one that `results_of_errors` has made."""
    return check.id.startswith(_OF_ANSWERS)


def _already_reported(results: Iterable[CheckResult]) -> set[str]:
    """Return the operations whose answers by 500 are among the reasons of these results."""
    already_reported = set()
    for result in results:
        for cause in result.blocked_by:
            if cause.status == INTERNAL_SERVER_ERROR:
                already_reported.add(cause.operation)
        for exchange in result.failure.exchanges if result.failure else ():
            if exchange.get("status") == INTERNAL_SERVER_ERROR:
                already_reported.add(str(exchange.get("operation")))
    return already_reported


def _result(operation: str, found: Sequence[ServerError], catalogue: Catalogue) -> CheckResult:
    requirement = catalogue.requirements[INTERNAL_ERROR]
    known = BY_NAME.get(operation)
    request = f"{known.method} {known.path}" if known else operation
    checks = sorted({each.check for each in found})
    expected = "no request of the run answered by 500"
    where = ", ".join(checks[:3]) + (f" and {len(checks) - 3} more" if len(checks) > 3 else "")
    actual = f"{request} answered by 500 {sum(each.times for each in found)} times: in {where}"
    message = [
        f"{requirement.id}: {requirement.statement}",
        f"expected: {expected}",
        f"got: {actual}",
        f"reproduce: \n{found[0].curl}",
        *(f"source: {each}" for each in requirement.sources),
    ]
    return CheckResult(
        id=f"{_OF_ANSWERS}{operation}",
        requirements=(requirement.id,),
        verdict=Verdict.FAIL,
        capability=requirement.capability,
        stability=Stability.STABLE if any(each.recurs for each in found) else Stability.FLAKY,
        reason=f"expected {expected}; got {actual}",
        failure=Failure(
            message="\n".join(message),
            expected=expected,
            actual=actual,
            diff=(),
            fingerprint=fingerprint("answered", operation, INTERNAL_SERVER_ERROR),
            curl=found[0].curl.strip(),
            exchanges=tuple(each.summary for each in found[:_QUOTED]),
        ),
    )

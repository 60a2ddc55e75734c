"""Network trouble: a response, or an error, that does not come from the deployment itself.

Examples are a gateway's answer, a broken connection, an expired key or a login page: such
an answer is never a verdict about a requirement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

import httpx

from conformance.contract.operations import BY_NAME
from conformance.json_text import JsonTooLargeError, parse_json

#: Statuses of a gateway, or of an overloaded server.
GATEWAY_STATUSES = frozenset({429, 502, 503, 504})
#: Statuses that reject credentials: trouble where the credentials were accepted before.
CREDENTIAL_STATUSES = frozenset({401, 403, 407})
#: Key of `request.extensions` for statuses that the check expects: they are not trouble.
EXPECTED_STATUSES = "threads_conformance_expects"
#: Longest wait that a `Retry-After` can demand, in seconds.
LONGEST_RETRY_AFTER_S = 10.0

_WITHOUT_BODY = (httpx.codes.NO_CONTENT, httpx.codes.RESET_CONTENT)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Execution(Enum):
    """Whether a request that met trouble was executed."""

    #: The deployment has not executed it.
    NOT_DONE = "not done"
    #: The deployment may have executed it, or not.
    UNKNOWN = "unknown"
    #: It was answered, by the deployment or by something in between.
    ANSWERED = "answered"


@dataclass(frozen=True)
class Trouble:
    """The trouble that one request met; `what` describes it in a few words.

    `retry_after_s` is the wait that the answer demands, in seconds. `hangs` is set where
    the operation has timed out several times in a row.
    """

    operation: str
    what: str
    execution: Execution
    timed_out: bool = False
    unreachable: bool = False
    retry_after_s: float | None = None
    hangs: bool = False

    def __str__(self) -> str:
        return f"{self.operation}: {self.what}"


class TroubleError(httpx.TransportError):
    """Network trouble that persists: the requirement cannot be decided."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(f"trouble on the way to the deployment ({trouble})")
        self.trouble = trouble


def trouble_of_error(operation: str, error: httpx.HTTPError) -> Trouble:
    """Return the trouble that an error of the connection means."""
    return Trouble(
        operation,
        str(error) or type(error).__name__,
        Execution.NOT_DONE if isinstance(error, _NEVER_SENT) else Execution.UNKNOWN,
        timed_out=isinstance(error, httpx.TimeoutException),
        unreachable=isinstance(error, httpx.ConnectError | httpx.ConnectTimeout),
    )


def trouble_of_answer(operation: str, response: httpx.Response) -> Trouble | None:
    """Return the trouble that an answer may mean; None if it is the deployment's own answer.

    Trouble with `ANSWERED` may still be the deployment's own answer: that is decided by
    repeating a request that succeeded before.
    """
    status = response.status_code
    if status in response.request.extensions.get(EXPECTED_STATUSES, ()):
        return None
    if status in GATEWAY_STATUSES:
        execution = (
            Execution.NOT_DONE if status == httpx.codes.TOO_MANY_REQUESTS else Execution.UNKNOWN
        )
        return Trouble(
            operation, f"answered {status}", execution, retry_after_s=retry_after(response)
        )
    if status in CREDENTIAL_STATUSES:
        return Trouble(
            operation, f"answered {status}, as if the key were refused", Execution.ANSWERED
        )
    if 300 <= status < 400:
        return Trouble(operation, f"redirected by {status}", Execution.ANSWERED)
    if _is_html(response):
        return Trouble(operation, f"answered {status} with an HTML page", Execution.ANSWERED)
    if _is_broken_json(response) or _lacks_its_json(operation, response):
        return Trouble(
            operation, f"answered {status} with JSON that is cut short", Execution.ANSWERED
        )
    return None


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that `Retry-After` demands, between 0 and the maximum; else None."""
    header = response.headers.get("retry-after", "").strip()
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            until = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (until.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S) if seconds == seconds else None


def _kind(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _is_html(response: httpx.Response) -> bool:
    if _kind(response) in ("text/html", "application/xhtml+xml"):
        return True
    start = response.content[:64].lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html"))


def _lacks_its_json(operation: str, response: httpx.Response) -> bool:
    """Return whether a read succeeded with an empty body that is declared as JSON.

    A body of one character is empty once it is cut short. Writes are left out, since an empty
    answer to a write can be right.
    """
    known = BY_NAME.get(operation)
    return (
        known is not None
        and not known.writes
        and response.is_success
        and response.status_code not in _WITHOUT_BODY
        and _kind(response) == "application/json"
        and not response.content
    )


def _is_broken_json(response: httpx.Response) -> bool:
    """Return whether a body declared as JSON is not JSON, as after truncation."""
    body = response.content
    if _kind(response) != "application/json" or not body:
        return False
    # Balanced brackets mean that nothing was cut off, without the cost of parsing.
    if (
        body.rstrip().endswith((b"}", b"]"))
        and body.count(b"{") == body.count(b"}")
        and body.count(b"[") == body.count(b"]")
    ):
        return False
    try:
        parse_json(response.content)
    except JsonTooLargeError:
        return False
    except ValueError:
        return True
    return False

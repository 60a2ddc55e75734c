"""Trouble on the way to a deployment: what is no answer of the deployment's to a request.

A gateway that answers for it, a connection that breaks, a key that has expired, a login
page: such an answer is never a verdict about a promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

import httpx

from conformance.json_text import UndigestedJsonError, parse_json

#: Statuses by which a gateway, or a server that has too much to do, does not answer.
GATEWAY_STATUSES = frozenset({429, 502, 503, 504})
#: Statuses that mean the credentials, where these were accepted before.
CREDENTIAL_STATUSES = frozenset({401, 403, 407})
#: Set in `request.extensions` to the statuses that a check is about: they are no trouble.
EXPECTED_STATUSES = "threads_conformance_expects"
#: Longest time, in seconds, for which a `Retry-After` is honoured.
LONGEST_RETRY_AFTER_S = 10.0

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Fate(Enum):
    """What may have become of a request that was in trouble."""

    #: The deployment has not done it.
    NOT_DONE = "not done"
    #: It may have been done, or not.
    UNKNOWN = "unknown"
    #: It was answered, by the deployment or by somebody on the way.
    ANSWERED = "answered"


@dataclass(frozen=True)
class Trouble:
    """One request that was in trouble: what came instead of an answer, in a few words.

    `retry_after_s` is how long to wait, in seconds, where the answer says so. What `hangs`
    ran into its time limit each time of late.
    """

    operation: str
    what: str
    fate: Fate
    timed_out: bool = False
    unreachable: bool = False
    retry_after_s: float | None = None
    hangs: bool = False

    def __str__(self) -> str:
        return f"{self.operation}: {self.what}"


class TroubleError(httpx.TransportError):
    """Trouble on the way that stayed: nothing can be said of the promise."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(f"trouble on the way to the deployment ({trouble})")
        self.trouble = trouble


def trouble_of_error(operation: str, error: httpx.HTTPError) -> Trouble:
    """Name the trouble that an error of the connection is."""
    return Trouble(
        operation,
        str(error) or type(error).__name__,
        Fate.NOT_DONE if isinstance(error, _NEVER_SENT) else Fate.UNKNOWN,
        timed_out=isinstance(error, httpx.TimeoutException),
        unreachable=isinstance(error, httpx.ConnectError | httpx.ConnectTimeout),
    )


def trouble_of_answer(operation: str, response: httpx.Response) -> Trouble | None:
    """Name the trouble that an answer may be; None if it is an answer of a deployment's.

    What may as well be the deployment's own answer has the fate `ANSWERED`: whether it is
    shows when the deployment is asked something that it has answered before.
    """
    status = response.status_code
    if status in response.request.extensions.get(EXPECTED_STATUSES, ()):
        return None
    if status in GATEWAY_STATUSES:
        fate = Fate.NOT_DONE if status == httpx.codes.TOO_MANY_REQUESTS else Fate.UNKNOWN
        return Trouble(operation, f"answered {status}", fate, retry_after_s=retry_after(response))
    if status in CREDENTIAL_STATUSES:
        return Trouble(operation, f"answered {status}, as if the key were refused", Fate.ANSWERED)
    if 300 <= status < 400:
        return Trouble(operation, f"redirected by {status}", Fate.ANSWERED)
    if _is_html(response):
        return Trouble(operation, f"answered {status} with an HTML page", Fate.ANSWERED)
    if _is_broken_json(response):
        return Trouble(operation, f"answered {status} with JSON that is cut short", Fate.ANSWERED)
    return None


def retry_after(response: httpx.Response) -> float | None:
    """The seconds that a `Retry-After` asks to wait, within bounds; None without one."""
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


def _is_broken_json(response: httpx.Response) -> bool:
    """Whether an answer that says to be JSON is none: a body that was cut short is not."""
    body = response.content
    if _kind(response) != "application/json" or not body:
        return False
    # What is closed as often as it is opened was not cut: it need not be parsed for that.
    if (
        body.rstrip().endswith((b"}", b"]"))
        and body.count(b"{") == body.count(b"}")
        and body.count(b"[") == body.count(b"]")
    ):
        return False
    try:
        parse_json(response.content)
    except UndigestedJsonError:
        return False
    except ValueError:
        return True
    return False

"""From settings to a client: who is asked, and with what around every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import httpx

from conformance.deployment.client import ThreadsClient
from conformance.deployment.credentials import REFUSALS, Headers, secret_headers
from conformance.deployment.guard import Ownership
from conformance.deployment.ledger import Ledger, ledgers_dir
from conformance.deployment.redaction import Redactor
from conformance.deployment.settings import Settings, SettingsError
from conformance.deployment.transport import Recorder, SuiteTransport

#: Below uvicorn's five seconds, so that a connection is not reused as it is closed.
_KEEPALIVE_S = 3.0


@dataclass(frozen=True)
class Connection:
    """A client and the recorder of all that it sends.

    `client_with` gives one that sends these headers instead of the user's, under the same
    guard, ledger and record; that it is refused by 401 or 403 is expected.
    """

    client: ThreadsClient
    recorder: Recorder
    client_with: Callable[[Headers], ThreadsClient]


def parse_url(url: str) -> httpx.URL:
    """The deployment's URL; `SettingsError` says what is wrong with it."""
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, TypeError) as broken:
        raise SettingsError(f"{url!r} is not a URL: {broken}") from broken
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SettingsError(
            f"{url!r} is not the URL of a deployment: write it like http://127.0.0.1:2024"
        )
    if parsed.query or parsed.fragment:
        raise SettingsError(f"{url!r}: the URL of a deployment ends before ? and #")
    return parsed


def redactor_for(url: str, headers: tuple[tuple[str, str], ...]) -> Redactor:
    """A redactor that knows the secrets of these settings."""
    parsed = httpx.URL(url)
    return Redactor(headers, [parsed.password] if parsed.password else [])


@contextmanager
def connect(
    settings: Settings,
    worker: str = "main",
    *,
    record: bool = True,
    reach: Callable[[], httpx.BaseTransport] | None = None,
    visits: Iterable[str] | None = None,
) -> Iterator[Connection]:
    """A client for the deployment, with ledger and record; closed at the end.

    `reach` makes the transport to the deployment, by default over HTTP. With `visits`
    nothing can be changed, and of all threads only these can be looked at.
    """
    url = parse_url(settings.url)
    redactor = redactor_for(settings.url, secret_headers(settings))
    ownership = Ownership(settings.run_id, worker, visits=visits)
    with (
        closing(
            Recorder(exchanges_file(settings, worker) if record else None, redactor)
        ) as recorder,
        Ledger(ledgers_dir() / settings.run_id, worker, redactor.url(url)) as ledger,
        ExitStack() as stack,
    ):
        transport = SuiteTransport(
            reach or http_transport,
            base_path=url.path,
            ownership=ownership,
            recorder=recorder,
            ledger=ledger,
            started_at=datetime.fromisoformat(settings.started_at),
        )

        def opened(
            base_url: httpx.URL, headers: Headers, expects: tuple[int, ...] = ()
        ) -> ThreadsClient:
            http = stack.enter_context(
                httpx.Client(
                    base_url=base_url,
                    transport=transport,
                    headers=list(headers),
                    timeout=settings.timeout_s,
                    follow_redirects=False,
                )
            )
            return ThreadsClient(
                http, ownership, settings.run_id, settings.run_timeout_s, expects=expects
            )

        # User and password of the URL are credentials, which `headers` have or have not.
        bare = url.copy_with(userinfo=b"")
        yield Connection(
            opened(url, settings.headers),
            recorder,
            cache(lambda headers: opened(bare, headers, REFUSALS)),
        )


def http_transport() -> httpx.BaseTransport:
    """The connection pool of one worker."""
    return httpx.HTTPTransport(limits=httpx.Limits(keepalive_expiry=_KEEPALIVE_S))


def exchanges_file(settings: Settings, worker: str) -> Path:
    """Where a worker hands over its exchanges."""
    return Path(settings.run_dir) / f"exchanges-{worker}.jsonl"

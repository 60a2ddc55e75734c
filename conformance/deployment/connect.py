"""From settings to a client: who is asked, and with what around every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from conformance.deployment.client import ThreadsClient
from conformance.deployment.guard import Ownership
from conformance.deployment.ledger import Ledger, ledgers_dir
from conformance.deployment.private import PrivateRecorder
from conformance.deployment.redaction import Redactor
from conformance.deployment.settings import Settings, SettingsError
from conformance.deployment.transport import Recorder, SuiteTransport

#: Below uvicorn's five seconds, so that a connection is not reused as it is closed.
_KEEPALIVE_S = 3.0


@dataclass(frozen=True)
class Connection:
    """A client and the recorder of all that it sends."""

    client: ThreadsClient
    recorder: Recorder


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
    nothing can be changed, and of all threads only these can be looked at. In a read-only
    run they are those of the settings, there is no ledger, and the record is private.
    """
    url = parse_url(settings.url)
    redactor = redactor_for(settings.url, settings.headers)
    file = exchanges_file(settings, worker) if record else None
    if settings.read_only:
        visits = settings.thread_ids
    ownership = Ownership(settings.run_id, worker, visits=visits)
    ledger_of_run: AbstractContextManager[Ledger | None]
    if settings.read_only:
        ledger_of_run = nullcontext()
        record_of_run: Recorder = PrivateRecorder(
            file, redactor, settings.thread_ids, ownership.is_absent
        )
    else:
        ledger_of_run = Ledger(ledgers_dir() / settings.run_id, worker, redactor.url(url))
        record_of_run = Recorder(file, redactor)
    with (
        closing(record_of_run) as recorder,
        ledger_of_run as ledger,
    ):
        transport = SuiteTransport(
            reach or http_transport,
            base_path=url.path,
            ownership=ownership,
            recorder=recorder,
            ledger=ledger,
            started_at=datetime.fromisoformat(settings.started_at),
        )
        with httpx.Client(
            base_url=url,
            transport=transport,
            headers=list(settings.headers),
            timeout=settings.timeout_s,
            follow_redirects=False,
        ) as http:
            client = ThreadsClient(http, ownership, settings.run_id, settings.run_timeout_s)
            yield Connection(client, recorder)


def http_transport() -> httpx.BaseTransport:
    """The connection pool of one worker."""
    return httpx.HTTPTransport(limits=httpx.Limits(keepalive_expiry=_KEEPALIVE_S))


def exchanges_file(settings: Settings, worker: str) -> Path:
    """Where a worker hands over its exchanges."""
    return Path(settings.run_dir) / f"exchanges-{worker}.jsonl"

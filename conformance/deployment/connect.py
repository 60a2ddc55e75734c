"""From settings to a client: who is asked, and with what around every request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import httpx

from conformance.deployment.client import ThreadsClient
from conformance.deployment.decoding import ACCEPTED
from conformance.deployment.guard import Ownership
from conformance.deployment.http import HttpTransport
from conformance.deployment.ledger import Ledger, ledgers_dir
from conformance.deployment.proxies import proxy_for
from conformance.deployment.redaction import Redactor
from conformance.deployment.settings import Settings, SettingsError
from conformance.deployment.tls import trust
from conformance.deployment.transport import Recorder, SuiteTransport

_CREDENTIAL = re.compile(r"key|token|auth|cookie|secret|session|pass", re.IGNORECASE)


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


def has_key(settings: Settings) -> bool:
    """Whether credentials are sent: in the URL, or in a header whose name says so."""
    named = any(_CREDENTIAL.search(name) for name, _ in settings.headers)
    return named or bool(parse_url(settings.url).userinfo)


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
    redactor = redactor_for(settings.url, settings.headers)
    ownership = Ownership(settings.run_id, worker, visits=visits)
    with (
        closing(
            Recorder(exchanges_file(settings, worker) if record else None, redactor)
        ) as recorder,
        Ledger(ledgers_dir() / settings.run_id, worker, redactor.url(url)) as ledger,
    ):
        transport = SuiteTransport(
            reach or partial(http_transport, settings),
            # As it stands in a request: percent-encoded.
            base_path=url.raw_path.decode("ascii"),
            ownership=ownership,
            recorder=recorder,
            ledger=ledger,
            started_at=datetime.fromisoformat(settings.started_at),
        )
        with httpx.Client(
            base_url=url,
            transport=transport,
            headers=[("Accept-Encoding", ACCEPTED), *settings.headers],
            timeout=settings.timeout_s,
            follow_redirects=False,
        ) as http:
            client = ThreadsClient(http, ownership, settings.run_id, settings.run_timeout_s)
            yield Connection(client, recorder)


def http_transport(settings: Settings) -> httpx.BaseTransport:
    """The connection pool of one worker; `SettingsError` for a proxy or a file of no use."""
    url = parse_url(settings.url)
    proxy = proxy_for(url)
    return HttpTransport(
        max_body=settings.max_body_mib * 2**20,
        # Certificates take a while to load: only where they are needed.
        tls=trust(settings.ca_bundle, settings.insecure)
        if "https" in (url.scheme, proxy.url.scheme if proxy else "")
        else None,
        proxy=proxy,
    )


def exchanges_file(settings: Settings, worker: str) -> Path:
    """Where a worker hands over its exchanges."""
    return Path(settings.run_dir) / f"exchanges-{worker}.jsonl"

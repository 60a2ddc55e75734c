"""A client for the deployment, with guard, ledger and record around every request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path

import httpx

from conformance.deployment.client import ThreadsClient
from conformance.deployment.credential_variants import REFUSALS, Headers, secret_headers
from conformance.deployment.ownership.clock import ServerClock
from conformance.deployment.ownership.ledger import Ledger, LedgerState, ledgers_dir
from conformance.deployment.ownership.proof import Ownership
from conformance.deployment.private_record import PrivateRecorder
from conformance.deployment.record.redaction import (
    Redactor,
    stream_redactor,
    user_info_secrets,
)
from conformance.deployment.recorder import Recorder
from conformance.deployment.settings import Settings
from conformance.deployment.transport import SuiteTransport
from conformance.deployment.wire.content_decoding import ACCEPTED
from conformance.deployment.wire.direct_client import DirectClient
from conformance.deployment.wire.http import HttpTransport
from conformance.deployment.wire.proxies import proxy_for
from conformance.deployment.wire.tls import tls_context
from conformance.output import redact_output
from conformance.safe_text import redacting

_HEADER_WITH_KEY = re.compile(r"key|token|auth|cookie|secret|session|pass", re.IGNORECASE)


@dataclass(frozen=True)
class Connection:
    """A client and the recorder of everything that it sends.

    `client_with` returns a client that sends these headers instead of the user's, under the
    same guard, ledger and record; it does not take 401 or 403 for network trouble. `reconnect`
    replaces the connections, after the deployment was started again. `take_ended` returns what was
    created since the last call, by checks that have ended (`SuiteTransport.take_ended`); `ledger`
    is where it is recorded.
    """

    client: ThreadsClient
    recorder: Recorder
    client_with: Callable[[Headers], ThreadsClient]
    reconnect: Callable[[], None]
    take_ended: Callable[[], LedgerState | None]
    ledger: Ledger | None


def redactor_of(settings: Settings) -> Redactor:
    """Return a redactor that knows all secrets of the settings: of headers and of the URL."""
    return Redactor(secret_headers(settings), user_info_secrets(settings.address))


def redact_streams(headers: tuple[tuple[str, str], ...], url: httpx.URL | None = None) -> None:
    """Redact the credentials in whatever this process writes to its standard streams."""
    redact_output(stream_redactor(headers, user_info_secrets(url) if url else ()))


def sends_credentials(settings: Settings) -> bool:
    """Return whether credentials are sent: in the URL, or in a header whose name indicates one."""
    named = any(_HEADER_WITH_KEY.search(name) for name, _ in settings.headers)
    return named or bool(settings.address.userinfo)


@contextmanager
def connect(
    settings: Settings,
    worker: str = "main",
    *,
    record: bool = True,
    make_transport: Callable[[], httpx.BaseTransport] | None = None,
    visits: Iterable[str] | None = None,
    ledger: LedgerState | None = None,
    ownership: Ownership | None = None,
    first_contact: bool = False,
    make_recorder: Callable[[Path | None, Redactor], Recorder] = Recorder,
) -> Iterator[Connection]:
    """Open a client for the deployment, with ledger and record, and close it at the end.

    `worker` names the files of the ledger and, with `record`, of the exchanges. `make_transport`
    makes the transport to the deployment, by default over HTTP. With `visits` nothing can be
    changed, and only the threads with these ids can be read; in a read-only run these are the
    threads of the settings, there is no ledger, and the record is private. `ledger` is what the
    run created before, to be removed now: nothing new is written to it, and its threads are proved
    as on a disposable deployment if it says that this one was. `ownership` is that of
    another connection of this process, by default a new one. At `first_contact` any answer counts
    as the deployment's, and no outage is waited out. `make_recorder` makes the recorder, except in
    a read-only run, whose record is private.
    """
    url = settings.address
    redactor = redactor_of(settings)
    redact_streams(secret_headers(settings), url)
    started_at = datetime.fromisoformat(settings.started_at)
    clock_offset: timedelta | None = None
    disposable = settings.disposable
    if ledger is not None:
        started_at, clock_offset = ledger.opened_at or started_at, ledger.clock_offset
        disposable = disposable or ledger.disposable
    file = exchanges_file(settings, worker) if record else None
    if settings.read_only:
        visits = settings.thread_ids
    ownership = ownership or Ownership(
        settings.run_id,
        clock=ServerClock(started_at, clock_offset),
        generated=ledger.generated if ledger is not None else (),
        visits=visits,
        disposable=disposable,
        launched_for_run=settings.launched,
    )
    if settings.read_only:
        record_of_run: Recorder = PrivateRecorder(
            file, redactor, settings.thread_ids, ownership.is_generated
        )
    else:
        record_of_run = make_recorder(file, redactor)
    ledger_of_run: AbstractContextManager[Ledger | None] = nullcontext()
    if ledger is None and not settings.read_only:
        # A removal works from a ledger and needs no new one.
        ledger_of_run = Ledger(
            ledgers_dir() / settings.run_id,
            worker,
            redactor.url(url),
            settings.started_at,
            launched=settings.launched,
            disposable=settings.disposable,
        )
    with (
        redacting(redactor),
        closing(record_of_run) as recorder,
        ledger_of_run as written,
        ExitStack() as stack,
    ):
        transport = SuiteTransport(
            make_transport or partial(http_transport, settings),
            # Percent-encoded, as in a request.
            base_path=url.raw_path.decode("ascii"),
            ownership=ownership,
            recorder=recorder,
            ledger=written if ledger is None else None,
            outage_within_s=0.0 if first_contact else settings.outage_within_s,
            backoff_s=settings.backoff_s,
            first_contact=first_contact,
        )
        stack.callback(transport.close)

        def open_client(
            base_url: httpx.URL, headers: Headers, expects: tuple[int, ...] = ()
        ) -> ThreadsClient:
            http = DirectClient(
                base_url=base_url,
                transport=transport,
                headers=[("Accept-Encoding", ACCEPTED), *headers],
                timeout_s=settings.timeout_s,
            )
            return ThreadsClient(http, ownership, settings.run_timeout_s, expects=expects)

        # Without user and password, which httpx would send: only `headers` hold credentials.
        bare = url.copy_with(userinfo=b"")
        yield Connection(
            open_client(url, settings.headers),
            recorder,
            cache(lambda headers: open_client(bare, headers, REFUSALS)),
            transport.reconnect,
            transport.take_ended,
            written if ledger is None else None,
        )


def http_transport(settings: Settings) -> httpx.BaseTransport:
    """Return a worker's connection pool; raise `SettingsError` for an unusable proxy or file."""
    url = settings.address
    proxy = proxy_for(url)
    return HttpTransport(
        max_body=settings.max_body_mib * 2**20,
        # Certificates are slow to load, so they are loaded only where they are needed.
        tls=tls_context(settings.ca_bundle, settings.insecure)
        if "https" in (url.scheme, proxy.url.scheme if proxy else "")
        else None,
        proxy=proxy,
    )


def exchanges_file(settings: Settings, worker: str) -> Path:
    """Return the file to which a worker writes its exchanges."""
    return Path(settings.run_dir) / f"exchanges-{worker}.jsonl"

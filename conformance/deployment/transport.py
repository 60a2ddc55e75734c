"""The transport of all requests: guard, ledger, delivery and record, then the wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from conformance.contract.operations import BY_NAME, Operation, identify
from conformance.deployment.delivery.circuit_breaker import CircuitBreaker
from conformance.deployment.delivery.delivery import Delivery, Probes
from conformance.deployment.delivery.interruption import WRITES
from conformance.deployment.delivery.trouble import (
    EXPECTED_STATUSES,
    GATEWAY_STATUSES,
    trouble_of_answer,
)
from conformance.deployment.ownership.creations import Creation, CreationTracker
from conformance.deployment.ownership.guard import UnprovedId, check_request, unproved_ids
from conformance.deployment.ownership.ledger import Ledger, LedgerState
from conformance.deployment.ownership.proof import GetAnswer, Ownership
from conformance.deployment.ownership.strangers import facts_of_strangers, unproved_in_list
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.recorder import Recorder
from conformance.json_text import parse_json
from conformance.time_account import Activity, spend

#: Key of `request.extensions`, set where the answer may hold other people's threads.
PRIVATE = "threads_conformance_private"
#: Longest body, in characters, that is recorded.
RECORDED_BODY = 64 * 1024

#: How many bytes of a longer body are examined, and how many of those are left out at the end,
#: where a secret may have been cut in two.
_EXAMINED, _DROPPED = 2**20, 16 * 1024
#: Key of `request.extensions`, set for requests that the suite itself sends, not a check.
_OWN = "threads_conformance_own"
#: Key of `request.extensions` for the `Creation` of a write.
_CREATION = "threads_conformance_creation"
#: Key of `request.extensions` for the path below the deployment's URL, which is asked for often.
_PATH = "threads_conformance_path"
#: Most runs or crons of one list that are proved by GET; a list with more is not recorded.
MOST_PROVED_OF_A_LIST = 20
_OTHER_PEOPLES = "other people's threads"
#: Operations whose answers describe the server. No check reports their content, so a check that
#: sees such an answer has not seen other people's data.
_OF_THE_SERVER = (BY_NAME["assistants_search"], BY_NAME["openapi"])
_STRANGER = "[not-ours]"
#: Reads that only a Threads server answers: one that succeeded is repeated to test the network.
_THREAD_READS = frozenset({"search", "count", "get", "state", "history"})
#: Reads that answer with the output of a run, and do not show whose run it is.
_RUN_OUTPUT_READS = frozenset({"run_join", "run_join_stream"})
#: Headers of an answer about other people's threads that reveal nothing about them.
_SAFE_HEADERS = frozenset({"content-type", "content-length", "date", "server"})


@dataclass
class _Connections:
    """A pool of connections, and the number of requests in progress on it."""

    transport: httpx.BaseTransport
    in_progress: int = 0
    retired: bool = False


class SuiteTransport(httpx.BaseTransport):
    """The transport of the suite: guard, ledger, delivery and record around every request.

    `connect` makes the transport to the deployment. That transport is replaced after a 5xx,
    since a server may close the connection on which it failed, and the next request must not
    fail because of that. Several threads may send at once: requests in progress finish on the
    old connections. Outages are waited out for `outage_within_s` seconds in total, and waits
    between retries begin at `backoff_s` seconds.
    """

    def __init__(
        self,
        connect: Callable[[], httpx.BaseTransport],
        *,
        base_path: str,
        ownership: Ownership,
        recorder: Recorder,
        ledger: Ledger | None,
        outage_within_s: float = 0.0,
        backoff_s: float = 0.1,
        first_contact: bool = False,
    ) -> None:
        self._connect = connect
        self._connections = _Connections(connect())
        self._lock = threading.Lock()
        self._writes_in_progress = 0
        self._base_path = base_path.rstrip("/")
        self._ownership = ownership
        self._recorder = recorder
        self._tracker = CreationTracker(ledger, ownership, self._read_thread)
        self._delivery = Delivery(
            Probes(self._send_and_record, self._repeats_good_read, self._status_of, self._remove),
            CircuitBreaker(self._answers_info, self._repeats_good_read, outage_within_s),
            recorder.record_trouble,
            recorder.accept_as_answers,
            backoff_s,
            first_contact=first_contact,
        )
        # The current request of each thread: the suite's own requests use its credentials.
        self._current = threading.local()
        # The last read of threads that succeeded, by its credentials.
        self._answered_well: dict[frozenset[tuple[bytes, bytes]], httpx.Request] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read its whole answer; raise `GuardRefusal` if it is not safe.

        Raises `httpx.HTTPError` where no answer comes or network trouble persists, and
        `GivenUpError` once the deployment does not answer any more.
        """
        with spend(Activity.WIRE):
            return self._handle(request)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        path = self._path_of(request)
        operation, thread_id = identify(request.method, path)
        writes = operation is not None and operation.writes
        follows_run = operation is not None and operation.name in _RUN_OUTPUT_READS
        if operation is not None and (writes or follows_run):
            # For reads of a run's output as well: the proof decides whether they may be recorded.
            self._prove_named_ids(operation, path, body, request)
        check_request(request.method, path, body, self._ownership)
        if operation is None or not writes:
            return self._delivery.deliver(request, operation, None)
        with WRITES.delay_signals(), self._writing():
            self._current.request = request
            creation = self._tracker.record_request(operation, thread_id, body)
            request.extensions[_CREATION] = creation
            return self._delivery.deliver(request, operation, creation)

    def take_ended(self) -> LedgerState | None:
        """Return what was created since the last call, after the checks that created it have ended.

        None while a write is in progress, which a check may have left behind: then the next call
        returns all of it.
        """
        with self._lock:
            return None if self._writes_in_progress else self._tracker.take_ended()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Count a write in progress, from before it is recorded until after it is answered."""
        with self._lock:
            self._writes_in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                self._writes_in_progress -= 1

    def close(self) -> None:
        """Close the connections."""
        self._connections.transport.close()

    def reconnect(self) -> None:
        """Use new connections from now on, since the deployment was started again."""
        with self._lock:
            used, self._connections = self._connections, _Connections(self._connect())
            used.retired = True
            idle = not used.in_progress
        if idle:
            used.transport.close()

    def _path_of(self, request: httpx.Request) -> str:
        path: str | None = request.extensions.get(_PATH)
        if path is None:
            raw = request.url.raw_path.decode().partition("?")[0]
            path = request.extensions[_PATH] = raw.removeprefix(self._base_path)
        return path

    def _prove_named_ids(
        self, operation: Operation, path: str, body: bytes, request: httpx.Request
    ) -> None:
        """Try to prove by GET the ids that a request names and that are not known to be ours."""
        self._current.request = request
        for named in unproved_ids(operation, path, body, self._ownership):
            self._prove(named)

    def _prove(self, named: UnprovedId) -> None:
        """Send a GET for an id, and record it as this run's if the answer proves that."""
        if named.kind == "thread":
            if shown := self._read_thread(named.id):
                self._ownership.own_thread_if_proved(shown)
        elif named.kind == "run" and named.thread_id is not None:
            place = f"/threads/{quote(named.thread_id, safe='')}/runs/"
            if shown := self._read(place, named.id, named.thread_id):
                self._ownership.own_run_if_proved(shown)
        elif named.kind == "cron" and (shown := self._read("/runs/crons/", named.id)):
            self._ownership.own_cron_if_proved(shown)

    def _adopt_if_proved(
        self,
        operation: Operation,
        request: httpx.Request,
        thread_id: str | None,
        response: httpx.Response,
    ) -> None:
        """Record a run or cron that a check read as this run's, if the answer proves that."""
        path = self._path_of(request)
        run_id, cron_id = operation.id_in(path, "run_id"), operation.id_in(path, "cron_id")
        if run_id is not None and not self._ownership.is_our_run(run_id):
            self._ownership.own_run_if_proved(_get_answer(response, run_id, thread_id))
        if cron_id is not None and not self._ownership.is_our_cron(cron_id):
            self._ownership.own_cron_if_proved(_get_answer(response, cron_id))

    def _prove_listed_ids(
        self, operation: Operation, request: httpx.Request, response: httpx.Response
    ) -> None:
        """Try to prove by GET the runs or crons in a list that are not known to be ours."""
        unproved = unproved_in_list(operation, response.content, self._ownership)
        if not unproved or len(unproved) > MOST_PROVED_OF_A_LIST:
            return
        before = getattr(self._current, "request", None)
        self._current.request = request
        try:
            for named in unproved:
                self._prove(named)
        finally:
            self._current.request = before

    def _read_thread(self, thread_id: str) -> GetAnswer | None:
        return self._read("/threads/", thread_id)

    def _read(
        self, place: str, requested_id: str, thread_id: str | None = None
    ) -> GetAnswer | None:
        """Send a GET for an id; return None if there is no answer."""
        response = self._deliver_own("GET", f"{place}{quote(requested_id, safe='')}")
        return None if response is None else _get_answer(response, requested_id, thread_id)

    def _deliver_own(self, method: str, path: str) -> httpx.Response | None:
        """Send a request of the suite itself, with the credentials of the current one."""
        own_request = _own_request(self._current.request, method, f"{self._base_path}{path}")
        try:
            return self._delivery.deliver(own_request, identify(method, path)[0], None)
        except httpx.HTTPError:
            return None

    def _status_of(self, thread_id: str) -> int | None:
        return self._status("GET", thread_id)

    def _remove(self, thread_id: str) -> int | None:
        """Delete the thread under an id that this run generated; return None for any other id."""
        return (
            self._status("DELETE", thread_id) if self._ownership.is_generated(thread_id) else None
        )

    def _status(self, method: str, thread_id: str) -> int | None:
        path = f"{self._base_path}/threads/{quote(thread_id, safe='')}"
        try:
            response = self._send_and_record(_own_request(self._current.request, method, path))
        except httpx.HTTPError:
            return None
        return None if trouble_of_answer("get", response) else response.status_code

    def _answers_info(self, request: httpx.Request) -> bool:
        """Return whether GET /info, with the credentials of `request`, gets any answer."""
        own_request = _own_request(request, "GET", f"{self._base_path}/info")
        try:
            response = self._send_and_record(own_request)
        except httpx.HTTPError:
            return False
        return response.status_code not in GATEWAY_STATUSES

    def _repeats_good_read(self, request: httpx.Request) -> bool:
        """Return whether a read that succeeded with the same credentials succeeds again."""
        before = self._answered_well.get(_credentials(request))
        if before is None:
            return True
        try:
            response = self._send_and_record(_repeat_as_own(before))
        except httpx.HTTPError:
            return False
        return trouble_of_answer("other", response) is None

    def _send_and_record(self, request: httpx.Request) -> httpx.Response:
        """Send once, read the whole answer, and record the exchange or its error."""
        operation, thread_id = identify(request.method, self._path_of(request))
        started_at, clock = datetime.now(UTC), time.perf_counter()
        try:
            response = self._send_on_pool(request)
        except httpx.HTTPError as broken:
            error = str(broken) or repr(broken)
            self._record(request, operation, thread_id, started_at, clock, error=error)
            raise
        response.request = request
        self._ownership.clock.learn_from_date(response.headers.get("date"), datetime.now(UTC))
        if operation is not None and isinstance(request.extensions.get(_CREATION), Creation):
            # Before the exchange is recorded, since this may prove ids in it to be this run's.
            creation = request.extensions[_CREATION]
            self._tracker.record_response(operation, creation, response)
            self._recorder.created_by_check.write(operation, creation, response)
        if operation is not None and operation.name in ("run_get", "cron_get"):
            self._adopt_if_proved(operation, request, thread_id, response)
        if operation is not None and response.is_success:
            self._prove_listed_ids(operation, request, response)
        self._record(request, operation, thread_id, started_at, clock, response=response)
        is_thread_read = (
            operation is not None and operation.name in _THREAD_READS and response.is_success
        )
        if is_thread_read and trouble_of_answer("other", response) is None:
            self._answered_well[_credentials(request)] = request
        return response

    def _send_on_pool(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            used = self._connections
            used.in_progress += 1
        failed = False
        try:
            response = used.transport.handle_request(request)
            response.read()
            failed = response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
            return response
        finally:
            with self._lock:
                used.in_progress -= 1
                if failed and used is self._connections:
                    self._connections = _Connections(self._connect())
                    used.retired = True
                last = used.retired and not used.in_progress
            if last:
                used.transport.close()

    def _record(
        self,
        request: httpx.Request,
        operation: Operation | None,
        thread_id: str | None,
        started_at: datetime,
        clock: float,
        response: httpx.Response | None = None,
        error: str | None = None,
    ) -> None:
        redactor = self._recorder.redactor
        of_check = not request.extensions.get(_OWN)
        # Before this answer is examined: a request can hold only what earlier answers showed.
        body = self._request_text(request.content, of_check) if request.content else None
        url = redactor.url(request.url)
        headers: tuple[tuple[str, str], ...] = ()
        answer = None
        if response is not None:
            headers = redactor.headers(response.headers)
            facts = facts_of_strangers(
                operation, self._path_of(request), response.content, self._ownership
            )
            private = request.extensions.get(PRIVATE) and not self._ownership.launched_for_run
            if private and response.is_success:
                facts = facts or _OTHER_PEOPLES
            if facts:
                answer = f"[not recorded: {facts}]"
                headers = tuple(each for each in headers if each[0].lower() in _SAFE_HEADERS)
                if of_check and operation not in _OF_THE_SERVER:
                    self._recorder.strangers.append(facts)
            else:
                answer = _response_text(response.content, redactor)
        if thread_id is not None and not self._ownership.may_be_shown(thread_id):
            url = url.replace(quote(thread_id, safe=""), _STRANGER)
        self._recorder.add(
            Exchange(
                check=self._recorder.current_check if of_check else "",
                operation=operation.name if operation else "other",
                method=request.method,
                url=url,
                request_headers=redactor.headers(request.headers),
                request_body=body,
                started_at=started_at.isoformat(),
                elapsed_ms=(time.perf_counter() - clock) * 1000,
                status=response.status_code if response is not None else None,
                response_headers=headers,
                response_body=answer,
                error=redactor.text(error) if error else None,
                http_version=response.http_version if response is not None else "HTTP/1.1",
            ),
            of_check=of_check,
        )

    def _request_text(self, body: bytes, of_check: bool) -> str:
        """Return the text that is recorded of a request's body.

        A check that saw other people's data may send some of it, as a filter for example.
        """
        if of_check and self._recorder.strangers:
            return f"[not recorded: the check saw what may be of {_OTHER_PEOPLES}]"
        return _truncate(self._recorder.redactor.text(_decode(body)))


def _get_answer(
    response: httpx.Response, requested_id: str, thread_id: str | None = None
) -> GetAnswer:
    try:
        body = parse_json(response.content)
    except ValueError:
        body = None
    return GetAnswer(requested_id, response.status_code, body, thread_id)


def _own_request(request: httpx.Request, method: str, raw_path: str) -> httpx.Request:
    """Return a request of the suite itself, with the headers and time limits of `request`."""
    headers = [each for each in request.headers.raw if not each[0].lower().startswith(b"content")]
    return httpx.Request(
        method,
        request.url.copy_with(raw_path=raw_path.encode()),
        headers=headers,
        extensions=_own_extensions(request),
    )


def _repeat_as_own(request: httpx.Request) -> httpx.Request:
    """Return a copy of a request, marked as one of the suite itself."""
    return httpx.Request(
        request.method,
        request.url,
        headers=request.headers.raw,
        content=request.content,
        extensions=_own_extensions(request),
    )


def _own_extensions(request: httpx.Request) -> dict[str, Any]:
    """Return extensions that mark a request of the suite, with the time limits of `request`."""
    kept = ("timeout", EXPECTED_STATUSES)
    kept_extensions = {
        name: request.extensions[name] for name in kept if name in request.extensions
    }
    return {_OWN: True, **kept_extensions}


def _credentials(request: httpx.Request) -> frozenset[tuple[bytes, bytes]]:
    """Return the headers that may be credentials: all but those of the content."""
    return frozenset(
        each for each in request.headers.raw if not each[0].lower().startswith(b"content")
    )


def _response_text(body: bytes, redactor: Redactor) -> str:
    """Return the part of a body that is recorded, redacted before it is cut."""
    if len(body) <= _EXAMINED:
        return _truncate(redactor.text(_decode(body)))
    # A secret may be cut in two here: the end is left out.
    redacted = redactor.text(_decode(body[:_EXAMINED]))[:-_DROPPED]
    return f"{redacted[:RECORDED_BODY]}… ({len(body)} bytes in all)"


def _decode(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _truncate(text: str) -> str:
    if len(text) <= RECORDED_BODY:
        return text
    return f"{text[:RECORDED_BODY]}… ({len(text)} characters in all)"

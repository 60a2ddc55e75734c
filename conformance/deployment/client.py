"""The typed client: one method per operation, each returning the deployment's own answer.

The client judges nothing: the suite decides what an `Answer` means.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import httpx

from conformance.deployment.delivery.trouble import EXPECTED_STATUSES
from conformance.deployment.ownership.proof import Ownership
from conformance.deployment.transport import PRIVATE
from conformance.deployment.wire.direct_client import DirectClient
from conformance.deployment.wire.http import CUT
from conformance.deployment.wire.stream_reading import READER, Reader
from conformance.json_text import JsonTooLargeError, parse_json, text_of

#: The default of a body: send none. None cannot be the default, since it is sent as `null`.
ABSENT: Any = object()


class UndigestedAnswerError(httpx.DecodingError):
    """The body of an answer exceeds the limits of depth or size for parsing."""


@dataclass(frozen=True)
class Answer:
    """A response: its status, headers and text, and the name of the operation."""

    operation: str
    status: int
    headers: httpx.Headers
    text: str

    @property
    def ok(self) -> bool:
        """Whether the status says success: any 2xx."""
        return httpx.codes.is_success(self.status)

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON; raises `UndigestedAnswerError` if it exceeds the limits."""
        return self._parsed[0]

    @property
    def body(self) -> Any:
        """The parsed body; None where it is empty or not JSON.

        Raises `UndigestedAnswerError` if it exceeds the limits.
        """
        return self._parsed[1]

    @property
    def digested(self) -> Any:
        """The parsed body; None where it is empty, not JSON, or exceeds the limits."""
        try:
            return self.body
        except UndigestedAnswerError:
            return None

    @cached_property
    def _parsed(self) -> tuple[bool, Any]:
        try:
            return True, parse_json(self.text)
        except JsonTooLargeError as beyond:
            raise UndigestedAnswerError(
                f"{self.operation} answers {self.status} with {beyond}"
            ) from beyond
        except ValueError:
            return False, None


class ThreadsClient:
    """The operations of one deployment, through one `DirectClient`.

    Methods raise `httpx.HTTPError` for errors of the connection. A body is serialised by
    `json.dumps`; `raw` is sent byte for byte. Answers whose status is among `expects` are
    not taken for network trouble, so the request is not repeated for them.
    """

    def __init__(
        self,
        http: DirectClient,
        ownership: Ownership,
        run_timeout_s: float = 60.0,
        *,
        expects: tuple[int, ...] = (),
    ) -> None:
        self._http = http
        self._expects = expects
        self.ownership = ownership
        #: The metadata that marks the threads of this run, for bodies and filters.
        self.tag = ownership.tag
        self.run_timeout_s = run_timeout_s

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        body: Any = ABSENT,
        *,
        raw: bytes | None = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        private: bool = False,
        timeout_s: float | None = None,
        cut: threading.Event | None = None,
        reader: Reader | None = None,
    ) -> Answer:
        """Send one request and return its answer, which gets the name `operation`.

        `body` is sent as JSON, `raw` byte for byte. With `private` the answer may show other
        people's threads, so its content is not recorded, except on a deployment started for the
        run. `timeout_s` is in seconds, by default the time limit of the settings. When another
        thread sets `cut`, the client disconnects and `CutError` is raised. A `reader` reads an
        answer that may not end by itself; the text of the `Answer` is what `reader` has read when
        it leaves. Raises `httpx.HTTPError`, and `UndigestedAnswerError` for a body that exceeds
        the limits.
        """
        content = raw
        if body is not ABSENT:
            content = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        sent = dict(headers or {})
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        response = self._http.request(
            method,
            path,
            content=content,
            params=params,
            headers=sent,
            extensions={
                **self._extensions(private),
                **({} if cut is None else {CUT: cut}),
                **({} if reader is None else {READER: reader}),
            },
            timeout_s=timeout_s,
        )
        # JSON is UTF-8 (RFC 8259): a `charset` changes nothing.
        status, answered = response.status_code, response.headers
        try:
            text = text_of(response.content)
        except JsonTooLargeError as beyond:
            why = str(beyond)
        else:
            return Answer(operation, status, answered, text)
        # The traceback of the exception would keep the response in memory.
        del response
        raise UndigestedAnswerError(f"{operation} answers {status} with {why}")

    def forward(
        self, method: str, target: str, content: bytes, headers: dict[str, str], *, private: bool
    ) -> httpx.Response:
        """Send another client's request unchanged, under the same guard, ledger and record.

        `target` is path and query below the deployment's URL. With `private` the answer is not
        recorded.
        """
        return self._http.request(
            method,
            target,
            content=content or None,
            headers=headers,
            extensions=self._extensions(private),
        )

    def _extensions(self, private: bool) -> dict[str, Any]:
        marked: dict[str, Any] = {PRIVATE: True} if private else {}
        return {**marked, EXPECTED_STATUSES: self._expects} if self._expects else marked

    # The documented operations

    def create(self, body: Any = ABSENT, *, raw: bytes | None = None) -> Answer:
        """POST /threads."""
        return self.send("create", "POST", "/threads", body, raw=raw)

    def copy(self, thread_id: str) -> Answer:
        """POST /threads/{thread_id}/copy, as the documents' cURL sends it."""
        return self.send(
            "copy",
            "POST",
            f"{_thread(thread_id)}/copy",
            headers={"Content-Type": "application/json"},
        )

    def get(self, thread_id: str, **params: Any) -> Answer:
        """GET /threads/{thread_id}."""
        return self.send("get", "GET", _thread(thread_id), params=params or None)

    def state(self, thread_id: str, **params: Any) -> Answer:
        """GET /threads/{thread_id}/state."""
        return self.send("state", "GET", f"{_thread(thread_id)}/state", params=params or None)

    def state_at_checkpoint(self, thread_id: str, checkpoint_id: str, **params: Any) -> Answer:
        """GET /threads/{thread_id}/state/{checkpoint_id}."""
        path = f"{_thread(thread_id)}/state/{quote(checkpoint_id, safe='')}"
        return self.send("state_at_checkpoint", "GET", path, params=params or None)

    def history(self, thread_id: str, **params: Any) -> Answer:
        """GET /threads/{thread_id}/history: one page."""
        return self.send("history", "GET", f"{_thread(thread_id)}/history", params=params or None)

    def post_history(
        self, thread_id: str, body: Any = ABSENT, *, raw: bytes | None = None
    ) -> Answer:
        """POST /threads/{thread_id}/history: one page."""
        return self.send("post_history", "POST", f"{_thread(thread_id)}/history", body, raw=raw)

    def search(
        self, body: Any = ABSENT, *, raw: bytes | None = None, private: bool = False
    ) -> Answer:
        """POST /threads/search. With `private` the answer may hold other people's threads."""
        return self.send("search", "POST", "/threads/search", body, raw=raw, private=private)

    # The other published operations on threads

    def count(self, body: Any = ABSENT, *, raw: bytes | None = None) -> Answer:
        """POST /threads/count."""
        return self.send("count", "POST", "/threads/count", body, raw=raw)

    def update(
        self,
        thread_id: str,
        body: Any = ABSENT,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """PATCH /threads/{thread_id}."""
        return self.send("update", "PATCH", _thread(thread_id), body, raw=raw, headers=headers)

    def delete(self, thread_id: str) -> Answer:
        """DELETE /threads/{thread_id}."""
        return self.send("delete", "DELETE", _thread(thread_id))

    def prune(self, body: Any = ABSENT, *, raw: bytes | None = None) -> Answer:
        """POST /threads/prune."""
        return self.send("prune", "POST", "/threads/prune", body, raw=raw)

    def update_state(
        self, thread_id: str, body: Any = ABSENT, *, raw: bytes | None = None
    ) -> Answer:
        """POST /threads/{thread_id}/state."""
        return self.send("update_state", "POST", f"{_thread(thread_id)}/state", body, raw=raw)

    def post_state_at_checkpoint(
        self, thread_id: str, body: Any = ABSENT, *, raw: bytes | None = None
    ) -> Answer:
        """POST /threads/{thread_id}/state/checkpoint."""
        path = f"{_thread(thread_id)}/state/checkpoint"
        return self.send("post_state_at_checkpoint", "POST", path, body, raw=raw)

    # The documented operations on runs

    def run_wait(
        self,
        thread_id: str,
        body: Any = ABSENT,
        *,
        raw: bytes | None = None,
        cut: threading.Event | None = None,
    ) -> Answer:
        """POST /threads/{thread_id}/runs/wait."""
        return self._run("run_wait", f"{_thread(thread_id)}/runs/wait", body, raw, cut)

    def run_stream(
        self,
        thread_id: str,
        body: Any = ABSENT,
        *,
        raw: bytes | None = None,
        cut: threading.Event | None = None,
    ) -> Answer:
        """POST /threads/{thread_id}/runs/stream; the text is the whole event stream."""
        return self._run("run_stream", f"{_thread(thread_id)}/runs/stream", body, raw, cut)

    def run_background(
        self, thread_id: str, body: Any = ABSENT, *, raw: bytes | None = None
    ) -> Answer:
        """POST /threads/{thread_id}/runs."""
        return self._run("run_background", f"{_thread(thread_id)}/runs", body, raw)

    def run_join(self, thread_id: str, run_id: str) -> Answer:
        """GET /threads/{thread_id}/runs/{run_id}/join."""
        path = f"{_run(thread_id, run_id)}/join"
        return self.send("run_join", "GET", path, timeout_s=self.run_timeout_s)

    def _run(
        self,
        operation: str,
        path: str,
        body: Any,
        raw: bytes | None,
        cut: threading.Event | None = None,
    ) -> Answer:
        return self.send(
            operation, "POST", path, body, raw=raw, timeout_s=self.run_timeout_s, cut=cut
        )

    # The streams of a thread

    def thread_stream(
        self,
        thread_id: str,
        reader: Reader,
        last_event_id: str | None = None,
        *,
        timeout_s: float | None = None,
        **params: Any,
    ) -> Answer:
        """GET /threads/{thread_id}/stream, read by `reader`, since it does not end by itself."""
        # Without compression, so that a part of the body can be read before it ends.
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        return self.send(
            "thread_stream",
            "GET",
            f"{_thread(thread_id)}/stream",
            params=params or None,
            headers=headers,
            timeout_s=timeout_s,
            reader=reader,
        )

    def thread_events(
        self, thread_id: str, reader: Reader, body: Any, *, timeout_s: float | None = None
    ) -> Answer:
        """POST /threads/{thread_id}/stream/events, read by `reader`, as in `thread_stream`."""
        return self.send(
            "thread_events",
            "POST",
            f"{_thread(thread_id)}/stream/events",
            body,
            headers={"Accept": "text/event-stream", "Accept-Encoding": "identity"},
            timeout_s=timeout_s,
            reader=reader,
        )

    def thread_command(
        self, thread_id: str, body: Any = ABSENT, *, raw: bytes | None = None
    ) -> Answer:
        """POST /threads/{thread_id}/commands."""
        return self.send("thread_command", "POST", f"{_thread(thread_id)}/commands", body, raw=raw)

    # Runs and crons beyond the documents

    @cached_property
    def runs(self) -> RunOperations:
        """The operations on runs beyond the documented ones."""
        return RunOperations(self)

    @cached_property
    def crons(self) -> CronOperations:
        """The operations on crons."""
        return CronOperations(self)

    # The deployment itself

    def assistants(self, body: Any) -> Answer:
        """POST /assistants/search."""
        return self.send("assistants_search", "POST", "/assistants/search", body)

    def assistant_schemas(self, assistant_id: str) -> Answer:
        """GET /assistants/{assistant_id}/schemas."""
        path = f"/assistants/{quote(assistant_id, safe='')}/schemas"
        return self.send("assistant_schemas", "GET", path)

    def assistant_graph(self, assistant_id: str) -> Answer:
        """GET /assistants/{assistant_id}/graph."""
        path = f"/assistants/{quote(assistant_id, safe='')}/graph"
        return self.send("assistant_graph", "GET", path)

    def ok(self) -> Answer:
        """GET /ok."""
        return self.send("ok", "GET", "/ok")

    def info(self) -> Answer:
        """GET /info."""
        return self.send("info", "GET", "/info")


class RunOperations:
    """Operations that control runs, and stateless runs."""

    def __init__(self, client: ThreadsClient) -> None:
        self._client = client

    def list(self, thread_id: str, **params: Any) -> Answer:
        """GET /threads/{thread_id}/runs."""
        path = f"{_thread(thread_id)}/runs"
        return self._client.send("run_list", "GET", path, params=params or None)

    def get(self, thread_id: str, run_id: str) -> Answer:
        """GET /threads/{thread_id}/runs/{run_id}."""
        return self._client.send("run_get", "GET", _run(thread_id, run_id))

    def delete(self, thread_id: str, run_id: str) -> Answer:
        """DELETE /threads/{thread_id}/runs/{run_id}."""
        return self._client.send("run_delete", "DELETE", _run(thread_id, run_id))

    def cancel(self, thread_id: str, run_id: str, **params: Any) -> Answer:
        """POST /threads/{thread_id}/runs/{run_id}/cancel."""
        path = f"{_run(thread_id, run_id)}/cancel"
        return self._long("run_cancel", "POST", path, params=params or None)

    def cancel_many(self, body: Any, **params: Any) -> Answer:
        """POST /runs/cancel."""
        return self._client.send("runs_cancel", "POST", "/runs/cancel", body, params=params or None)

    def join_stream(
        self, thread_id: str, run_id: str, last_event_id: str | None = None, **params: Any
    ) -> Answer:
        """GET /threads/{thread_id}/runs/{run_id}/stream; the text is the whole stream."""
        return self._long(
            "run_join_stream",
            "GET",
            f"{_run(thread_id, run_id)}/stream",
            params=params or None,
            headers=None if last_event_id is None else {"Last-Event-ID": last_event_id},
        )

    def stateless(self, way: str, body: Any) -> Answer:
        """POST /runs, or a path below it: `way` is wait, stream, background or batch."""
        path = "/runs" if way == "background" else f"/runs/{way}"
        return self._long(f"stateless_{way}", "POST", path, body)

    def _long(self, *request: Any, **options: Any) -> Answer:
        return self._client.send(*request, **options, timeout_s=self._client.run_timeout_s)


class CronOperations:
    """Operations on crons, each on a thread of the caller."""

    def __init__(self, client: ThreadsClient) -> None:
        self._client = client

    def create(self, thread_id: str, body: Any) -> Answer:
        """POST /threads/{thread_id}/runs/crons."""
        path = f"{_thread(thread_id)}/runs/crons"
        return self._client.send("cron_create", "POST", path, body)

    def search(self, body: Any) -> Answer:
        """POST /runs/crons/search."""
        return self._client.send("cron_search", "POST", "/runs/crons/search", body)

    def count(self, body: Any) -> Answer:
        """POST /runs/crons/count."""
        return self._client.send("cron_count", "POST", "/runs/crons/count", body)

    def get(self, cron_id: str) -> Answer:
        """GET /runs/crons/{cron_id}."""
        return self._client.send("cron_get", "GET", _cron(cron_id))

    def update(self, cron_id: str, body: Any) -> Answer:
        """PATCH /runs/crons/{cron_id}."""
        return self._client.send("cron_update", "PATCH", _cron(cron_id), body)

    def delete(self, cron_id: str) -> Answer:
        """DELETE /runs/crons/{cron_id}."""
        return self._client.send("cron_delete", "DELETE", _cron(cron_id))


def _thread(thread_id: str) -> str:
    return f"/threads/{quote(thread_id, safe='')}"


def _run(thread_id: str, run_id: str) -> str:
    return f"{_thread(thread_id)}/runs/{quote(run_id, safe='')}"


def _cron(cron_id: str) -> str:
    return f"/runs/crons/{quote(cron_id, safe='')}"

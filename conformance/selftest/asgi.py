"""An in-process ASGI application behind an ordinary httpx client, without sockets."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from functools import partial
from types import TracebackType

import httpx
from starlette.types import ASGIApp, Message

from conformance.deployment.wire.deadline_connections import CutError, Limits
from conformance.deployment.wire.http import CUT
from conformance.deployment.wire.stream_reading import READER, Reader

#: Seconds between two checks whether a client that reads a stream has left it.
_SLICE_S = 0.002


class InProcess:
    """An event loop in a thread that serves `app`, which may be replaced between requests."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        #: Loops of the process that this one is a fork of: to close one would disturb that process.
        self._of_parents: list[asyncio.AbstractEventLoop] = []
        self._new_loop()

    def _new_loop(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> InProcess:
        self._thread.start()
        return self

    def continue_in_fork(self) -> None:
        """Serve in a fork of the process that served until now: threads are not forked."""
        self._of_parents.append(self._loop)
        self._new_loop()
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abandon()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def abandon(self) -> None:
        """Cancel the background tasks of the previous application, such as its runs."""

        async def cancel() -> None:
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(cancel(), self._loop).result()

    def send(self, request: httpx.Request) -> httpx.Response:
        """Return the whole answer to one request; errors are those of a real server.

        `httpx.ReadTimeout` after the read timeout, `CutError` once the client disconnects.
        A `Reader` in the extensions gets the body as it arrives; when the reader stops, the answer
        is what has arrived.
        """
        timeout = request.extensions.get("timeout", {}).get("read")
        if READER in request.extensions:
            return self._read(request, request.extensions[READER], timeout)
        limits = Limits(timeout, request.extensions.get(CUT))
        left = asyncio.Event()
        serving = asyncio.run_coroutine_threadsafe(self._serve(request, left), self._loop)
        late = partial(httpx.ReadTimeout, "no answer in time", request=request)
        try:
            if CUT not in request.extensions:
                return serving.result(timeout)
            while True:
                with contextlib.suppress(concurrent.futures.TimeoutError):
                    return serving.result(limits.wait(late))
        except CutError:
            self._loop.call_soon_threadsafe(left.set)
            raise
        except (concurrent.futures.TimeoutError, httpx.ReadTimeout):
            serving.cancel()
            raise late() from None

    def _read(
        self, request: httpx.Request, reader: Reader, timeout: float | None
    ) -> httpx.Response:
        limits = Limits(timeout, reader)
        left = asyncio.Event()
        serving = asyncio.run_coroutine_threadsafe(self._serve(request, left, reader), self._loop)
        late = partial(httpx.ReadTimeout, "no answer in time", request=request)
        try:
            while True:
                with contextlib.suppress(concurrent.futures.TimeoutError):
                    return serving.result(min(limits.wait(late), _SLICE_S))
        except (CutError, httpx.ReadTimeout):
            reader.late = not reader.is_set()
            self._loop.call_soon_threadsafe(left.set)
            if not reader.opened:
                raise
            return serving.result()

    async def _serve(
        self, request: httpx.Request, left: asyncio.Event, reader: Reader | None = None
    ) -> httpx.Response:
        assert self.app is not None
        sent: list[Message] = []
        unread: list[Message] = [
            {"type": "http.request", "body": request.read(), "more_body": False}
        ]

        async def receive() -> Message:
            if not unread:
                await left.wait()
                return {"type": "http.disconnect"}
            return unread.pop()

        async def send(message: Message) -> None:
            sent.append(message)
            if reader is not None and message["type"] == "http.response.start":
                reader.open(httpx.Headers(message["headers"]).get("content-type", ""))
            elif reader is not None:
                reader.add(message.get("body", b""))

        raw_path, _, query = request.url.raw_path.partition(b"?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (request.url.host, request.url.port),
            "client": ("127.0.0.1", 1),
        }
        # The application has answered its exceptions with 500 already, as a real server does.
        with contextlib.suppress(Exception):
            await self.app(scope, receive, send)
        start = next(each for each in sent if each["type"] == "http.response.start")
        return httpx.Response(
            start["status"],
            headers=start["headers"],
            content=b"".join(each.get("body", b"") for each in sent),
            request=request,
        )


class InProcessTransport(httpx.BaseTransport):
    """An httpx transport to the application of an `InProcess`."""

    def __init__(self, host: InProcess) -> None:
        self._host = host

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the whole answer to one request."""
        return self._host.send(request)

"""A bad network: an HTTP proxy on loopback that disturbs some of the requests.

    python -m benchmarks.hostile.network --upstream URL --mode gateway-html --rate 0.01

Each request is disturbed with the same probability, independently, by a seeded generator; all
others pass unchanged, streams as they come, on kept connections. The proxy counts what it did.
`python -m benchmarks.hostile.network --help` says what each mode does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from types import TracebackType
from urllib.parse import urlsplit

from benchmarks.hostile.proxy_http import Answer, ClientSide, GoneError, Request, ServerSide
from conformance.contract.operations import identify

HOST = "127.0.0.1"
_LOGIN_PAGE = b"<!doctype html><title>Sign in</title><form><input name=user></form>\n"
_JSON = (b"content-type", b"application/json")
_HTML = (b"content-type", b"text/html; charset=utf-8")
#: Retry-After of the answers with 429: usually a second, sometimes none.
_RETRY_AFTER = (b"1", b"1", b"0")
_GATEWAY = {502: b"Bad Gateway", 503: b"Service Unavailable", 504: b"Gateway Timeout"}


class Mode(StrEnum):
    """What happens to a disturbed request."""

    NONE = "none"
    RESET_BEFORE = "reset-before"
    RESET_AFTER = "reset-after"
    ANSWER_LOST = "answer-lost"
    ANSWER_HELD = "answer-held"
    DELAY = "delay"
    GATEWAY_HTML = "gateway-html"
    GATEWAY_HTML_AFTER = "gateway-html-after"
    TOO_MANY = "429"
    TRUNCATED_LENGTH = "truncated-length"
    TRUNCATED_BODY = "truncated-body"
    DUPLICATED = "duplicated"
    DUPLICATED_FIRST = "duplicated-first"
    LOGIN_REDIRECT = "login-redirect"
    LOGIN_HTML = "login-html"
    KEY_REFUSED = "key-refused"
    OUTAGE = "outage"
    RESTART = "restart"
    OUTAGE_ONCE = "outage-once"
    RESTART_ONCE = "restart-once"
    KEY_EXPIRES = "key-expires"
    GATEWAY_STAYS = "gateway-stays"
    LOGIN_STAYS = "login-stays"


MEANINGS = {
    Mode.NONE: "all requests pass",
    Mode.RESET_BEFORE: "TCP reset, nothing forwarded",
    Mode.RESET_AFTER: "forwarded and processed, then a TCP reset",
    Mode.ANSWER_LOST: "forwarded and processed, then the connection is closed without an answer",
    Mode.ANSWER_HELD: "forwarded and processed, the answer held until the client gives up",
    Mode.DELAY: "forwarded, the answer comes --hold seconds late",
    Mode.GATEWAY_HTML: "502, 503 or 504 with an HTML page, nothing forwarded",
    Mode.GATEWAY_HTML_AFTER: "forwarded and processed, then 502, 503 or 504 with an HTML page",
    Mode.TOO_MANY: "429 with Retry-After 1 or 0, nothing forwarded",
    Mode.TRUNCATED_LENGTH: "the answer ends before its Content-Length",
    Mode.TRUNCATED_BODY: "half of the body, with a Content-Length that fits",
    Mode.DUPLICATED: "forwarded twice, answered by the second answer",
    Mode.DUPLICATED_FIRST: "forwarded twice, answered by the first answer",
    Mode.LOGIN_REDIRECT: "302 to a login page, nothing forwarded",
    Mode.LOGIN_HTML: "200 with a login page, nothing forwarded",
    Mode.KEY_REFUSED: "401 or 403 as JSON, nothing forwarded",
    Mode.OUTAGE: "nobody listens for --outage seconds; threads are kept",
    Mode.RESTART: "the deployment is killed and started anew; it loses its threads",
    Mode.OUTAGE_ONCE: "one outage, at one request of the run",
    Mode.RESTART_ONCE: "one restart, at one request of the run",
    Mode.KEY_EXPIRES: "from one request on, 401 to all",
    Mode.GATEWAY_STAYS: "from one request on, 503 with an HTML page to all",
    Mode.LOGIN_STAYS: "from one request on, 302 to a login page to all but /info and /ok",
}
#: Modes without a rate: they begin at one request.
ONCE = (Mode.OUTAGE_ONCE, Mode.RESTART_ONCE)
PERSISTENT = (Mode.KEY_EXPIRES, Mode.GATEWAY_STAYS, Mode.LOGIN_STAYS)
RATELESS = (Mode.NONE, *ONCE, *PERSISTENT)
_NEEDS_RESTART = (Mode.RESTART, Mode.RESTART_ONCE)
#: The numbers from which the request is chosen at which a mode without a rate begins.
_BEGINS_AT = range(60, 400)


@dataclass(frozen=True)
class Trouble:
    """What a proxy does, and to which share of the requests; times in seconds."""

    mode: Mode = Mode.NONE
    rate: float = 0.0
    seed: int = 1
    hold_s: float = 2.5
    outage_s: float = 1.0


@dataclass
class Counts:
    """What a proxy did."""

    requests: int = 0
    forwarded: int = 0
    troubled: int = 0
    #: Disturbed requests by operation.
    operations: dict[str, int] = field(default_factory=dict)

    def note(self, request: Request, number: int) -> None:
        """Add `number` to the disturbed requests; -1 where a counted one was not disturbed."""
        operation, _ = identify(request.method, request.path)
        name = operation.name if operation else request.method
        self.troubled += number
        self.operations[name] = self.operations.get(name, 0) + number


class Proxy:
    """A proxy that listens on a free port of loopback for as long as an `async with` block lasts.

    `restart` restarts the deployment, for modes that need it; ValueError if it is missing.
    """

    def __init__(
        self,
        upstream: str,
        trouble: Trouble,
        restart: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        if trouble.mode in _NEEDS_RESTART and restart is None:
            raise ValueError(f"the mode {trouble.mode} needs a deployment that can be restarted")
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or HOST, parts.port or 80)
        self._restart = restart
        self._random = random.Random(trouble.seed)
        self._begins_at = self._random.choice(_BEGINS_AT)
        self.trouble = trouble
        self.counts = Counts()
        self._clients: set[ClientSide] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._interrupting = asyncio.Lock()

    @property
    def url(self) -> str:
        """The address at which the proxy listens."""
        return f"http://{HOST}:{self._port}"

    async def stop_disturbing(self) -> None:
        """Disturb no request from now on; return when the last outage is over."""
        self.trouble = replace(self.trouble, mode=Mode.NONE)
        await self.settled()

    async def settled(self) -> None:
        """Wait until no outage is in progress."""
        async with self._interrupting:
            pass

    async def __aenter__(self) -> Proxy:
        await self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Wait first: CPython 3.11 never returns from a process start that is cancelled.
        await self.settled()
        self._stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        """Stop listening, and reset every connection."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.reset()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(ClientSide(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: ClientSide) -> None:
        server = ServerSide(*self._upstream)
        self._clients.add(client)
        try:
            while (request := await client.request()) is not None:
                if not await self._handle(client, server, request):
                    break
        except GoneError:
            client.reset()  # one side has ended its connection: end the other one as well
        finally:
            self._clients.discard(client)
            server.close()
            await client.close()

    async def _handle(self, client: ClientSide, server: ServerSide, request: Request) -> bool:
        """Handle one request; return whether the connection stays open."""
        self.counts.requests += 1
        if not self._is_troubled(request):
            return await self._pass_on(client, server, request)
        self.counts.note(request, 1)
        return await _TROUBLES[self.trouble.mode](self, client, server, request)

    def _is_troubled(self, request: Request) -> bool:
        mode = self.trouble.mode
        if mode is Mode.NONE:
            return False
        if mode in ONCE:
            return self.counts.requests == self._begins_at
        if mode is Mode.LOGIN_STAYS and request.path in ("/info", "/ok"):
            return False
        if mode in PERSISTENT:
            return self.counts.requests >= self._begins_at
        return self._random.random() < self.trouble.rate

    async def _pass_on(self, client: ClientSide, server: ServerSide, request: Request) -> bool:
        async def relay() -> None:
            async with contextlib.aclosing(server.stream(request)) as parts:
                async for part in parts:
                    if isinstance(part, Answer):
                        await client.begin(part)
                    else:
                        await client.send_part(part)
            await client.end()

        self.counts.forwarded += 1
        return await _unless_gone(client, relay())

    async def _forwarded(self, server: ServerSide, request: Request) -> Answer:
        self.counts.forwarded += 1
        return await server.send(request)

    # What the modes do: each method returns whether the connection stays open.

    async def _reset_before(self, client: ClientSide, _server: ServerSide, _: Request) -> bool:
        client.reset()
        return False

    async def _reset_after(self, client: ClientSide, server: ServerSide, request: Request) -> bool:
        await self._forwarded(server, request)
        client.reset()
        return False

    async def _lose(self, _client: ClientSide, server: ServerSide, request: Request) -> bool:
        await self._forwarded(server, request)
        return False

    async def _hold(self, client: ClientSide, server: ServerSide, request: Request) -> bool:
        await self._forwarded(server, request)
        await client.wait_until_closed()
        return False

    async def _delay(self, client: ClientSide, server: ServerSide, request: Request) -> bool:
        answer = await self._forwarded(server, request)

        async def late() -> None:
            await asyncio.sleep(self.trouble.hold_s)
            await client.answer(answer)

        return await _unless_gone(client, late())

    async def _gateway(self, client: ClientSide, _server: ServerSide, _: Request) -> bool:
        only_503 = self.trouble.mode is Mode.GATEWAY_STAYS
        status = 503 if only_503 else self._random.choice(list(_GATEWAY))
        page = b"<html><head><title>%d</title></head><body><h1>%d %s</h1></body></html>\r\n"
        await client.answer(Answer(status, [_HTML], page % (status, status, _GATEWAY[status])))
        return True

    async def _gateway_after(
        self, client: ClientSide, server: ServerSide, request: Request
    ) -> bool:
        await self._forwarded(server, request)
        return await self._gateway(client, server, request)

    async def _too_many(self, client: ClientSide, _server: ServerSide, _: Request) -> bool:
        headers = [_JSON, (b"retry-after", self._random.choice(_RETRY_AFTER))]
        await client.answer(Answer(429, headers, b'{"detail": "Too Many Requests"}'))
        return True

    async def _truncate_length(
        self, client: ClientSide, server: ServerSide, request: Request
    ) -> bool:
        answer = await self._forwarded(server, request)
        if not answer.body:
            return await self._untouched(client, answer, request)
        await client.begin(answer, length=len(answer.body))
        if half := answer.body[: len(answer.body) // 2]:
            await client.send_part(half)
        return False

    async def _truncate_body(
        self, client: ClientSide, server: ServerSide, request: Request
    ) -> bool:
        answer = await self._forwarded(server, request)
        if not answer.body:
            return await self._untouched(client, answer, request)
        await client.answer(replace(answer, body=answer.body[: len(answer.body) // 2]))
        return True

    async def _untouched(self, client: ClientSide, answer: Answer, request: Request) -> bool:
        """Send an answer without a body to cut, and do not count the request as disturbed."""
        self.counts.note(request, -1)
        await client.answer(answer)
        return True

    async def _duplicate(self, client: ClientSide, server: ServerSide, request: Request) -> bool:
        first = await self._forwarded(server, request)
        second = await self._forwarded(server, request)
        await client.answer(first if self.trouble.mode is Mode.DUPLICATED_FIRST else second)
        return True

    async def _redirect_to_login(self, client: ClientSide, _server: ServerSide, _: Request) -> bool:
        location = (b"location", f"{self.url}/login?next=%2Fthreads".encode())
        await client.answer(Answer(302, [_HTML, location], _LOGIN_PAGE))
        return True

    async def _login_page(self, client: ClientSide, _server: ServerSide, _: Request) -> bool:
        await client.answer(Answer(200, [_HTML], _LOGIN_PAGE))
        return True

    async def _refuse_key(self, client: ClientSide, _server: ServerSide, _: Request) -> bool:
        expired = self.trouble.mode is Mode.KEY_EXPIRES
        status = 401 if expired else self._random.choice((401, 403))
        await client.answer(Answer(status, [_JSON], b'{"detail": "Invalid or expired API key"}'))
        return True

    async def _interrupt(self, _client: ClientSide, _server: ServerSide, _: Request) -> bool:
        """Make an outage or a restart: reset every connection, and do not listen meanwhile."""
        if self._interrupting.locked():  # an outage is in progress already
            return False
        mode = self.trouble.mode  # `stop_disturbing` may change it before this is over
        async with self._interrupting:
            self._stop_listening()
            if mode in _NEEDS_RESTART:
                assert self._restart is not None
                await self._restart()
            else:
                await asyncio.sleep(self.trouble.outage_s)
            await self._listen()
        return False


async def _unless_gone(client: ClientSide, answering: Awaitable[None]) -> bool:
    """Await `answering` and return True; GoneError if the client leaves before that is done."""
    task = asyncio.ensure_future(answering)
    watch = asyncio.ensure_future(client.wait_until_closed())
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise GoneError("the client went away")
        await task
    finally:
        for each in (task, watch):
            each.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)
    return True


_TROUBLES: dict[Mode, Callable[[Proxy, ClientSide, ServerSide, Request], Awaitable[bool]]] = {
    Mode.RESET_BEFORE: Proxy._reset_before,
    Mode.RESET_AFTER: Proxy._reset_after,
    Mode.ANSWER_LOST: Proxy._lose,
    Mode.ANSWER_HELD: Proxy._hold,
    Mode.DELAY: Proxy._delay,
    Mode.GATEWAY_HTML: Proxy._gateway,
    Mode.GATEWAY_HTML_AFTER: Proxy._gateway_after,
    Mode.GATEWAY_STAYS: Proxy._gateway,
    Mode.TOO_MANY: Proxy._too_many,
    Mode.TRUNCATED_LENGTH: Proxy._truncate_length,
    Mode.TRUNCATED_BODY: Proxy._truncate_body,
    Mode.DUPLICATED: Proxy._duplicate,
    Mode.DUPLICATED_FIRST: Proxy._duplicate,
    Mode.LOGIN_REDIRECT: Proxy._redirect_to_login,
    Mode.LOGIN_STAYS: Proxy._redirect_to_login,
    Mode.LOGIN_HTML: Proxy._login_page,
    Mode.KEY_REFUSED: Proxy._refuse_key,
    Mode.KEY_EXPIRES: Proxy._refuse_key,
    Mode.OUTAGE: Proxy._interrupt,
    Mode.OUTAGE_ONCE: Proxy._interrupt,
    Mode.RESTART: Proxy._interrupt,
    Mode.RESTART_ONCE: Proxy._interrupt,
}


async def _forever(upstream: str, trouble: Trouble) -> None:
    async with Proxy(upstream, trouble) as proxy:
        print(f"{trouble.mode} at {trouble.rate:.0%} in front of {upstream} on {proxy.url}")
        try:
            await asyncio.Event().wait()
        finally:
            print(json.dumps(asdict(proxy.counts)))


def main() -> None:
    """Serve the proxy in front of a deployment until Ctrl-C, then print the counts."""
    told = "\n".join(f"  {mode:20} {meaning}" for mode, meaning in MEANINGS.items())
    options = argparse.ArgumentParser(
        description="A bad network in front of a deployment on this machine.",
        epilog=f"modes:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--upstream", required=True, metavar="URL", help="the deployment")
    # Without the modes that restart: only the matrix, which starts the deployment, can do that.
    modes = [mode.value for mode in Mode if mode not in _NEEDS_RESTART]
    options.add_argument("--mode", default=Mode.NONE.value, choices=modes, metavar="MODE")
    options.add_argument("--rate", type=float, default=0.01, help="share of the requests")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--hold", type=float, default=2.5, help="seconds, for the mode delay")
    options.add_argument("--outage", type=float, default=1.0, help="seconds, for outages")
    given = options.parse_args()
    if urlsplit(given.upstream).hostname not in (HOST, "localhost", "::1"):
        options.error("--upstream must be on this machine: the traffic stays on loopback")
    trouble = Trouble(Mode(given.mode), given.rate, given.seed, given.hold, given.outage)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_forever(given.upstream, trouble))


if __name__ == "__main__":
    main()

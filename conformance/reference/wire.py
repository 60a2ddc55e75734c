"""The HTTP layer around the reference, where faults and freedoms change requests and answers.

`Wire` is an ASGI application around another. Each rule of `before` may change or answer a
request before the inner application gets it; each rule of `after` may change the answer.
Without rules everything passes unchanged.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.contract.operations import identify
from conformance.reference.state_select import selected_state

Json = Any

#: Operations whose streams do not end by themselves. A rule gets first an answer with the headers
#: and an empty body, then each encoded event as an answer of its own.
ENDLESS = frozenset({"thread_stream", "thread_events"})


class _WithBody:
    """A message with a body: a request or an answer."""

    raw: bytes

    @property
    def body(self) -> Json:
        """The body as JSON; None where it is not JSON."""
        return _json(self.raw)

    @body.setter
    def body(self, value: Json) -> None:
        self.raw = json.dumps(value).encode()


class WireRequest(_WithBody):
    """A request to the deployment. `operation` and `thread_id` are "" where there is none.

    `query` has the last value of each name; unless a rule changes it, all values are passed on.
    """

    def __init__(
        self, method: str, path: str, query_string: bytes, raw: bytes, headers: list[Any]
    ) -> None:
        self.method, self.path = method, path
        self.query = _query(query_string)
        self._query_string = query_string
        self.raw, self.headers = raw, headers
        operation, thread_id = identify(method, path)
        self.operation = operation.name if operation else ""
        self.thread_id = thread_id or ""

    @property
    def select(self) -> list[str]:
        """All values of `select` in the query, or the one value that a rule has set in `query`."""
        if "select" not in self.query:
            return []
        given = [v for name, v in parse_qsl(self._query_string.decode()) if name == "select"]
        return given if given[-1:] == [self.query["select"]] else [self.query["select"]]

    @select.setter
    def select(self, names: Sequence[str]) -> None:
        pairs = [pair for pair in parse_qsl(self._query_string.decode()) if pair[0] != "select"]
        self._query_string = urlencode([*pairs, *(("select", each) for each in names)]).encode()
        self.query = _query(self._query_string)

    @property
    def query_string(self) -> bytes:
        """The query that is passed on: as received, unless a rule changed `query`."""
        if self.query == _query(self._query_string):
            return self._query_string
        return urlencode(self.query).encode()

    @property
    def members(self) -> dict[str, Any]:
        """The members of the body; {} where it is no JSON object."""
        body = self.body
        return body if isinstance(body, dict) else {}


@dataclass
class WireAnswer(_WithBody):
    """An answer of the deployment."""

    status: int
    raw: bytes
    headers: list[tuple[bytes, bytes]] = field(
        default_factory=lambda: [(b"content-type", b"application/json")]
    )

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return is_success(self.status)


def is_success(status: int) -> bool:
    """Return whether a status is 2xx."""
    return 200 <= status < 300


def json_answer(status: int, body: Json) -> WireAnswer:
    """Return an answer with a JSON body."""
    return WireAnswer(status, json.dumps(body).encode())


#: While a rule that is a coroutine waits, other requests are served.
Before = Callable[[WireRequest], WireAnswer | Awaitable[WireAnswer | None] | None]
After = Callable[[WireRequest, WireAnswer], Awaitable[None] | None]
When = Callable[[WireRequest], bool]
Statuses = Callable[[int], bool]


def any_status(_status: int) -> bool:
    """Match every status."""
    return True


def always(_request: WireRequest) -> bool:
    """Match every request."""
    return True


@dataclass(frozen=True)
class Rule:
    """An action on requests of these operations (of all, if empty) that satisfy `when`.

    `when` depends on the request only, and `statuses` on the original status only, so that
    recorded exchanges show whether a rule would have acted.
    """

    operations: frozenset[str]
    when: When
    act: Callable[..., Any]
    statuses: Statuses = any_status
    #: Whether the rule changes how an answer is written (encoding, headers), not its content.
    rewrites_bytes: bool = False

    def concerns(self, request: WireRequest) -> bool:
        """Return whether the rule acts on this request."""
        return (not self.operations or request.operation in self.operations) and self.when(request)


class Wire:
    """An ASGI application around `app`, which may be set later."""

    def __init__(self, app: ASGIApp | None = None) -> None:
        self.app = app
        self.rules_before: list[Rule] = []
        self.rules_after: list[Rule] = []
        #: The number of times that a rule acted.
        self.acted = 0
        #: The exceptions of rules and of the inner application.
        self.crashes: list[BaseException] = []

    def before(self, *operations: str, when: When = always) -> Callable[[Before], Before]:
        """Register a rule that changes requests, or answers them in place of the reference."""

        def register(act: Before) -> Before:
            self.rules_before.append(Rule(frozenset(operations), when, act))
            return act

        return register

    def after(
        self,
        *operations: str,
        when: When = always,
        status: int | None = None,
        rewrites_bytes: bool = False,
    ) -> Callable[[After], After]:
        """Register a rule that changes answers, only those with `status` if it is given.

        A rule with `rewrites_bytes` changes how answers are written, not their content, and acts
        after all other rules.
        """
        statuses = any_status if status is None else status.__eq__

        def register(act: After) -> After:
            self.rules_after.append(
                Rule(frozenset(operations), when, act, statuses, rewrites_bytes)
            )
            return act

        return register

    def answers(
        self, *operations: str, when: When = always
    ) -> Callable[[Callable[[WireRequest, Json], Json]], None]:
        """Register a rule that replaces the JSON of successful answers."""

        def register(change: Callable[[WireRequest, Json], Json]) -> None:
            def change_body(request: WireRequest, answer: WireAnswer) -> None:
                if answer.raw:
                    answer.body = change(request, answer.body)

            self.rules_after.append(Rule(frozenset(operations), when, change_body, is_success))

        return register

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        assert self.app is not None
        if scope["type"] != "http" or not (self.rules_before or self.rules_after):
            await self._untouched(scope, receive, send)
            return
        request = await _read(scope, receive)
        if request.operation in ENDLESS:
            await self._stream(request, scope, receive, send)
        else:
            await _send_whole(await self._answer(request, scope, receive), send)

    async def _untouched(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        try:
            await self.app(scope, receive, send)
        except Exception as crash:
            self.crashes.append(crash)
            raise

    async def _answer(self, request: WireRequest, scope: Scope, outer: Receive) -> WireAnswer:
        try:
            # Rules are selected by the request as received, before a rule of `before` changes it.
            after = [rule for rule in self.rules_after if rule.concerns(request)]
            own = await self._own_answer(request)
            # Rules get whole states: `select` is applied to the state that they return.
            select = request.select if request.operation == "state" else []
            answer = own or await self._inner_answer(request, scope, outer, whole=bool(select))
            await self._apply([rule for rule in after if not rule.rewrites_bytes], request, answer)
            if select and answer.ok and isinstance(answer.body, dict):
                answer.body = selected_state(answer.body, select)
            await self._apply([rule for rule in after if rule.rewrites_bytes], request, answer)
        except Exception as crash:
            self.crashes.append(crash)
            return json_answer(500, {"detail": "the fault itself broke"})
        return answer

    async def _apply(self, rules: Sequence[Rule], request: WireRequest, answer: WireAnswer) -> None:
        for rule in rules:
            if rule.statuses(answer.status):
                self.acted += 1
                await _done(rule.act(request, answer))

    async def _stream(self, request: WireRequest, scope: Scope, outer: Receive, send: Send) -> None:
        """Pass an event stream on, piece by piece, and any other answer as a whole."""
        assert self.app is not None
        head: WireAnswer | None = None
        begun, whole = False, b""

        async def pass_on(message: Message) -> None:
            nonlocal head, begun, whole
            if message["type"] == "http.response.start":
                head = WireAnswer(message["status"], b"", list(message["headers"]))
                if begun := _is_stream(head):
                    await self._apply(after, request, head)
                    start = {"status": head.status, "headers": head.headers}
                    await send({"type": "http.response.start", **start})
                return
            assert head is not None
            more, body = message.get("more_body", False), message.get("body", b"")
            if not begun:
                whole += body
                return
            piece = WireAnswer(head.status, body, head.headers)
            if body:
                await self._apply(after, request, piece)
            await send({"type": "http.response.body", "body": piece.raw, "more_body": more})

        try:
            after = [rule for rule in self.rules_after if rule.concerns(request)]
            after.sort(key=lambda rule: rule.rewrites_bytes)
            answer = await self._own_answer(request)
            if answer is None:
                await self.app(*self._inner(request, scope, outer), pass_on)
                if head is None or begun:
                    return
                answer = WireAnswer(head.status, whole, head.headers)
            await self._apply(after, request, answer)
        except Exception as crash:
            self.crashes.append(crash)
            answer = json_answer(500, {"detail": "the fault itself broke"})
        if not begun:
            await _send_whole(answer, send)

    async def _own_answer(self, request: WireRequest) -> WireAnswer | None:
        for rule in self.rules_before:
            if rule.concerns(request):
                self.acted += 1
                answer: WireAnswer | None = await _done(rule.act(request))
                if answer is not None:
                    return answer
        return None

    async def _inner_answer(
        self, request: WireRequest, scope: Scope, outer: Receive, *, whole: bool
    ) -> WireAnswer:
        assert self.app is not None
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        try:
            await self.app(*self._inner(request, scope, outer, whole=whole), send)
        except Exception as crash:
            self.crashes.append(crash)
        start = next(each for each in sent if each["type"] == "http.response.start")
        raw = b"".join(each.get("body", b"") for each in sent)
        return WireAnswer(start["status"], raw, list(start["headers"]))

    def _inner(
        self, request: WireRequest, scope: Scope, outer: Receive, *, whole: bool = False
    ) -> tuple[Scope, Receive]:
        """Return the request as the inner application gets it."""
        inner = {
            **scope,
            "method": request.method,
            "path": request.path,
            "raw_path": request.path.encode(),
            "query_string": _without_select(request) if whole else request.query_string,
            "headers": request.headers,
        }
        unread = [{"type": "http.request", "body": request.raw, "more_body": False}]

        async def receive() -> Message:
            # After the body, the only message still to come is that the client disconnects.
            return unread.pop() if unread else await outer()

        return inner, receive


async def _send_whole(answer: WireAnswer, send: Send) -> None:
    headers = [(name, value) for name, value in answer.headers if name != b"content-length"]
    headers.append((b"content-length", str(len(answer.raw)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.raw})


def _is_stream(answer: WireAnswer) -> bool:
    return dict(answer.headers).get(b"content-type", b"").startswith(b"text/event-stream")


def _without_select(request: WireRequest) -> bytes:
    return urlencode({n: v for n, v in request.query.items() if n != "select"}).encode()


async def _read(scope: Scope, receive: Receive) -> WireRequest:
    raw = b""
    while True:
        message = await receive()
        raw += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = list(scope["headers"])
    return WireRequest(scope["method"], scope["path"], scope["query_string"], raw, headers)


def _query(query_string: bytes) -> dict[str, str]:
    return dict(parse_qsl(query_string.decode(), keep_blank_values=True))


async def _done(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def _json(raw: bytes) -> Json:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None

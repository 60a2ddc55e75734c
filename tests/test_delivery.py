"""Trouble on the way: the request is sent again where that is safe; trouble is never an answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.connect import Connection, connect
from conformance.deployment.delivery.circuit_breaker import GivenUpError
from conformance.deployment.delivery.trouble import (
    EXPECTED_STATUSES,
    LONGEST_RETRY_AFTER_S,
    TroubleError,
    retry_after,
    trouble_of_answer,
)
from conformance.deployment.settings import Settings

MakeSettings = Callable[..., Settings]
#: What comes instead of an answer: raised, or given as it is.
Instead = httpx.Response | Exception

HTML = "<!DOCTYPE html><title>Bad gateway</title>"


class World:
    """A deployment of threads, and a way to it on which the chosen requests are in trouble.

    `trouble` maps a method and a path's end to what comes instead, one after the other;
    with `after`, the request is done before.
    """

    def __init__(self) -> None:
        self.threads: dict[str, dict[str, Any]] = {}
        self.trouble: dict[tuple[str, str], list[Instead]] = {}
        self.after = False
        self.twice = False
        self.asked: Counter[str] = Counter()

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked[f"{request.method} {path}"] += 1
        instead = next(
            (
                queue.pop(0)
                for (method, end), queue in self.trouble.items()
                if queue and method == request.method and path.endswith(end)
            ),
            None,
        )
        if instead is None:
            if self.twice:
                self._answer(request)
            return self._answer(request)
        if self.after:
            self._answer(request)
        if isinstance(instead, Exception):
            raise instead
        return httpx.Response(instead.status_code, headers=instead.headers, content=instead.content)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, json.loads(request.content or b"{}")
        if path == "/threads/search":
            return httpx.Response(200, json=list(self.threads.values()))
        if path == "/info":
            return httpx.Response(200, json={"version": "1"})
        if path == "/threads":
            thread_id = body.get("thread_id", "11111111-2222-4333-8444-555555555555")
            if thread_id in self.threads:
                return httpx.Response(409, json={"detail": "it exists"})
            made = {"thread_id": thread_id, "created_at": "2999-01-01T00:00:00Z", **body}
            self.threads[thread_id] = made
            return httpx.Response(200, json=made)
        thread_id = path.split("/")[2]
        if thread_id not in self.threads:
            return httpx.Response(404, json={"detail": "no such thread"})
        if request.method == "DELETE":
            del self.threads[thread_id]
            return httpx.Response(204)
        if request.method == "PATCH":
            self.threads[thread_id]["metadata"] |= body["metadata"]
        return httpx.Response(200, json=self.threads[thread_id])


@contextmanager
def asking(world: World, settings_for: MakeSettings, **options: Any) -> Iterator[Connection]:
    settings = settings_for("http://deployment.test", **options)
    with connect(settings, make_transport=lambda: httpx.MockTransport(world.handle)) as connection:
        # Something that is answered well, by which trouble is told from an answer.
        assert connection.client.search({}).ok
        yield connection


def created(client: ThreadsClient) -> str:
    own = client.ownership.new_id()
    answer = client.create({"thread_id": own, "metadata": {**client.tag, "n": 1}})
    assert answer.status == 200
    assert answer.body["thread_id"] == own
    return own


def answered(status: int, text: str = "{}", kind: str = "application/json") -> httpx.Response:
    return httpx.Response(status, text=text, headers={"content-type": kind})


def html(status: int) -> httpx.Response:
    return answered(status, HTML, "text/html")


TROUBLES: dict[str, Callable[[], Instead]] = {
    "502": lambda: html(502),
    "503": lambda: html(503),
    "504": lambda: html(504),
    "429": lambda: httpx.Response(429, headers={"retry-after": "0"}),
    "reset": lambda: httpx.ReadError("connection reset"),
    "closed": lambda: httpx.RemoteProtocolError("closed without an answer"),
    "timeout": lambda: httpx.ReadTimeout("too late"),
    "refused": lambda: httpx.ConnectError("refused"),
    "login": lambda: httpx.Response(302, headers={"location": "http://login.test"}),
    "login page": lambda: html(200),
    "expired": lambda: answered(401),
    "forbidden": lambda: answered(403),
    "cut short": lambda: answered(200, '[{"thread_id": "1'),
}


@pytest.mark.parametrize("kind", TROUBLES)
def test_what_reads_is_asked_again(kind: str, settings_for: MakeSettings) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        world.trouble[("GET", own)] = [TROUBLES[kind]()]
        with connection.recorder.check("check"):
            answer = connection.client.get(own)
            assert [each.operation for each in connection.recorder.troubles] == ["get"]
    assert answer.body["thread_id"] == own
    assert world.asked[f"GET /threads/{own}"] == 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", TROUBLES)
def test_a_creation_under_an_own_id_is_made_whether_it_was_or_not(
    kind: str, after: bool, settings_for: MakeSettings
) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        created(connection.client)
        world.after = after and kind not in ("429", "refused")
        world.trouble[("POST", "/threads")] = [TROUBLES[kind]()]
        own = created(connection.client)
    assert world.threads.keys() >= {own}
    assert len(world.threads) == 2


def test_a_creation_that_came_in_twice_is_made_again(settings_for: MakeSettings) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        created(connection.client)
        world.twice = True
        with connection.recorder.check("check"):
            own = connection.client.ownership.new_id()
            body = {"thread_id": own, "metadata": connection.client.tag}
            # Each is done twice here: the third conflict is believed, and no trouble.
            assert connection.client.create(body).status == 409
            assert connection.recorder.troubles == []
            world.twice = False
            assert connection.client.create(
                {**body, "thread_id": connection.client.ownership.new_id()}
            ).ok


def test_a_conflict_about_an_id_that_is_used_is_an_answer(settings_for: MakeSettings) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        with connection.recorder.check("check"):
            answer = connection.client.create({"thread_id": own, "metadata": connection.client.tag})
            assert connection.recorder.troubles == []
    assert answer.status == 409
    assert world.asked["POST /threads"] == 2
    assert world.threads.keys() == {own}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", ["503", "reset", "timeout", "login"])
def test_metadata_is_merged_again(kind: str, after: bool, settings_for: MakeSettings) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        world.after = after
        world.trouble[("PATCH", own)] = [TROUBLES[kind]()]
        assert connection.client.update(own, {"metadata": {"n": 2}}).body["metadata"]["n"] == 2


def test_a_deletion_is_sent_again_while_the_thread_stands(settings_for: MakeSettings) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        world.trouble[("DELETE", own)] = [TROUBLES["reset"]()]
        assert connection.client.delete(own).status == 204


def test_what_a_deletion_was_answered_nobody_knows(settings_for: MakeSettings) -> None:
    world = World()
    world.after = True
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        world.trouble[("DELETE", own)] = [TROUBLES["reset"]()]
        with pytest.raises(httpx.ReadError):
            connection.client.delete(own)


def unsafe(client: ThreadsClient, own: str, operation: str) -> Answer:
    match operation:
        case "copy":
            return client.copy(own)
        case "state":
            return client.update_state(own, {"values": {}})
        case "run":
            return client.run_wait(own, {"assistant_id": "agent"})
        case _:
            return client.runs.cancel(own, client.ownership.absent_id())


@pytest.mark.parametrize("operation", ["copy", "state", "run", "cancel"])
@pytest.mark.parametrize("kind", ["502", "504", "reset", "timeout"])
def test_nothing_else_is_sent_twice(kind: str, operation: str, settings_for: MakeSettings) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        world.trouble[("POST", "")] = [TROUBLES[kind]() for _ in range(9)]
        with connection.recorder.check("check"):
            with pytest.raises(httpx.TransportError):
                unsafe(connection.client, own, operation)
            assert len(connection.recorder.troubles) == 1
    assert len(world.trouble[("POST", "")]) == 8


@pytest.mark.parametrize("operation", ["copy", "state", "run", "cancel"])
@pytest.mark.parametrize("kind", ["429", "refused"])
def test_what_was_surely_not_done_is_sent_again(
    kind: str, operation: str, settings_for: MakeSettings
) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        world.trouble[("POST", "")] = [TROUBLES[kind]()]
        assert unsafe(connection.client, own, operation).status == 200 or operation == "cancel"
    assert world.trouble[("POST", "")] == []


@pytest.mark.parametrize("kind", ["503", "reset", "cut short", "expired", "login page"])
def test_trouble_that_stays_is_no_answer(kind: str, settings_for: MakeSettings) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        # The whole deployment is answered so: also what was answered well before.
        world.trouble[("GET", "")] = [TROUBLES[kind]() for _ in range(50)]
        world.trouble[("POST", "/search")] = [TROUBLES[kind]() for _ in range(50)]
        with connection.recorder.check("check"):
            with pytest.raises(httpx.TransportError) as raised:
                connection.client.get(own)
            assert connection.recorder.troubles
    assert isinstance(raised.value, TroubleError | GivenUpError) or kind == "reset"


@pytest.mark.parametrize("kind", ["expired", "forbidden", "login", "login page", "cut short"])
def test_an_answer_that_one_request_always_gets_is_its_answer(
    kind: str, settings_for: MakeSettings
) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        world.trouble[("GET", "/state")] = [TROUBLES[kind]() for _ in range(50)]
        with connection.recorder.check("check"):
            answer = connection.client.state(own)
            assert connection.recorder.troubles == connection.recorder.doubts == []
    instead = TROUBLES[kind]()
    assert isinstance(instead, httpx.Response)
    assert (answer.status, answer.text) == (instead.status_code, instead.text)
    assert world.asked[f"GET /threads/{own}/state"] == 3


@pytest.mark.parametrize("kind", ["expired", "login", "login page", "cut short"])
def test_an_answer_that_comes_by_chance_must_come_oftener(
    kind: str, settings_for: MakeSettings
) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        world.trouble[("GET", own)] = [TROUBLES[kind]()]
        assert connection.client.get(own).status == 200
        # What gave way to another answer once may come several times in a row.
        world.trouble[("GET", "/state")] = [TROUBLES[kind]() for _ in range(5)]
        with connection.recorder.check("check"):
            assert connection.client.state(own).body["thread_id"] == own
            assert len(connection.recorder.troubles) == 5
        assert world.asked[f"GET /threads/{own}/state"] == 6
        world.trouble[("GET", "/history")] = [TROUBLES[kind]() for _ in range(50)]
        with connection.recorder.check("check"):
            connection.client.history(own)
            assert connection.recorder.troubles == connection.recorder.doubts == []
    assert world.asked[f"GET /threads/{own}/history"] == 9


def test_nothing_declared_as_json_is_no_answer_to_what_reads(settings_for: MakeSettings) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        # Half of a count of one digit, with a length that fits.
        world.trouble[("POST", "/search")] = [answered(200, "")]
        assert connection.client.search({}).body
        world.trouble[("DELETE", own)] = [answered(200, "")]
        with connection.recorder.check("check"):
            assert connection.client.delete(own).status == 200
            assert connection.recorder.troubles == connection.recorder.doubts == []


def test_what_cannot_be_asked_again_is_believed_with_a_doubt(settings_for: MakeSettings) -> None:
    world = World()
    with asking(world, settings_for) as connection:
        own = created(connection.client)
        world.trouble[("POST", "/state")] = [TROUBLES["forbidden"]()]
        with connection.recorder.check("check"):
            assert connection.client.update_state(own, {}).status == 403
            assert connection.recorder.troubles == []
            assert len(connection.recorder.doubts) == 1


def test_what_a_check_is_about_is_no_trouble(settings_for: MakeSettings) -> None:
    request = httpx.Request("GET", "http://deployment.test", extensions={EXPECTED_STATUSES: (401,)})
    for status, expected in ((401, True), (403, False)):
        response = httpx.Response(status, request=request)
        assert (trouble_of_answer("get", response) is None) is expected


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        ("100000", LONGEST_RETRY_AFTER_S),
        ("-5", 0.0),
        ("nan", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_honoured_within_bounds(header: str, seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers={"retry-after": header})) == seconds


def test_the_first_answer_of_all_is_taken_as_it_is(settings_for: MakeSettings) -> None:
    world = World()
    settings = settings_for("http://deployment.test")
    make_transport = lambda: httpx.MockTransport(world.handle)  # noqa: E731
    with connect(settings, make_transport=make_transport, first_contact=True) as connection:
        for instead in (answered(401), html(200), answered(302)):
            world.trouble[("POST", "/search")] = [instead]
            assert connection.client.search({}).status == instead.status_code
        world.trouble[("POST", "/search")] = [html(503)]
        assert connection.client.search({}).ok
        world.trouble[("POST", "/search")] = [html(503) for _ in range(50)]
        assert connection.client.search({}).status == 503

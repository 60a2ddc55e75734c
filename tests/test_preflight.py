"""Before a run: whether such a server answers, and one sentence that says what to do if not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from conformance.deployment.connect import connect
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import ServerInfo, UnreachableError, graph_missing
from conformance.deployment.settings import Settings
from conformance.reference.server import HOST
from tests.conftest import Reply, answering, as_json
from tests.sockets import ConnectionHandler, certificate, raw_server, reply_with, response

MakeSettings = Callable[..., Settings]
HTML: Reply = (200, "text/html", b"<html>hello</html>")
NOT_FOUND: Reply = as_json({"detail": "Not Found"}, 404)


def refusal(settings: Settings) -> str:
    with pytest.raises(UnreachableError) as refused:
        identify_deployment(settings)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_the_reference_says_who_it_is(reference: str, settings_for: MakeSettings) -> None:
    info = identify_deployment(settings_for(reference))
    assert info.name
    assert info.version


def test_looking_leaves_nothing(
    reference: str, settings_for: MakeSettings, own_state: Path
) -> None:
    identify_deployment(settings_for(reference))
    assert not own_state.exists()


def test_no_server(settings_for: MakeSettings) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        url = f"http://{HOST}:{taken.getsockname()[1]}"
        message = refusal(settings_for(url))
    assert f"cannot connect to {url}" in message
    assert "is the server running?" in message


def test_a_name_that_no_one_has(settings_for: MakeSettings) -> None:
    message = refusal(settings_for("http://nowhere.invalid"))
    assert "cannot connect to http://nowhere.invalid (nowhere.invalid has no address" in message
    assert "correct the host name" in message


def by_path(**replies: Reply) -> Callable[[str, str, bytes], Reply]:
    """Answers by operation: search, thread, state, history, info, count, assistants, else."""

    def reply(_method: str, path: str, _body: bytes) -> Reply:
        return replies.get(operation_of(path), replies["otherwise"])

    return reply


def operation_of(path: str) -> str:
    parts = path.partition("?")[0].strip("/").split("/")
    match parts:
        case ["threads", "search"]:
            return "search"
        case ["threads", "count"]:
            return "count"
        case ["threads", _]:
            return "thread"
        case ["threads", _, below]:
            return below
        case [one] if one in ("info", "openapi.json"):
            return one
        case ["assistants", "search"]:
            return "assistants"
    return "nowhere"


def echoing(
    text: str, kind: str = "application/json", status: int = 404
) -> Callable[[str, str, bytes], Reply]:
    """A framework that knows no such path, and says so with the path in it."""
    return lambda method, path, _body: (
        status,
        kind,
        text.replace("PATH", path).replace("METHOD", method).encode(),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "reply",
    [
        by_path(otherwise=HTML),
        by_path(otherwise=NOT_FOUND),
        by_path(otherwise=as_json([1], 500)),
        by_path(otherwise=as_json([])),
        by_path(otherwise=as_json({})),
        by_path(otherwise=as_json(0)),
        by_path(otherwise=as_json({"version": "1.2"})),
        by_path(otherwise=as_json({"detail": "Thread not found"}, 404)),
        by_path(info=as_json({"version": "1.2", "name": "shop"}), otherwise=NOT_FOUND),
        by_path(search=as_json([{"title": "a thread of a forum"}]), otherwise=NOT_FOUND),
        by_path(thread=as_json({"error": "no such thread"}, 404), otherwise=NOT_FOUND),
        echoing('{"message": "Route METHOD:PATH not found", "statusCode": 404}'),
        echoing('{"timestamp": 1, "status": 404, "error": "Not Found", "path": "PATH"}'),
        echoing('{"path": "http://HOST/basePATH"}'),
        echoing("Cannot METHOD PATH", "text/plain"),
        echoing("<pre>Cannot METHOD PATH</pre>", "text/html"),
        lambda _method, path, _body: as_json({"error": f"no route {path.split('/')[1]}"}, 404),
        lambda _method, path, _body: as_json({"error": path.replace("/", "\\/")}, 404),
    ],
)
def test_a_server_of_something_else(
    reply: Callable[[str, str, bytes], Reply], settings_for: MakeSettings
) -> None:
    with answering(reply) as url:
        message = refusal(settings_for(url))
    assert f"no LangGraph Server at {url}: POST /threads/search answers" in message
    assert f"is a prefix missing, as in {url}/api?" in message


@pytest.mark.slow
def test_a_wrong_prefix(reference: str, settings_for: MakeSettings) -> None:
    message = refusal(settings_for(f"{reference}/threads"))
    assert f"no LangGraph Server at {reference}/threads" in message
    assert "of /threads: write http" in message
    assert not message.endswith("/threads")


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_a_key(status: int, settings_for: MakeSettings) -> None:
    with answering(lambda *_: as_json({"detail": "who?"}, status)) as url:
        message = refusal(settings_for(url, headers=(("X-Trace", "on"),)))
    assert f"{url} answers {status} to POST /threads/search: it requires credentials" in message
    assert "give them with --api-key KEY" in message


@pytest.mark.parametrize("header", ["x-api-key", "Authorization", "Cookie"])
def test_a_key_that_is_refused(header: str, settings_for: MakeSettings) -> None:
    info = as_json({"version": "1", "langgraph_py_version": "1"})
    with answering(by_path(info=info, otherwise=as_json({"detail": "no"}, 401))) as url:
        message = refusal(settings_for(url, headers=((header, "swordfish"),)))
        assert message.startswith("the key is refused")
        assert "swordfish" not in message
        assert refusal(settings_for(url.replace("://", "://me:it@"))).startswith("the key is refus")


@pytest.mark.parametrize("location", ["/login?next=%2F", "https://sso.test/authorize?client=a"])
def test_a_redirect_to_a_login(location: str, settings_for: MakeSettings, reference: str) -> None:
    with redirecting(location) as url:
        message = refusal(settings_for(url))
    assert f"{url} redirects POST /threads/search to " in message
    assert ", a login page: give credentials" in message
    assert "?" not in message


def test_a_redirect_elsewhere(settings_for: MakeSettings) -> None:
    with redirecting("https://elsewhere.test/threads/search") as url:
        message = refusal(settings_for(url))
    assert "to https://elsewhere.test/threads/search: give the base URL that answers" in message


def redirecting(location: str) -> AbstractContextManager[str]:
    moved = response(b"", f"Location: {location}", status="307 Temporary Redirect")
    return within_http(raw_server(reply_with(moved)))


@contextmanager
def within_http(server: AbstractContextManager[str]) -> Iterator[str]:
    with server as at:
        yield f"http://{at}"


def test_a_login_page(settings_for: MakeSettings) -> None:
    page: Reply = (200, "text/html; charset=utf-8", b"<form><input type=password></form>")
    with answering(by_path(info=as_json({"langgraph_py_version": "1"}), otherwise=page)) as url:
        assert "answers POST /threads/search with a login page" in refusal(settings_for(url))


def test_a_gateway_without_its_server(settings_for: MakeSettings) -> None:
    with answering(lambda *_: (503, "text/html", b"<h1>503</h1>")) as url:
        assert "answers 503 to POST /threads/search, as a gateway" in refusal(settings_for(url))


def test_a_server_that_does_not_answer(settings_for: MakeSettings) -> None:
    with answering(lambda *_: None) as url:
        assert "does not answer in time" in refusal(settings_for(url, timeout_s=0.1))


def test_https_where_http_is_spoken(settings_for: MakeSettings) -> None:
    with raw_server(saying_at_once(response(b"", status="400 Bad Request"))) as at:
        message = refusal(settings_for(f"https://{at}"))
    assert f"the server at {at} does not speak TLS" in message
    assert f"write http://{at} if it serves plain HTTP" in message


def saying_at_once(answer: bytes) -> ConnectionHandler:
    """Says so whatever comes, as a server of HTTP does that cannot read it."""

    def handle(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(1)
        connection.sendall(answer)

    return handle


@pytest.mark.parametrize("polite", [False, True])
def test_http_where_https_is_spoken(
    polite: bool, settings_for: MakeSettings, tmp_path: Path
) -> None:
    made = certificate(tmp_path)
    if made is None:
        pytest.skip("openssl is not installed")
    context, _ = made

    def handle(connection: socket.socket, over: threading.Event) -> None:
        is_tls = connection.recv(1, socket.MSG_PEEK) == b"\x16"
        if polite and not is_tls:
            reply_with(response(b"<html>", status="400 Bad Request"))(connection, over)
        with context.wrap_socket(connection, server_side=True) as secured:
            reply_with(response(b"[]"))(secured, over)

    with raw_server(handle) as at:
        message = refusal(settings_for(f"http://{at}"))
    assert message == f"http://{at} speaks https, not http: write https://{at}"


def test_a_certificate_that_is_not_trusted(settings_for: MakeSettings, tmp_path: Path) -> None:
    made = certificate(tmp_path)
    if made is None:
        pytest.skip("openssl is not installed")
    with raw_server(reply_with(response(b"[]")), made[0]) as at:
        message = refusal(settings_for(f"https://{at}"))
    assert f"the certificate of https://{at} is not trusted (self-signed certificate)" in message
    assert "--ca-bundle FILE" in message
    assert "--insecure" in message


def test_proxies_in_the_way(settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = response(b"<html>", status="407 Proxy Authentication Required")
    with raw_server(reply_with(refused)) as at:
        monkeypatch.setenv("http_proxy", f"http://me:swordfish@{at}")
        message = refusal(settings_for("http://deployment.test"))
        assert (
            "the proxy on the way to http://deployment.test requires credentials (407)" in message
        )
        assert "HTTP_PROXY" in message
    # A port that is taken, so that no other test gets it, and on which nobody listens.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("http_proxy", f"http://me:swordfish@{at}")
        message = refusal(settings_for("http://deployment.test"))
    assert (
        f"cannot connect to http://deployment.test through the proxy (the proxy {at} cannot"
        in message
    )
    assert "NO_PROXY=deployment.test" in message
    assert "swordfish" not in message


def test_a_server_that_breaks_every_connection(settings_for: MakeSettings) -> None:
    def hang_up(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(1)

    with raw_server(hang_up) as at:
        assert f"http://{at} breaks the connection" in refusal(settings_for(f"http://{at}"))


def test_an_answer_that_cannot_be_read(settings_for: MakeSettings) -> None:
    with raw_server(reply_with(response(b"x", "Content-Encoding: br"))) as at:
        message = refusal(settings_for(f"http://{at}"))
    assert "gzip, deflate was asked for" in message


def test_passwords_are_not_shown(settings_for: MakeSettings) -> None:
    with answering(lambda *_: HTML) as url:
        message = refusal(settings_for(url.replace("://", "://me:swordfish@")))
    assert "swordfish" not in message


BROKEN = as_json({"detail": "broken"}, 500)
UNKNOWN = as_json({"detail": "Thread with ID 0 not found"}, 404)
UNKNOWN_AS_TEXT: Reply = (404, "text/plain", b"Thread with ID 0 not found")
WORKING: dict[str, Reply] = {
    "search": as_json([]),
    "info": as_json({"name": "one", "version": "0.1", "langgraph_py_version": "1.0"}),
    "count": as_json(0),
    "history": as_json([]),
    "assistants": as_json([{"assistant_id": "a", "graph_id": "agent"}]),
    "openapi.json": as_json({"paths": {"/threads/{thread_id}/history": {}}}),
}


@pytest.mark.parametrize("otherwise", [BROKEN, NOT_FOUND], ids=["broken", "missing"])
@pytest.mark.parametrize("works", WORKING)
def test_one_working_operation_is_enough(
    works: str, otherwise: Reply, settings_for: MakeSettings
) -> None:
    with answering(by_path(**{works: WORKING[works]}, otherwise=otherwise)) as url:
        found = identify_deployment(settings_for(url))
    assert found.version == ("0.1" if works == "info" else None)


@pytest.mark.parametrize("unknown", [UNKNOWN, UNKNOWN_AS_TEXT], ids=["json", "text"])
@pytest.mark.parametrize("broken", ["thread", "state", "history"])
def test_a_small_server_is_known_by_what_it_says_of_a_thread_that_is_not_there(
    broken: str, unknown: Reply, settings_for: MakeSettings
) -> None:
    replies = {"thread": unknown, "state": unknown, "history": unknown, broken: BROKEN}
    with answering(by_path(**replies, otherwise=NOT_FOUND)) as url:
        assert identify_deployment(settings_for(url)) == ServerInfo(None, None)


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["search", "thread", "info", "count", "history", "state"])
@pytest.mark.parametrize("status", [None, 401, 403, 404, 500, 503])
def test_one_broken_operation_hides_no_server(
    broken: str, status: int | None, settings_for: MakeSettings
) -> None:
    replies: dict[str, Reply | None] = {**WORKING, "thread": UNKNOWN, "state": UNKNOWN}
    replies[broken] = as_json({"detail": "no"}, status) if status else None

    def reply(_method: str, path: str, _body: bytes) -> Reply | None:
        return replies.get(operation_of(path), NOT_FOUND)

    with answering(reply) as url:
        found = identify_deployment(settings_for(url, timeout_s=0.2))
    assert (found.name is None) is (broken == "info")


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"langgraph_py_version": "1.0"}, None),
        ({"langgraph_js_version": "1.0"}, None),
        ({"name": "another", "langgraph_py_version": "1.0"}, "another"),
        ({"name": 7}, None),
        ([], None),
    ],
)
def test_what_a_server_is_called(
    info: object, name: str | None, settings_for: MakeSettings
) -> None:
    with answering(by_path(info=as_json(info), search=as_json([]), otherwise=NOT_FOUND)) as url:
        assert identify_deployment(settings_for(url)).name == name


@pytest.mark.parametrize(
    ("listed", "missing"),
    [
        (lambda body: as_json([{"graph_id": "agent"}]), False),
        (lambda body: as_json([] if "graph_id" in body else [{}]), True),
        (lambda body: as_json({}, 404), False),
        (lambda body: as_json({}, 422) if "graph_id" in body else as_json([]), True),
    ],
)
def test_a_missing_graph(
    listed: Callable[[object], Reply], missing: bool, settings_for: MakeSettings
) -> None:
    def reply(_method: str, _path: str, body: bytes) -> Reply:
        return listed(json.loads(body))

    with answering(reply) as url, connect(settings_for(url)) as connection:
        sentence = graph_missing(connection.client, "agent")
    assert (sentence is not None) is missing
    if sentence:
        assert "fixtures/deployments/langgraph-python" in sentence

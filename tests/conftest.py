"""Fixtures and helpers that the tests share: options, references, tiny servers, command lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

import conformance
from conformance.deployment.settings import Settings
from conformance.garbage_collection import collect_rarely
from conformance.model.store import ThreadStore
from conformance.reference.app import create_app
from conformance.reference.process import ReferenceProcess
from conformance.reference.server import HOST, open_listener
from conformance.report.run.folders import SELECTION_DIR, WHOLE_DIR, newest_report
from conformance.runner.pytest_names import MARKERS
from conformance.runner.settings import new_settings

CHECKOUT = Path(conformance.__file__).parents[1]
#: The status, content type and body of an answer of `answering`.
Reply = tuple[int, str, bytes]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that run slow tests and those of the pages as well."""
    parser.addoption(
        "--slow",
        action="store_true",
        help="Run the tests marked slow as well. Those of a file that is named are always run.",
    )
    parser.addoption(
        "--browser",
        action="store_true",
        help="Run the tests of tests/browser as well, which need chromium and the extra browser. "
        "Those of a file of it that is named are always run.",
    )
    parser.addoption(
        "--update-pictures",
        action="store_true",
        help="Write the pictures of docs/pictures anew, with --browser.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Stop ignoring Ctrl-C, as background processes do; run tests of files that are named.

    The marks of the checks are registered, since the tests import the modules that use them.
    """
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.args_source is config.ArgsSource.ARGS:
        config.option.slow = True
        config.option.browser |= any("browser" in Path(each).parts for each in config.args)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests unless they are requested."""
    if config.option.slow:
        return
    slow = [each for each in items if each.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [each for each in items if each not in set(slow)]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Collect garbage rarely: the tests run checks, which make many short-lived objects."""
    session.config.add_cleanup(collect_rarely())


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a state folder of its own; return the folder of its ledgers."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # Runs that fail would start a reference each; the tests that are about that say so.
    monkeypatch.setenv("THREADS_CONFORMANCE_REFERENCE_WITHIN", "0")
    return tmp_path / "state" / "threads-conformance" / "ledgers"


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this machine be in another zone than UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="module")
def reference() -> Iterator[str]:
    """Yield the URL of a reference deployment that the tests of one module share."""
    with ReferenceProcess() as process:
        yield process.url


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[..., Settings]:
    """Return a function that makes the settings of a quick run on a URL."""

    def make(url: str, **options: Any) -> Settings:
        quick = {"effort": "quick", "outage_within_s": 0.2, "backoff_s": 0.001}
        return new_settings(url, tmp_path, **{**quick, **options})

    return make


@contextmanager
def served(
    store: ThreadStore, around: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> Iterator[str]:
    """Yield the URL of a deployment of `store`, served by a thread of this process.

    `around` may wrap the application of the deployment in another one.
    """
    app = around(create_app(store))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none")
    server = _Announced(config)
    with open_listener(0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            server.ready.wait()
            yield f"http://{HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


class _Announced(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        config.port = 0
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def answering(
    reply: Callable[[str, str, bytes], Reply | None], *, drop_after_5xx: bool = False
) -> Iterator[str]:
    """Yield the URL of a server that answers (method, path, body) by `reply`; None never answers.

    With `drop_after_5xx` the server closes a kept connection on which it answered 5xx as soon as
    the next request comes in.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body go out together; else each answer waits 40 ms for an acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def answer(self) -> None:
            if drop_after_5xx and failed.get(self.connection):
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            found = reply(self.command, self.path, body)
            if found is None:
                stopped.wait()
                self.close_connection = True
                return
            status, kind, text = found
            if status == HTTPStatus.NO_CONTENT:
                # A body would be taken for the beginning of the next answer.
                text = b""
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            failed[self.connection] = status >= 500

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    stopped = threading.Event()
    failed: dict[Any, bool] = {}
    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def arguments_of(*arguments: str) -> list[str]:
    """Return a command line of `threads-conformance` that ignores modules in the working folder."""
    return [sys.executable, "-P", "-m", "conformance", *arguments]


def environment_of(**added: str) -> dict[str, str]:
    """Return an environment in which this checkout is importable from any folder."""
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), **added}


@contextmanager
def started_process(arguments: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a process whose output is read, and kill it at the end if it still runs.

    Who wants its exit status calls `communicate` in the block. Standard error is part of standard
    output, unless the options say otherwise.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
    with subprocess.Popen(arguments, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def command(
    directory: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `threads-conformance` in a folder to its end, and return the ended process."""
    return subprocess.run(
        arguments_of(*arguments),
        cwd=directory,
        env=environment_of(**environment),
        capture_output=True,
        text=True,
    )


def written_report(directory: Path) -> Path:
    """Return the report that `run` wrote last in a folder."""
    found = newest_report(directory / each for each in (WHOLE_DIR, SELECTION_DIR))
    assert found is not None, f"no report in {directory}"
    return found


def as_json(value: Any, status: int = 200) -> Reply:
    return status, "application/json", json.dumps(value).encode()


def threads_of(url: str) -> dict[str, Any]:
    """Return the JSON of every thread of a deployment, by id."""
    found: dict[str, Any] = {}
    with httpx.Client(base_url=url) as http:
        while True:
            body = {"limit": 1000, "offset": len(found)}
            page = http.post("/threads/search", json=body).raise_for_status().json()
            found.update((each["thread_id"], each) for each in page)
            if not page:
                return found

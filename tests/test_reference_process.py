from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from click.testing import CliRunner

from conformance.commands.serve import ServedProcess, serve_command
from conformance.reference.announcement import READY
from conformance.reference.app import create_app
from conformance.reference.process import ReferenceNotStartedError, ReferenceProcess
from conformance.reference.server import HOST
from tests.model_examples import new_store


@pytest.mark.slow
def test_it_ends_if_what_is_done_meanwhile_fails() -> None:
    before = set(psutil.Process().children())

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ReferenceProcess(meanwhile=fail):
        raise AssertionError
    assert set(psutil.Process().children()) == before


@pytest.mark.slow
def test_it_ends_with_its_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # neither checkout nor configuration in the working folder
    (tmp_path / "conformance.py").write_text("raise SystemExit('the wrong one')")
    with ReferenceProcess() as reference:
        assert httpx.get(f"{reference.url}/ok").json() == {"ok": True}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{reference.url}/ok")


@pytest.mark.slow
def test_it_ends_when_its_parent_is_gone() -> None:
    script = (
        "import os\n"
        "from conformance.reference.process import ReferenceProcess\n"
        "print(ReferenceProcess().__enter__().url, flush=True)\n"
        "os._exit(1)\n"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    url = httpx.URL(child.stdout.strip())
    try:
        with socket.create_connection((url.host, url.port or 0), timeout=30) as probe:
            assert probe.recv(1) == b""  # the end of the server ends the connection
    except ConnectionError:
        pass  # it was gone already, or reset the connection on its way out


@pytest.mark.slow
def test_what_kept_it_from_starting_is_said() -> None:
    with (
        pytest.raises(ReferenceNotStartedError, match="no fault 'nonsense'"),
        ServedProcess("--fault", "nonsense"),
    ):
        pass


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(serve_command, ["--port", port])
    assert result.exit_code == 2
    assert f"cannot listen on port {port}" in result.output
    assert "--port" in result.output
    assert READY not in result.output


def test_an_unexpected_exception_is_a_json_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store()

    def fails(*_given: object, **_named: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(store.threads, "create", fails)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(store), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://reference") as http:
            return await http.post("/threads", json={})

    answer = asyncio.run(ask())
    assert answer.status_code == 500
    assert answer.json() == {"detail": "Internal Server Error"}

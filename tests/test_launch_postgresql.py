"""A server that needs PostgreSQL gets a real cluster of its own, and nothing is left of it."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from packaging.version import Version

from conformance.deployment.launch import postgresql as module
from conformance.deployment.launch.errors import NotStartedError
from conformance.deployment.launch.launcher import read_launcher
from conformance.deployment.launch.postgresql import installed_programs, postgresql
from conformance.deployment.launch.start import launched
from tests.launching import assert_gone, write_launcher

PROGRAMS = installed_programs()
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL on this machine")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder that another user may come to: PostgreSQL does not run as root."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


def ask(url: str, query: str) -> str:
    assert PROGRAMS is not None
    return subprocess.run(
        [PROGRAMS / "psql", url, "-Atc", query], capture_output=True, text=True, check=True
    ).stdout.strip()


def assert_closed(url: str) -> None:
    parsed = httpx.URL(url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parsed.host, parsed.port or 0))


@pytest.mark.slow
def test_a_cluster_is_there_for_a_block() -> None:
    before = set(psutil.Process().children(recursive=True))
    with postgresql(print) as url:
        assert ask(url, "select 1 + 1") == "2"
        assert ask(url, "show listen_addresses") == "127.0.0.1"
        folder = Path(ask(url, "show data_directory"))
        assert folder.is_dir()
        processes = set(psutil.Process().children(recursive=True)) - before
    assert_gone(processes)
    assert_closed(url)
    assert not folder.parent.exists()


@pytest.mark.slow
def test_a_stranger_is_not_let_in() -> None:
    with postgresql(print) as url:
        wrong = str(httpx.URL(url).copy_with(password="wrong"))
        with pytest.raises(subprocess.CalledProcessError):
            ask(wrong, "select 1")


@pytest.mark.slow
def test_what_it_keeps_is_found_again(data: Path) -> None:
    with postgresql(print, data) as url:
        ask(url, "create table kept as select 'yes' as really")
    with postgresql(print, data) as url:
        assert ask(url, "select really from kept") == "yes"


@pytest.mark.slow
def test_why_it_did_not_start_is_said(data: Path) -> None:
    with postgresql(print, data):
        pass
    (data / "cluster" / "postgresql.conf").write_text("shared_buffers = much\n")
    with pytest.raises(NotStartedError, match=r'(?s)did not start.*"shared_buffers"'):
        postgresql(print, data).__enter__()


def test_a_folder_that_cannot_hold_a_cluster(data: Path) -> None:
    data.mkdir()
    (data / "cluster").touch()
    with pytest.raises(
        NotStartedError, match=r"(?s)could not make a cluster.*last lines of initdb"
    ):
        postgresql(print, data).__enter__()


@pytest.mark.slow
def test_a_server_learns_where_it_is(tmp_path: Path) -> None:
    words = ["{python}", "-P", "-c", "print('told', '{postgresql}'); {serve}"]
    words[-1] = words[-1].replace("{serve}", "import runpy, sys; runpy.run_path('start.py')")
    words += ["{version}", "{port}", str(tmp_path / "starts.txt"), "99"]
    more = "services = ['postgresql']\nprinted_url = '(http://\\S+)'"
    file = write_launcher(tmp_path, more=more, command=repr(words))
    with launched(read_launcher(file), Version("1.0"), print) as running:
        told = running.output.read_text().splitlines()[0]
        assert ask(told.removeprefix("told "), "select 1") == "1"


@pytest.mark.slow
def test_without_any_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_USUAL", ())
    monkeypatch.setattr(module, "_WHEEL", "no such wheel")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotStartedError, match="PostgreSQL is needed: install it"):
        postgresql(print).__enter__()

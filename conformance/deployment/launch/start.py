"""Start of a server by its launcher, the wait until it is ready, and its end."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
from filelock import FileLock, Timeout
from packaging.version import Version

from conformance.deployment.launch.errors import LauncherError, NotStartedError
from conformance.deployment.launch.installers import bin_of
from conformance.deployment.launch.launcher import Launcher
from conformance.deployment.launch.ports import HOST, free_port
from conformance.deployment.launch.postgresql import postgresql
from conformance.deployment.launch.process import ProcessTree, clean_environment
from conformance.deployment.launch.server_cache import Notify, environment
from conformance.safe_text import excerpt
from conformance.waiting import wait_until

_POLL_S = 0.1
_ANSWER_S = 5.0
#: A server that is not ready after so many seconds is told of.
_TOLD_AFTER_S = 3.0


class Restart(Protocol):
    """A function that ends a server, by a clean stop or by SIGKILL, and starts it again."""

    def __call__(self, *, kill: bool) -> None:
        """End the server, start it again, and return once it is ready."""


@dataclass(frozen=True)
class Running:
    """A server that is ready; `output` is its log file.

    `restart` stops or kills the server, starts it again on its port with what it has stored, and
    returns when it is ready; it raises `NotStartedError` if the server does not come back. `wait`
    returns once the server has ended by itself.
    """

    url: str
    name: str
    version: str
    output: Path
    restart: Restart
    wait: Callable[[], object]


@contextmanager
def launched(
    launcher: Launcher, version: Version, notify: Notify, data: Path | None = None
) -> Iterator[Running]:
    """Install the server if needed, start it on a free port, and end it after the block.

    With `data`, a folder, the server keeps its storage there, so that a later start, also
    of another version, finds it. `notify` is called with a sentence before each slow step.
    Raises `NotStartedError` with the last lines of the installer or server if it does not
    start.
    """
    with ExitStack() as stack:
        place = stack.enter_context(_working_folder(data))
        programs = None
        if launcher.install is not None:
            folder = stack.enter_context(environment(launcher, version, notify))
            programs = bin_of(launcher.install.kind, folder)
        project = _copy_project(launcher, place, programs)
        port = free_port()
        placeholders = {
            "bin": str(programs or ""),
            "port": str(port),
            "version": str(version),
            "project": str(project),
            "python": sys.executable,
        }
        if "postgresql" in launcher.services:
            kept = place / "postgresql" if data else None
            placeholders["postgresql"] = stack.enter_context(postgresql(notify, kept))
        notify(f"starting {launcher.name} {version}")
        server = ProcessTree(
            [each.format(**placeholders) for each in launcher.command],
            cwd=project,
            env=_environment(launcher.env, placeholders),
            output=place / "server.log",
            remove=[] if data else [place],
        )
        stack.enter_context(server)
        url = _wait_until_ready(launcher, version, server, port, notify)

        def restart(*, kill: bool) -> None:
            server.restart(kill=kill)
            again = _wait_until_ready(launcher, version, server, port, notify)
            if again != url:
                raise NotStartedError(
                    f"{launcher.name} {version} came back as {again}, no longer as {url}"
                )

        yield Running(url, launcher.name, str(version), server.output, restart, server.wait)
        status = server.status()
        if status is not None and not server.was_ended:
            notify(
                f"{launcher.name} {version} stopped unexpectedly, with status {status}; "
                f"its last lines:\n{server.last_lines()}"
            )


@contextmanager
def _working_folder(data: Path | None) -> Iterator[Path]:
    """Yield the folder of one start: the user's, locked against other servers, or a new one."""
    if data is None:
        place = Path(tempfile.mkdtemp(prefix="threads-conformance-server-"))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return
    lock = FileLock(data / ".lock", timeout=0)
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as used:
        raise LauncherError(
            f"the folder {data} is used by a running server: stop that server, or name another "
            "folder with --data"
        ) from used
    except OSError as broken:
        raise LauncherError(
            f"cannot use the folder {data} ({broken.strerror}): name another with --data"
        ) from broken
    with lock:
        yield data.resolve()


def _copy_project(launcher: Launcher, place: Path, programs: Path | None) -> Path:
    """Make a copy of the graph project for this start."""
    project = place / "project"
    project.mkdir(exist_ok=True)
    if launcher.project is not None:
        shutil.copytree(
            launcher.project,
            project,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("node_modules", "__pycache__", ".langgraph_api"),
        )
    if launcher.install is not None and launcher.install.kind == "npm" and programs is not None:
        # Node searches for packages in the folders above a file.
        modules = project / "node_modules"
        modules.unlink(missing_ok=True)
        modules.symlink_to(programs.parent, target_is_directory=True)
    return project


def _environment(own: Mapping[str, str], placeholders: Mapping[str, str]) -> dict[str, str]:
    added = {name: text.format(**placeholders) for name, text in own.items()}
    inherited = clean_environment()
    path = os.pathsep.join(filter(None, (placeholders["bin"], inherited.get("PATH", ""))))
    # Unbuffered, so that the last lines before a crash are written.
    return {**inherited, "PATH": path, "PYTHONUNBUFFERED": "1", **added}


def _wait_until_ready(
    launcher: Launcher, version: Version, server: ProcessTree, port: int, notify: Notify
) -> str:
    """Wait until the server answers; return its URL.

    After some seconds, `notify` is told what is asked and answered, whenever that changes.
    """
    asked = _Readiness(launcher, notify)
    with httpx.Client(timeout=_ANSWER_S, trust_env=False) as client:

        def ready_url() -> str | None:
            url = _server_url(launcher, server, port)
            if url is None:
                asked.note(f"no output matches printed_url = {launcher.printed_url!r}")
                return None
            return url if asked.answers(client, url) else None

        found = wait_until(
            ready_url,
            lambda url: url is not None or server.status() is not None,
            within_s=launcher.ready_within_s,
            pause_s=_POLL_S,
        )
    if found is not None:
        return found
    status = server.status()
    how = (
        f"was not ready within {launcher.ready_within_s:g} s: raise ready_within_s in its "
        "launcher, or correct"
        if status is None
        else f"ended with status {status} before it was ready: correct"
    )
    raise NotStartedError(
        f"{launcher.name} {version} {how} the cause in its last lines:\n{server.last_lines()}"
        f"\n  {asked.last}"
    )


def _server_url(launcher: Launcher, server: ProcessTree, port: int) -> str | None:
    """Return the URL that the server printed, or that of its port if it prints none."""
    if launcher.printed_url is None:
        return f"http://{HOST}:{port}"
    found = re.search(launcher.printed_url, server.output_text()[server.output_length :])
    if found is None:
        return None
    url = found[1].rstrip("/").replace("localhost", HOST)
    return url if "://" in url else f"http://{url}"


class _Readiness:
    """The question whether a server is ready: what was asked and answered last, and its telling."""

    def __init__(self, launcher: Launcher, notify: Notify) -> None:
        self._launcher, self._notify = launcher, notify
        self._begin = time.monotonic()
        self._told = ""
        self.last = "nothing was asked yet"

    def answers(self, client: httpx.Client, url: str) -> bool:
        """Return whether the server says that it is ready."""
        asked = f"GET {self._launcher.ready}"
        try:
            answer = client.get(url + self._launcher.ready)
        except httpx.HTTPError as broken:
            self.note(f"{asked} is not answered ({excerpt(str(broken), 100)})")
            return False
        if answer.is_success:
            return True
        hint = ""
        if answer.status_code in (404, 405):
            hint = ": is `ready` in the launcher the path of its health check?"
        self.note(f"{asked} answered {answer.status_code}{hint}")
        return False

    def note(self, said: str) -> None:
        """Keep what was answered; tell it if the server is taking long, and it is new."""
        self.last = said
        waited = time.monotonic() - self._begin
        if waited >= _TOLD_AFTER_S and said != self._told:
            self._told = said
            self._notify(
                f"waiting for {self._launcher.name}, {waited:.0f} s of "
                f"{self._launcher.ready_within_s:g} s: {said}"
            )

"""The load beside the checks of a run: processes that are started before them, and end after them.

The users are those of Locust, whose gevent changes the standard library of its process: so it runs
in processes of its own. They end with the stdin that they share with this process, also where this
one is killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import conformance
from conformance.deployment.connect import redactor_of
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.settings import Settings
from conformance.report.record import Load
from conformance.safe_text import excerpt, harmless
from conformance.typed_data import typed

#: The extra of the package that installs Locust.
INSTALL = "pip install 'threads-conformance[load]'"
#: gevent first, before anything that it changes is imported.
PROGRAM = (
    "from gevent import monkey; monkey.patch_all(); from conformance.load.child import main; main()"
)
#: Time to import Locust and to measure one user alone, in seconds, beside the time limit of a run.
_READY_WITHIN_S = 60.0
#: Time in which the users finish their requests and the figures are collected, in seconds.
_STOP_WITHIN_S = 20.0
#: The same where the user has interrupted the run, and waits.
_HURRIED_STOP_WITHIN_S = 2.0
_LAST_CHARACTERS = 2_000


@dataclasses.dataclass(frozen=True)
class LoadServerErrors:
    """How often requests of the load were answered by 500, by operation, and a few of them."""

    times: Mapping[str, int]
    exchanges: tuple[Exchange, ...]


def is_installed() -> bool:
    """Return whether Locust is installed; it is not imported."""
    return find_spec("locust") is not None


class LoadGenerator:
    """The load of a run: a context manager around the checks; `start` begins it.

    After the block `result` says what the load was, and `server_errors` what was answered by 500.
    It never raises because of the load itself: what went wrong is the `problem` of the result.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._processes: list[_Process] = []
        self._figures: dict[str, Any] = {}
        self._problem = ""
        #: Whether the user waits for the end.
        self.hurried = False
        self.server_errors: list[LoadServerErrors] = []

    @property
    def result(self) -> Load:
        """What the load was, as far as it is known."""
        known = {
            "users": self._settings.load_users,
            "processes": self._settings.load_processes,
            "pause_s": self._settings.load_pause_s,
            "problem": self._problem,
        }
        return typed({**known, **self._figures}, Load)

    def __enter__(self) -> LoadGenerator:
        return self

    def start(self) -> bool:
        """Start the load; return when all users are there, or False if that fails."""
        workers = self._settings.load_processes if self._settings.load_processes > 1 else 0
        leader = self._add(0, workers=workers)
        within_s = _READY_WITHIN_S + self._settings.run_timeout_s
        if workers:
            port = leader.wait_for("port", within_s)
            for number in range(1, workers + 1) if port else ():
                self._add(number, master_port=port)
        if not leader.wait_for("ready", within_s):
            self._problem = self._problem or f"the load did not begin: {leader.last_words()}"
            return False
        return True

    def _add(self, number: int, **role: Any) -> _Process:
        process = _Process(self._settings, number, role)
        self._processes.append(process)
        return process

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.hurried |= isinstance(problem, KeyboardInterrupt)
        self._stop(_HURRIED_STOP_WITHIN_S if self.hurried else _STOP_WITHIN_S)

    def _stop(self, within_s: float) -> None:
        """End all processes, the leader of the others first, and take what they say at the end."""
        for process in self._processes:
            if process.has_ended and not self._problem:
                self._problem = f"the load broke off: {process.last_words()}"
        try:
            ends = time.monotonic() + within_s
            for process in self._processes:
                ended = process.end(ends - time.monotonic())
                if not (ended or self.hurried or self._problem):
                    self._problem = "the load did not end in time, and was killed"
        finally:
            for process in self._processes:
                process.kill()
        for said in (each for process in self._processes for each in process.said()):
            self._figures |= said.get("figures", {})
            if quoted := said.get("server_errors"):
                exchanges = tuple(Exchange.from_json(json.dumps(each)) for each in quoted)
                self.server_errors.append(LoadServerErrors(said["times"], exchanges))


class _Process:
    """One process of the load, and what it says on stdout."""

    def __init__(self, settings: Settings, number: int, role: Mapping[str, Any]) -> None:
        # Not `-m`, so that neither the working directory nor a configuration file in it has an
        # effect.
        root = str(Path(conformance.__file__).resolve().parent.parent)
        inherited = os.environ.get("PYTHONPATH")
        paths = [root, inherited] if inherited else [root]
        self._redact = redactor_of(settings).text
        self._errors = Path(settings.run_dir) / f"load-{number}.log"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                # Ctrl-C in the terminal goes to this process alone, which then ends the load.
                start_new_session=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._said: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(
            target=_read_lines, args=(self._process.stdout, self._said), daemon=True
        )
        self._reader.start()
        job = {
            "settings": settings.to_json(),
            "number": number,
            "users": settings.load_users,
            "pause_s": settings.load_pause_s,
            **role,
        }
        # A process that has ended already says why in its last words.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended, by itself or by a signal."""
        return self._process.poll() is not None

    def wait_for(self, member: str, within_s: float) -> Any:
        """Return this member of the next object that the process says; None if it says none."""
        try:
            line = self._said.get(timeout=within_s)
        except queue.Empty:
            return None
        return _parsed(line or "").get(member)

    def end(self, within_s: float) -> bool:
        """End the process by closing its stdin; return whether it has ended within the time."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(max(within_s, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """Kill the process if it still runs, and close its pipes."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def said(self) -> Iterator[dict[str, Any]]:
        """Yield what the process has said and nobody has read, after it was killed or has ended."""
        # The reader has ended, so that nothing is added any more; its None may have been read.
        with contextlib.suppress(queue.Empty):
            while line := self._said.get_nowait():
                yield _parsed(line)

    def last_words(self) -> str:
        """Return the end of what the process has written to stderr, without secrets."""
        said = self._errors.read_text(encoding="utf-8", errors="replace")[-_LAST_CHARACTERS:]
        lines = said.strip().splitlines()
        # Nothing else redacts it: the connections of this process are closed by now.
        return excerpt(harmless(self._redact(lines[-1])), 300) if lines else "it said nothing"


def _read_lines(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    """Put the lines of a stream into a queue, and None at its end."""
    for line in stream:
        lines.put(line)
    lines.put(None)


def _parsed(line: str) -> dict[str, Any]:
    """Return a line of JSON; an empty object for a line that a killed process left incomplete."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}

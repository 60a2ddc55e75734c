"""The reference deployment as a child process, for as long as a block lasts."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar

import conformance
from conformance.reference.server import READY

_DEADLINE_S = 30.0
_GRACE_S = 5.0


class ReferenceNotStartedError(Exception):
    """The reference did not come up; the message carries what it said."""


class ReferenceProcess:
    """Starts the reference on a free port of loopback, `url` says where, and ends it.

    `program` is what Python runs, with `options` as arguments; it must end with its stdin.
    """

    # By name, not `-m`: neither the working folder nor a configuration file in it counts.
    program: ClassVar[str] = "from conformance.reference.server import serve; serve(until_eof=True)"

    def __init__(self, *options: str) -> None:
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> ReferenceProcess:
        root = str(Path(conformance.__file__).resolve().parent.parent)
        inherited = os.environ.get("PYTHONPATH")
        paths = [root, inherited] if inherited else [root]
        command = [sys.executable, "-P", "-c", self.program]
        self._process = subprocess.Popen(
            [*command, *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            # A Ctrl-C in the terminal is for the parent, which then ends the child.
            start_new_session=True,
        )
        line = _first_line(self._process.stdout)
        if not line.startswith(READY):
            said = self._stop()
            raise ReferenceNotStartedError(f"the reference did not start: {line}{said}".strip())
        self.url = line.removeprefix(READY).strip()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> str:
        """End the process by closing its stdin; what it wrote to stderr."""
        process, self._process = self._process, None
        if process is None:
            return ""
        try:
            _, errors = process.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
        return errors


def _first_line(stream: IO[str] | None) -> str:
    assert stream is not None
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(stream.readline()), daemon=True).start()
    try:
        return lines.get(timeout=_DEADLINE_S)
    except queue.Empty:
        return ""

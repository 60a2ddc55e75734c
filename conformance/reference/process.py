"""The reference deployment as a child process, for the duration of a `with` block."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar

import conformance
from conformance.reference.announcement import READY

_GRACE_S = 5.0


class ReferenceNotStartedError(Exception):
    """The reference did not start; the message includes its output."""


class ReferenceProcess:
    """A context manager that starts the reference on a free loopback port, and ends it.

    `url` is its address. `program` is the Python code of the process, which gets `arguments` and
    then `options`, and must end at the end of stdin. With `store`, a file, the reference keeps its
    threads there, so that `restart` loses none. `meanwhile` is called while it starts.
    """

    # Not `-m`, so that neither the working directory nor a configuration file in it has an effect.
    program: ClassVar[str] = (
        "import sys; from conformance.reference.child import serve_child; "
        "serve_child(*sys.argv[1:])"
    )

    #: The seconds within which it accepts requests.
    deadline_s: ClassVar[float] = 30.0

    def __init__(
        self,
        *options: str,
        store: Path | None = None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self._options = options
        self._meanwhile = meanwhile
        self._store = store
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> ReferenceProcess:
        self._start("0")
        return self

    def restart(self, *, kill: bool) -> None:
        """Stop or kill the process, and start another one on the same port and store.

        `ReferenceNotStartedError` if the new process does not start.
        """
        assert self._process is not None
        if kill:
            self._process.kill()
        self._stop()
        self._start(self.url.rpartition(":")[2])

    def arguments(self, port: str, store: Path | None) -> list[str]:
        """Return the arguments of the program; port 0 takes a free one."""
        return [port, *([str(store)] if store else [])]

    def _start(self, port: str) -> None:
        root = str(Path(conformance.__file__).resolve().parent.parent)
        inherited = os.environ.get("PYTHONPATH")
        paths = [root, inherited] if inherited else [root]
        command = [sys.executable, "-P", "-c", self.program]
        self._process = subprocess.Popen(
            [*command, *self.arguments(port, self._store), *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            # Ctrl-C in the terminal goes to the parent alone, which then ends the child.
            start_new_session=True,
        )
        try:
            self._meanwhile()
        except BaseException:
            self._stop()
            raise
        line = _first_line(self._process.stdout, self.deadline_s)
        if not line.startswith(READY):
            said = self._stop()
            raise ReferenceNotStartedError(f"the reference did not start: {line}{said}".strip())
        self.url = line.removeprefix(READY).strip()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> str:
        """End the process by closing its stdin and return what it wrote to stderr."""
        process, self._process = self._process, None
        if process is None:
            return ""
        try:
            _, errors = process.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
        return errors


def _first_line(stream: IO[str] | None, within_s: float) -> str:
    assert stream is not None
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(stream.readline()), daemon=True).start()
    try:
        return lines.get(timeout=within_s)
    except queue.Empty:
        return ""

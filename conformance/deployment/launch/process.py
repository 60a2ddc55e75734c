"""A command with all its descendants, for as long as a block lasts, whatever happens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from conformance.deployment.launch import supervisor
from conformance.excerpt import harmless

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: Package indexes are often named with user and password.
_USER_INFO = re.compile(r"://[^\s/@?#]+@")
#: How long the supervisor may take beyond the grace of its command.
_SUPERVISOR_S = 20.0


class ProcessTree:
    """Runs a command under a supervisor, which ends the whole tree when the block ends.

    The supervisor also ends it when this process is killed. What the command writes goes to
    `output`; `remove` are folders that go with it; `user` is who runs it, if not we.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        output: Path,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_s: float = 10.0,
        remove: Sequence[Path] = (),
    ) -> None:
        self.output = output
        #: Where in `output_text()` this command's own words begin: the file may be an old one.
        self.output_length = len(self.output_text())
        self._grace_s = grace_s
        self._order = {
            "command": list(command),
            "cwd": str(cwd),
            "env": dict(env),
            "output": str(output),
            "user": user,
            "stop_signal": int(stop_signal),
            "grace_s": grace_s,
            "remove": list(map(str, remove)),
        }
        self._supervisor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ProcessTree:
        self._supervisor = subprocess.Popen(
            [sys.executable, "-P", supervisor.__file__],
            stdin=subprocess.PIPE,
            # A Ctrl-C in the terminal is for us, who then end the tree.
            start_new_session=True,
        )
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.write(json.dumps(self._order).encode() + b"\n")
        self._supervisor.stdin.flush()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def status(self) -> int | None:
        """The exit status of the command; None while it runs."""
        assert self._supervisor is not None
        return self._supervisor.poll()

    def wait(self) -> int:
        """Wait until the command has ended by itself; its exit status."""
        assert self._supervisor is not None
        return self._supervisor.wait()

    def stop(self) -> None:
        """End the command and all that came of it."""
        if self._supervisor is None:
            return
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.close()
        try:
            self._supervisor.wait(self._grace_s + _SUPERVISOR_S)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()

    def output_text(self) -> str:
        """All that the command wrote, without colours."""
        try:
            return _COLOUR.sub("", self.output.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return ""

    def last_lines(self, count: int = 15) -> str:
        """The end of what the command wrote, indented, without empty lines."""
        said = harmless(_USER_INFO.sub("://", self.output_text()))
        lines = [line.rstrip() for line in said.splitlines() if line.strip()]
        return os.linesep.join(f"  {line}" for line in lines[-count:])

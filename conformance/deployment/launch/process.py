"""A command with all its descendants, which are terminated at the end of a block."""

from __future__ import annotations

import contextlib
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
from conformance.safe_text import excerpt, harmless

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: URLs of package indexes often contain user and password.
_USER_INFO = re.compile(r"://[^\s/@?#]+@")
#: Characters of one line that are told.
_LINE = 400
#: Seconds that the supervisor may take after the grace period of its command.
_SUPERVISOR_S = 20.0


class ProcessTree:
    """A command under a supervisor that terminates the whole tree when the block ends.

    The supervisor also terminates the tree when this process is killed. The command's output
    is appended to the file `output`; the folders of `remove` are removed at the end; `user` runs
    the command, by default the current user. `grace_s` is the time in seconds between `stop_signal`
    and SIGKILL.
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
        #: Start of this command's output in `output_text()`: the file may hold older output.
        self.output_length = len(self.output_text())
        self._grace_s = grace_s
        self._spec = {
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
        self._ended = False

    def __enter__(self) -> ProcessTree:
        self._supervisor = subprocess.Popen(
            [sys.executable, "-P", supervisor.__file__],
            stdin=subprocess.PIPE,
            # A Ctrl-C in the terminal reaches only this process, which then ends the tree.
            start_new_session=True,
        )
        # Not earlier: an interrupt before this line leaves the one that was ended by us.
        self._ended = False
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.write(json.dumps(self._spec).encode() + b"\n")
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
        """Return the exit status of the command; None while it runs."""
        assert self._supervisor is not None
        return self._supervisor.poll()

    def wait(self) -> int:
        """Wait until the command ends by itself; return its exit status."""
        assert self._supervisor is not None
        return self._supervisor.wait()

    @property
    def was_ended(self) -> bool:
        """Whether the command was stopped or killed here, and not started again since."""
        return self._ended

    def stop(self) -> None:
        """Terminate the command and all its descendants."""
        self._end("")

    def restart(self, *, kill: bool) -> None:
        """Stop or kill the command and its descendants, keep its folders, and start it again."""
        self._end(supervisor.KILL if kill else supervisor.KEEP)
        self.output_length = len(self.output_text())
        self.__enter__()

    def _end(self, last_word: str) -> None:
        if self._supervisor is None:
            return
        self._ended = True
        words = self._supervisor.stdin
        assert words is not None
        # The supervisor is gone already where the command has ended by itself.
        with contextlib.suppress(BrokenPipeError):
            if not words.closed:
                words.write(last_word.encode())
            words.close()
        try:
            self._supervisor.wait(self._grace_s + _SUPERVISOR_S)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()

    def output_text(self) -> str:
        """Return the output of the command, without colours."""
        try:
            return _COLOUR.sub("", self.output.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return ""

    def last_lines(self, count: int = 15) -> str:
        """Return the last lines of the output, indented, without empty lines and passwords.

        Each is cut: pip lists all releases of a package in one line.
        """
        output = harmless(_USER_INFO.sub("://", self.output_text()))
        lines = [excerpt(line.rstrip(), _LINE) for line in output.splitlines() if line.strip()]
        return os.linesep.join(f"  {line}" for line in lines[-count:])


def clean_environment() -> dict[str, str]:
    """Return our environment variables without those that affect another Python or Node."""
    ours = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSAFEPATH", "NODE_PATH"}
    return {name: value for name, value in os.environ.items() if name not in ours}

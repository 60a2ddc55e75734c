"""The supervisor of one command and its process tree: a program of its own, see `process.py`.

The program reads one line of JSON from its standard input: {"command", "cwd", "env", "output",
"user", "stop_signal", "grace_s", "remove"}. When its input ends, which also happens when
the process that started it is killed, it terminates the command with every descendant, and
removes the folders of `remove`. If the rest of the input is `keep` or `kill`, the folders are kept
for another start; at `kill` the command gets SIGKILL at once. The program exits with the status of
the command, also if the command ended by itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
#: Time for processes to react to a signal, in seconds.
_SIGNAL_WAIT_S = 2.0
#: Status of a command that could not be started, as in a shell.
NOT_FOUND = 127
#: Words that may end the input: keep the folders; or keep them, and kill the command at once.
KEEP, KILL = "keep", "kill"
_STOP, _ENDED = "stop", "ended"


def main() -> int:
    """Run the command of the first line until the input or the command ends; return its status."""
    spec = json.loads(sys.stdin.buffer.readline())
    # Orphaned descendants become children of this process, so that they can be found.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    events: queue.SimpleQueue[str] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: events.put(_STOP))
    with Path(spec["output"]).open("ab") as output:
        try:
            command = _start(spec, output)
        except OSError as impossible:
            output.write(f"{spec['command'][0]}: {impossible.strerror}\n".encode())
            return NOT_FOUND
    threading.Thread(target=_wait_for_eof, args=(events,), daemon=True).start()
    threading.Thread(target=_wait_for_command, args=(command, events), daemon=True).start()
    why = events.get()
    if command.poll() is None and why != KILL:
        command.send_signal(spec["stop_signal"])
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.wait(spec["grace_s"])
    _terminate_tree(command, ("kill",) * 3 if why == KILL else ("terminate", *("kill",) * 3))
    status = command.wait()
    if why == _STOP:
        # If the command ended by itself, its last lines are still needed.
        for folder in spec["remove"]:
            shutil.rmtree(folder, ignore_errors=True)
    return status if status >= 0 else 128 - status


def _start(spec: dict[str, Any], output: Any) -> subprocess.Popen[bytes]:
    user = spec["user"]
    return subprocess.Popen(
        spec["command"],
        cwd=spec["cwd"],
        env=spec["env"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        user=user,
        group=None if user is None else _group_of(user),
        extra_groups=None if user is None else [],
        # If this process is killed too, its child at least is killed with it.
        preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
    )


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _wait_for_eof(events: queue.SimpleQueue[str]) -> None:
    events.put(sys.stdin.buffer.read().decode() or _STOP)


def _wait_for_command(command: subprocess.Popen[bytes], events: queue.SimpleQueue[str]) -> None:
    command.wait()
    events.put(_ENDED)


def _terminate_tree(command: subprocess.Popen[bytes], ways: tuple[str, ...]) -> None:
    """End the command and all its descendants; try each of `ways` in turn on those that remain."""
    myself = psutil.Process()
    for stop_signal in ways:
        # The command is reaped by its Popen, which would lose the status if psutil reaped it.
        left = [each for each in myself.children(recursive=True) if each.pid != command.pid]
        for process in (command, *left):
            with contextlib.suppress(psutil.Error):
                getattr(process, stop_signal)()
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.wait(timeout=_SIGNAL_WAIT_S)
        psutil.wait_procs(left, timeout=_SIGNAL_WAIT_S)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    # Not sys.exit, which would wait for the thread that reads the input.
    sys.stdout.flush()
    os._exit(main())

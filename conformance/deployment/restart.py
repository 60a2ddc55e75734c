"""Restarts of the deployment, made only if the user has allowed them by an option."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence

import httpx

from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.settings import Settings
from conformance.safe_text import excerpt, harmless
from conformance.waiting import wait_until

#: How a deployment is ended: by a clean stop, or by SIGKILL.
WAYS = ("stop", "kill")
#: Seconds for a command of the user's, and then for the deployment until it is ready.
WITHIN_S = 120.0
_POLL_S = 0.25
_LAST_CHARACTERS = 600


class NotBackError(httpx.TransportError):
    """The deployment did not come back after it was ended; the message says why."""


class Restarter:
    """Restarts of one deployment, until one restart fails.

    After that `problem` is the reason, and every further call raises `NotBackError` at once.
    """

    def __init__(self, restart: Callable[[], None]) -> None:
        self._restart = restart
        self.problem = ""

    def __call__(self) -> None:
        """Restart the deployment and wait until it is ready; raise `NotBackError` if that fails."""
        self.require_there()
        try:
            self._restart()
        except NotBackError as gone:
            self.problem = str(gone)
            raise

    def require_there(self) -> None:
        """Raise `NotBackError` if the deployment did not come back from a restart before."""
        if self.problem:
            raise NotBackError(self.problem)


def restart_by_command(
    command: Sequence[str], settings: Settings, within_s: float = WITHIN_S
) -> None:
    """Run a command that restarts the deployment, without a shell, and wait until it is ready.

    Raises `NotBackError` if the command fails or takes longer than `within_s` seconds, or if
    the deployment is not ready within `within_s` seconds after the command.
    """
    _run(command, within_s)
    last: list[str] = []

    def is_ready() -> bool:
        try:
            identify_deployment(settings)
        except UnreachableError as not_yet:
            last[:] = [str(not_yet)]
            return False
        return True

    if not wait_until(is_ready, bool, within_s=within_s, pause_s=_POLL_S):
        raise NotBackError(
            f"the deployment was not ready within {within_s:g} s after {command[0]} had ended: "
            f"{last[0]}"
        )


def _run(command: Sequence[str], within_s: float) -> None:
    # A file, not a pipe: a server that the command starts keeps the output open.
    with tempfile.TemporaryFile() as output:
        try:
            running = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as broken:
            raise NotBackError(f"{command[0]} cannot be run ({broken.strerror})") from broken
        started = time.monotonic()
        try:
            status = running.wait(within_s)
        except subprocess.TimeoutExpired:
            raise NotBackError(
                f"{command[0]} did not end within {time.monotonic() - started:.0f} s, and was "
                "stopped; it must return when the deployment is back"
            ) from None
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(_POLL_S)
                running.kill()
                running.wait()
        if status:
            output.seek(0)
            said = output.read().decode("utf-8", errors="replace")[-_LAST_CHARACTERS:]
            raise NotBackError(
                f"{command[0]} ended with status {status}: {excerpt(harmless(said.strip()), 300)}"
            )

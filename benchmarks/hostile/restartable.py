"""The reference deployment as a process that can be killed and restarted on its port."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import TracebackType

import conformance
from conformance.reference.announcement import READY

CHECKOUT = Path(conformance.__file__).resolve().parents[1]
_STARTED_WITHIN_S = 30.0
# `conformance serve`, which ends at the end of its stdin, so that it does not outlive its parent.
_SERVE = ("-m", "conformance", "serve", "--until-eof")


class NotStartedError(Exception):
    """The reference did not start; the message includes its output."""


class Deployment:
    """A new reference that runs for as long as an `async with` block lasts, at `url`."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        #: How often the process was killed and restarted.
        self.restarts = 0

    @property
    def url(self) -> str:
        """The address of the reference; the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Deployment:
        await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._kill()

    async def restart(self) -> None:
        """Kill the process, which loses all threads, and start another one on the same port."""
        await self._kill()
        self.restarts += 1
        await self._start()

    async def _start(self) -> None:
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_SERVE,
            *("--port", str(self._port)),
            *self._options,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=CHECKOUT,
            env=clean_environment(),
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.timeout(_STARTED_WITHIN_S):
                line = (await process.stdout.readline()).decode()
        except TimeoutError:
            line = ""
        if not line.startswith(READY):
            await self._kill()
            said = (await process.stderr.read()).decode().strip()
            raise NotStartedError(f"the reference did not start: {line}{said}")
        self._port = int(line.rpartition(":")[2])

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


def clean_environment() -> dict[str, str]:
    """Return the environment without settings of the suite, so that they change no benchmark."""
    mine = "THREADS_CONFORMANCE_"
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}

"""One run of the suite as a user starts it, and what its report says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.hostile.restartable import CHECKOUT, clean_environment

#: Seconds that an interrupted run may take to end before it is killed.
_GRACE_S = 30.0
_SAID = 300


@dataclass(frozen=True)
class Result:
    """The result of a run. `verdict` is "-" where there is no report.

    `failed` and `in_error` are the MUSTs with these verdicts; `folders` is the number of temporary
    folders that are left after the run.
    """

    exit_status: int
    verdict: str
    seconds: float
    requests: int = 0
    totals: dict[str, int] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    in_error: tuple[str, ...] = ()
    cleanup: dict[str, Any] = field(default_factory=dict)
    folders: int = 0
    overdue: bool = False
    said: str = ""

    @property
    def left(self) -> int:
        """The number of threads that the report calls left or possibly left."""
        possibly = self.cleanup.get("possibly_left", ())
        threads: int = sum(each["threads"] for each in possibly)
        return len(self.cleanup.get("left", ())) + threads


@dataclass(frozen=True)
class Suite:
    """The way in which the suite is started. It writes all its files below `folder`."""

    folder: Path
    limit_s: float
    options: Sequence[str] = ()

    @property
    def report_dir(self) -> Path:
        """The directory of the reports of a run."""
        return self.folder / "report"

    async def run(self, url: str, *options: str) -> Result:
        """Run the suite against a deployment and return the result."""
        begun = time.monotonic()
        command = ["run", "--url", url, "--report-dir", str(self.report_dir), "-n", "0"]
        status, overdue = await self._command(*command, *options, *self.options)
        seconds = round(time.monotonic() - begun, 1)
        folders = len(list(self._folder("tmp").iterdir()))
        told = self.report_dir / "report.json"
        if not told.is_file():
            stderr_end = (self.folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
            stderr_end = stderr_end.strip()[-_SAID:]
            return Result(status, "-", seconds, folders=folders, overdue=overdue, said=stderr_end)
        report = json.loads(told.read_text(encoding="utf-8"))
        musts = [each for each in report["requirements"] if each["level"] == "MUST"]
        return Result(
            status,
            report["verdict"],
            seconds,
            report["run"]["requests"],
            report["totals"]["MUST"],
            tuple(each["id"] for each in musts if each["verdict"] == "fail"),
            tuple(each["id"] for each in musts if each["verdict"] == "error"),
            report["cleanup"],
            folders,
            overdue,
        )

    async def sweep(self, url: str, *options: str) -> int:
        """Remove what an earlier run left, by its ledger; return the exit status."""
        status, _ = await self._command("sweep", "--url", url, *options)
        return status

    def ledgers(self) -> int:
        """Return the number of ledgers that are left."""
        found = (self.folder / "state").rglob("ledgers/*")
        return sum(1 for each in found if each.is_dir())

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def _command(self, *arguments: str) -> tuple[int, bool]:
        """Run a command of the suite; return its exit status, and whether it took too long."""
        environment = {
            **clean_environment(),
            "XDG_STATE_HOME": str(self._folder("state")),
            "TMPDIR": str(self._folder("tmp")),
            "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")]),
            "NO_COLOR": "1",
        }
        name = arguments[0] if arguments[0] != "run" else ""
        with (
            (self.folder / f"{name}stdout.txt").open("wb") as out,
            (self.folder / f"{name}stderr.txt").open("wb") as err,
        ):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "conformance", *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                # A folder without settings of the suite.
                cwd=self._folder("working"),
                env=environment,
                start_new_session=True,
            )
            try:
                return await _ended(process, self.limit_s), False
            except TimeoutError:
                return await _stopped(process), True
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def _stopped(process: asyncio.subprocess.Process) -> int:
    """Interrupt a process, and kill it if it does not end; return its exit status."""
    process.send_signal(signal.SIGINT)
    try:
        return await _ended(process, _GRACE_S)
    except TimeoutError:
        process.kill()
        return await process.wait()


async def _ended(process: asyncio.subprocess.Process, limit_s: float) -> int:
    async with asyncio.timeout(limit_s):
        return await process.wait()

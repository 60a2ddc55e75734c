"""The runs of a plan, each in a process of its own, as many at once as the cores allow."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

from conformance.many_servers.plan import Plan, PlannedRun

#: Seconds that an interrupted run may take to remove what it made.
_REMOVAL_S = 300.0
#: Exit statuses of a run that wrote a report.
_REPORTED = (0, 1, 3)


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended: its exit status, the seconds that it took, and its files.

    `report` is None if it wrote none; `output` holds what it printed.
    """

    run: PlannedRun
    status: int
    seconds: float
    report: Path | None
    output: Path


#: Told when a run begins, with the number of those that are under way.
Begun = Callable[[PlannedRun, int], object]
Ended = Callable[[EndedRun], object]


class SideBySide:
    """The processes of a plan's runs, whose reports go into folders of `directory`.

    A context manager: whatever ends the block, the runs that are under way are interrupted, and
    remove what they made before they end.
    """

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._under_way: dict[str, tuple[PlannedRun, subprocess.Popen[bytes], float]] = {}
        self._ended: SimpleQueue[str] = SimpleQueue()

    def __enter__(self) -> SideBySide:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, process, _ in self._under_way.values():
            process.send_signal(signal.SIGINT)
        for _, process, _ in self._under_way.values():
            try:
                process.wait(_REMOVAL_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def run_all(self, begun: Begun, ended: Ended) -> list[EndedRun]:
        """Make all runs; return how each ended, in the order of the plan.

        Of those that wait, the first that fits begins. One that takes more cores than there are
        is made alone.
        """
        waiting = list(self._plan.runs)
        found: dict[str, EndedRun] = {}
        while waiting or self._under_way:
            while (following := self._first_that_fits(waiting)) is not None:
                waiting.remove(following)
                self._begin(following)
                begun(following, len(self._under_way))
            one = self._take_ended(self._ended.get())
            found[one.run.name] = one
            ended(one)
        return [found[each.name] for each in self._plan.runs]

    def _first_that_fits(self, waiting: Sequence[PlannedRun]) -> PlannedRun | None:
        taken = sum(run.cores for run, _, _ in self._under_way.values())
        free = self._plan.cores - taken
        return next((each for each in waiting if not taken or each.cores <= free), None)

    def _begin(self, run: PlannedRun) -> None:
        directory = self._directory / run.name
        directory.mkdir(parents=True, exist_ok=True)
        # A report of an earlier run is not to be taken for one of this run.
        _report_of(directory).unlink(missing_ok=True)
        with _output_of(directory).open("wb") as output:
            process = subprocess.Popen(
                self._command(run, directory),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C goes to this process alone, which interrupts the runs.
                start_new_session=True,
            )
        self._under_way[run.name] = (run, process, time.monotonic())
        threading.Thread(target=self._wait, args=(run.name, process), daemon=True).start()

    def _command(self, run: PlannedRun, directory: Path) -> list[str]:
        place = ["--server", run.server] if run.server else ["--url", str(run.url)]
        workers = "0" if run.cores == 1 else str(run.cores)
        return [
            *(sys.executable, "-P", "-m", "conformance", "run", *place),
            *("--profile", self._plan.profile, "--workers", workers),
            *("--report-dir", str(directory), *run.options),
        ]

    def _wait(self, name: str, process: subprocess.Popen[bytes]) -> None:
        with suppress(OSError):
            process.wait()
        self._ended.put(name)

    def _take_ended(self, name: str) -> EndedRun:
        run, process, began = self._under_way.pop(name)
        directory = self._directory / name
        report, status = _report_of(directory), process.returncode
        return EndedRun(
            run,
            status,
            time.monotonic() - began,
            report if status in _REPORTED and report.is_file() else None,
            _output_of(directory),
        )


def _report_of(directory: Path) -> Path:
    return directory / "report.json"


def _output_of(directory: Path) -> Path:
    return directory / "output.txt"

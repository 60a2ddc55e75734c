"""The write-ahead ledger: what a run is about to create, on disk before it is sent.

One folder per run under the user's state folder, one file of JSON lines per worker.
A run that ends well removes its folder; what a killed run leaves, `sweep` reads.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from filelock import FileLock, Timeout

from conformance.deployment.settings import SettingsError

_LOCK = ".lock"


def ledgers_dir() -> Path:
    """`$XDG_STATE_HOME/threads-conformance/ledgers`, by default below `~/.local/state`."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "threads-conformance" / "ledgers"


@dataclass(frozen=True)
class Account:
    """What the ledger of one run says.

    `planned` are the ids under which something may stand, `created` those of them
    that the deployment said it made. `nameless` describes the creations whose id was
    never learned (a documented request sent verbatim, or a copy, without an answer).
    `temporary` are the threads that a deployment said it made for stateless runs, at
    `opened_at` (RFC 3339) or later; on `scheduled` threads the crons of `crons`, and
    others whose id was never learned, may stand.
    """

    run_id: str
    url: str
    planned: tuple[str, ...]
    created: frozenset[str]
    nameless: tuple[str, ...]
    temporary: tuple[str, ...] = ()
    scheduled: tuple[str, ...] = ()
    crons: tuple[str, ...] = ()
    opened_at: str = field(default="", compare=False)


class Ledger:
    """The ledger of one worker. Every line is flushed before the request leaves.

    Nothing is on disk before the first line. While it is open the run counts as alive:
    a worker may outlive the process that was killed for a moment. Several threads may
    write at once.
    """

    def __init__(self, directory: Path, worker: str, url: str) -> None:
        self._directory, self._worker, self._url = directory, worker, url
        self._file: IO[str] | None = None
        # Taken by the thread that writes first, released by the one that closes.
        self._alive = FileLock(directory / f"{worker}{_LOCK}", thread_local=False)
        self._one_at_a_time = threading.Lock()
        self._numbers = count(1)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()
            self._alive.release()

    def planned(self, thread_id: str) -> None:
        """A thread is about to be created under this id."""
        self._write("planned", thread_id=thread_id)

    def created(self, thread_id: str) -> None:
        """The deployment answered that it made the thread."""
        self._write("created", thread_id=thread_id)

    def begun(self, what: str) -> int:
        """A creation whose id the deployment chooses is about to be sent; its number."""
        number = next(self._numbers)
        self._write("begun", number=number, what=what)
        return number

    def ended(self, number: int, thread_id: str | None) -> None:
        """The creation `number` was answered, with this id or with none."""
        self._write("ended", number=number, thread_id=thread_id)

    def temporary(self, thread_id: str) -> None:
        """The deployment said that it made this thread for a stateless run."""
        self._write("temporary", thread_id=thread_id)

    def scheduled(self, thread_id: str) -> None:
        """A cron is about to be created on this thread."""
        self._write("scheduled", thread_id=thread_id)

    def cron(self, cron_id: str) -> None:
        """The deployment answered that it made the cron."""
        self._write("cron", cron_id=cron_id)

    def _write(self, event: str, **details: Any) -> None:
        with self._one_at_a_time:
            if self._file is None:
                self._file = self._opened()
                opened_at = datetime.now(UTC).isoformat()
                self._line(self._file, "opened", url=self._url, at=opened_at)
            self._line(self._file, event, **details)

    def _opened(self) -> IO[str]:
        make_ledger(self._directory)
        self._alive.acquire()
        return (self._directory / f"{self._worker}.jsonl").open("a", encoding="utf-8")

    @staticmethod
    def _line(file: IO[str], event: str, **details: Any) -> None:
        file.write(json.dumps({"event": event, **details}) + "\n")
        file.flush()


def make_ledger(directory: Path) -> None:
    """Make the folder of a run's ledger; `SettingsError` if that cannot be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as broken:
        raise SettingsError(
            f"cannot keep a ledger of created threads in {directory.parent} "
            f"({broken.strerror}): set XDG_STATE_HOME to a folder that can be written to"
        ) from broken


def read_account(directory: Path) -> Account:
    """Read the ledger of one run: all workers together, a cut-off last line ignored."""
    url = opened_at = ""
    planned: dict[str, None] = {}
    others: dict[str, dict[str, None]] = {"temporary": {}, "scheduled": {}, "cron": {}}
    created: set[str] = set()
    nameless: list[str] = []
    for file in sorted(directory.glob("*.jsonl")):
        under_way: dict[int, str] = {}
        for entry in _entries(file):
            match entry.get("event"):
                case "opened":
                    url = entry["url"]
                    opened_at = min(filter(None, (opened_at, entry.get("at", ""))), default="")
                case "planned":
                    planned[entry["thread_id"]] = None
                case "begun":
                    under_way[entry["number"]] = entry["what"]
                case "ended":
                    under_way.pop(entry["number"], None)
                    if entry["thread_id"]:
                        planned[entry["thread_id"]] = None
                        created.add(entry["thread_id"])
                case "created":
                    created.add(entry["thread_id"])
                case "temporary" | "scheduled" as event:
                    others[event][entry["thread_id"]] = None
                case "cron":
                    others["cron"][entry["cron_id"]] = None
        nameless += under_way.values()
    return Account(
        directory.name,
        url,
        tuple(planned),
        frozenset(created),
        tuple(nameless),
        temporary=tuple(others["temporary"]),
        scheduled=tuple(others["scheduled"]),
        crons=tuple(others["cron"]),
        opened_at=opened_at,
    )


def accounts() -> Iterator[tuple[Path, Account]]:
    """The folders and accounts of all runs that did not end well."""
    for directory in sorted(ledgers_dir().glob("*")):
        if directory.is_dir():
            yield directory, read_account(directory)


@contextmanager
def claim(directory: Path) -> Iterator[bool]:
    """Hold a run's ledger; False where another process holds it: that run is alive."""
    make_ledger(directory)
    locks = [directory / f"run{_LOCK}", *directory.glob(f"*{_LOCK}")]
    with ExitStack() as held:
        try:
            for each in dict.fromkeys(locks):
                held.enter_context(FileLock(each, timeout=0))
            ours = True
        except Timeout:
            ours = False
        yield ours


def close_account(directory: Path) -> None:
    """Forget a run: everything that it made is gone."""
    shutil.rmtree(directory, ignore_errors=True)


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            yield entry

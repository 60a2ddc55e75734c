"""The write-ahead ledger: what a run is about to create is on disk before the request is sent.

One folder per run under the user's state folder, one file of JSON lines per worker. A run
whose clean-up succeeds removes its folder; `sweep` reads what a killed run leaves.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from filelock import FileLock, Timeout

from conformance.deployment.ownership.proof import canonical, parse_timestamp
from conformance.deployment.settings import SettingsError
from conformance.user_dirs import state_dir

_LOCK = ".lock"


def ledgers_dir() -> Path:
    """Return `$XDG_STATE_HOME/threads-conformance/ledgers`, by default below `~/.local/state`."""
    return state_dir("ledgers")


@dataclass(frozen=True)
class LedgerState:
    """The content of the ledger of one run.

    `generated` are ids of this run under which a thread may exist, `created` those of them that
    the deployment said it created. `named` are ids from answers to creations; they prove
    nothing. `unidentified` describes the creations whose id was never learned, and
    `unfindable` those of them whose threads have no tag of the run either. `crons` are
    ids of crons; on `scheduled` threads there may be further crons whose id was never learned.
    `gone` are those of all these ids that a GET already showed to be gone, after a deletion or
    because there never was a thread; what was deleted counts as `created`.
    If the deployment was `launched` for the run, it ended with the run together with all its
    data; if it was `disposable`, threads without the run's tag may be among `named`.
    `opened_at` is when the run began, by the clock of its machine; `clock_offset` is a lower
    bound of how far the server's clock was ahead, if known.
    """

    run_id: str
    url: str
    generated: tuple[str, ...] = ()
    created: frozenset[str] = frozenset()
    named: tuple[str, ...] = ()
    unidentified: tuple[str, ...] = ()
    unfindable: tuple[str, ...] = ()
    scheduled: tuple[str, ...] = ()
    crons: tuple[str, ...] = ()
    gone: frozenset[str] = frozenset()
    launched: bool = field(default=False, compare=False)
    disposable: bool = field(default=False, compare=False)
    opened_at: datetime | None = field(default=None, compare=False)
    clock_offset: timedelta | None = field(default=None, compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether the run created nothing, according to its ledger."""
        creations = self.generated or self.named or self.unidentified or self.unfindable
        return not (creations or self.scheduled)


class Ledger:
    """The ledger of one worker. Every line is flushed before the request is sent.

    Nothing is on disk before the first line. While the ledger is open the run counts as
    alive: a worker may briefly outlive its killed controller. Several threads may use one
    instance.
    """

    def __init__(
        self,
        directory: Path,
        worker: str,
        url: str,
        started_at: str = "",
        *,
        launched: bool = False,
        disposable: bool = False,
    ) -> None:
        self._directory, self._worker, self._url = directory, worker, url
        self._started_at = started_at or datetime.now(UTC).isoformat()
        self._deployment = {"launched": launched, "disposable": disposable}
        self._file: IO[str] | None = None
        # Acquired by the thread that writes first, released by the thread that closes.
        self._alive = FileLock(directory / f"{worker}{_LOCK}", thread_local=False)
        self._one_at_a_time = threading.Lock()
        self._numbers = count(1)
        #: The entries since `follow` or `take`; None where nobody follows.
        self._followed: list[dict[str, Any]] | None = None

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

    def record_planned(self, thread_id: str) -> None:
        """Record that a thread is about to be created under this id, which the run generated."""
        self._write("planned", thread_id=thread_id)

    def record_created(self, thread_id: str) -> None:
        """Record that the deployment answered that it created the thread under the run's own id."""
        self._write("created", thread_id=thread_id)

    def record_begun(self, what: str, *, tagged: bool = True) -> int:
        """Record a creation without an id of this run's, before it is sent; return its number.

        `what` describes the creation; `tagged` says whether its thread carries the tag of the run,
        by which a search finds it.
        """
        number = next(self._numbers)
        self._write("begun", number=number, what=what, tagged=tagged)
        return number

    def record_ended(self, number: int, thread_id: str | None = None) -> None:
        """Record that the creation `number` was answered, with this id or with none."""
        self._write("ended", number=number, thread_id=thread_id)

    def record_named(self, thread_id: str) -> None:
        """Record that an answer to a creation named this id, which the run did not generate."""
        self._write("named", thread_id=thread_id)

    def record_scheduled(self, thread_id: str) -> None:
        """Record that a cron is about to be created on this thread."""
        self._write("scheduled", thread_id=thread_id)

    def record_cron(self, cron_id: str) -> None:
        """Record that the answer to the creation of a cron named this id."""
        self._write("cron", cron_id=cron_id)

    def record_gone(self, thread_id: str, *, existed: bool) -> None:
        """Record that a GET showed no thread under an id, and whether there had been one."""
        self._write("removed" if existed else "absent", thread_id=thread_id)

    def follow(self) -> None:
        """Begin to keep what is recorded for `take`."""
        self._followed = []

    def take(self) -> LedgerState:
        """Return what was recorded since `follow`, or since the last call."""
        with self._one_at_a_time:
            taken, self._followed = self._followed or [], []
        reading = _Reading()
        reading.add_file(taken)
        return reading.state(self._directory.name)

    def record_clock(self, offset: timedelta) -> None:
        """Record a lower bound of how far the server's clock is ahead of ours."""
        self._write("clock", offset_s=offset.total_seconds())

    def _write(self, event: str, **details: Any) -> None:
        with self._one_at_a_time:
            if self._file is None:
                self._file = self._open_file()
                opened = {"url": self._url, "at": self._started_at, **self._deployment}
                self._write_line(self._file, "opened", **opened)
            self._write_line(self._file, event, **details)
            if self._followed is not None:
                self._followed.append({"event": event, **details})

    def _open_file(self) -> IO[str]:
        make_folder(self._directory)
        self._alive.acquire()
        return (self._directory / f"{self._worker}.jsonl").open("a", encoding="utf-8")

    @staticmethod
    def _write_line(file: IO[str], event: str, **details: Any) -> None:
        file.write(json.dumps({"event": event, **details}) + "\n")
        file.flush()


def make_folder(directory: Path) -> None:
    """Create the folder of a run's ledger; raise `SettingsError` if that fails."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as broken:
        raise SettingsError(
            f"cannot keep a ledger of created threads in {directory.parent} "
            f"({broken.strerror}): set XDG_STATE_HOME to a folder that can be written to"
        ) from broken


def read_ledger(directory: Path) -> LedgerState:
    """Read the ledger of one run, of all its workers; incomplete lines are ignored."""
    reading = _Reading()
    for file in sorted(directory.glob("*.jsonl")):
        reading.add_file(_read_entries(file))
    return reading.state(directory.name)


class _Reading:
    """What the entries of ledgers say, added up over the files of all workers."""

    def __init__(self) -> None:
        self._url, self._launched, self._disposable = "", False, False
        self._opened: list[datetime] = []
        self._offsets: list[timedelta] = []
        # Keyed by the canonical id; the values are the ids as they were sent.
        self._generated: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self._created: set[str] = set()
        self._gone: set[str] = set()
        self._unidentified: list[str] = []
        self._unfindable: list[str] = []
        self._scheduled: dict[str, None] = {}
        self._crons: dict[str, None] = {}

    def add_file(self, entries: Iterable[dict[str, Any]]) -> None:
        """Add the entries of one worker, in their order."""
        unanswered_creations: dict[int, tuple[str, list[str]]] = {}
        for entry in entries:
            match entry:
                case {"event": "opened", "url": str(url), "at": str(at)}:
                    self._url = url
                    self._opened += filter(None, [parse_timestamp(at)])
                    self._launched = self._launched or entry.get("launched") is True
                    self._disposable = self._disposable or entry.get("disposable") is True
                case {"event": "clock", "offset_s": int() | float() as ahead}:
                    self._offsets.append(timedelta(seconds=ahead))
                case {"event": "planned", "thread_id": str(thread_id)}:
                    self._generated.setdefault(canonical(thread_id), thread_id)
                    self._gone.discard(canonical(thread_id))
                case {"event": "created", "thread_id": str(thread_id)}:
                    self._created.add(canonical(thread_id))
                    self._gone.discard(canonical(thread_id))
                case {"event": "removed", "thread_id": str(thread_id)}:
                    self._created.add(canonical(thread_id))
                    self._gone.add(canonical(thread_id))
                case {"event": "absent", "thread_id": str(thread_id)}:
                    self._gone.add(canonical(thread_id))
                case {"event": "begun", "number": int(number), "what": str(what)}:
                    tagged = entry.get("tagged") is not False
                    kind = self._unidentified if tagged else self._unfindable
                    unanswered_creations[number] = (what, kind)
                case {"event": "ended", "number": int(number), "thread_id": thread_id}:
                    unanswered_creations.pop(number, None)
                    if isinstance(thread_id, str):
                        self._named.setdefault(canonical(thread_id), thread_id)
                # Until version 1.0 the threads of stateless runs were recorded as temporary.
                case {"event": "named" | "temporary", "thread_id": str(thread_id)}:
                    self._named.setdefault(canonical(thread_id), thread_id)
                case {"event": "scheduled", "thread_id": str(thread_id)}:
                    self._scheduled[canonical(thread_id)] = None
                case {"event": "cron", "cron_id": str(cron_id)}:
                    self._crons[cron_id] = None
        for what, kind in unanswered_creations.values():
            kind.append(what)

    def state(self, run_id: str) -> LedgerState:
        """Return the sum."""
        named = self._named.items()
        return LedgerState(
            run_id,
            self._url,
            generated=tuple(self._generated.values()),
            created=frozenset(self._created),
            named=tuple(each for known, each in named if known not in self._generated),
            unidentified=tuple(self._unidentified),
            unfindable=tuple(self._unfindable),
            scheduled=tuple(self._scheduled),
            crons=tuple(self._crons),
            gone=frozenset(self._gone),
            launched=self._launched,
            disposable=self._disposable,
            opened_at=min(self._opened, default=None),
            # The smallest, since the clocks of the server's machines may differ.
            clock_offset=min(self._offsets, default=None),
        )


def remaining_ledgers() -> Iterator[tuple[Path, LedgerState]]:
    """Yield folder and content of each ledger: of runs in progress, killed or not cleaned up."""
    for directory in sorted(ledgers_dir().glob("*")):
        if directory.is_dir():
            yield directory, read_ledger(directory)


def remove_settled_ledgers() -> None:
    """Remove the ledgers of runs that are over and left nothing on a deployment.

    Either the deployment ended with the run, or the run created nothing.
    """
    for directory, ledger in remaining_ledgers():
        if ledger.launched or ledger.is_empty:
            with claim(directory) as ours:
                if ours:
                    remove_ledger(directory)


@contextmanager
def claim(directory: Path) -> Iterator[bool]:
    """Lock a run's ledger; yield False if another process holds the lock: the run is alive."""
    make_folder(directory)
    locks = [directory / f"run{_LOCK}", *directory.glob(f"*{_LOCK}")]
    with ExitStack() as held:
        try:
            for each in dict.fromkeys(locks):
                held.enter_context(FileLock(each, timeout=0))
            ours = True
        except Timeout:
            ours = False
        yield ours


def remove_ledger(directory: Path) -> None:
    """Remove the ledger of a run that left nothing."""
    shutil.rmtree(directory, ignore_errors=True)


def _read_entries(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            yield entry

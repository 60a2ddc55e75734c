"""Which threads, runs and crons are this run's: ownership is proved, never presumed.

A thread is this run's in two cases only:

- its id was drawn by this run, from 122 random bits, so that nobody else's thread has it;
- a GET of it, sent after the answer that named it, shows the run's tag in its metadata,
  and a `created_at` that is not before the run's first request by the server's clock.

Every other thread is a stranger's: it is never written to and never removed. Runs and crons
are proved in the same way. That an answer contains an id proves nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from conformance.deployment.ownership.clock import ServerClock

#: Key of the metadata of every thread of a run; its value is the run's id.
RUN_TAG = "threads_conformance_run"
#: Metadata of every thread of every run, so that leftovers can be found without a ledger.
SUITE_TAG = {"threads_conformance": "yes"}


@dataclass(frozen=True)
class GetAnswer:
    """The answer to a GET that this run sent about an id after an answer had named it.

    `asked` is the id in the request's path; for a run `thread_id` is its thread in that
    path. `status` is the answer's, `body` its parsed JSON.
    """

    asked: str
    status: int
    body: Any
    thread_id: str | None = None


class Ownership:
    """The ids that this process may write to, and the source of new ones.

    `drawn` are ids that the run drew before, according to its ledger. With `visits`, ids of
    threads that an earlier run created, only these threads may be read and nothing may be
    changed. On a `disposable` deployment a request that could mean all threads is allowed,
    and a thread that an answer to a creation names is this run's even without the tag.
    A deployment that is `alone` was started for the run: nothing on it is other people's, so
    that everything may be recorded. Several threads of a process may use it at once.
    """

    def __init__(
        self,
        run_id: str,
        *,
        clock: ServerClock | None = None,
        drawn: Iterable[str] = (),
        visits: Iterable[str] | None = None,
        disposable: bool = False,
        alone: bool = False,
    ) -> None:
        self.run_id = run_id
        self.alone = alone
        self.clock = clock or ServerClock(datetime.now(UTC))
        self.visits = None if visits is None else frozenset(map(canonical, visits))
        self.disposable = disposable
        #: Whether the deployment creates threads under the requested ids; None until it is known.
        self.ids_are_kept: bool | None = None
        self._drawn = set(map(canonical, drawn))
        self._proved: set[str] = set()
        self._proved_runs: set[str] = set()
        self._proved_crons: set[str] = set()
        self._lock = threading.Lock()

    @property
    def tag(self) -> dict[str, str]:
        """The members that the metadata of every thread of this run has."""
        return {**SUITE_TAG, RUN_TAG: self.run_id}

    # Drawing

    def new_id(self) -> str:
        """Draw the id of a thread that is to be created, or of one that is to be absent."""
        return self._draw(str(uuid4()))

    def absent_id(self) -> str:
        """Draw an id under which no thread, run or cron exists."""
        return self.new_id()

    def new_id_of_version(self, version: str) -> str:
        """Draw a UUID of this version, which is one hexadecimal digit."""
        random = str(uuid4())
        return self._draw(f"{random[:14]}{version}{random[15:]}")

    def malformed_id(self, like: str = "not-a-uuid") -> str:
        """Draw an id that is not a UUID and begins with `like`.

        It ends in random digits: a deployment may create a thread under it, or have
        somebody else's under a short id.
        """
        return self._draw(f"{like}-{uuid4().hex[:20]}")

    def _draw(self, made: str) -> str:
        with self._lock:
            self._drawn.add(canonical(made))
        return made

    # Proving

    def adopt_thread(self, shown: GetAnswer, *, named_by_creation: bool = False) -> str:
        """Own a thread if a GET proves it to be this run's; return the reason why not, else empty.

        With `named_by_creation` the id was in the answer to a creation of this run; on a
        disposable deployment the tag is then not required.
        """
        reason = self._reason_against(
            shown, "thread_id", tagged=not (self.disposable and named_by_creation)
        )
        if not reason:
            with self._lock:
                self._proved.add(canonical(shown.asked))
        return reason

    def adopt_run(self, shown: GetAnswer) -> str:
        """Own a run if a GET proves it to be this run's; return the reason why not, else empty."""
        if shown.thread_id is None or not self.is_ours(shown.thread_id):
            return "its thread is not proved to be this run's"
        reason = self._reason_against(shown, "run_id", on_thread=shown.thread_id)
        if not reason:
            with self._lock:
                self._proved_runs.add(canonical(shown.asked))
        return reason

    def adopt_cron(self, shown: GetAnswer) -> str:
        """Own a cron if a GET proves it to be this run's; return the reason why not, else empty."""
        thread_id = shown.body.get("thread_id") if isinstance(shown.body, dict) else None
        if not isinstance(thread_id, str) or not self.is_ours(thread_id):
            return "it is on no thread that is proved to be this run's"
        reason = self._reason_against(shown, "cron_id")
        if not reason:
            with self._lock:
                self._proved_crons.add(canonical(shown.asked))
        return reason

    def _reason_against(
        self, shown: GetAnswer, id_member: str, *, tagged: bool = True, on_thread: str | None = None
    ) -> str:
        """Return why an answer does not prove that this run owns the object; empty if it does."""
        body = shown.body
        if not 200 <= shown.status < 300 or not isinstance(body, dict):
            return f"a GET of it answers {shown.status}, which shows nothing"
        if not _same_id(body.get(id_member), shown.asked):
            return "a GET of it shows another id"
        if on_thread is not None and not _same_id(body.get("thread_id"), on_thread):
            return "a GET of it shows another thread"
        # The tag of a thread is in its metadata; a cron has it deeper, among what it sends to runs.
        place = body.get("metadata") if id_member == "thread_id" else body
        if tagged and not has_tag(place, self.run_id, deep=id_member != "thread_id"):
            return "a GET of it does not show this run's tag"
        created_at = moment_of(body.get("created_at"))
        if created_at is None:
            return "a GET of it shows no created_at"
        if created_at < self.clock.first_request_at():
            return "a GET of it shows that it was created before this run began"
        return ""

    # Querying

    def is_ours(self, thread_id: str) -> bool:
        """Return whether this run drew the id, or its thread is proved to be this run's."""
        known = canonical(thread_id)
        return known in self._drawn or known in self._proved

    def is_drawn(self, thread_id: str) -> bool:
        """Return whether this run drew the id itself."""
        return canonical(thread_id) in self._drawn

    def is_our_run(self, run_id: str) -> bool:
        """Return whether this run drew the id, or its run is proved to be this run's."""
        known = canonical(run_id)
        return known in self._drawn or known in self._proved_runs

    def is_our_cron(self, cron_id: str) -> bool:
        """Return whether this run drew the id, or its cron is proved to be this run's."""
        known = canonical(cron_id)
        return known in self._drawn or known in self._proved_crons

    def may_be_shown(self, thread_id: str) -> bool:
        """Return whether answers about the thread may be recorded: it is not a stranger's."""
        known = self.is_ours(thread_id) or canonical(thread_id) in (self.visits or ())
        return known or self.alone


def canonical(thread_id: str) -> str:
    """Return a UUID in its canonical form; any other text in lower case."""
    try:
        return str(UUID(thread_id))
    except ValueError:
        return thread_id.lower()


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID in any of its forms."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def moment_of(value: Any) -> datetime | None:
    """Parse an RFC 3339 timestamp, as UTC without an offset; return None for anything else."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _same_id(value: Any, asked: str) -> bool:
    return isinstance(value, str) and canonical(value) == canonical(asked)


def has_tag(value: Any, run_id: str, *, deep: bool = False) -> bool:
    """Return whether an object has the run's tag; with `deep`, also any object inside it."""
    open_values = [value]
    while open_values:
        current = open_values.pop()
        if isinstance(current, dict):
            if current.get(RUN_TAG) == run_id:
                return True
            if deep:
                open_values += current.values()
    return False

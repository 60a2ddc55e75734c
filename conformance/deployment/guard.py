"""The guard: no request may change a thread, a run or a cron that this run did not make.

It decides on the final request, just before it leaves: on its method, its normalised
path, and every thread id in path and body.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID, uuid4, uuid5

from conformance.contract.operations import identify

#: Every thread of a run carries its id under this key of its metadata.
RUN_TAG = "threads_conformance_run"

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
ID_MEMBERS = frozenset({"thread_id", "thread_ids"})


class GuardRefusal(Exception):  # noqa: N818 - a refusal is what it is
    """A request that could have changed a thread of someone else was not sent."""


class Ownership:
    """The ids that one worker of a run may use, and where new ones come from.

    New ids come from the run's own UUID namespace (`run_id`), numbered per worker.
    Several threads may ask at once. With `visits`, the ids of threads that this run did
    not make, these and absent ones may be looked at, no other thread may, and nothing may
    be changed.
    """

    def __init__(
        self, run_id: str, worker: str = "main", *, visits: Iterable[str] | None = None
    ) -> None:
        self.visits = None if visits is None else frozenset(map(canonical, visits))
        self._namespace = uuid5(UUID(run_id), worker)
        self._made: dict[str, None] = {}
        self._crons: set[str] = set()
        self._lock = threading.Lock()
        # The run's own id stands in the metadata of its threads: it names no thread.
        self._absent = {canonical(run_id)}

    def new_id(self) -> str:
        """A fresh thread id of this run, registered before anything stands under it."""
        with self._lock:
            drawn = uuid5(self._namespace, str(len(self._made)))
            # Servers that look at the version expect a random one.
            made = str(UUID(bytes=drawn.bytes, version=4))
            self._made[made] = None
            return made

    def adopt(self, thread_id: str) -> None:
        """Take a thread that the deployment made for this run, and named itself."""
        with self._lock:
            self._made[canonical(thread_id)] = None

    def adopt_cron(self, cron_id: str) -> None:
        """Take a cron that was made on a thread of this run."""
        self._crons.add(canonical(cron_id))

    def absent_id(self, thread_id: str | None = None) -> str:
        """An id under which nothing stands: drawn at random, or a malformed one."""
        absent = str(uuid4()) if thread_id is None else thread_id
        self._absent.add(canonical(absent))
        return absent

    def malformed_id(self) -> str:
        """An id that is no UUID, and the run's own: some deployment may make a thread of it."""
        drawn = uuid5(self._namespace, f"malformed {len(self._absent)}")
        return self.absent_id(f"not-a-uuid-{drawn.hex[:12]}")

    def is_absent(self, thread_id: str) -> bool:
        """Whether the id is registered as one that must not exist."""
        return canonical(thread_id) in self._absent

    def may_use(self, thread_id: str) -> bool:
        """Whether the id is this run's, or registered as one that must not exist."""
        return canonical(thread_id) in self._made or canonical(thread_id) in self._absent

    def may_use_cron(self, cron_id: str) -> bool:
        """Whether the cron is this run's, or the id registered as one that must not exist."""
        return canonical(cron_id) in self._crons or canonical(cron_id) in self._absent

    def owns(self, thread_id: str) -> bool:
        """Whether a thread of this run stands, or may stand, under the id."""
        return canonical(thread_id) in self._made


def canonical(thread_id: str) -> str:
    """The id in the usual form of a UUID; anything else in lower case."""
    try:
        return str(UUID(thread_id))
    except ValueError:
        return thread_id.lower()


def check_request(method: str, path: str, body: bytes, ownership: Ownership) -> None:
    """Raise `GuardRefusal` unless the request is harmless.

    `path` is the path below the deployment's URL, as it will be sent.
    """
    if ownership.visits is not None:
        _refuse_all_but_visits(method, path, ownership, ownership.visits)
        return
    if method in ("GET", "HEAD"):
        return
    if "//" in path or re.search(r"(^|/)(\.|%2e){1,2}(/|$)", path, re.IGNORECASE):
        raise GuardRefusal(f"{method} {path}: the path is not in its normal form")
    operation, thread_id = identify(method, path)
    if operation is None:
        raise GuardRefusal(f"{method} {path}: not an operation that the suite sends")
    if thread_id is not None:
        _refuse_strangers([thread_id], f"{method} {path}", ownership)
    cron_id = operation.id_in(path, "cron_id")
    if cron_id is not None and not ownership.may_use_cron(cron_id):
        raise GuardRefusal(f"{method} {path}: this run did not make the cron {cron_id}")
    if operation.name == "runs_cancel":
        _refuse_cancelling_by_status(body)
    if operation.writes:
        _refuse_strangers(_ids_in_body(body), f"the body of {method} {path}", ownership)


def _refuse_all_but_visits(
    method: str, path: str, ownership: Ownership, visits: frozenset[str]
) -> None:
    operation, thread_id = identify(method, path)
    if operation is None or operation.writes:
        raise GuardRefusal(f"{method} {path}: only to look at threads was asked for")
    if thread_id is None or ownership.is_absent(thread_id):
        return
    if canonical(thread_id) not in visits:
        raise GuardRefusal(f"{method} {path}: the thread is none of those to be looked at")


def _refuse_strangers(ids: list[str], where: str, ownership: Ownership) -> None:
    for each in ids:
        if not ownership.may_use(each):
            raise GuardRefusal(f"{where} names the thread {each}, which this run did not make")


def _refuse_cancelling_by_status(body: bytes) -> None:
    """Runs are cancelled on a thread, by their ids: a status would mean everyone's."""
    try:
        value = json.loads(body, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        value = None
    names = {name for name, _ in value} if isinstance(value, _Members) else set()
    if "thread_id" not in names or "status" in names:
        raise GuardRefusal("POST /runs/cancel without a thread could cancel the runs of others")


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object, in their order."""


def _ids_in_body(body: bytes) -> list[str]:
    if not body:
        return []
    try:
        # As pairs: of a member that stands twice, servers differ in which one counts.
        value = json.loads(body, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        # What cannot be read is searched: no id of a stranger, wherever it stands.
        return _UUID.findall(body.decode("utf-8", errors="replace"))
    return list(_named_ids(value))


def _named_ids(value: Any) -> Iterator[str]:
    """Every string under `thread_id` or `thread_ids`, at any depth."""
    open_values = [value]
    while open_values:
        current = open_values.pop()
        if isinstance(current, _Members):
            for key, member in current:
                if key in ID_MEMBERS:
                    yield from _strings(member)
                open_values.append(member)
        elif isinstance(current, list):
            open_values += current


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, str))

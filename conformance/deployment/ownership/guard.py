"""The guard: no request may change a thread, run or cron that is not this run's.

The guard decides on the final request, just before it is sent, and denies by default: the scope
of each operation says which ids its path and its body must name for a write to be allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.contract.operations import Operation, Scope, identify
from conformance.deployment.ownership.proof import RUN_TAG, Ownership, canonical

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
ID_MEMBERS = frozenset({"thread_id", "thread_ids"})


class GuardRefusal(Exception):  # noqa: N818 - a decision, not an error
    """A request was not sent because it could have changed something that is not this run's."""


class NotOursRefusal(GuardRefusal):
    """Not sent: the request names a thread, run or cron that is not proved to be this run's."""


class DisposableOnlyRefusal(GuardRefusal):
    """Not sent: a lenient server could take the request for all threads."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: sent only where nothing matters; if that is so here, say --disposable"
        )


@dataclass(frozen=True)
class UnprovedId:
    """An id that a write names and that is not known to be this run's.

    `kind` is thread, run or cron; `thread_id` is the thread that a run is on.
    """

    kind: str
    id: str
    thread_id: str | None = None


def check_request(method: str, path: str, body: bytes, ownership: Ownership) -> None:
    """Raise `GuardRefusal` unless the request can change only what is this run's.

    `path` is the path below the deployment's URL, as it will be sent.
    """
    if ownership.visits is not None:
        _refuse_unless_visit(method, path, ownership, ownership.visits)
        return
    if method in ("GET", "HEAD"):
        return
    operation = _identify_operation(method, path)
    if not operation.writes:
        return
    where = f"{operation.method} {operation.path}"
    for named in unproved_ids(operation, path, body, ownership):
        raise NotOursRefusal(
            f"{where} names a {named.kind} that is not proved to be this run's: "
            "nothing is written to it"
        )
    _refuse_what_could_mean_all(operation, body, ownership, where)


def unproved_ids(
    operation: Operation, path: str, body: bytes, ownership: Ownership
) -> Iterator[UnprovedId]:
    """Yield every id in path and body of a write that is not known to be this run's."""
    thread_id = operation.id_in(path, "thread_id")
    if thread_id is not None and not ownership.is_ours(thread_id):
        yield UnprovedId("thread", thread_id)
    value = _parse_body(body)
    for each in _thread_ids(value, body):
        # A blank text is no id. The tag, which has the form of an id, may be in an unparsable body.
        if each.strip() and each != ownership.run_id and not ownership.is_ours(each):
            yield UnprovedId("thread", each)
    run_id = operation.id_in(path, "run_id")
    if run_id is not None and not ownership.is_our_run(run_id):
        yield UnprovedId("run", run_id, thread_id)
    if operation.scope is Scope.MANY_RUNS:
        threads = [each for each in _members_named("thread_id", value) if isinstance(each, str)]
        for run_id in _flatten(_members_named("run_ids", value)):
            if isinstance(run_id, str) and not ownership.is_our_run(run_id):
                yield UnprovedId("run", run_id, threads[0] if threads else None)
    cron_id = operation.id_in(path, "cron_id")
    if cron_id is not None and not ownership.is_our_cron(cron_id):
        yield UnprovedId("cron", cron_id)


def _identify_operation(method: str, path: str) -> Operation:
    if "//" in path or re.search(r"(^|/)(\.|%2e){1,2}(/|$)", path, re.IGNORECASE):
        raise GuardRefusal(f"{method} {path}: the path is not in its normal form")
    operation, _ = identify(method, path)
    if operation is None:
        raise GuardRefusal(f"{method} {path}: not an operation that the suite sends")
    return operation


def _refuse_unless_visit(
    method: str, path: str, ownership: Ownership, visits: frozenset[str]
) -> None:
    operation, thread_id = identify(method, path)
    if operation is None and method == "GET" and ownership.is_generated(path.rpartition("/")[2]):
        return  # The preflight asks for a path that is absent.
    if operation is None or operation.writes:
        raise GuardRefusal(f"{method} {path}: only to look at threads was asked for")
    if thread_id is None or ownership.is_generated(thread_id):
        return
    if canonical(thread_id) not in visits:
        raise GuardRefusal(f"{method} {path}: the thread is none of those to be looked at")


def _refuse_what_could_mean_all(
    operation: Operation, body: bytes, ownership: Ownership, where: str
) -> None:
    """Refuse a write whose body does not name what its scope demands."""
    if ownership.disposable:
        return
    value = _parse_body(body)
    match operation.scope:
        case Scope.NEW_THREAD if isinstance(value, _Members) and not _can_be_proved(
            value, ownership
        ):
            raise DisposableOnlyRefusal(
                f"{where} without a thread_id of this run's and without its tag makes a thread "
                "that could not be told from others"
            )
        case Scope.MANY_THREADS if not _names_all("thread_ids", value):
            raise DisposableOnlyRefusal(f"{where} without thread_ids could mean all threads")
        case Scope.MANY_RUNS if not (
            _names_all("run_ids", value)
            and len(_members_named("thread_id", value)) == 1
            and not _members_named("status", value)
        ):
            raise DisposableOnlyRefusal(
                f"{where} without a thread and run_ids could mean the runs of all threads"
            )


def _can_be_proved(body: _Members, ownership: Ownership) -> bool:
    """Return whether the thread that a creation makes can be proved to be this run's.

    True also where the metadata is not an object: a server refuses that, and creates no thread.
    """
    if any(
        not isinstance(metadata, _Members) or (RUN_TAG, ownership.run_id) in metadata
        for metadata in _members_named("metadata", body)
    ):
        return True
    named = [each for each in _members_named("thread_id", body) if isinstance(each, str)]
    return bool(named) and ownership.ids_are_kept is True


def _names_all(member: str, value: Any) -> bool:
    """Return whether a body has the member exactly once, as a list of one or more texts."""
    listed = _members_named(member, value)
    return (
        len(listed) == 1
        and isinstance(listed[0], list)
        and not isinstance(listed[0], _Members)
        and bool(listed[0])
        and all(isinstance(each, str) and each.strip() for each in listed[0])
    )


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object in order, duplicates included: servers differ on those."""


#: The value of a body that cannot be parsed.
_UNREADABLE: Any = object()


def _parse_body(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _members_named(name: str, value: Any) -> list[Any]:
    """Return the values of an object's own members of this name."""
    return [member for key, member in value if key == name] if isinstance(value, _Members) else []


def _flatten(values: list[Any]) -> Iterator[Any]:
    for each in values:
        yield from each if isinstance(each, list) else [each]


def _thread_ids(value: Any, body: bytes) -> Iterator[str]:
    """Yield every text under `thread_id` or `thread_ids`, at any depth.

    An unparsable body is searched for UUIDs instead, since it must not name a stranger's thread
    anywhere.
    """
    if value is _UNREADABLE:
        yield from _UUID.findall(body.decode("utf-8", errors="replace"))
        return
    open_values = [value]
    while open_values:
        current = open_values.pop()
        if isinstance(current, _Members):
            for key, member in current:
                if key in ID_MEMBERS:
                    yield from (each for each in _flatten([member]) if isinstance(each, str))
                open_values.append(member)
        elif isinstance(current, list):
            open_values += current

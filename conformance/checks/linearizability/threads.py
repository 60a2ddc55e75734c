"""The sequential specification of a thread, with which recorded histories are compared.

The specification covers only the metadata members that the programs write and the messages that
they append. Of the answer to a write it covers only the status.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.checks.linearizability.history import Operation

#: Members of metadata, or the messages of a state, in a form that can be compared and hashed.
Shown = tuple[Any, ...]

#: Statuses that may refuse a request because of a concurrent one; it has no effect then.
_BUSY = (409, 423, 429)
_READS = ("get", "state", "copy")


@dataclass(frozen=True)
class Request:
    """A request for a thread: an operation of the client, and what it writes.

    `metadata` are the members of a creation or an update, `message` is the number of the message
    of a state update; `if_exists` is sent with a creation.
    """

    operation: str
    metadata: tuple[tuple[str, int], ...] = ()
    message: int = 0
    if_exists: str = "raise"


@dataclass(frozen=True)
class Outcome:
    """The status of an answer, and what a read showed: members of metadata, or messages.

    For the request to copy, `shown` holds the messages of the copy.
    """

    status: int
    shown: Shown = ()

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class ThreadState:
    """The state of a thread at one time: whether it exists, its metadata, and its messages."""

    exists: bool
    metadata: tuple[tuple[str, int], ...] = ()
    messages: Shown = ()


ABSENT = ThreadState(exists=False)

ThreadOperation = Operation[Request, Outcome]


def step(state: ThreadState, operation: ThreadOperation) -> ThreadState | None:
    """Return the thread after an operation, or None if it cannot have the outcome in this state."""
    request, outcome = operation.request, operation.outcome
    following = _after(state, request)
    if outcome is None:
        return state if following is None else following
    if outcome.status in _BUSY:
        return state
    if not outcome.ok:
        return state if following is None else None
    if following is None:
        # Another requirement judges whether deleting a thread that does not exist is an error.
        return state if request.operation == "delete" else None
    if request.operation in _READS and outcome.shown != _shown(state, request):
        return None
    return following


def has_no_effect(operation: ThreadOperation) -> bool:
    """Return whether an operation certainly changed nothing: a read, or a refusal."""
    outcome = operation.outcome
    return operation.request.operation in _READS or (outcome is not None and not outcome.ok)


def describe(operation: ThreadOperation) -> str:
    """Return an operation and its outcome in one line."""
    request, outcome = operation.request, operation.outcome
    request_text = _OPERATION_WORDS[request.operation]
    if request.metadata:
        request_text += f" {_members(request.metadata)}"
    if request.operation == "create":
        request_text += f", if_exists {request.if_exists}"
    if request.message:
        request_text += f" with message {request.message}"
    if outcome is None:
        return f"{request_text} → ?, it may take effect or not"
    told = f"{request_text} → {outcome.status}"
    if request.operation in _READS and outcome.ok:
        told += f" {_values(request, outcome.shown)}"
    return told


def describe_state(state: ThreadState) -> str:
    """Return the state of a thread in words: what programs wrote and nothing else."""
    if not state.exists:
        return "no thread"
    held = [f"metadata {_members(state.metadata)}"] if state.metadata else []
    held += [f"messages {_list(state.messages)}"] if state.messages else []
    return f"a thread{' with ' if held else ''}{' and '.join(held)}"


def metadata_of(members: Mapping[str, Any]) -> Shown:
    """Return members of metadata in the form that is compared."""
    return tuple(sorted(members.items(), key=lambda member: member[0]))


_OPERATION_WORDS = {
    "create": "create",
    "update": "PATCH",
    "get": "GET thread",
    "delete": "DELETE",
    "update_state": "update state",
    "state": "GET state",
    "copy": "copy",
}


def _after(state: ThreadState, request: Request) -> ThreadState | None:
    """Return the thread after a request that succeeds, or None if it must be refused."""
    match request.operation:
        case "create":
            if not state.exists:
                return ThreadState(exists=True, metadata=metadata_of(dict(request.metadata)))
            return state if request.if_exists == "do_nothing" else None
        case _ if not state.exists:
            return None
        case "update":
            merged = metadata_of({**dict(state.metadata), **dict(request.metadata)})
            return ThreadState(exists=True, metadata=merged, messages=state.messages)
        case "update_state":
            messages = (*state.messages, str(request.message))
            return ThreadState(exists=True, metadata=state.metadata, messages=messages)
        case "delete":
            return ABSENT
        case _:
            return state


def _shown(state: ThreadState, request: Request) -> Shown:
    return state.metadata if request.operation == "get" else state.messages


def _values(request: Request, shown: Shown) -> str:
    return _members(shown) if request.operation == "get" else _list(shown)


def _members(members: Shown) -> str:
    return json.dumps(dict(members), ensure_ascii=False)


def _list(messages: Shown) -> str:
    return f"[{', '.join(map(str, messages))}]"

"""One of the deployments that play a sequence, and the masking of its answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings, numbered
from conformance.selftest.fidelity_steps import Step

#: The metadata key that marks the threads of one sequence.
MARK = "threads_conformance_sequence"

_UNKNOWN = "<another id>"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CHECKPOINT = ("thread_id", "checkpoint_ns", "checkpoint_id")
#: The members that are compared. All others are application data, or extensions.
_MEMBERS: dict[str, tuple[str, ...] | None] = {
    "thread": ("thread_id", "created_at", "updated_at", "metadata", "status", "values"),
    "state": (
        *("values", "next", "tasks", "metadata", "created_at", "checkpoint", "checkpoint_id"),
        *("parent_checkpoint", "parent_checkpoint_id", "interrupts"),
    ),
    "values": None,
    "checkpoint": _CHECKPOINT,
    "parent_checkpoint": _CHECKPOINT,
    "tasks": ("id", "name", "interrupts"),
    "state.metadata": ("source", "step", "parents"),
    "messages": ("type", "content", "id"),
    "updated": ("checkpoint",),
}
_KINDS = {
    **dict.fromkeys(("create", "create_again", "copy", "get", "search", "update"), "thread"),
    **dict.fromkeys(("state", "state_at_checkpoint", "history", "post_history"), "state"),
    "update_state": "updated",
    "run_wait": "values",
}
#: Operations whose answers have no JSON to compare.
_SILENT = ("delete",)


@dataclass
class Side:
    """A deployment during one sequence. `threads` are ids by number, None where none was made."""

    client: ThreadsClient
    graph: GraphSettings
    mark: dict[str, Any] = field(default_factory=lambda: {MARK: uuid4().hex})
    threads: list[str | None] = field(default_factory=list)

    def play(self, step: Step) -> Answer | None:
        """Send one step; return None if the thread or the state that it names does not exist."""
        if step.operation == "create":
            return self._made(self._create(step, self.client.ownership.new_id()))
        if step.operation in ("search", "count"):
            body = {**step.body, "metadata": {**step.body["metadata"], **self.tags()}}
            return getattr(self.client, step.operation)(body)  # type: ignore[no-any-return]
        thread_id = self.threads[step.thread] if step.thread < len(self.threads) else None
        if thread_id is None:
            if step.makes:
                self.threads.append(None)
            return None
        if step.operation == "copy":
            return self._made(self.client.copy(thread_id))
        return self._on(step, thread_id)

    def _on(self, step: Step, thread_id: str) -> Answer | None:
        client, body = self.client, dict(step.body)
        named = None
        if step.at is not None and (named := self._checkpoint(step, thread_id)) is None:
            return None
        match step.operation:
            case "create_again":
                return self._create(step, thread_id)
            case "state_at_checkpoint":
                return client.state_at_checkpoint(thread_id, named or "")
            case "history":
                return client.history(thread_id, **body, **({"before": named} if named else {}))
            case "post_history":
                before = {"before": {"checkpoint_id": named}} if named else {}
                return client.post_history(thread_id, {**body, **before})
            case "update":
                return client.update(thread_id, body)
            case "update_state":
                at = {"checkpoint": {"checkpoint_id": named}} if named else {}
                update = numbered(self.graph.append, body["number"])
                return client.update_state(thread_id, {**update, **at})
            case "run_wait":
                given = numbered(self.graph.run_input, body["number"])
                return client.run_wait(thread_id, {"assistant_id": self.graph.id, "input": given})
            case "prune":
                return client.prune({"thread_ids": [thread_id]})
            case _:
                return getattr(client, step.operation)(thread_id)  # type: ignore[no-any-return]

    def _create(self, step: Step, thread_id: str) -> Answer:
        body = {**step.body, "thread_id": thread_id}
        body["metadata"] = {**body["metadata"], **self.tags()}
        if "supersteps" in body:
            body["metadata"]["graph_id"] = self.graph.id
            body["supersteps"] = [
                numbered(each, 1) for each in self.graph.supersteps[: body["supersteps"]]
            ]
        return self.client.create(body)

    def _made(self, answer: Answer) -> Answer:
        made = answer.body.get("thread_id") if isinstance(answer.body, dict) else None
        self.threads.append(made if answer.ok else None)
        return answer

    def _checkpoint(self, step: Step, thread_id: str) -> str | None:
        """Return the id of the checkpoint that the step names by its number."""
        answer = self.client.history(thread_id, limit=1000)
        states = answer.body if answer.ok and isinstance(answer.body, list) else []
        return states[(step.at or 0) % len(states)].get("checkpoint_id") if states else None

    def tags(self) -> dict[str, Any]:
        """Return the metadata that marks the threads of this sequence."""
        return {**self.client.tag, **self.mark}


class Masks:
    """Symbols in place of ids; ids that first occur at the same place get the same symbol."""

    def __init__(self, reference: Side, server: Side) -> None:
        self._sides = (reference, server)
        self._symbols: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def masked(self, step: Step, expected: Answer, actual: Answer) -> tuple[Any, Any]:
        """Return what is compared of two answers: success or not, and the bodies of successes."""
        ends = _end(expected), _end(actual)
        if ends != ("done", "done") or step.operation in _SILENT:
            return {"outcome": ends[0]}, {"outcome": ends[1]}
        kind = _KINDS.get(step.operation, "")
        bodies = _kept(expected.body, kind), _kept(actual.body, kind)
        self._pair_ids(*bodies)
        return {"body": self._mask(bodies[0], 0)}, {"body": self._mask(bodies[1], 1)}

    def _pair_ids(self, one: Any, other: Any) -> None:
        """Assign a common symbol to ids that occur in the same place for the first time."""
        if isinstance(one, dict) and isinstance(other, dict):
            for name in sorted(one.keys() & other.keys()):
                self._pair_ids(one[name], other[name])
        elif isinstance(one, list) and isinstance(other, list):
            for pair in zip(one, other, strict=False):
                self._pair_ids(*pair)
        elif _is_id(one) and _is_id(other):
            known = self._symbol(one, 0), self._symbol(other, 1)
            if known == (_UNKNOWN, _UNKNOWN):
                symbol = f"<id {len(self._symbols[0]) + 1}>"
                self._symbols[0][one], self._symbols[1][other] = symbol, symbol

    def _mask(self, value: Any, side: int) -> Any:
        if isinstance(value, list):
            return [self._mask(each, side) for each in value]
        if isinstance(value, dict):
            # The tags of the two runs differ.
            tags = self._sides[side].tags()
            return {
                name: self._mask(each, side) for name, each in value.items() if name not in tags
            }
        if _is_id(value):
            return self._symbol(value, side)
        return "<moment>" if _is_timestamp(value) else value

    def _symbol(self, text: str, side: int) -> str:
        threads = self._sides[side].threads
        if text in threads:
            return f"<thread {threads.index(text)}>"
        return self._symbols[side].get(text, _UNKNOWN)


def _end(answer: Answer) -> str:
    if answer.ok:
        return "done"
    return "5xx" if answer.status >= 500 else "refused"


def _kept(value: Any, kind: str) -> Any:
    """Return the members that are compared, of each object by its kind."""
    if isinstance(value, list):
        return [_kept(each, kind) for each in value]
    if not isinstance(value, dict) or kind not in _MEMBERS:
        return value
    names = _MEMBERS[kind]
    kept = {name: value[name] for name in (value if names is None else names) if name in value}
    return {
        name: _kept(each, f"{kind}.{name}" if f"{kind}.{name}" in _MEMBERS else name)
        for name, each in kept.items()
    }


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _is_timestamp(value: Any) -> bool:
    if not isinstance(value, str) or len(value) < len("2024-06-01T00:00:00"):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True

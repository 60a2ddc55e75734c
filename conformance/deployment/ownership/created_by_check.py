"""What the requests of one check created or changed, according to their answers."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import httpx

from conformance.contract.operations import Operation, Scope
from conformance.deployment.ownership.creations import Creation
from conformance.deployment.ownership.proof import canonical
from conformance.json_text import parse_json

#: Key of the metadata that marks the threads of one check.
CHECK_TAG = "threads_conformance_check"

_GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)
_RUNS = frozenset({"run_background", "run_wait", "run_stream"})
#: The methods of commands of a thread that create runs.
_COMMANDS_FOR_RUNS = ("run.start", "input.respond")


class CreatedByCheck:
    """What the requests of one check created or changed, according to their answers."""

    def __init__(self) -> None:
        self.tags: set[str] = set()
        #: Threads created under ids of the run, with the number of their supersteps.
        self.made: dict[str, int] = {}
        #: Number of threads whose ids the deployment chose, including copies.
        self.threads_with_other_ids = 0
        #: Number of stateless runs, each of which may have a thread with the run's metadata.
        self.stateless = 0
        self.updates: Counter[str] = Counter()
        self.runs: Counter[str] = Counter()
        self.deleted: set[str] = set()
        #: Number of deletions of an existing thread that were answered by 404 or 410.
        self.deletions_answered_gone = 0
        #: Number of prunings that were answered with fewer threads than existed.
        self.pruned_in_vain = 0
        self._lock = threading.Lock()

    def write(self, operation: Operation, creation: Creation, response: httpx.Response) -> None:
        """Record what one request did."""
        with self._lock:
            thread_id = canonical(creation.thread_id or "")
            if operation.name == "delete":
                if response.status_code in _GONE and self._exists(thread_id):
                    self.deletions_answered_gone += 1
                self.deleted.add(thread_id)
            elif operation.scope is Scope.MANY_THREADS:
                named = {canonical(each) for each in _texts(creation.body, "thread_ids")}
                counted = _pruned_count(response)
                if counted is not None and counted < sum(map(self._exists, named)):
                    self.pruned_in_vain += 1
                self.deleted |= named
            elif response.is_success:
                self._record_success(operation, creation, thread_id)

    def _record_success(self, operation: Operation, creation: Creation, thread_id: str) -> None:
        body = creation.body if isinstance(creation.body, dict) else {}
        if operation.scope is Scope.NEW_THREAD:
            metadata = body.get("metadata")
            if isinstance(metadata, dict) and isinstance(metadata.get(CHECK_TAG), str):
                self.tags.add(metadata[CHECK_TAG])
            if creation.own_id is None:
                self.threads_with_other_ids += 1
            elif creation.is_fresh:
                steps = body.get("supersteps")
                self.made[canonical(creation.own_id)] = len(steps) if isinstance(steps, list) else 0
        elif operation.name == "copy":
            self.threads_with_other_ids += 1
        elif operation.scope is Scope.NEW_RUN:
            self.stateless += len(creation.body) if isinstance(creation.body, list) else 1
        elif operation.name == "update_state":
            self.updates[thread_id] += 1
        elif operation.name in _RUNS or _commands_a_run(operation, body):
            self.runs[thread_id] += 1

    def _exists(self, thread_id: str) -> bool:
        return thread_id in self.made and thread_id not in self.deleted


def _commands_a_run(operation: Operation, body: dict[str, Any]) -> bool:
    return operation.name == "thread_command" and body.get("method") in _COMMANDS_FOR_RUNS


def _pruned_count(response: httpx.Response) -> int | None:
    """Return the number of threads that an answer says were pruned; None where it says none."""
    try:
        answer = parse_json(response.content) if response.is_success else None
    except ValueError:
        return None
    counted = answer.get("pruned_count") if isinstance(answer, dict) else None
    return counted if isinstance(counted, int) else None


def _texts(body: Any, name: str) -> list[str]:
    listed = body.get(name) if isinstance(body, dict) else None
    return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []

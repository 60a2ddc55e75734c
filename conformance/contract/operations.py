"""The operations of the Threads API: their names, methods and paths.

The names are the keys of `operations` in report.json. Source: the published OpenAPI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from conformance.typed_data import read_toml

_OPERATIONS = Path(__file__).with_name("operations.toml")


class Scope(StrEnum):
    """What a request of an operation may change, and where it names the ids.

    The guard of the transport refuses a write that does not name the ids of its scope.
    """

    #: Nothing: the operation only reads.
    READ = "read"
    #: One new thread, under the `thread_id` of the body or one that the deployment chooses.
    NEW_THREAD = "new thread"
    #: The thread in the path, with its states, runs and crons.
    THREAD = "thread"
    #: The run in the path, on the thread in the path.
    RUN = "run"
    #: The cron in the path.
    CRON = "cron"
    #: The threads that the body lists in `thread_ids`.
    MANY_THREADS = "many threads"
    #: The runs that the body lists in `run_ids`, on the thread that it names in `thread_id`.
    MANY_RUNS = "many runs"
    #: A new stateless run: the caller names no thread.
    NEW_RUN = "new run"


@dataclass(frozen=True)
class Operation:
    """One method on one path, the profile that it belongs to, and what it may change."""

    name: str
    method: str
    path: str
    profile: str
    scope: Scope

    @property
    def writes(self) -> bool:
        """Whether the operation may change a thread, a run or a cron."""
        return self.scope is not Scope.READ

    def matches(self, method: str, path: str) -> re.Match[str] | None:
        """Match a request with this operation; the ids in the path are named groups."""
        if method != self.method:
            return None
        return _pattern(self.path).fullmatch(path)

    def id_in(self, path: str, name: str) -> str | None:
        """Return the id `name` (`thread_id`, `run_id`, `cron_id`) in a path, None if absent."""
        found = self.matches(self.method, path)
        value = found.groupdict().get(name) if found else None
        return unquote(value) if value is not None else None


OPERATIONS = (
    Operation("create", "POST", "/threads", "documented", Scope.NEW_THREAD),
    Operation("search", "POST", "/threads/search", "documented", Scope.READ),
    Operation("count", "POST", "/threads/count", "extended", Scope.READ),
    Operation("prune", "POST", "/threads/prune", "extended", Scope.MANY_THREADS),
    Operation("get", "GET", "/threads/{thread_id}", "documented", Scope.READ),
    Operation("update", "PATCH", "/threads/{thread_id}", "extended", Scope.THREAD),
    Operation("delete", "DELETE", "/threads/{thread_id}", "extended", Scope.THREAD),
    Operation("copy", "POST", "/threads/{thread_id}/copy", "documented", Scope.THREAD),
    Operation("state", "GET", "/threads/{thread_id}/state", "documented", Scope.READ),
    Operation("update_state", "POST", "/threads/{thread_id}/state", "extended", Scope.THREAD),
    Operation(
        "post_state_at_checkpoint",
        "POST",
        "/threads/{thread_id}/state/checkpoint",
        "extended",
        Scope.READ,
    ),
    Operation(
        "state_at_checkpoint",
        "GET",
        "/threads/{thread_id}/state/{checkpoint_id}",
        "documented",
        Scope.READ,
    ),
    Operation("history", "GET", "/threads/{thread_id}/history", "documented", Scope.READ),
    Operation("post_history", "POST", "/threads/{thread_id}/history", "documented", Scope.READ),
    Operation("run_background", "POST", "/threads/{thread_id}/runs", "documented", Scope.THREAD),
    Operation("run_wait", "POST", "/threads/{thread_id}/runs/wait", "documented", Scope.THREAD),
    Operation("run_stream", "POST", "/threads/{thread_id}/runs/stream", "documented", Scope.THREAD),
    Operation(
        "run_join", "GET", "/threads/{thread_id}/runs/{run_id}/join", "documented", Scope.READ
    ),
    Operation("run_list", "GET", "/threads/{thread_id}/runs", "full", Scope.READ),
    Operation("run_get", "GET", "/threads/{thread_id}/runs/{run_id}", "full", Scope.READ),
    Operation("run_delete", "DELETE", "/threads/{thread_id}/runs/{run_id}", "full", Scope.RUN),
    Operation(
        "run_join_stream", "GET", "/threads/{thread_id}/runs/{run_id}/stream", "full", Scope.READ
    ),
    Operation("run_cancel", "POST", "/threads/{thread_id}/runs/{run_id}/cancel", "full", Scope.RUN),
    Operation("runs_cancel", "POST", "/runs/cancel", "full", Scope.MANY_RUNS),
    Operation("stateless_background", "POST", "/runs", "full", Scope.NEW_RUN),
    Operation("stateless_wait", "POST", "/runs/wait", "full", Scope.NEW_RUN),
    Operation("stateless_stream", "POST", "/runs/stream", "full", Scope.NEW_RUN),
    Operation("stateless_batch", "POST", "/runs/batch", "full", Scope.NEW_RUN),
    Operation("thread_stream", "GET", "/threads/{thread_id}/stream", "full", Scope.READ),
    Operation("thread_events", "POST", "/threads/{thread_id}/stream/events", "full", Scope.READ),
    Operation("thread_command", "POST", "/threads/{thread_id}/commands", "full", Scope.THREAD),
    Operation("cron_create", "POST", "/threads/{thread_id}/runs/crons", "full", Scope.THREAD),
    Operation("cron_search", "POST", "/runs/crons/search", "full", Scope.READ),
    Operation("cron_count", "POST", "/runs/crons/count", "full", Scope.READ),
    Operation("cron_get", "GET", "/runs/crons/{cron_id}", "full", Scope.READ),
    Operation("cron_update", "PATCH", "/runs/crons/{cron_id}", "full", Scope.CRON),
    Operation("cron_delete", "DELETE", "/runs/crons/{cron_id}", "full", Scope.CRON),
    Operation("ok", "GET", "/ok", "documented", Scope.READ),
    Operation("info", "GET", "/info", "documented", Scope.READ),
    Operation("openapi", "GET", "/openapi.json", "documented", Scope.READ),
    Operation("assistants_search", "POST", "/assistants/search", "documented", Scope.READ),
    Operation("assistant_schemas", "GET", "/assistants/{assistant_id}/schemas", "full", Scope.READ),
    Operation("assistant_graph", "GET", "/assistants/{assistant_id}/graph", "full", Scope.READ),
)
#: No requirement covers these: `doctor` uses them to learn about a graph before a run.
DOCTOR_OPERATIONS = ("assistant_schemas", "assistant_graph")
BY_NAME = {operation.name: operation for operation in OPERATIONS}


# Cached: each request is identified several times.
@lru_cache(maxsize=1024)
def identify(method: str, path: str) -> tuple[Operation | None, str | None]:
    """Return the operation of a request, and the thread id in its path.

    `path` is the path below the deployment's URL, percent-encoded as sent.
    Return `(None, None)` for a request that matches no operation.
    """
    for operation in OPERATIONS:
        if operation.matches(method, path):
            return operation, operation.id_in(path, "thread_id")
    return None, None


def _pattern(path: str) -> re.Pattern[str]:
    return _PATTERNS[path]


_PATTERNS = {
    operation.path: re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(operation.path)))
    for operation in OPERATIONS
}


@cache
def load_operations() -> dict[str, dict[str, Any]]:
    """Load the operations by operation id: `operation` (method and path), schemas, links."""
    return read_toml(_OPERATIONS)

"""The operations of the Threads API: their names, methods and paths.

The names are those of report.json's `operations`. Source: the published OpenAPI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True)
class Operation:
    """One method on one path. `writes`: whether it may change a thread, a run or a cron."""

    name: str
    method: str
    path: str
    profile: str
    writes: bool

    def matches(self, method: str, path: str) -> re.Match[str] | None:
        """The match of a request line with this operation, ids as groups."""
        if method != self.method:
            return None
        return _pattern(self.path).fullmatch(path)

    def id_in(self, path: str, name: str) -> str | None:
        """The id of that name (`thread_id`, `run_id`, `cron_id`) in a path of the operation."""
        found = self.matches(self.method, path)
        value = found.groupdict().get(name) if found else None
        return unquote(value) if value is not None else None


OPERATIONS = (
    Operation("create", "POST", "/threads", "documented", writes=True),
    Operation("search", "POST", "/threads/search", "documented", writes=False),
    Operation("count", "POST", "/threads/count", "extended", writes=False),
    Operation("prune", "POST", "/threads/prune", "extended", writes=True),
    Operation("get", "GET", "/threads/{thread_id}", "documented", writes=False),
    Operation("update", "PATCH", "/threads/{thread_id}", "extended", writes=True),
    Operation("delete", "DELETE", "/threads/{thread_id}", "extended", writes=True),
    Operation("copy", "POST", "/threads/{thread_id}/copy", "documented", writes=True),
    Operation("state", "GET", "/threads/{thread_id}/state", "documented", writes=False),
    Operation("update_state", "POST", "/threads/{thread_id}/state", "extended", writes=True),
    Operation(
        "post_state_at_checkpoint",
        "POST",
        "/threads/{thread_id}/state/checkpoint",
        "extended",
        writes=False,
    ),
    Operation(
        "state_at_checkpoint",
        "GET",
        "/threads/{thread_id}/state/{checkpoint_id}",
        "documented",
        writes=False,
    ),
    Operation("history", "GET", "/threads/{thread_id}/history", "documented", writes=False),
    Operation("post_history", "POST", "/threads/{thread_id}/history", "documented", writes=False),
    Operation("run_background", "POST", "/threads/{thread_id}/runs", "documented", writes=True),
    Operation("run_wait", "POST", "/threads/{thread_id}/runs/wait", "documented", writes=True),
    Operation("run_stream", "POST", "/threads/{thread_id}/runs/stream", "documented", writes=True),
    Operation(
        "run_join", "GET", "/threads/{thread_id}/runs/{run_id}/join", "documented", writes=False
    ),
    Operation("run_list", "GET", "/threads/{thread_id}/runs", "full", writes=False),
    Operation("run_get", "GET", "/threads/{thread_id}/runs/{run_id}", "full", writes=False),
    Operation("run_delete", "DELETE", "/threads/{thread_id}/runs/{run_id}", "full", writes=True),
    Operation(
        "run_join_stream", "GET", "/threads/{thread_id}/runs/{run_id}/stream", "full", writes=False
    ),
    Operation(
        "run_cancel", "POST", "/threads/{thread_id}/runs/{run_id}/cancel", "full", writes=True
    ),
    Operation("runs_cancel", "POST", "/runs/cancel", "full", writes=True),
    Operation("stateless_background", "POST", "/runs", "full", writes=True),
    Operation("stateless_wait", "POST", "/runs/wait", "full", writes=True),
    Operation("stateless_stream", "POST", "/runs/stream", "full", writes=True),
    Operation("stateless_batch", "POST", "/runs/batch", "full", writes=True),
    Operation("cron_create", "POST", "/threads/{thread_id}/runs/crons", "full", writes=True),
    Operation("cron_search", "POST", "/runs/crons/search", "full", writes=False),
    Operation("cron_count", "POST", "/runs/crons/count", "full", writes=False),
    Operation("cron_get", "GET", "/runs/crons/{cron_id}", "full", writes=False),
    Operation("cron_update", "PATCH", "/runs/crons/{cron_id}", "full", writes=True),
    Operation("cron_delete", "DELETE", "/runs/crons/{cron_id}", "full", writes=True),
    Operation("ok", "GET", "/ok", "documented", writes=False),
    Operation("info", "GET", "/info", "documented", writes=False),
    Operation("openapi", "GET", "/openapi.json", "documented", writes=False),
    Operation("assistants_search", "POST", "/assistants/search", "documented", writes=False),
)
BY_NAME = {operation.name: operation for operation in OPERATIONS}


def identify(method: str, path: str) -> tuple[Operation | None, str | None]:
    """The operation that a request asks for, and the thread id in its path.

    `path` is the path below the deployment's URL, percent-encoded as sent.
    `(None, None)` for a request that is none of the operations.
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

"""The record of a read-only run: requests and statuses, without content of threads.

The threads of such a run are other people's. Nothing that could hold an id or a value of
theirs is kept: of a response its status, of a request its operation, and of path, query and
body what the checks themselves put there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import starmap
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from conformance.contract.operations import BY_NAME
from conformance.deployment.ownership.proof import canonical
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.transport import Recorder

#: Response headers that reveal nothing about a thread.
_KEPT_HEADERS = frozenset({"content-type", "date", "server"})
#: Members of a query or body whose values the checks choose; others may come from a thread.
_CHOSEN_BY_CHECK = frozenset({"limit", "offset", "status", "sort_by", "sort_order", "select"})
#: Longest value, in characters of JSON, that counts as chosen by a check.
_LONGEST_OWN = 200
#: Members of a body that name a checkpoint.
_CHECKPOINTS = ("before", "checkpoint")
_NOT_RECORDED = "[not recorded: other people's threads]"
_PLACEHOLDER = re.compile(r"\$[A-Z]+(?:_\d+)?\b")


class PrivateRecorder(Recorder):
    """Records of every exchange only what reveals nothing about the threads that were read.

    Ids of `thread_ids` are replaced by `$THREAD`, or `$THREAD_1` and so on where there are
    several; checkpoints by `$CHECKPOINT`, and metadata by `$METADATA`. Ids for which
    `is_absent` is true were drawn by a check and are shown.
    """

    def __init__(
        self,
        file: Path | None,
        redactor: Redactor,
        thread_ids: Iterable[str],
        is_absent: Callable[[str], bool],
    ) -> None:
        super().__init__(file, redactor)
        self._is_absent = is_absent
        ids = [canonical(each) for each in thread_ids]
        self._names = {
            each: "$THREAD" if len(ids) == 1 else f"$THREAD_{number}"
            for number, each in enumerate(ids, 1)
        }

    def add(self, exchange: Exchange, *, of_check: bool = True) -> None:
        """Record one exchange without content."""
        super().add(
            replace(
                exchange,
                url=self._url(exchange),
                request_body=self._body(exchange.request_body),
                response_headers=tuple(
                    each for each in exchange.response_headers if each[0].lower() in _KEPT_HEADERS
                ),
                response_body=None if exchange.response_body is None else _NOT_RECORDED,
                error=None if exchange.error is None else "the connection broke",
            ),
            of_check=of_check,
        )

    def _url(self, exchange: Exchange) -> str:
        parts = urlsplit(exchange.url)
        query = urlencode(
            [
                (
                    name,
                    value if _is_chosen_by_check(name, value) else self._placeholder(name, value),
                )
                for name, value in parse_qsl(parts.query, keep_blank_values=True)
            ],
            safe="$",
        )
        path = self._path(parts.path, exchange.operation)
        return urlunsplit((parts.scheme, parts.netloc, path, query, ""))

    def _path(self, path: str, operation: str) -> str:
        """Return the path with placeholders for its ids."""
        template = BY_NAME[operation].path.split("/")[1:] if operation in BY_NAME else []
        steps = path.split("/")
        # The deployment's base path precedes that of the operation.
        base, rest = steps[: len(steps) - len(template)], steps[len(steps) - len(template) :]
        shown = [
            self._placeholder(name.strip("{}"), unquote(step)) if name.startswith("{") else step
            for name, step in zip(template, rest, strict=True)
        ]
        return "/".join([*base, *shown])

    def _body(self, body: str | None) -> str | None:
        """Return the body with a placeholder for every value that may come from a thread."""
        if not body:
            return body
        try:
            members = json.loads(body)
        except (ValueError, RecursionError):
            # A body that is not JSON was not made from a thread.
            return body if len(body) <= _LONGEST_OWN else _NOT_RECORDED
        if not isinstance(members, dict):
            return "[]" if members == [] else _NOT_RECORDED
        return "{" + ", ".join(starmap(self._member, members.items())) + "}"

    def _member(self, name: str, value: Any) -> str:
        # Empty values and numbers reveal no thread, and show what is wrong in a bad body.
        if _is_chosen_by_check(name, value) or isinstance(value, int | float) or not value:
            shown = json.dumps(value)
        elif name in _CHECKPOINTS and isinstance(value, dict):
            checkpoint_id = self._placeholder("checkpoint_id", str(value.get("checkpoint_id")))
            shown = json.dumps({"checkpoint_id": checkpoint_id, "checkpoint_ns": ""})
        else:
            shown = self._placeholder(name, value)
        return f"{json.dumps(name)}: {shown}"

    def _placeholder(self, name: str, value: Any) -> str:
        """Return the placeholder for the value of a member or of a step of the path."""
        if isinstance(value, str) and self._is_absent(value):
            return value
        if isinstance(value, str) and canonical(value) in self._names:
            return self._names[canonical(value)]
        if name == "before":
            return "$CHECKPOINT"
        return f"${re.sub('[^A-Z]', '', name.upper().removesuffix('_ID')) or 'VALUE'}"


def with_variables(command: str) -> str:
    """Return a curl command in which the shell replaces placeholders by variables of that name."""
    return _PLACEHOLDER.sub(lambda found: f"'\"{found[0]}\"'", command)


def _is_chosen_by_check(name: str, value: Any) -> bool:
    return name in _CHOSEN_BY_CHECK and len(json.dumps(value)) <= _LONGEST_OWN

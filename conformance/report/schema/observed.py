"""Differences between the answers of a deployment and its own OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from conformance.contract.openapi_queries import Description, operation_key
from conformance.contract.operations import BY_NAME
from conformance.deployment.record.exchange import Exchange
from conformance.json_text import parse_json
from conformance.safe_text import excerpt

_MISSING = (404, 405, 501)
#: At most so many different findings of one kind at one place are listed.
_MOST_FINDINGS = 6
#: The request members that limit the length of a list.
_LIMIT = ("limit", "query limit")


@dataclass(frozen=True)
class Observed:
    """One answer that differs from its declaration; `example` is a curl command that shows it."""

    kind: str
    operation: str
    where: str
    declared: str
    found: str
    example: str


def observe(
    document: Description, keys: Iterable[str], exchanges: Iterable[Exchange]
) -> Iterator[Observed]:
    """Yield the differences that exchanges of the operations `keys` show, each once."""
    compared = set(keys)
    found: dict[tuple[str, str, str, str], list[Observed]] = {}
    statuses: dict[str, set[int]] = {}
    lists = _ListLengths()
    for exchange in exchanges:
        key = _operation_key(exchange)
        if key not in compared or exchange.status is None:
            continue
        statuses.setdefault(key, set()).add(exchange.status)
        for each in (
            *_undeclared_status(document, key, exchange),
            *_answer_differences(document, key, exchange),
            *lists.default_not_kept(document, key, exchange),
        ):
            alike = found.setdefault((each.kind, key, each.where, each.declared), [])
            if all(each.found != known.found for known in alike):
                alike.append(each)
    for alike in found.values():
        yield replace(alike[0], found=" or ".join(each.found for each in alike[:_MOST_FINDINGS]))
    for key, seen in statuses.items():
        if seen <= set(_MISSING):
            answers = ", ".join(map(str, sorted(seen)))
            yield Observed("missing_operation", key, "", "declared", f"answers {answers}", "")


def _operation_key(exchange: Exchange) -> str | None:
    operation = BY_NAME.get(exchange.operation)
    return operation_key(operation.method, operation.path) if operation else None


def _undeclared_status(document: Description, key: str, exchange: Exchange) -> Iterator[Observed]:
    status = exchange.status
    if status is not None and not document.declares(key, status):
        declared = ", ".join(document.statuses(key)) or "none"
        yield Observed("undeclared_status", key, "", declared, str(status), _example(exchange))


def _answer_differences(document: Description, key: str, exchange: Exchange) -> Iterator[Observed]:
    schema = document.response_schema(key, exchange.status or 0)
    body = _parse_body(exchange.response_body)
    if schema is None or body is _NONE or exchange.status is None:
        return
    if "select" in parse_qs(urlsplit(exchange.url).query):
        return  # members that were not selected are absent, so the declared schema does not apply
    where = f"{exchange.status} $"
    for path, shown in _undocumented_members(document, schema, body, where):
        yield Observed("undocumented_member", key, path, "nothing", shown, _example(exchange))
    try:
        errors = list(document.validator(schema).iter_errors(body))
    except Exception:
        # An invalid schema makes the validator raise anything; it counts as not declared.
        return
    for error in errors:
        path = where + "".join(
            f".{step}" if isinstance(step, str) else "[]" for step in error.absolute_path
        )
        wanted = excerpt(json.dumps(error.validator_value, default=str), 120)
        declared = f"{error.validator}: {wanted}"
        yield Observed(
            "unlike_declared", key, path, declared, _kind_name(error.instance), _example(exchange)
        )


def _undocumented_members(
    document: Description, schema: Any, value: Any, path: str
) -> Iterator[tuple[str, str]]:
    """Yield path and kind of members of an answer that its schema does not declare.

    Only at the top of the answer, or of the entries of a list: deeper members are often
    the application's. A schema that declares no members is skipped.
    """
    described = document.alternatives(schema)
    if isinstance(value, list):
        for items in [each["items"] for each in described if "items" in each]:
            for each in value:
                if isinstance(each, dict):
                    yield from _undocumented_members(document, items, each, f"{path}[]")
    elif isinstance(value, dict) and (declared := document.members(schema)):
        if any(isinstance(each.get("additionalProperties"), dict) for each in described):
            return
        for name, member in value.items():
            if name not in declared:
                yield f"{path}.{name}", _kind_name(member)


class _ListLengths:
    """The longest answer to each list request, to judge the answers to requests without a limit."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], int] = {}

    def default_not_kept(
        self, document: Description, key: str, exchange: Exchange
    ) -> Iterator[Observed]:
        """Yield a difference if a list is longer than the default limit, or needlessly shorter."""
        body = _parse_body(exchange.response_body)
        declared = [
            document.request_members(key)[name].default
            for name in _LIMIT
            if name in document.request_members(key)
        ]
        default = next((each for each in declared if isinstance(each, int)), None)
        if exchange.status != 200 or not isinstance(body, list) or default is None:
            return
        asked, limit = _list_request(exchange)
        known = self._known.get((exchange.check, key, asked), 0)
        self._known[exchange.check, key, asked] = max(known, len(body))
        longer, shorter = len(body) > default, len(body) < min(known, default)
        if limit or not (longer or shorter):
            return
        yield Observed(
            "default_not_kept",
            key,
            "limit",
            str(default),
            f"{len(body)} of at least {max(known, len(body))}",
            _example(exchange),
        )


def _list_request(exchange: Exchange) -> tuple[str, bool]:
    """Return the request without its limit, as a key, and whether it had a limit."""
    parts = urlsplit(exchange.url)
    query = parse_qs(parts.query)
    body = _parse_body(exchange.request_body)
    asked = dict(body) if isinstance(body, dict) else {}
    limit = asked.pop("limit", None) is not None or query.pop("limit", None) is not None
    return json.dumps([parts.path, query, asked], sort_keys=True), limit


_NONE: Any = object()


def _parse_body(text: str | None) -> Any:
    """Return the JSON of a recorded body; `_NONE` if there is none or it was truncated."""
    try:
        return parse_json(text) if text else _NONE
    except ValueError:
        return _NONE


def _kind_name(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def _example(exchange: Exchange) -> str:
    return exchange.curl()

"""The decision which bodies a server must refuse: those that break a schema even if read leniently.

A server may be more lenient than JSON Schema: one that accepts any value with only one possible
meaning is right.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from conformance.contract.schemas import Breach, is_valid, wrong_types_and_formats


def must_be_refused(schema: str, body: Any) -> bool:
    """Return whether a body breaks the schema even if read leniently.

    Leniently: null for an optional member means that it is absent; true, false and a text of digits
    may be read as a number; a UUID may be written in any notation.
    """
    if is_valid(schema, body):
        return False
    kind = without_nulls(body)
    if (
        schema == "history_search"
        and isinstance(kind, dict)
        and isinstance(kind.get("before"), str)
    ):
        # The SDK reference also allows the id of a checkpoint.
        del kind["before"]
    for breach in wrong_types_and_formats(schema, kind):
        if (read := _lenient_value(breach)) is not None and breach.path:
            *steps, last = breach.path
            holder = kind
            for step in steps:
                holder = holder[step]
            holder[last] = read
    return not is_valid(schema, kind)


def without_nulls(value: Any) -> Any:
    """Return a copy without the members that are null, at any depth."""
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return value


def without_any_null(value: Any) -> Any:
    """Return a copy without the members and the items of lists that are null, at any depth."""
    if isinstance(value, list):
        return [without_any_null(each) for each in value if each is not None]
    if isinstance(value, dict):
        return {
            name: without_any_null(member) for name, member in value.items() if member is not None
        }
    return value


def _lenient_value(breach: Breach) -> Any:
    """Return the value as a lenient server might read it; None if there is no other reading."""
    value = breach.instance
    try:
        if breach.keyword == "type" and breach.expected in (("integer",), ("number",)):
            return int(value) if isinstance(value, str | bool) else None
        if breach.keyword == "format" and breach.expected == ("uuid",):
            return str(UUID(value))
    except ValueError:
        return None
    return None

"""What does not fit a schema, and a right server may accept all the same.

JSON Schema is stricter than the rule that a server reads kindly what can only mean one
thing. Such values are sent nowhere as something that must be refused.
"""

from __future__ import annotations

import copy
from typing import Any
from uuid import UUID

from jsonschema.exceptions import ValidationError

from conformance.contract.schemas import validator, violations


def must_be_refused(schema: str, body: Any) -> bool:
    """Whether a body breaks the schema, however kindly it is read.

    Kindly: null for an optional member is as if it were not there; true, false and a
    text of digits may be read as a number; a UUID may be written in any of its forms.
    """
    if not violations(schema, body):
        return False
    kind = without_nulls(copy.deepcopy(body))
    if (
        schema == "history_search"
        and isinstance(kind, dict)
        and isinstance(kind.get("before"), str)
    ):
        # The SDK reference also allows the id of a checkpoint.
        del kind["before"]
    for error in validator(schema).iter_errors(kind):
        if (read := _read(error)) is not None and error.absolute_path:
            *steps, last = error.absolute_path
            holder = kind
            for step in steps:
                holder = holder[step]
            holder[last] = read
    return bool(violations(schema, kind))


def without_nulls(value: Any) -> Any:
    """A copy without the members that are null, at whatever depth."""
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return value


def _read(error: ValidationError) -> Any:
    """The value as a kind server might take it; None where there is only one reading."""
    value: Any = error.instance
    try:
        if error.validator == "type" and error.validator_value in ("integer", "number"):
            return int(value) if isinstance(value, str | bool) else None
        if error.validator == "format" and error.validator_value == "uuid":
            return str(UUID(value))
    except ValueError:
        return None
    return None

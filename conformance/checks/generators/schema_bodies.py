"""Request bodies that schemathesis and hypothesis generate from our `schemas/openapi.json`.

They are sent through our own client, so that guard, ledger and recorder see them.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from typing import Any, Literal

from hypothesis import strategies as st

from conformance.checks.lenient_validation import must_be_refused
from conformance.contract.schemas import is_valid, load_openapi, load_schema
from conformance.deployment.ownership.guard import ID_MEMBERS

_COMPONENTS = "#/components/schemas/"
#: Keywords whose value is data, not a schema.
_VALUES = ("default", "enum", "const", "required")
#: The largest integer that every JSON reader keeps.
LARGEST = 2**53
#: Whether generated bodies fit a schema: a value of schemathesis's `GenerationMode`.
Mode = Literal["positive", "negative"]

#: NUL and lone surrogates.
_NOT_PORTABLE = re.compile("[\\0\ud800-\udfff]")


def valid_bodies(
    operation_id: str, schema: str, without: tuple[str, ...] = (), filled: tuple[str, ...] = ()
) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for bodies that fit the request schema and that every JSON reader keeps.

    Members that the schema does not name are left out: whether a deployment accepts such a member
    is not judged here. `without` names members to leave out, `filled` names members that are always
    objects with members.
    """

    def fits(body: Any) -> bool:
        return (
            isinstance(body, dict)
            and not body.keys() & set(without)
            and all(body.get(name) for name in filled)
            and is_portable(body)
            and is_valid(schema, body)
        )

    return (
        _bodies(operation_id, "positive", schema, without, filled)
        .map(without_thread_ids)
        .filter(fits)
        .map(_whole_numbers)
    )


def invalid_bodies(operation_id: str, schema: str) -> st.SearchStrategy[bytes]:
    """Return a strategy for bodies, as bytes, that are no JSON or break the schema.

    Left out are bodies that a lenient reader may accept, and members that the schema does not name:
    these would be a second reason to refuse the body.
    """
    declared = load_schema(schema)["properties"].keys()

    def encode(body: Any) -> bytes:
        if isinstance(body, bytes):
            return body
        if isinstance(body, dict):
            body = {name: member for name, member in body.items() if name in declared}
        return json.dumps(without_thread_ids(body), default=str).encode()

    def misfits(raw: bytes) -> bool:
        try:
            value = json.loads(raw, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return True
        return must_be_refused(schema, value)

    return _bodies(operation_id, "negative", schema).map(encode).filter(misfits)


def is_portable(value: Any) -> bool:
    """Return whether every JSON reader keeps a value: no NUL, no lone surrogate, no huge number.

    Some readers take a float beyond ±2^53 for an integer.
    """
    if isinstance(value, str):
        return _NOT_PORTABLE.search(value) is None
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int):
        return -LARGEST <= value <= LARGEST
    if isinstance(value, float):
        return math.isfinite(value) and (value == 0 or 1e-100 < abs(value) < LARGEST)
    if isinstance(value, list):
        return all(map(is_portable, value))
    return all(is_portable(key) and is_portable(member) for key, member in value.items())


def without_thread_ids(value: Any) -> Any:
    """Return a copy without the members that name threads: the run chooses the ids itself."""
    if isinstance(value, list):
        return [without_thread_ids(each) for each in value]
    if isinstance(value, dict):
        return {
            key: without_thread_ids(member)
            for key, member in value.items()
            if key not in ID_MEMBERS
        }
    return value


def _whole_numbers(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body with 1.0 written as 1: an integer by JSON Schema, but not to every reader."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in body.items()
    }


def _bodies(
    operation_id: str,
    mode: Mode,
    schema: str,
    without: tuple[str, ...] = (),
    filled: tuple[str, ...] = (),
) -> st.SearchStrategy[Any]:
    from schemathesis import GenerationMode

    found = adapted_operation(operation_id, schema, without, filled, closed=mode == "positive")
    cases: st.SearchStrategy[Any] = found.as_strategy(generation_mode=GenerationMode(mode))
    return cases.map(lambda case: case.body)


@cache
def adapted_operation(
    operation_id: str,
    schema: str,
    without: tuple[str, ...],
    filled: tuple[str, ...] = (),
    *,
    closed: bool = False,
) -> Any:
    """Return the operation from our document, its request schema adapted.

    The members in `without` are removed, and the objects in `filled` are required with at least one
    member, so that nothing is generated only to be dropped. If `closed`, objects whose schemas name
    members may have no others.
    """
    # Here, and not above: to import it takes a tenth of the time to the first check.
    import schemathesis

    document = load_openapi()
    if schema not in document["components"]["schemas"]:
        _add_operation(document, operation_id, schema)
    if closed:
        document["components"]["schemas"] = _closed(document["components"]["schemas"])
    body = document["components"]["schemas"][schema]
    for name in without:
        del body["properties"][name]
    for name in filled:
        body["properties"][name] = {**body["properties"][name], "minProperties": 1}
        body["required"] = [*body.get("required", []), name]
    path, method = next(
        (path, method)
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
        if entry.get("operationId") == operation_id
    )
    return schemathesis.openapi.from_dict(document)[path][method.upper()]


def _add_operation(document: dict[str, Any], operation_id: str, schema: str) -> None:
    """Add a run operation, which the document leaves out, with its request schema.

    The parts of the schema's `allOf` are merged into one object.
    """
    text = json.dumps(load_schema(schema)).replace("#/$defs/", _COMPONENTS)
    whole = json.loads(text)
    components: dict[str, Any] = document["components"]["schemas"]
    components.update(whole["$defs"])
    members: dict[str, Any] = {}
    required: list[str] = []
    for part in whole["allOf"]:
        if "$ref" in part:
            part = components[part["$ref"].removeprefix(_COMPONENTS)]
        members |= part["properties"]
        required += part.get("required", [])
    components[schema] = {"type": "object", "properties": members, "required": required}
    content = {"application/json": {"schema": {"$ref": f"{_COMPONENTS}{schema}"}}}
    document["paths"][f"/{operation_id}"] = {
        "post": {
            "operationId": operation_id,
            "requestBody": {"required": True, "content": content},
            "responses": {"2XX": {"description": "Done"}},
        }
    }


def _closed(schemas: dict[str, Any]) -> dict[str, Any]:
    return {name: _without_others(each) for name, each in schemas.items()}


def _without_others(schema: Any) -> Any:
    """Return the schema, with additional members forbidden in every object that names some."""
    if isinstance(schema, list):
        return [_without_others(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        key: {name: _without_others(each) for name, each in value.items()}
        if key == "properties"
        else value
        if key in _VALUES
        else _without_others(value)
        for key, value in schema.items()
    }
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")

"""Requests that schemathesis and hypothesis generate from our `schemas/openapi.json`.

They are sent through our own client, so that guard, ledger and record hold for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import hypothesis
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

from conformance.checks.generators.profile import BrokenPromises, searching
from conformance.checks.leniency import must_be_refused
from conformance.contract.schemas import load_schema, violations
from conformance.data import schemas_dir
from conformance.deployment.guard import ID_MEMBERS
from conformance.deployment.settings import Settings

#: How many requests a property is tried with, by effort.
EXAMPLES = {"quick": 5, "standard": 20, "thorough": 200}
_COMPONENTS = "#/components/schemas/"
#: Keywords whose value is data and no schema.
_VALUES = ("default", "enum", "const", "required")
#: The largest integer that every JSON reader keeps.
LARGEST = 2**53


def for_all(strategy: st.SearchStrategy[Any], holds: Callable[[Any], None], run: Settings) -> None:
    """Try a property with generated values, as many as the effort asks for.

    What makes it fail is shrunk; the last requests of the check are those of the
    smallest failure.
    """

    @hypothesis.seed(run.seed)
    @searching(run, EXAMPLES[run.effort])
    @hypothesis.given(strategy)
    def holds_always(value: Any) -> None:
        with broken.noted():
            holds(value)

    broken = BrokenPromises()
    with broken.decisive():
        holds_always()


def valid_bodies(
    operation_id: str, schema: str, without: tuple[str, ...] = (), filled: tuple[str, ...] = ()
) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies that fit the schema of the request, and that every JSON reader keeps.

    They hold no member that the schema does not name: whether a deployment takes such is
    not asked by accident. `without` are members that are left out, `filled` objects that
    have members always.
    """

    def fits(body: Any) -> bool:
        return (
            isinstance(body, dict)
            and not body.keys() & set(without)
            and all(body.get(name) for name in filled)
            and portable(body)
            and not violations(schema, body)
        )

    return (
        _bodies(operation_id, GenerationMode.POSITIVE, schema, without, filled)
        .map(without_thread_ids)
        .filter(fits)
        .map(_whole_numbers)
    )


def invalid_bodies(operation_id: str, schema: str) -> st.SearchStrategy[bytes]:
    """Bodies, as bytes, that no kind reading makes fit the schema, or that are no JSON.

    An object holds no member that the schema does not name: it would be a second reason.
    """
    declared = load_schema(schema)["properties"].keys()

    def encoded(body: Any) -> bytes:
        if isinstance(body, bytes):
            return body
        if isinstance(body, dict):
            body = {name: member for name, member in body.items() if name in declared}
        return json.dumps(without_thread_ids(body), default=str).encode()

    def misfits(raw: bytes) -> bool:
        try:
            value = json.loads(raw, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return True
        return must_be_refused(schema, value)

    return _bodies(operation_id, GenerationMode.NEGATIVE, schema).map(encoded).filter(misfits)


def metadata_values() -> st.SearchStrategy[Any]:
    """Values of metadata: few enough that two threads often share one."""
    scalars = st.sampled_from(["red", "ünï", "", "1", 0, 1, -7, True, False, None, 0.5])
    return st.one_of(
        scalars,
        st.lists(scalars, max_size=2),
        st.dictionaries(st.sampled_from(["a", "b"]), scalars, max_size=2),
    )


def metadata() -> st.SearchStrategy[dict[str, Any]]:
    """Metadata with few different keys."""
    return st.dictionaries(st.sampled_from(["k", "l", "ключ"]), metadata_values(), max_size=3)


def portable(value: Any) -> bool:
    """Whether every JSON reader keeps the value: no NUL, no lone surrogate, no huge number.

    A float beyond ±2^53 is told as an integer by some.
    """
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int):
        return -LARGEST <= value <= LARGEST
    if isinstance(value, float):
        return math.isfinite(value) and (value == 0 or 1e-100 < abs(value) < LARGEST)
    if isinstance(value, list):
        return all(map(portable, value))
    return all(portable(key) and portable(member) for key, member in value.items())


def without_thread_ids(value: Any) -> Any:
    """A copy without the members that name threads: those are for us to choose."""
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
    """The body with 1.0 written as 1: JSON Schema has them equal, not every reader does."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in body.items()
    }


def _bodies(
    operation_id: str,
    mode: GenerationMode,
    schema: str,
    without: tuple[str, ...] = (),
    filled: tuple[str, ...] = (),
) -> st.SearchStrategy[Any]:
    closed = mode is GenerationMode.POSITIVE
    found = operation(operation_id, schema, without, filled, closed=closed)
    cases: st.SearchStrategy[Any] = found.as_strategy(generation_mode=mode)
    return cases.map(lambda case: case.body)


@cache
def operation(
    operation_id: str,
    schema: str,
    without: tuple[str, ...],
    filled: tuple[str, ...] = (),
    *,
    closed: bool = False,
) -> Any:
    """The operation, in a document whose request schema lacks members, or demands them.

    What does not fit need not be generated only to be dropped. In a `closed` document
    objects have no members beyond those that their schemas name, if they name any.
    """
    document = json.loads((schemas_dir() / "openapi.json").read_text(encoding="utf-8"))
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
    """Add an operation of runs, which the document leaves out, for its request schema.

    What the schema demands in several parts stands in it as one object.
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
    """The schema, with no members but those named in every object that names some."""
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


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")

"""The compiled validator decides as the one does that explains."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.contract import schemas
from conformance.contract.documented import load_fixtures
from conformance.contract.schemas import (
    is_valid,
    load_schema,
    schema_names,
    validator,
    violations,
)

#: Values about which validators might differ.
ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.0, 1.5, 1e308, 2**63, 2**64, 10**30, -(10**30)),
    *(float("nan"), float("inf"), "", "ü", "\ud800", "\x00", "a" * 300, [], {}, [[]], {"": None}),
    *("2026-11-30T10:00:00Z", "2026-11-30T10:00:00.123456+00:00", "2026-11-30t10:00:00z"),
    *("2026-11-30 10:00:00Z", "2026-11-30T10:00:00", "2026-11-30T23:59:60Z"),
    *("2026-02-30T10:00:00Z", "2026-11-30T10:00:00+24:00"),
    *("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-00000000000A"),
    *("00000000000040008000000000000001", "{00000000-0000-4000-8000-000000000001}"),
    *("http://[", "a b", "idle", "human", "update"),
]
SHOWN = [
    each.get("output", each.get("request", {}).get("body")) for each in load_fixtures().values()
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a JSON value; of a list only the first item's."""
    yield path
    inner: list[tuple[Any, Any]] = [*value.items()] if isinstance(value, dict) else []
    if isinstance(value, list):
        inner = [*enumerate(value)][:1]
    for key, member in inner:
        yield from places(member, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """Return a copy of a JSON value in which the value at a path is another one."""
    if not path:
        return by
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], by)
    return changed


def valid_object(name: str) -> dict[str, Any]:
    """Return an object that is valid by a schema, if the documents show one, else an empty one."""
    fitting = (each for each in SHOWN if isinstance(each, dict) and validator(name).is_valid(each))
    return next(fitting, {})


def instances(name: str) -> Iterator[Any]:
    """Yield odd values, alone and in each member of a schema, and what documents show."""
    valid = valid_object(name)
    yield from (*ODD, *SHOWN, valid)
    for member in load_schema(name).get("properties", {}):
        yield from ({**valid, member: odd} for odd in ODD)
        yield from ({**valid, member: [odd]} for odd in ODD)
        yield from ({**valid, member: {"": odd}} for odd in ODD)


def told_alike(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether both name the same places for what is no number and no UUID there.

    Of these a lenient reading is decided; jsonschema-rs leaves members named "" out of a path.
    """

    def told() -> list[tuple[Any, ...]]:
        return sorted(
            (
                (each.path, each.keyword, sorted(each.expected))
                for each in found(name, value)
                if {"integer", "number", "uuid"} & set(each.expected)
            ),
            key=repr,
        )

    found = schemas.wrong_types_and_formats
    by_compiled = told()
    with monkeypatch.context() as only:
        only.setattr(schemas, "_compiled", _broken)
        return by_compiled == told()


def _broken(_name: str) -> Any:
    raise ValueError


@pytest.mark.slow
@pytest.mark.parametrize("name", schema_names())
def test_both_decide_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in instances(name):
        expected = validator(name).is_valid(each)
        assert is_valid(name, each) is expected, each
        assert bool(violations(name, each)) is not expected
        assert told_alike(name, each, monkeypatch)


@pytest.mark.slow
def test_both_decide_alike_about_what_is_changed_somewhere() -> None:
    for shown in SHOWN:
        fitting = [name for name in schema_names() if validator(name).is_valid(shown)]
        for path in places(shown):
            for odd in ODD:
                changed = replaced(shown, path, odd)
                for name in fitting:
                    assert is_valid(name, changed) is validator(name).is_valid(changed), changed


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("2026-11-30T10:00:00Z", True),
        ("2026-11-30T10:00:00", False),
        ("2026-11-30T10:00:00+24:00", False),
        ("\ud800", False),
        (float("nan"), False),
    ],
)
def test_a_format_is_decided_by_the_same_function(value: Any, right: bool) -> None:
    thread = {**valid_object("thread"), "created_at": value}
    assert is_valid("thread", thread) is right
    assert validator("thread").is_valid(thread) is right

"""The committed schemas, and validation of instances with messages in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from conformance.data import schemas_dir
from conformance.safe_text import excerpt

#: The formats that the schemas use. A missing library is an error, not a silent pass.
FORMATS = ("date-time", "uuid", "uri-reference")

#: The schemas of files that this project writes; they are written by hand, not derived.
OWN_FILES = ("report", "baseline", "plant", "verification")

_NOT_OF_THE_CONTRACT = ("openapi", *OWN_FILES)
_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_FORMAT_WORDS = {
    "date-time": "a date and time with an offset (RFC 3339)",
    "uuid": "a UUID",
    "uri-reference": "a URI reference",
}
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters long",
    "maxLength": "at most {} characters long",
    "minItems": "a list of at least {}",
    "maxItems": "a list of at most {}",
    "minProperties": "an object of at least {} members",
    "maxProperties": "an object of at most {} members",
}


class SchemaError(Exception):
    """A schema cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Violation:
    """One violation: its JSON path (`$.values.messages[0].id`), and a plain message.

    `keyword` is the JSON Schema keyword that is violated.
    """

    path: str
    message: str
    keyword: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@cache
def schema_names() -> tuple[str, ...]:
    """Return the names of the contract's schemas, sorted."""
    names = sorted(path.stem for path in schemas_dir().glob("*.json"))
    return tuple(name for name in names if name not in _NOT_OF_THE_CONTRACT)


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Load a schema by its name (`thread`); raise `SchemaError` for an unknown name."""
    if name not in schema_names():
        raise SchemaError(f"there is no schema {name!r}; there are {', '.join(schema_names())}")
    text = (schemas_dir() / f"{name}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def load_openapi() -> dict[str, Any]:
    """Load `openapi.json`, the document of the Threads operations; a new object each time."""
    document: dict[str, Any] = json.loads(
        (schemas_dir() / "openapi.json").read_text(encoding="utf-8")
    )
    return document


@cache
def validator(name: str) -> Draft202012Validator:
    """Return the validator of a schema; it checks formats."""
    return Draft202012Validator(
        load_schema(name), registry=_registry(), format_checker=format_checker()
    )


@cache
def _compiled(name: str) -> jsonschema_rs.Draft202012Validator:
    """Return the compiled validator of a schema, which decides as `validator` does, but sooner.

    It checks formats by the same functions.
    """
    schemas = [(load_schema(each)["$id"], load_schema(each)) for each in schema_names()]
    return jsonschema_rs.Draft202012Validator(
        load_schema(name),
        registry=jsonschema_rs.Registry(schemas),
        validate_formats=True,
        formats={each: partial(format_checker().conforms, format=each) for each in FORMATS},
    )


def is_valid(name: str, instance: Any) -> bool:
    """Return whether an instance is valid by the schema `name`."""
    try:
        return _compiled(name).is_valid(instance)
    except (ValueError, TypeError, OverflowError):
        # What a compiled validator cannot read: lone surrogates, not-a-number.
        return validator(name).is_valid(instance)


@dataclass(frozen=True)
class Breach:
    """One place of an instance that is of a wrong type, or not in a format.

    `expected` are the types of JSON Schema that are allowed there, or the format alone.
    """

    path: tuple[str | int, ...]
    keyword: str
    expected: tuple[str, ...]
    instance: Any


def wrong_types_and_formats(name: str, instance: Any) -> list[Breach]:
    """Return where an instance is of a type, or in no format, that the schema `name` allows."""
    try:
        return [
            Breach(tuple(each.instance_path), each.kind.name, expected, each.instance)
            for each in _compiled(name).iter_errors(instance)
            if (expected := _expected(each.kind))
        ]
    except (ValueError, TypeError, OverflowError):
        # What a compiled validator cannot read: lone surrogates, not-a-number.
        return [
            Breach(
                tuple(each.absolute_path),
                each.validator,
                _as_tuple(each.validator_value),
                each.instance,
            )
            for each in validator(name).iter_errors(instance)
            if each.validator in ("type", "format")
        ]


def _expected(kind: jsonschema_rs.ValidationErrorKind) -> tuple[str, ...]:
    """Return what the compiled validator expected, of a type or format; empty for all else."""
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Type):
        return tuple(kind.types)
    return (kind.format,) if isinstance(kind, jsonschema_rs.ValidationErrorKind.Format) else ()


def _as_tuple(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@cache
def member_names() -> frozenset[str]:
    """Return the names of all top-level members of the contract's schemas."""
    return frozenset(
        member for name in schema_names() for member in load_schema(name).get("properties", {})
    )


@cache
def format_checker() -> FormatChecker:
    """Return a checker of exactly `FORMATS`; raise `SchemaError` if a library is missing."""
    try:
        known = {each: Draft202012Validator.FORMAT_CHECKER.checkers[each] for each in FORMATS}
    except KeyError as missing:
        raise SchemaError(
            f"the format {missing} cannot be checked here: "
            "install what checks it, pip install rfc3339-validator rfc3986-validator"
        ) from missing
    checker = FormatChecker(formats=())
    checker.checkers = known
    return checker


@cache
def _registry() -> Registry[Any]:
    schemas = [load_schema(name) for name in schema_names()]
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in schemas]
    return Registry().with_resources(resources).crawl()


def schema_members(name: str) -> frozenset[str]:
    """Return the names of the members of an object that a schema publishes."""
    return frozenset(load_schema(name)["properties"])


def violations(name: str, instance: Any) -> list[Violation]:
    """Return how an instance violates the schema `name`, sorted by path; empty if valid."""
    # Most are valid. jsonschema, which takes ten times as long, says what is wrong with the others.
    if is_valid(name, instance):
        return []
    return list(_to_violations(validator(name).iter_errors(instance)))


def _to_violations(errors: Iterable[ValidationError]) -> Iterable[Violation]:
    for error in sorted(errors, key=lambda each: list(each.absolute_path)):
        if error.validator in ("anyOf", "oneOf") and error.context:
            yield from _alternative_violations(error)
        elif error.validator == "required":
            yield from _missing_member(error)
        else:
            yield Violation(
                error.json_path, f"{_subject(error)} {_predicate(error)}", str(error.validator)
            )


def _missing_member(error: ValidationError) -> Iterable[Violation]:
    # jsonschema reports one error per missing member, and names it only in the message.
    required: Any = error.validator_value
    instance: Any = error.instance
    absent = [each for each in required if each not in instance]
    name = next(each for each in absent if error.message.startswith(repr(each)))
    yield Violation(f"{error.json_path}.{name}", f"{name} is missing", "required")


def _alternative_violations(error: ValidationError) -> Iterable[Violation]:
    """Return the violations of the alternative that the instance most likely intends."""
    branches: dict[Any, list[ValidationError]] = {}
    for each in error.context:
        branches.setdefault(each.schema_path[0], []).append(each)
    meant = [errors for errors in branches.values() if not _wrong_kind(errors, error)]
    if meant:
        likeliest = min(meant, key=len)
        yield from _to_violations(likeliest)
        return
    kinds = [kind for errors in branches.values() for kind in _kinds(errors[0])]
    words = f"{_subject(error)} is {_value_text(error.instance)}, but must be {_join_kinds(kinds)}"
    yield Violation(error.json_path, words, "type")


def _wrong_kind(errors: list[ValidationError], parent: ValidationError) -> bool:
    """Return whether an alternative already fails on the type of the instance itself."""
    depth = len(parent.absolute_path)
    return any(each.validator == "type" and len(each.absolute_path) == depth for each in errors)


def _kinds(error: ValidationError) -> list[str]:
    kinds: Any = error.validator_value
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _join_kinds(kinds: list[str]) -> str:
    words = [_TYPES[kind] for kind in dict.fromkeys(kinds)]
    return " or ".join(words)


def _subject(error: ValidationError) -> str:
    """Return the subject of the message: the last name or index on the path."""
    if not error.absolute_path:
        return "it"
    last = error.absolute_path[-1]
    return str(last) if isinstance(last, str) else f"item {last}"


def _predicate(error: ValidationError) -> str:
    keyword, shown = error.validator, _value_text(error.instance)
    wanted: Any = error.validator_value
    if keyword == "type":
        return f"is {shown}, but must be {_join_kinds(_kinds(error))}"
    if keyword == "enum":
        return f"is {shown}, but must be one of {', '.join(map(str, wanted))}"
    if keyword == "format":
        return f"is {shown}, but must be {_FORMAT_WORDS.get(wanted, wanted)}"
    if keyword in _LIMITS:
        return f"is {shown}, but must be {_LIMITS[keyword].format(wanted)}"
    return f"is {shown}, which breaks {keyword}: {excerpt(json.dumps(wanted), 80)}"


def _value_text(value: Any) -> str:
    """Return a value as text for people; objects and lists by type and size."""
    if isinstance(value, dict):
        names = ", ".join(list(value)[:4])
        return f"an object with {excerpt(names, 80)}" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return repr(excerpt(value, 80))
    return json.dumps(value)

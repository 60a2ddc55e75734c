"""Queries on an OpenAPI document: its operations, statuses and the members of its schemas.

Any document can be used, also an invalid one: what cannot be resolved counts as not
declared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

_DOCUMENT = "urn:threads-conformance:described"
_METHODS = ("get", "put", "post", "delete", "patch")
_ALTERNATIVES = ("allOf", "anyOf", "oneOf")


@dataclass(frozen=True)
class Member:
    """A member that a schema declares: its resolved schema, and whether it is required."""

    schema: dict[str, Any]
    required: bool = False

    @property
    def default(self) -> Any:
        """The declared default; None where there is none."""
        return self.schema.get("default")

    @cached_property
    def enum(self) -> tuple[Any, ...] | None:
        """The declared values, in a fixed order; None if there is no enum."""
        found = self.schema.get("enum")
        return tuple(sorted(found, key=repr)) if isinstance(found, list) else None


class Description:
    """An OpenAPI document, queried by operation key (`POST /threads/{}`)."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        resource = DRAFT202012.create_resource(document)
        self._registry: Registry[Any] = Registry().with_resource(_DOCUMENT, resource)
        self._validators: dict[int, Draft202012Validator] = {}
        self.operations = dict(self._operations())

    def _operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        paths = self._document.get("paths")
        for path, methods in (paths if isinstance(paths, dict) else {}).items():
            if not isinstance(methods, dict):
                continue
            shared = methods.get("parameters", [])
            for method, operation in methods.items():
                if method in _METHODS and isinstance(operation, dict):
                    own = operation.get("parameters", [])
                    yield (
                        operation_key(method, str(path)),
                        {**operation, "parameters": [*_list(shared), *_list(own)]},
                    )

    def declares(self, key: str, status: int) -> bool:
        """Return whether an operation declares a status: exactly, as `4XX`, or as `default`."""
        declared = {str(each).upper() for each in self._responses(key)}
        return bool(declared & {str(status), f"{status // 100}XX", "DEFAULT"})

    def statuses(self, key: str) -> tuple[str, ...]:
        """Return the statuses that an operation declares, as written."""
        return tuple(sorted(map(str, self._responses(key))))

    def request_members(self, key: str) -> dict[str, Member]:
        """Return the declared request members: those of the JSON body, and `query NAME`."""
        operation = self.operations[key]
        members = {}
        for given in operation["parameters"]:
            each = self.resolve(given)
            if each.get("in") == "query" and isinstance(each.get("name"), str):
                schema = self.resolve(each.get("schema"))
                members[f"query {each['name']}"] = Member(schema, each.get("required") is True)
        body = self._json_schema(self.resolve(operation.get("requestBody")))
        return {**members, **self.members(body)}

    def response_schema(self, key: str, status: int | None = None) -> dict[str, Any] | None:
        """Return the schema of the JSON answer with `status`; without it, of the first success."""
        responses = {str(each).upper(): found for each, found in self._responses(key).items()}
        wanted = (
            [str(status), f"{status // 100}XX", "DEFAULT"]
            if status
            else sorted(each for each in responses if each.startswith("2"))
        )
        for each in wanted:
            if each in responses:
                return self._json_schema(self.resolve(responses[each]))
        return None

    def members(self, schema: Any) -> dict[str, Member]:
        """Return the top-level members that a schema declares, in all its alternatives."""
        found: dict[str, Member] = {}
        for each in self.alternatives(schema):
            required = _list(each.get("required"))
            properties = each.get("properties")
            for name, member in (properties if isinstance(properties, dict) else {}).items():
                found.setdefault(name, Member(self.resolve(member), name in required))
        return found

    def alternatives(self, schema: Any) -> list[dict[str, Any]]:
        """Return a schema and all its `allOf`, `anyOf` and `oneOf` parts, resolved, each once."""
        found: list[dict[str, Any]] = []
        open_schemas = [schema]
        while open_schemas:
            current = self.resolve(open_schemas.pop())
            if current and not any(current is each for each in found):
                found.append(current)
                for keyword in _ALTERNATIVES:
                    open_schemas += _list(current.get(keyword))
        return found

    def resolve(self, node: Any) -> dict[str, Any]:
        """Return the node with its `$ref` followed; empty if the reference cannot be resolved."""
        seen: set[str] = set()
        while isinstance(node, dict) and isinstance(reference := node.get("$ref"), str):
            if reference in seen or not reference.startswith("#"):
                return {}
            seen.add(reference)
            try:
                found = self._registry.resolver(_DOCUMENT).lookup(reference).contents
            except (Unresolvable, ValueError, TypeError, AttributeError):
                return {}
            rest = {name: value for name, value in node.items() if name != "$ref"}
            node = {**found, **rest} if rest and isinstance(found, dict) else found
        return node if isinstance(node, dict) else {}

    def validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        """Return a validator for a schema of this document; formats are not checked."""
        if id(schema) not in self._validators:
            made = Draft202012Validator(_with_absolute_references(schema), registry=self._registry)
            self._validators[id(schema)] = made
        return self._validators[id(schema)]

    def _responses(self, key: str) -> dict[Any, Any]:
        found = self.operations[key].get("responses")
        return found if isinstance(found, dict) else {}

    def _json_schema(self, holder: dict[str, Any]) -> dict[str, Any] | None:
        content = holder.get("content")
        for media_type, each in (content if isinstance(content, dict) else {}).items():
            if "json" in str(media_type) and isinstance(each, dict):
                schema = each.get("schema")
                return schema if isinstance(schema, dict) else None
        return None


def operation_key(method: str, path: str) -> str:
    """Return the key of an operation, parameter names removed: `POST /threads/{}/copy`."""
    return f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path.rstrip('/') or '/')}"


def _with_absolute_references(node: Any) -> Any:
    """Return the node with its local references made absolute, into the document."""
    if isinstance(node, list):
        return [_with_absolute_references(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        name: f"{_DOCUMENT}{value}"
        if name == "$ref" and isinstance(value, str) and value.startswith("#")
        else _with_absolute_references(value)
        for name, value in node.items()
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

"""Claims: requirements that only a newer release states, judged only where it is declared.

A requirement that only a newer published document states has a `claim`, such as
`POST /threads/search: exclude_metadata`. A deployment claims it if its own OpenAPI document
declares that parameter, or that member of the request's or the answer's body. If the claim has a
value, such as `GET /threads/{thread_id}/runs: select=cancel_reason`, the enumeration of the
parameter or member must also contain that value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from conformance.contract.openapi_queries import Description, operation_key

_CLAIM = re.compile(r"(?P<method>[A-Z]+) (?P<path>/\S*): (?P<name>\w+)(?:=(?P<value>\w+))?$")


@dataclass(frozen=True)
class Claim:
    """A query parameter, or a member of a body, of an operation such as `POST /threads/search`.

    `value` is a value that the parameter or member, or an item of it, can have; empty if the claim
    names none.
    """

    method: str
    path: str
    name: str
    value: str = ""

    @classmethod
    def parse(cls, text: str) -> Claim:
        """Read `METHOD /path: name`, perhaps with `=value`; raise `ValueError` for other forms."""
        found = _CLAIM.match(text)
        if found is None:
            raise ValueError(f"{text!r} is no claim: write it like 'POST /threads/search: select'")
        return cls(found["method"], found["path"], found["name"], found["value"] or "")

    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        return f"{self.name}{value} of {self.method} {self.path}"

    @property
    def key(self) -> str:
        """The operation without the names of its path parameters: `GET /threads/{}/history`."""
        return operation_key(self.method, self.path)


def declares(document: Any, claim: Claim) -> bool:
    """Return whether an OpenAPI document, valid or not, declares a claim."""
    if not isinstance(document, dict):
        return False
    described = Description(document)
    if claim.key not in described.operations:
        return False
    requested = {
        name.removeprefix("query "): each
        for name, each in described.request_members(claim.key).items()
    }
    declared = {**described.members(described.response_schema(claim.key)), **requested}
    if claim.name not in declared:
        return False
    return not claim.value or claim.value in _values(described, declared[claim.name].schema)


def _values(described: Description, schema: Any) -> list[Any]:
    """Return the values in the enumerations of a schema, and of the schema of its items."""
    whole = described.alternatives(schema)
    items = [each for one in whole for each in described.alternatives(one.get("items"))]
    enumerated = [each.get("enum") for each in (*whole, *items)]
    return [value for each in enumerated if isinstance(each, list) for value in each]

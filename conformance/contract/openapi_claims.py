"""What an OpenAPI document declares of an operation: what newer releases add is judged only there.

A requirement that only a newer published document states has a `claim`, such as
`POST /threads/search: exclude_metadata`. A deployment claims it if its own OpenAPI document
declares that parameter, or that member of the request's or the answer's body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from conformance.contract.openapi_queries import Description, operation_key

_CLAIM = re.compile(r"(?P<method>[A-Z]+) (?P<path>/\S*): (?P<name>\w+)$")


@dataclass(frozen=True)
class Claim:
    """A query parameter, or a member of a body, of an operation such as `POST /threads/search`."""

    method: str
    path: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Claim:
        """Read `METHOD /path: name`; raise `ValueError` for another form."""
        found = _CLAIM.match(text)
        if found is None:
            raise ValueError(f"{text!r} is no claim: write it like 'POST /threads/search: select'")
        return cls(found["method"], found["path"], found["name"])

    def __str__(self) -> str:
        return f"{self.name} of {self.method} {self.path}"

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
    requested = {name.removeprefix("query ") for name in described.request_members(claim.key)}
    answered = described.members(described.response_schema(claim.key))
    return claim.name in requested or claim.name in answered

"""How a deployment's own OpenAPI document differs from the contract and from its answers.

The differences are information and change no verdict: no requirement covers the document.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from conformance.contract.catalogue import load_catalogue
from conformance.contract.claims import Claim
from conformance.contract.openapi_queries import Description, Member
from conformance.deployment.record.exchange import Exchange
from conformance.report.schema.observed import Observed, observe
from conformance.safe_text import excerpt

FORMAT = "threads-conformance-schema-comparison/1"

#: Kinds of differences in the order of the report, with their descriptions.
KINDS = {
    "undeclared_operation": "the contract has the operation, the document does not declare it",
    "missing_operation": "declared, but every request found it missing",
    "undeclared_status": "a status that was answered and is not declared",
    "undocumented_member": "a member of an answer that is not declared",
    "unlike_declared": "an answer that does not fit its own declaration",
    "default_not_kept": "an actual default that differs from the declared one",
    "request_member_not_declared": "a request member of the contract that is not declared",
    "request_member_beyond": "a declared request member that the contract does not have",
    "enum_differs": "other values than the contract's",
    "default_differs": "another default than the contract's",
}


@dataclass(frozen=True)
class Difference:
    """One difference at one place of an operation.

    `declared` is what the document says, `found` what was observed or the contract says;
    `example` is a curl command that shows it.
    """

    kind: str
    operation: str
    where: str
    declared: str
    found: str
    example: str = ""


@dataclass(frozen=True)
class SchemaComparison:
    """All differences of one document. In `url` secrets are redacted."""

    url: str
    title: str
    version: str
    operations: tuple[str, ...]
    differences: tuple[Difference, ...]

    def counts(self) -> dict[str, int]:
        """Count the differences of each kind that occurs."""
        kinds = [each.kind for each in self.differences]
        return {kind: kinds.count(kind) for kind in KINDS if kind in kinds}

    def to_json(self) -> dict[str, Any]:
        """Return the comparison in the form of `schema-comparison.json`."""
        return {
            "format": FORMAT,
            "document": {"url": self.url, "title": self.title, "version": self.version},
            "operations": list(self.operations),
            "differences": [asdict(each) for each in self.differences],
        }


def compare_schema(
    document: dict[str, Any],
    contract: dict[str, Any],
    exchanges: Iterable[Exchange],
    url: str,
) -> SchemaComparison:
    """Compare a document with that of the contract and with the exchanges of one run."""
    theirs, ours = Description(document), Description(contract)
    found: list[Difference] = []
    for key in ours.operations:
        if key in theirs.operations:
            found += _request_differences(key, theirs, ours)
        else:
            found.append(Difference("undeclared_operation", key, "", "nothing", "in the contract"))
    compared = [key for key in ours.operations if key in theirs.operations]
    found += [_as_difference(each) for each in observe(theirs, compared, exchanges)]
    order = list(KINDS)
    found.sort(key=lambda each: (order.index(each.kind), each.operation, each.where))
    info = document.get("info")
    described = info if isinstance(info, dict) else {}
    return SchemaComparison(
        url=url,
        title=excerpt(str(described.get("title", "")), 200),
        version=excerpt(str(described.get("version", "")), 80),
        operations=tuple(compared),
        differences=tuple(found),
    )


def _as_difference(seen: Observed) -> Difference:
    return Difference(
        seen.kind, seen.operation, seen.where, seen.declared, seen.found, seen.example
    )


def _request_differences(key: str, theirs: Description, ours: Description) -> Iterable[Difference]:
    """Yield request members that only one side declares or that the sides declare differently."""
    declared, wanted = theirs.request_members(key), ours.request_members(key)
    for name in wanted.keys() - declared.keys():
        yield Difference(
            "request_member_not_declared", key, name, "nothing", _as_text(wanted[name].schema)
        )
    for name in declared.keys() - wanted.keys():
        if (key, name.rpartition(" ")[2]) in _published_later():
            continue  # judged by requirements of its own
        yield Difference(
            "request_member_beyond",
            key,
            name,
            _as_text(declared[name].schema),
            "not in the contract",
        )
    for name in declared.keys() & wanted.keys():
        yield from _member_differences(key, name, declared[name], wanted[name], theirs, ours)


@cache
def _published_later() -> frozenset[tuple[str, str]]:
    """Return operation and name of each member that a requirement of a newer document claims."""
    requirements = load_catalogue().requirements.values()
    claims = [Claim.parse(each.claim) for each in requirements if each.claim]
    return frozenset((each.key, each.name) for each in claims)


def _member_differences(
    key: str, name: str, declared: Member, wanted: Member, theirs: Description, ours: Description
) -> Iterable[Difference]:
    if declared.default != wanted.default:
        yield Difference(
            "default_differs", key, name, _as_text(declared.default), _as_text(wanted.default)
        )
    # The enum of a list is declared on its items.
    pairs = [(name, declared, wanted)]
    if "items" in declared.schema and "items" in wanted.schema:
        items = Member(theirs.resolve(declared.schema["items"]))
        pairs.append((f"{name}[]", items, Member(ours.resolve(wanted.schema["items"]))))
    for where, one, other in pairs:
        if one.enum != other.enum:
            yield Difference("enum_differs", key, where, _as_text(one.enum), _as_text(other.enum))


def _as_text(value: Any) -> str:
    if value is None:
        return "none"
    text = json.dumps(value, ensure_ascii=False)
    return excerpt(text, 160)

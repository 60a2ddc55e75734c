"""How a deployment's own OpenAPI document differs from the contract and from what it did.

It is information and no verdict: a document that is silent breaks no promise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from conformance.contract.described import Description, Member
from conformance.deployment.exchange import Exchange
from conformance.excerpt import excerpt
from conformance.report.schema.observed import Observed, observe

FORMAT = "threads-conformance-schema-comparison/1"

#: Kinds of differences, in the order in which they are told, as people read them.
KINDS = {
    "undeclared_operation": "the contract has the operation, the document does not declare it",
    "missing_operation": "declared, but every request found it missing",
    "undeclared_status": "a status that was answered and is not declared",
    "undocumented_member": "a member of an answer that is not declared",
    "unlike_declared": "an answer that does not fit its own declaration",
    "default_not_kept": "a default that is not what it says",
    "request_member_not_declared": "a request member of the contract that is not declared",
    "request_member_beyond": "a declared request member that the contract does not have",
    "enum_differs": "other values than the contract's",
    "default_differs": "another default than the contract's",
}


@dataclass(frozen=True)
class Difference:
    """One difference: in which operation, where in it, what is declared, what is."""

    kind: str
    operation: str
    where: str
    declared: str
    found: str
    example: str = ""


@dataclass(frozen=True)
class Comparison:
    """All differences of one document. `url` is shown as given, secrets replaced."""

    url: str
    title: str
    version: str
    operations: tuple[str, ...]
    differences: tuple[Difference, ...]

    def counts(self) -> dict[str, int]:
        """How many differences there are of each kind, of those that occur."""
        kinds = [each.kind for each in self.differences]
        return {kind: kinds.count(kind) for kind in KINDS if kind in kinds}

    def to_json(self) -> dict[str, Any]:
        """The comparison as `schema-comparison.json` has it."""
        return {
            "format": FORMAT,
            "document": {"url": self.url, "title": self.title, "version": self.version},
            "operations": list(self.operations),
            "differences": [asdict(each) for each in self.differences],
        }


def compare(
    document: dict[str, Any],
    contract: dict[str, Any],
    exchanges: Iterable[Exchange],
    url: str,
) -> Comparison:
    """Compare a document with the contract's own and with the exchanges of one run."""
    theirs, ours = Description(document), Description(contract)
    found: list[Difference] = []
    for key in ours.operations:
        if key in theirs.operations:
            found += _requests(key, theirs, ours)
        else:
            found.append(Difference("undeclared_operation", key, "", "nothing", "in the contract"))
    compared = [key for key in ours.operations if key in theirs.operations]
    found += [_as_difference(each) for each in observe(theirs, compared, exchanges)]
    order = list(KINDS)
    found.sort(key=lambda each: (order.index(each.kind), each.operation, each.where))
    info = document.get("info")
    described = info if isinstance(info, dict) else {}
    return Comparison(
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


def _requests(key: str, theirs: Description, ours: Description) -> Iterable[Difference]:
    """Members of the request on one side only, and those that are declared otherwise."""
    declared, wanted = theirs.asked(key), ours.asked(key)
    for name in wanted.keys() - declared.keys():
        yield Difference(
            "request_member_not_declared", key, name, "nothing", _told(wanted[name].schema)
        )
    for name in declared.keys() - wanted.keys():
        yield Difference(
            "request_member_beyond", key, name, _told(declared[name].schema), "not in the contract"
        )
    for name in declared.keys() & wanted.keys():
        yield from _otherwise(key, name, declared[name], wanted[name], theirs, ours)


def _otherwise(
    key: str, name: str, declared: Member, wanted: Member, theirs: Description, ours: Description
) -> Iterable[Difference]:
    if declared.default != wanted.default:
        yield Difference(
            "default_differs", key, name, _told(declared.default), _told(wanted.default)
        )
    # The values of a list are declared for its items.
    pairs = [(name, declared, wanted)]
    if "items" in declared.schema and "items" in wanted.schema:
        items = Member(theirs.resolved(declared.schema["items"]))
        pairs.append((f"{name}[]", items, Member(ours.resolved(wanted.schema["items"]))))
    for where, one, other in pairs:
        if one.enum != other.enum:
            yield Difference("enum_differs", key, where, _told(one.enum), _told(other.enum))


def _told(value: Any) -> str:
    if value is None:
        return "none"
    text = json.dumps(value, ensure_ascii=False)
    return excerpt(text, 160)

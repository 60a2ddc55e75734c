"""What a newer published document adds to the pinned one, and which requirements cite it.

Prose is not compared: see `published.extract`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from conformance.contract.catalogue import Catalogue
from conformance.contract.published import PINNED_VERSION
from conformance.contract.published_citations import citation

#: Keywords whose values are lists of schemas, which are compared one by one.
_NESTED = ("anyOf", "oneOf", "allOf")


@dataclass(frozen=True)
class Addition:
    """One fact that a document has beyond another.

    `piece` is how a source cites it (`ThreadSearchRequest.exclude_metadata`,
    `GET /threads/{thread_id}/history, parameter select`), `detail` says which part of the piece is
    new; it is empty if the whole piece is.
    """

    piece: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.piece}: {self.detail}" if self.detail else self.piece


@dataclass(frozen=True)
class AdditionCoverage:
    """An addition, the ids of the requirements that cite it, and why it is left out, if it is."""

    addition: Addition
    cited_by: tuple[str, ...]
    left_out: str

    @property
    def covered(self) -> bool:
        """Whether a requirement cites the addition, or a reason leaves it out."""
        return bool(self.cited_by or self.left_out)


def additions(old: dict[str, Any], new: dict[str, Any]) -> list[Addition]:
    """Return what `new` declares and `old` does not; both as `published.extract` makes them."""
    return list(dict.fromkeys(_additions(old, new)))


def _additions(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Addition]:
    known = {*old["operations"], *old["other_operations"]}
    for name in [*new["operations"], *new["other_operations"]]:
        if name not in known:
            yield Addition(name)
    for name, operation in new["operations"].items():
        if name in old["operations"]:
            yield from _of_operation(name, old["operations"][name], operation)
    for name, schema in new["schemas"].items():
        if name not in old["schemas"]:
            yield Addition(name)
        else:
            yield from _of_schema(name, old["schemas"][name], schema)


def _of_operation(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Addition]:
    for key, parameter in new["parameters"].items():
        place, _, named = key.partition(" ")
        piece = f"{name}, {'header' if place == 'header' else 'parameter'} {named}"
        if key not in old["parameters"]:
            yield Addition(piece)
        else:
            yield from _of_schema(piece, old["parameters"][key]["schema"], parameter["schema"])
    for status in new["responses"]:
        if status not in old["responses"]:
            yield Addition(f"{name}, declared statuses", status)


def _of_schema(piece: str, old: Any, new: Any) -> Iterator[Addition]:
    """Yield the members and keywords that a schema has beyond another at the same place."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return
    for member, schema in new.get("properties", {}).items():
        named = f"{piece}.{member}"
        if member not in old.get("properties", {}):
            yield Addition(named)
        else:
            yield from _of_schema(named, old["properties"][member], schema)
    if values := [each for each in new.get("enum", ()) if each not in old.get("enum", ())]:
        yield Addition(f"{piece}, enum", ", ".join(map(str, values)))
    for keyword, value in new.items():
        if keyword in ("properties", "enum", "items", *_NESTED):
            continue
        if old.get(keyword) != value:
            yield Addition(f"{piece}, {keyword}", str(value))
    yield from _of_schema(piece, old.get("items"), new.get("items"))
    for keyword in _NESTED:
        pairs = list(zip(old.get(keyword, ()), new.get(keyword, ()), strict=False))
        for before, after in pairs:
            yield from _of_schema(piece, before, after)
        if len(new.get(keyword, ())) > len(pairs):
            yield Addition(f"{piece}, {keyword}", "another alternative")


def coverage(found: Iterable[Addition], catalogue: Catalogue) -> list[AdditionCoverage]:
    """Return for each addition what cites it; only sources newer than the pinned document count."""
    requirements = [
        (each.id, piece)
        for each in catalogue.requirements.values()
        for source in each.sources
        for piece in _newer_pieces(source)
    ]
    left_out = [
        (each.reason, piece) for each in catalogue.left_out for piece in _newer_pieces(each.source)
    ]
    return [
        AdditionCoverage(
            addition,
            tuple(dict.fromkeys(id for id, piece in requirements if _cites(piece, addition))),
            next((reason for reason, piece in left_out if _cites(piece, addition)), ""),
        )
        for addition in found
    ]


def _newer_pieces(source: str) -> tuple[str, ...]:
    cited = citation(source)
    return cited.pieces if cited and cited.release != PINNED_VERSION else ()


def _cites(piece: str, addition: Addition) -> bool:
    """Return whether a piece of a source names the addition, a part of it, or its place.

    A new value of an enum is cited by its member as well: `Run.status` cites `Run.status, enum`.
    """
    if piece == addition.piece or piece.startswith((f"{addition.piece},", f"{addition.piece}.")):
        return True
    names_an_operation_alone = " /" in piece and ", " not in piece
    return addition.piece.startswith(f"{piece}, ") and not names_an_operation_alone

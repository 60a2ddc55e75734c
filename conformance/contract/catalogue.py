"""The catalogue: every requirement, read once from `requirements/*.toml`.

A requirement is one testable statement with an id, drawn from a source. The files
are the only place where requirements are written; a slip in them stops the import
of the catalogue, so that no run is made with half of it.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

LEVELS = ("MUST", "SHOULD", "MAY")
#: Profiles nest: each holds all that stands before it.
PROFILES = ("documented", "extended", "full")
#: What a run takes upon itself, least first.
EFFORTS = ("quick", "standard", "thorough")

#: Our own client, by which all is asked but the documents' flows in their languages.
HTTP = "http"
#: The clients of the documents, whose requirements are those of one capability.
DOCUMENTED_CLIENTS = ("python-sdk", "js-sdk", "curl")
ALL_CLIENTS = (HTTP, *DOCUMENTED_CLIENTS)
CLIENTS_CAPABILITY = "clients"
#: Who may come in: judged where the user says that there are doors.
ACCESS_CAPABILITY = "access"

_DIRECTORY = Path(__file__).parent / "requirements"
_ID = re.compile(r"^[A-Z]+(-[A-Z]+)?-\d{2}$")


class CatalogueError(Exception):
    """The catalogue contradicts itself; the message names file and requirement."""


@dataclass(frozen=True)
class Requirement:
    """One promise. `sources` name a document, the published OpenAPI or the SDK.

    `effort` is the least at which it is checked: below it, it is not selected, so that
    what takes minutes makes no run incomplete.
    """

    id: str
    title: str
    statement: str
    level: str
    profile: str
    capability: str
    sources: tuple[str, ...]
    rationale: str = ""
    disputed: str = ""
    effort: str = EFFORTS[0]


@dataclass(frozen=True)
class LeftOut:
    """Something a source says that no requirement covers, with the reason."""

    what: str
    source: str
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """All requirements by id, in the order of the files, and what is left out."""

    requirements: dict[str, Requirement]
    left_out: tuple[LeftOut, ...]
    digest: str

    def in_profile(
        self, profile: str, clients: Collection[str] = (HTTP,)
    ) -> tuple[Requirement, ...]:
        """The requirements of `profile` and of all that it contains.

        A requirement counts where one of the clients that decide it is asked for: those of
        the capability `clients` are decided by the documents' clients, all others by HTTP.
        """
        wanted = PROFILES[: PROFILES.index(profile) + 1]
        return tuple(
            each
            for each in self.requirements.values()
            if each.profile in wanted
            and (
                any(client in clients for client in DOCUMENTED_CLIENTS)
                if each.capability == CLIENTS_CAPABILITY
                else HTTP in clients
            )
        )

    def capabilities(self) -> tuple[str, ...]:
        """The capabilities, in the order of the files."""
        return tuple(dict.fromkeys(each.capability for each in self.requirements.values()))


@cache
def load_catalogue() -> Catalogue:
    """The catalogue that the package carries; `CatalogueError` on a slip in it."""
    return read_catalogue(sorted(_DIRECTORY.glob("*.toml")))


def read_catalogue(files: Iterable[Path]) -> Catalogue:
    """Read a catalogue from TOML files of `[[requirement]]` and `[[left_out]]` tables."""
    requirements: dict[str, Requirement] = {}
    left_out: list[LeftOut] = []
    for file in files:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        for entry in data.get("requirement", []):
            requirement = _requirement(entry, file)
            if requirement.id in requirements:
                raise CatalogueError(f"{file.name}: {requirement.id} is defined twice")
            requirements[requirement.id] = requirement
        left_out += [LeftOut(**entry) for entry in data.get("left_out", [])]
    canonical = json.dumps([asdict(each) for each in requirements.values()], sort_keys=True)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    in_order = sorted(requirements.values(), key=lambda each: PROFILES.index(each.profile))
    return Catalogue({each.id: each for each in in_order}, tuple(left_out), f"sha256:{digest}")


def _requirement(entry: dict[str, Any], file: Path) -> Requirement:
    where = f"{file.name}: {entry.get('id', 'a requirement without id')}"
    known = {each.name for each in fields(Requirement)}
    if unknown := entry.keys() - known:
        raise CatalogueError(f"{where} has unknown members: {', '.join(sorted(unknown))}")
    try:
        made = Requirement(**{**entry, "sources": tuple(entry.get("sources", ()))})
    except TypeError as missing:
        raise CatalogueError(f"{where}: {missing}") from missing
    if not _ID.match(made.id):
        raise CatalogueError(f"{where}: an id looks like COPY-03")
    if made.level not in LEVELS:
        raise CatalogueError(f"{where}: level is one of {', '.join(LEVELS)}")
    if made.profile not in PROFILES:
        raise CatalogueError(f"{where}: profile is one of {', '.join(PROFILES)}")
    if made.effort not in EFFORTS:
        raise CatalogueError(f"{where}: effort is one of {', '.join(EFFORTS)}")
    if made.level not in made.statement:
        raise CatalogueError(f"{where}: the statement does not use the verb {made.level}")
    if not made.sources:
        raise CatalogueError(f"{where}: a requirement names its sources")
    return made

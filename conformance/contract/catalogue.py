"""The catalogue: every requirement, read once from `requirements/*.toml`.

A requirement is one testable statement with an id, drawn from a source. The files
are the only place where requirements are written. A mistake in them is an error when
the catalogue is loaded, so that no run uses an incomplete catalogue.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from conformance.contract.claims import Claim
from conformance.typed_data import DataError, check_keys, read_toml, typed

LEVELS = ("MUST", "SHOULD", "MAY")
#: The levels whose failures count for the verdict: a MAY is optional, or disputed.
COUNTED_LEVELS = ("MUST", "SHOULD")
#: Profiles nest: each includes all profiles before it.
PROFILES = ("documented", "extended", "full")
#: The effort levels of a run, lowest first.
EFFORTS = ("quick", "standard", "thorough")

#: The suite's own HTTP client, used for all checks except those of `DOCUMENTED_CLIENTS`.
HTTP = "http"
#: The clients that the documents show; their requirements form one capability.
DOCUMENTED_CLIENTS = ("python-sdk", "js-sdk", "curl")
ALL_CLIENTS = (HTTP, *DOCUMENTED_CLIENTS)
CLIENTS_CAPABILITY = "clients"
#: Authentication and tenants: judged only if the user says that credentials are required.
ACCESS_CAPABILITY = "access"
#: What survives a restart: judged only if the user says that the deployment may be restarted.
RESTART_CAPABILITY = "durability"
#: Many states and many threads: judged only if the user says how many may be made.
SCALE_CAPABILITY = "scale"

_DIRECTORY = Path(__file__).parent / "requirements"
_ID = re.compile(r"^[A-Z]+(-[A-Z]+)?-\d{2}$")


class CatalogueError(Exception):
    """The catalogue is invalid; the message names the file and the requirement."""


@dataclass(frozen=True)
class Requirement:
    """One testable promise. `sources` name a document, the published OpenAPI or the SDK.

    `effort` is the lowest effort at which it is checked. Below that it is not selected, so
    that a check that takes minutes does not make a quicker run incomplete.

    A requirement that only a document newer than the pinned one states has `since`, the release of
    that document, and `claim`. It is judged only where the deployment's own OpenAPI document
    declares the claim: see `claims.Claim`.
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
    since: str = ""
    claim: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A statement of a source that no requirement covers, with the reason."""

    what: str
    source: str
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """All requirements by id, in the order of profiles and files, and what is left out."""

    requirements: dict[str, Requirement]
    left_out: tuple[LeftOut, ...]
    digest: str

    def in_profile(
        self, profile: str, clients: Collection[str] = (HTTP,)
    ) -> tuple[Requirement, ...]:
        """Return the requirements of `profile` and of the profiles that it includes.

        Requirements of the capability `clients` are returned if one of the documented
        clients is in `clients`, all others if `HTTP` is.
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
        """Return the capabilities, in the order of the requirements."""
        return tuple(dict.fromkeys(each.capability for each in self.requirements.values()))


@cache
def load_catalogue() -> Catalogue:
    """Load the catalogue of the package; raise `CatalogueError` if it is invalid."""
    return read_catalogue(sorted(_DIRECTORY.glob("*.toml")))


def read_catalogue(files: Iterable[Path]) -> Catalogue:
    """Read a catalogue from TOML files of `[[requirement]]` and `[[left_out]]` tables.

    Raise `CatalogueError` for an invalid entry or an id that is defined twice.
    """
    requirements: dict[str, Requirement] = {}
    left_out: list[LeftOut] = []
    for file in files:
        data = read_toml(file)
        for entry in data.get("requirement", []):
            requirement = _parse_requirement(entry, file)
            if requirement.id in requirements:
                raise CatalogueError(f"{file.name}: {requirement.id} is defined twice")
            requirements[requirement.id] = requirement
        left_out += typed(data.get("left_out", []), list[LeftOut])
    canonical = json.dumps([asdict(each) for each in requirements.values()], sort_keys=True)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    in_order = sorted(requirements.values(), key=lambda each: PROFILES.index(each.profile))
    return Catalogue({each.id: each for each in in_order}, tuple(left_out), f"sha256:{digest}")


def _parse_requirement(entry: dict[str, Any], file: Path) -> Requirement:
    where = f"{file.name}: {entry.get('id', 'a requirement without id')}"
    try:
        check_keys(entry, Requirement)
        made = typed(entry, Requirement)
    except DataError as wrong:
        raise CatalogueError(f"{where}: {wrong}") from wrong
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
    if bool(made.since) is not bool(made.claim):
        raise CatalogueError(f"{where}: since and claim stand together")
    if made.claim:
        try:
            Claim.parse(made.claim)
        except ValueError as wrong:
            raise CatalogueError(f"{where}: {wrong}") from wrong
    return made

"""The areas of the board: capabilities grouped, with what it means where they are broken.

The words are in `areas.toml`, for teams that only use a server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance.typed_data import read_toml, typed

_FILE = Path(__file__).with_name("areas.toml")


@dataclass(frozen=True)
class Words:
    """A capability in words: its title, and what it means where its promises are broken."""

    title: str
    means: str


@dataclass(frozen=True)
class Area:
    """Capabilities that share a column of the overview; `slug` is its anchor."""

    name: str
    about: str
    capabilities: dict[str, Words]

    @property
    def slug(self) -> str:
        """The anchor of the area."""
        return self.name.lower()


#: Holds capabilities that this version of the suite does not know.
OTHER = Area("Other", "Capabilities that this version of the suite does not know.", {})


@cache
def areas() -> tuple[Area, ...]:
    """Return the areas, in the order of the overview."""
    return typed(read_toml(_FILE)["area"], tuple[Area, ...])


def area_of(capability: str) -> Area:
    """Return the area of a capability; `OTHER` if it is in none."""
    return _by_capability().get(capability, OTHER)


@cache
def _by_capability() -> dict[str, Area]:
    return {name: area for area in areas() for name in area.capabilities}


def words_of(capability: str) -> Words:
    """Return the words of a capability; its own name if it is not known."""
    return area_of(capability).capabilities.get(capability, Words(capability, ""))

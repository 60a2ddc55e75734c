"""The registry of freedoms, and deployments that take them.

A freedom is made as a fault is: it replaces decisions of the model, or changes requests
and answers at the HTTP layer. Nothing of it may turn a check red.
"""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from starlette.types import ASGIApp

from conformance.contract.catalogue import PROFILES, load_catalogue
from conformance.reference.altered import Altered, Apply
from conformance.reference.app import create_app, new_store
from conformance.reference.doors import behind_doors

_MODULES = "conformance.freedoms"
#: What is no freedom itself, but what freedoms are made of and kept in.
_MACHINERY = ("parts", "registry")


@dataclass(frozen=True)
class Freedom:
    """A way in which a right server may differ from the reference.

    `allowed_by` names the source that allows it, or says of what all sources are silent.
    `may_block` are patterns of the requirements of which nothing can be said any more, as
    `IDENTITY-*`. `breaks` are patterns of requirements of wider profiles that it breaks: it
    is a freedom of the profiles below. Freedoms that make the same one of their `choices`
    exclude each other. `settings` are what a user of such a server would write in the
    settings. What is in an outer `layer` stands around the others: bytes are written there.
    `profile` is the first of which checks reach what it alters.
    """

    name: str
    allowed_by: str
    apply: Apply
    may_block: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    layer: int = 0
    profile: str = PROFILES[0]

    def within(self, profile: str) -> bool:
        """Whether checks of a profile reach what it alters."""
        return PROFILES.index(self.profile) <= PROFILES.index(profile)

    def may(self, requirement: str) -> bool:
        """Whether nothing need be said of a requirement under this freedom."""
        return _named(requirement, self.may_block)

    def breaks_also(self, requirement: str) -> bool:
        """Whether it breaks a requirement of a profile in which it is no freedom."""
        return _named(requirement, self.breaks)

    def excludes(self, other: Freedom) -> bool:
        """Whether no server can take both."""
        return bool(set(self.choices) & set(other.choices))


def _named(requirement: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(requirement, each) for each in patterns)


_FREEDOMS: dict[str, Freedom] = {}


class FreedomError(Exception):
    """A freedom contradicts the catalogue or another one; the message names it."""


def freedom(
    name: str,
    *,
    allowed_by: str,
    may_block: str = "",
    breaks: str = "",
    choice: str | tuple[str, ...] = (),
    settings: Mapping[str, Any] | None = None,
    layer: int = 0,
    profile: str = PROFILES[0],
) -> Callable[[Apply], Apply]:
    """Register a freedom under its name; patterns are written with spaces between."""
    if name in _FREEDOMS:
        raise FreedomError(f"there are two freedoms {name!r}")
    known = load_catalogue().requirements
    for pattern in (*may_block.split(), *breaks.split()):
        if not fnmatch.filter(known, pattern):
            raise FreedomError(f"{name}: no requirement is called {pattern}")
    if profile not in PROFILES:
        raise FreedomError(f"{name}: no profile is called {profile}")

    def register(apply: Apply) -> Apply:
        _FREEDOMS[name] = Freedom(
            name,
            allowed_by,
            apply,
            tuple(may_block.split()),
            tuple(breaks.split()),
            (choice,) if isinstance(choice, str) else choice,
            settings or {},
            layer,
            profile,
        )
        return apply

    return register


@cache
def all_freedoms() -> dict[str, Freedom]:
    """Every freedom by name, in the order in which they are written."""
    package = importlib.import_module(_MODULES)
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in _MACHINERY:
            importlib.import_module(f"{_MODULES}.{module.name}")
    return _FREEDOMS


def free_deployment(
    chosen: Sequence[Freedom],
    *,
    speed: float = 1.0,
    cron_minute_s: float = 60.0,
    tenants: Mapping[str, str] | None = None,
) -> tuple[list[list[Altered]], ASGIApp]:
    """A deployment that takes these freedoms at once, and the application that serves it.

    Each freedom alters the same store, and has an HTTP layer of its own around those of
    inner layers and of the ones before. What they altered comes in their order: of one
    deployment, or, with `tenants` (names by key), of one for each tenant.
    """
    altered: list[list[Altered]] = [[] for _ in chosen]

    def served(_tenant: str) -> ASGIApp:
        store = new_store(speed)
        app: ASGIApp = create_app(store, speed=speed, cron_minute_s=cron_minute_s)
        inner_first = sorted(zip(chosen, altered, strict=True), key=lambda each: each[0].layer)
        for each, made in inner_first:
            one = Altered(store=store)
            each.apply(one)
            one.wire.app = app
            app = one.wire
            made.append(one)
        return app

    return altered, behind_doors(tenants, served) if tenants else served("")

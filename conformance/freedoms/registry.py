"""The registry of freedoms, and deployments with freedoms.

A freedom is built like a fault: it overrides decisions of the model, or changes requests and
answers at the HTTP layer. No check may fail because of a freedom.
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
from conformance.reference.app import new_store
from conformance.reference.restarting import RestartableApp
from conformance.reference.tenants import for_tenants

_MODULES = "conformance.freedoms"
#: Modules of this package without freedoms.
_MACHINERY = ("kit", "registry")


@dataclass(frozen=True)
class Freedom:
    """A way in which a right server may differ from the reference.

    - `allowed_by` is the source that allows it, or on what all sources are silent.
    - `may_block`: patterns, such as `IDENTITY-*`, of requirements that may become undecided.
    - `breaks`: patterns of requirements that it breaks; they belong to wider profiles than those
      in which it is a freedom.
    - `choices`: freedoms with a choice in common exclude each other.
    - `settings`: the settings that a user of such a server would write.
    - `layer`: freedoms of outer layers are applied around those of inner ones; the outermost
      write the bytes.
    - `profile`: the narrowest profile whose checks reach the alteration.
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
        """Return whether checks of a profile reach the alteration."""
        return PROFILES.index(self.profile) <= PROFILES.index(profile)

    def may_leave_undecided(self, requirement: str) -> bool:
        """Return whether a requirement may become undecided under this freedom."""
        return _matches_any(requirement, self.may_block)

    def breaks_requirement(self, requirement: str) -> bool:
        """Return whether the freedom breaks the requirement, which is then of a wider profile."""
        return _matches_any(requirement, self.breaks)

    def excludes(self, other: Freedom) -> bool:
        """Return whether no server can have both freedoms."""
        return bool(set(self.choices) & set(other.choices))


def _matches_any(requirement: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(requirement, each) for each in patterns)


_FREEDOMS: dict[str, Freedom] = {}


class FreedomError(Exception):
    """A freedom contradicts the catalogue or another freedom; the message names the freedom."""


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
    """Register a freedom under its name; patterns are separated by spaces.

    FreedomError if the name is taken, or a pattern or profile is unknown.
    """
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
    """Return every freedom by name, in the order of registration."""
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
    """Return the deployments with these freedoms, and the application that serves them.

    Each freedom alters the same store, and has an HTTP layer around those of inner layers and of
    the freedoms before it. The result has, for each freedom in order, its altered deployments:
    one, or with `tenants` (names by API key) one per tenant.
    """
    altered: list[list[Altered]] = [[] for _ in chosen]

    def served(_tenant: str) -> ASGIApp:
        store = new_store(speed)
        process = RestartableApp(store, speed=speed, cron_minute_s=cron_minute_s)
        app: ASGIApp = process
        inner_first = sorted(zip(chosen, altered, strict=True), key=lambda each: each[0].layer)
        for each, made in inner_first:
            one = Altered(store=store, app=process)
            each.apply(one)
            one.wire.app = app
            app = one.wire
            made.append(one)
        return app

    return altered, for_tenants(tenants, served) if tenants else served("")

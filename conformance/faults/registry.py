"""Faults: named ways to break promises in the reference deployment.

A fault replaces one decision of the model (`override`), or changes requests and answers
at the HTTP layer (the rules of `Wire`), and names every requirement that it breaks.
The faults themselves stand by capability in the modules beside this one; what they are made of
is in `kit`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from starlette.types import ASGIApp

from conformance.model.store import ThreadStore
from conformance.reference.altered import Altered
from conformance.reference.altered import Apply as Apply
from conformance.reference.app import create_app, new_store
from conformance.reference.doors import behind_doors

#: What is no fault itself.
_MACHINERY = ("kit", "registry")

#: A deployment of its own for one fault.
FaultyDeployment = Altered


@dataclass(frozen=True)
class Fault:
    """A way to break the requirements `breaks`: all of them, and no others."""

    name: str
    breaks: tuple[str, ...]
    apply: Apply


_FAULTS: dict[str, Fault] = {}


def fault(name: str, *, breaks: list[str] | str) -> Callable[[Apply], Apply]:
    """Register a fault under its name; many requirements are written with spaces between."""
    broken = tuple(breaks.split() if isinstance(breaks, str) else breaks)
    if name in _FAULTS:
        raise ValueError(f"there are two faults {name!r}")

    def register(apply: Apply) -> Apply:
        _FAULTS[name] = Fault(name, broken, apply)
        return apply

    return register


@cache
def all_faults() -> dict[str, Fault]:
    """Every fault by name, in the order in which they are written."""
    package = importlib.import_module("conformance.faults")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name in _MACHINERY:
            continue
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _FAULTS


def faulty_deployment(
    chosen: Fault | None,
    *,
    speed: float = 1.0,
    cron_minute_s: float = 60.0,
    tenants: Mapping[str, str] | None = None,
) -> tuple[FaultyDeployment, ASGIApp]:
    """A deployment with the fault, and the application that serves it.

    `speed` and `cron_minute_s` as of `create_app`. With `tenants`, names by key, it has
    doors; what a fault decides otherwise in the store is then the first tenant's.
    """
    stores = {name: new_store(speed) for name in dict.fromkeys((tenants or {}).values())}
    broken = FaultyDeployment(store=next(iter(stores.values()), None) or new_store(speed))
    broken.by_key.update((key, stores[name]) for key, name in (tenants or {}).items())
    if chosen is not None:
        chosen.apply(broken)

    def served(store: ThreadStore) -> ASGIApp:
        return create_app(store, speed=speed, cron_minute_s=cron_minute_s)

    broken.wire.app = (
        behind_doors(tenants, lambda name: served(stores[name]))
        if tenants
        else served(broken.store)
    )
    return broken, broken.wire

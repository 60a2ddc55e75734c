"""The registry of faults: named ways to break requirements in the reference deployment.

A fault overrides a decision of the model (`override`), or changes requests and answers at the
HTTP layer (the rules of `Wire`), and names every requirement that it breaks. The faults are in
the other modules of this package, by capability; their building blocks are in `kit`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from starlette.types import ASGIApp

from conformance.contract.catalogue import load_catalogue
from conformance.model.store import ThreadStore
from conformance.reference.altered import Altered
from conformance.reference.altered import Apply as Apply
from conformance.reference.app import new_store
from conformance.reference.restarting import RestartableApp
from conformance.reference.tenants import for_tenants

#: Modules of this package without faults.
_MACHINERY = ("kit", "registry")

#: The deployment to which a fault is applied.
FaultyDeployment = Altered


@dataclass(frozen=True)
class Fault:
    """A way to break all of the requirements `breaks`, and no others."""

    name: str
    breaks: tuple[str, ...]
    apply: Apply


class FaultError(ValueError):
    """A fault cannot be registered; the message names the fault and the reason."""


_FAULTS: dict[str, Fault] = {}


def fault(name: str, *, breaks: list[str] | str) -> Callable[[Apply], Apply]:
    """Register a fault under its name; `breaks` may be one text, with spaces between the ids.

    FaultError if the name is taken, or a requirement unknown.
    """
    broken = tuple(breaks.split() if isinstance(breaks, str) else breaks)
    if name in _FAULTS:
        raise FaultError(f"there are two faults {name!r}")
    if unknown := [each for each in broken if each not in load_catalogue().requirements]:
        raise FaultError(f"the fault {name} breaks the unknown requirement {', '.join(unknown)}")

    def register(apply: Apply) -> Apply:
        _FAULTS[name] = Fault(name, broken, apply)
        return apply

    return register


@cache
def all_faults() -> dict[str, Fault]:
    """Return every fault by name, in the order of registration."""
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
    """Return a deployment with the fault, and the application that serves it.

    `speed` and `cron_minute_s` as for `create_app`. `tenants` maps API keys to tenant names and
    adds access control; overridden decisions are then those of the first tenant's store.
    """
    stores = {name: new_store(speed) for name in dict.fromkeys((tenants or {}).values())}
    broken = FaultyDeployment(store=next(iter(stores.values()), None) or new_store(speed))
    broken.by_key.update((key, stores[name]) for key, name in (tenants or {}).items())
    if chosen is not None:
        chosen.apply(broken)

    def served(store: ThreadStore) -> RestartableApp:
        return RestartableApp(store, speed=speed, cron_minute_s=cron_minute_s)

    if tenants:
        broken.wire.app = for_tenants(tenants, lambda name: served(stores[name]))
    else:
        broken.wire.app = broken.app = served(broken.store)
    return broken, broken.wire

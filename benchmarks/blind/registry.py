"""The registry of blind faults.

Their authors know the sources, public bug reports and changelogs, the model and the HTTP layer of
the reference, but no check and no requirement. So a blind fault does not name the requirements
that it breaks: a run of the checks shows which fail.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from conformance.reference.altered import Apply


@dataclass(frozen=True)
class BlindFault:
    """A fault, its set, and its source: a report of such a bug, or the sentence it contradicts."""

    name: str
    set_name: str
    source: str
    apply: Apply


_KNOWN: dict[str, BlindFault] = {}


def blind(name: str, *, source: str) -> Callable[[Apply], Apply]:
    """Register a function that alters the reference deployment as a blind fault.

    `source` is an address of a bug report or changelog, or the sentence that it contradicts.
    ValueError if the name is taken.
    """

    def register(apply: Apply) -> Apply:
        if name in _KNOWN:
            raise ValueError(f"there are two blind faults {name!r}")
        _KNOWN[name] = BlindFault(name, apply.__module__.rpartition(".")[2], source, apply)
        return apply

    return register


def all_blind_faults() -> dict[str, BlindFault]:
    """Return every blind fault by name, set by set."""
    package = importlib.import_module("benchmarks.blind.sets")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _KNOWN

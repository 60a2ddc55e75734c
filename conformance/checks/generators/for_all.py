"""Checking of a property with generated values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import hypothesis
from hypothesis import strategies as st

from conformance.checks.generators.check_each import tried_together
from conformance.checks.generators.generated_cache import load_cached, store_cached
from conformance.checks.generators.hypothesis_setup import LastBrokenPromise, hypothesis_settings
from conformance.checks.outcomes import PromiseBroken
from conformance.deployment.settings import Settings
from conformance.time_account import Activity, spend

#: How many requests a property is tried with, by effort.
EXAMPLES = {"quick": 5, "standard": 20, "thorough": 200}


def for_all(
    strategy: st.SearchStrategy[Any],
    holds: Callable[[Any], None],
    settings: Settings,
    name: str = "",
    at_once: int = 1,
) -> None:
    """Check a property with as many generated values as the effort asks for.

    `holds` raises `PromiseBroken` for a value without the property. A failure is shrunk; the last
    requests of the check are those of the smallest failure. If `name` is given, the values are
    cached for later runs; it must contain everything on which the strategy depends. `at_once`
    values are tried at a time, as by `check_each`.
    """
    kept = (name, settings.seed, EXAMPLES[settings.effort])
    with spend(Activity.GENERATING):
        values = load_cached(*kept) if name else None
        if values is None and at_once > 1:
            values = _generated(strategy, settings)
            if name:
                store_cached(values, *kept)
    with tried_together(holds, values or (), at_once if values else 1) as all_hold:
        if not all_hold:
            _try_one_by_one(strategy, holds, settings, values, kept if name else None)


def _try_one_by_one(
    strategy: st.SearchStrategy[Any],
    holds: Callable[[Any], None],
    settings: Settings,
    values: list[Any] | None,
    kept: tuple[object, ...] | None,
) -> None:
    """Try the values, or generate them; shrink a failure; keep what was generated as `kept`."""
    if values is not None and _all_hold(values, holds, settings):
        return
    made: list[Any] = []

    @hypothesis.seed(settings.seed)
    @hypothesis_settings(settings, EXAMPLES[settings.effort])
    @hypothesis.given(strategy)
    def holds_always(value: Any) -> None:
        made.append(deepcopy(value))
        with broken.record(), spend(Activity.JUDGING):
            holds(value)

    broken = LastBrokenPromise()
    with broken.replace_flaky(), spend(Activity.GENERATING):
        holds_always()
    if kept:
        store_cached(made, *kept)


def _generated(strategy: st.SearchStrategy[Any], settings: Settings) -> list[Any]:
    """Return the values with which a property would be tried."""
    made: list[Any] = []

    @hypothesis.seed(settings.seed)
    @hypothesis_settings(settings, EXAMPLES[settings.effort])
    @hypothesis.given(strategy)
    def collect(value: Any) -> None:
        made.append(deepcopy(value))

    collect()
    return made


def _all_hold(values: Iterable[Any], holds: Callable[[Any], None], settings: Settings) -> bool:
    """Return whether the property holds for all; if shrinking is off, raise the first failure."""
    try:
        for value in values:
            holds(value)
    except PromiseBroken:
        if not settings.shrink:
            raise
        return False
    return True

"""The hypothesis settings of the checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import Any
from unittest.mock import patch

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import Flaky

from conformance.checks.outcomes import PromiseBroken
from conformance.deployment.settings import Settings
from conformance.user_dirs import cache_dir


def hypothesis_settings(
    settings: Settings, max_examples: int, **others: Any
) -> hypothesis.settings:
    """Return hypothesis settings for a deployment: no deadline, no database, one failure shown."""
    return hypothesis.settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink) if settings.shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        **others,
    )


class LastBrokenPromise:
    """The last broken promise of a search, for failures that hypothesis cannot reproduce.

    A deployment that behaves differently each time still broke its promise.
    """

    def __init__(self) -> None:
        self._last: PromiseBroken | None = None

    @contextmanager
    def record(self) -> Iterator[None]:
        """Record the broken promise that leaves the block."""
        try:
            yield
        except PromiseBroken as broken:
            self._last = broken
            raise

    @contextmanager
    def replace_flaky(self) -> Iterator[None]:
        """Raise the last broken promise where hypothesis would only report flakiness."""
        try:
            yield
        except Flaky:
            if self._last is None:
                raise
            raise self._last from None


@contextmanager
def set_up_hypothesis() -> Iterator[None]:
    """Make hypothesis draw the same values in every process, and write to the user's cache only.

    By default, hypothesis also draws constants from the code of its caller: one seed would give
    different requests in a checkout, in an installation and next to a user's own tests. Reading
    that code takes a second of every run, and so does building hypothesis' tables of characters,
    which are kept in the cache.
    """
    set_hypothesis_home_dir(cache_dir("hypothesis"))
    try:
        with _without_constants_of_code():
            yield
    finally:
        set_hypothesis_home_dir(None)


@contextmanager
def _without_constants_of_code() -> Iterator[None]:
    """Let hypothesis find no constants in code, if it has the internal parts that collect them.

    Hypothesis has no setting for this. A version whose internals differ still draws constants.
    """
    with ExitStack() as stack:
        with suppress(ImportError, AttributeError):
            providers = import_module("hypothesis.internal.conjecture.providers")
            none = import_module("hypothesis.internal.constants_ast").Constants()
            provider = providers.HypothesisProvider
            stack.enter_context(patch.object(provider, "_local_constants", none))
            # The shared cache may hold constants from the code of a user's tests, and must not get
            # ours.
            stack.enter_context(patch.object(providers, "CONSTANTS_CACHE", _own_cache()))
        yield


@cache
def _own_cache() -> Any:
    """Return a cache for the constants that hypothesis may draw, used by the checks alone."""
    kept = import_module("hypothesis.internal.conjecture.providers").CONSTANTS_CACHE
    return type(kept)(kept.max_size)

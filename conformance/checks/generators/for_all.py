"""Checking of a property with generated values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import strategies as st

from conformance.checks.generators.hypothesis_setup import BrokenPromises, hypothesis_settings
from conformance.deployment.settings import Settings

#: How many requests a property is tried with, by effort.
EXAMPLES = {"quick": 5, "standard": 20, "thorough": 200}


def for_all(strategy: st.SearchStrategy[Any], holds: Callable[[Any], None], run: Settings) -> None:
    """Check a property with as many generated values as the effort asks for.

    A failure is shrunk; the last requests of the check are those of the smallest failure.
    """

    @hypothesis.seed(run.seed)
    @hypothesis_settings(run, EXAMPLES[run.effort])
    @hypothesis.given(strategy)
    def holds_always(value: Any) -> None:
        with broken.record():
            holds(value)

    broken = BrokenPromises()
    with broken.replace_flaky():
        holds_always()

"""How hypothesis looks for what breaks a promise."""

from __future__ import annotations

from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity

from conformance.deployment.settings import Settings


def searching(run: Settings, max_examples: int, **others: Any) -> hypothesis.settings:
    """Settings of hypothesis for a deployment: no deadline, nothing kept, one failure told."""
    return hypothesis.settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink) if run.shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        **others,
    )

"""The settings of a new run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from conformance.contract.catalogue import ALL_CLIENTS
from conformance.deployment.settings import Settings


def client_names(name: str) -> tuple[str, ...]:
    """Return the names of the clients for the value of the option: one of them, or all."""
    return ALL_CLIENTS if name == "all" else (name,)


def new_settings(url: str, run_dir: Path, **options: Any) -> Settings:
    """Return settings of a new run, with a fresh run id."""
    return Settings(
        url=url,
        run_id=str(uuid4()),
        started_at=datetime.now(UTC).isoformat(),
        run_dir=str(run_dir),
        **options,
    )

"""The settings of a new run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict, Unpack
from uuid import uuid4

from conformance.contract.catalogue import ALL_CLIENTS
from conformance.deployment.settings import GraphSettings, OtherGraphs, Settings


class SettingsOptions(TypedDict, total=False):
    """The settings that a user can choose, except the headers.

    These are those of `Settings` without what identifies the run: URL, id, start and folder.
    The commands that run checks take their options by these names.
    """

    profile: str
    effort: str
    seed: int
    graph: GraphSettings
    graphs: OtherGraphs
    requirements: tuple[str, ...]
    capabilities: tuple[str, ...]
    visible_within_s: float
    timeout_s: float
    run_timeout_s: float
    cron_within_s: float
    repeat_failures: int
    shrink: bool
    clients: tuple[str, ...]
    disposable: bool
    launched: bool
    outage_within_s: float
    backoff_s: float
    read_only: bool
    thread_ids: tuple[str, ...]
    protected: bool
    other_headers: tuple[tuple[str, str], ...]
    restart: str
    shard: str
    load_users: int
    load_processes: int
    load_pause_s: float
    scale: int
    max_body_mib: int
    ca_bundle: str | None
    insecure: bool
    timings: bool


def client_names(name: str) -> tuple[str, ...]:
    """Return the names of the clients for the value of the option: one of them, or all."""
    return ALL_CLIENTS if name == "all" else (name,)


def new_settings(
    url: str,
    run_dir: Path,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    **options: Unpack[SettingsOptions],
) -> Settings:
    """Return settings of a new run, with a fresh run id; `SettingsError` for an unusable URL."""
    settings = Settings(
        url=url,
        run_id=str(uuid4()),
        started_at=datetime.now(UTC).isoformat(),
        run_dir=str(run_dir),
        headers=headers,
        **options,
    )
    # An unusable URL is refused here, before anything is opened.
    _ = settings.address
    return settings

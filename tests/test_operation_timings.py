"""Durations of operations, read from what workers recorded."""

from __future__ import annotations

from pathlib import Path

from conformance.deployment.settings import Settings
from conformance.runner.operation_timings import timings
from tests.report_examples import exchange


def test_every_complete_line_counts(tmp_path: Path) -> None:
    whole = exchange(operation="get", elapsed_ms=2.5).to_json()
    # A lone surrogate is written as an escape.
    unusual = exchange(operation="copy", elapsed_ms=4.0, response_body="\ud800").to_json()
    (tmp_path / "exchanges-gw0.jsonl").write_text(f"{whole}\n{unusual}\n{whole[:-5]}")
    (tmp_path / "exchanges-gw1.jsonl").write_text(f"{whole}\n")
    settings = Settings("", run_id="", started_at="", run_dir=str(tmp_path))
    assert list(timings(settings)) == [("get", 2.5), ("copy", 4.0), ("get", 2.5)]

"""Reading of the exchanges.har files of shards, to make one file and one set of durations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from conformance.report.record import ReportError

Entries = list[dict[str, Any]]


def read_entries(file: Path) -> Entries:
    """Return the entries of an exchanges.har; raise `ReportError` if it is not one."""
    try:
        entries: Entries = json.loads(file.read_text(encoding="utf-8"))["log"]["entries"]
        # What is read here is read again below: it must be there in every entry.
        for each in entries:
            _ = float(each["time"]), str(each["startedDateTime"]), str(each["comment"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as broken:
        raise ReportError(
            f"cannot read {file} ({type(broken).__name__}): remove it to merge without exchanges, "
            "or make the shard again"
        ) from broken
    return entries


def durations(entries: Entries) -> Iterator[tuple[str, float]]:
    """Yield the operation of each entry, and its duration in milliseconds."""
    for each in entries:
        yield str(each["comment"]).partition(" in ")[0], float(each["time"])


def write_entries(parts: Sequence[Entries], file: TextIO, suite_version: str) -> None:
    """Write the entries of several files as one HTTP Archive, in the order of their times."""
    entries = sorted(
        (each for part in parts for each in part), key=lambda each: str(each["startedDateTime"])
    )
    creator = {"name": "threads-conformance", "version": suite_version}
    json.dump({"log": {"version": "1.2", "creator": creator, "entries": entries}}, file)

"""The folders of reports: that of a whole run, and that of a selection of its checks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from conformance.report.record import ReportError, load_report, report_file

#: Where `run` writes without being told: a selection must not replace the report of a whole run.
WHOLE_DIR, SELECTION_DIR = Path("reports/latest"), Path("reports/selection")


def newest_report(folders: Iterable[Path] = (WHOLE_DIR, SELECTION_DIR)) -> Path | None:
    """Return the report that was written last in these folders; None if there is none."""
    found = [each for each in map(report_file, folders) if each.is_file()]
    return max(found, key=lambda each: each.stat().st_mtime, default=None)


def holds_whole_report(folder: Path) -> bool:
    """Return whether a folder has the report of a run of all checks, which was not interrupted."""
    try:
        return not load_report(folder).run.partial
    except ReportError:
        return False

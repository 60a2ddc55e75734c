"""The formats to which a report can be exported, by name, and how each is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conformance.report.export.allure import allure_files
from conformance.report.export.badge import badge_json, badge_svg
from conformance.report.export.ctrf import ctrf_report
from conformance.report.export.sarif import sarif_report
from conformance.report.record import Report, ReportError
from conformance.report.run.junit import junit_report
from conformance.report.run.wording import Requirements
from conformance.report.run.write import write_text

#: Formats that are one text.
TEXTS: dict[str, Callable[[Report, Requirements], str]] = {
    "badge": lambda report, _requirements: badge_svg(report),
    "ctrf": ctrf_report,
    "junit": junit_report,
    "sarif": sarif_report,
    "shields": lambda report, _requirements: badge_json(report),
}
#: Formats that are the files of a folder.
FOLDERS: dict[str, Callable[[Report, Requirements], dict[str, str]]] = {"allure": allure_files}
FORMATS = tuple(sorted((*TEXTS, *FOLDERS)))


@dataclass(frozen=True)
class Export:
    """A format and the file, or for `allure` the folder, to which it is written."""

    format: str
    path: Path

    def write(self, report: Report, requirements: Requirements) -> None:
        """Write it, each file atomically; raise `ReportError` if that is refused."""
        if self.format in TEXTS:
            if self.path.is_dir():
                raise ReportError(f"{self.path} is a folder: name a file for {self.format}")
            text = TEXTS[self.format](report, requirements)
            write_text(self.path, text, option=f"file for {self.format}")
            return
        for name, text in FOLDERS[self.format](report, requirements).items():
            write_text(self.path / name, text, option=f"folder for {self.format}")

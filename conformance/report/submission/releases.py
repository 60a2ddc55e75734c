"""The releases of this suite, by whose reports a server may be submitted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conformance import __version__
from conformance.contract.catalogue import load_catalogue
from conformance.data import fixtures_dir
from conformance.report.record import Report
from conformance.report.suite_digest import suite_digest
from conformance.typed_data import read_toml, typed


@dataclass(frozen=True)
class Release:
    """A version of the suite, by the digests that its reports hold."""

    version: str
    catalogue_digest: str
    digest: str

    def made(self, report: Report) -> bool:
        """Return whether the report was made by it."""
        return (report.suite_version, report.catalogue_digest, report.suite_digest) == (
            self.version,
            self.catalogue_digest,
            self.digest,
        )


@dataclass(frozen=True)
class _ReleasesTable:
    """The file `fixtures/releases.toml`, as written."""

    release: tuple[Release, ...] = ()


def this_suite() -> Release:
    """Return what is installed here, released or not."""
    return Release(__version__, load_catalogue().digest, suite_digest())


def releases_file() -> Path:
    """Return the file that lists the releases."""
    return fixtures_dir() / "releases.toml"


def releases() -> tuple[Release, ...]:
    """Return every release, oldest first."""
    return typed(read_toml(releases_file()), _ReleasesTable).release

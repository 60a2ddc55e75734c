"""Helpers of the tests of `plant` and `verify`: a planted deployment, and its restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.model.entities import Thread
from conformance.model.search import Query
from conformance.model.store import ThreadStore
from tests.conftest import served
from tests.store_variants import store_of

STATES = 12


@dataclass(frozen=True)
class Planted:
    """A deployment that was planted on, as it was when it stopped, and the plant file."""

    store: ThreadStore
    file: Path

    def id_of(self, kind: str) -> str:
        threads = json.loads(self.file.read_text())["threads"]
        return str(next(each["thread_id"] for each in threads if each["kind"] == kind))

    def restarted(self, *parts: type) -> ThreadStore:
        """Return a new store with the same data, in which `parts` replace operations."""
        store = store_of(*parts)
        for thread in self.store.searches.matching(Query()):
            store.records.keep(thread)
        return store

    def with_changed(
        self, kind: str, change: Callable[[Thread], Thread] | None = None, **members: Any
    ) -> ThreadStore:
        """Return a new store with the same data, in which the thread of that kind is changed."""
        store = self.restarted()
        thread = store.records.thread(self.id_of(kind))
        store.records.keep(change(thread) if change else replace(thread, **members))
        return store


def run_cli(*arguments: object) -> Result:
    """Run the command line and return the result."""
    return CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)


def planted(store: ThreadStore, file: Path) -> Planted:
    with served(store) as url:
        ended = run_cli("plant", "--url", url, file, "--states", STATES)
    assert ended.exit_code == 0, ended.output
    return Planted(store, file)


def verified(store: ThreadStore, file: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit status of `verify --format json`, and what it prints."""
    with served(store) as url:
        ended = run_cli(
            "verify", file, "--url", url, "--format", "json", "--visible-within", 0, *options
        )
    return ended.exit_code, json.loads(ended.stdout)


def losses(report: dict[str, Any]) -> set[tuple[str, str | None, str, str]]:
    """Return operation, kind of thread, path and kind of loss of every loss found."""
    return {
        (each["operation"], each["thread"], each["path"], each["kind"])
        for each in report["findings"]
        if each["loss"]
    }

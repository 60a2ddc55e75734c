"""What the tests of `plant` and `verify` share: a planted deployment, and its restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.model.store import Query, ThreadStore
from conformance.model.threads import Thread
from tests.conftest import served

STATES = 12


@dataclass(frozen=True)
class Planted:
    """A deployment that was planted on, as it was when it stopped."""

    store: ThreadStore
    file: Path

    def id_of(self, kind: str) -> str:
        threads = json.loads(self.file.read_text())["threads"]
        return str(next(each["thread_id"] for each in threads if each["kind"] == kind))

    def restarted(self, kind: type[ThreadStore] = ThreadStore) -> ThreadStore:
        """Another deployment over the same data."""
        store = kind(clock=lambda: datetime.now(UTC), ids=uuid4)
        for thread in self.store.matching(Query()):
            store.keep(thread)
        return store

    def with_changed(
        self, kind: str, change: Callable[[Thread], Thread] | None = None, **members: Any
    ) -> ThreadStore:
        """Another deployment over the same data, in which one thread is another."""
        store = self.restarted()
        thread = store.thread(self.id_of(kind))
        store.keep(change(thread) if change else replace(thread, **members))
        return store


def typed(*arguments: object) -> Result:
    """What `threads-conformance` says and how it ends."""
    return CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)


def planted(store: ThreadStore, file: Path) -> Planted:
    with served(store) as url:
        ended = typed("plant", "--url", url, file, "--states", STATES)
    assert ended.exit_code == 0, ended.output
    return Planted(store, file)


def verified(store: ThreadStore, file: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and what `verify --format json` prints."""
    with served(store) as url:
        ended = typed(
            "verify", file, "--url", url, "--format", "json", "--visible-within", 0, *options
        )
    return ended.exit_code, json.loads(ended.stdout)


def losses(found: dict[str, Any]) -> set[tuple[str, str | None, str, str]]:
    """Operation, kind of thread, path and what became of it, of every loss."""
    return {
        (each["operation"], each["thread"], each["path"], each["kind"])
        for each in found["findings"]
        if each["loss"]
    }

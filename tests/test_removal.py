"""Removal of many threads by one request: only on a disposable deployment, and only if it works."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from conformance.deployment.connect import connect
from conformance.deployment.settings import Settings
from conformance.runner.cleanup import clean_up
from tests.conftest import Reply, answering, as_json

MakeSettings = Callable[..., Settings]
THREADS = 150


class Shelf:
    """Threads that a server holds, and the requests that change them, as (method, ids)."""

    def __init__(self, *, prune_status: int = 200, prunes: bool = True) -> None:
        self.threads: dict[str, Any] = {}
        self.writes: list[tuple[str, list[str]]] = []
        self._prune_status, self._prunes = prune_status, prunes

    def reply(self, method: str, path: str, body: bytes) -> Reply:
        thread_id = path.rpartition("/")[2]
        if path == "/threads":
            made = json.loads(body)
            self.threads[made["thread_id"]] = made
            return as_json(made)
        if path == "/threads/search":
            return as_json([])
        if path == "/threads/prune":
            ids = json.loads(body)["thread_ids"]
            self.writes.append(("prune", ids))
            for each in ids if self._prunes else ():
                self.threads.pop(each, None)
            return as_json({"pruned_count": len(ids)}, self._prune_status)
        if method == "DELETE":
            self.writes.append(("DELETE", [thread_id]))
            self.threads.pop(thread_id, None)
            return as_json({}, 204)
        known = self.threads.get(thread_id)
        return as_json(known or {"detail": "not found"}, 200 if known else 404)


def cleaned_up(shelf: Shelf, settings_for: MakeSettings, *, disposable: bool) -> list[str]:
    """Make threads, remove them, and return the ids that were made."""
    with answering(shelf.reply) as url:
        settings = settings_for(url, disposable=disposable)
        with connect(settings) as connection:
            made = [connection.client.ownership.new_id() for _ in range(THREADS)]
            for each in made:
                connection.client.create({"thread_id": each, "metadata": connection.client.tag})
        assert len(shelf.threads) == THREADS
        cleanup = clean_up(settings)
    assert shelf.threads == {}
    assert (cleanup.created, cleanup.removed, cleanup.left) == (THREADS, THREADS, ())
    return made


def test_a_disposable_deployment_is_asked_for_many_threads_at_once(
    settings_for: MakeSettings,
) -> None:
    shelf = Shelf()
    made = cleaned_up(shelf, settings_for, disposable=True)
    assert [(method, len(ids)) for method, ids in shelf.writes] == [("prune", 100), ("prune", 50)]
    assert sorted(each for _, ids in shelf.writes for each in ids) == sorted(made)


def test_a_guest_names_one_thread_at_a_time(settings_for: MakeSettings) -> None:
    shelf = Shelf()
    made = cleaned_up(shelf, settings_for, disposable=False)
    assert sorted(shelf.writes) == [("DELETE", [each]) for each in sorted(made)]


@pytest.mark.parametrize("status", [404, 405, 500, 503])
def test_where_that_is_refused_each_thread_is_deleted(
    status: int, settings_for: MakeSettings
) -> None:
    shelf = Shelf(prune_status=status, prunes=False)
    made = cleaned_up(shelf, settings_for, disposable=True)
    prunes = [ids for method, ids in shelf.writes if method == "prune"]
    # An outage is waited out, so that one request may be sent several times.
    assert {tuple(ids) for ids in prunes} == {tuple(prunes[0])}
    deleted = sorted(ids[0] for method, ids in shelf.writes if method == "DELETE")
    assert deleted == sorted(made)


def test_threads_that_stay_all_the_same_are_deleted(settings_for: MakeSettings) -> None:
    shelf = Shelf(prunes=False)
    made = cleaned_up(shelf, settings_for, disposable=True)
    deleted = sorted(ids[0] for method, ids in shelf.writes if method == "DELETE")
    assert deleted == sorted(made)

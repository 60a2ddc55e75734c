"""Creations that must be refused, and whether one of them made a thread all the same."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import assert_equal, assert_no_thread, require_refused
from conformance.checks.outcomes import Blocked
from conformance.checks.views import id_of
from conformance.deployment.client import ThreadsClient


class RefusedCreations:
    """Creations that must be refused, each under its own id, all with one mark in their metadata.

    A thread made by one of them has that id or, on a deployment that assigns ids itself, is found
    by the mark. A valid creation must have succeeded before.
    """

    def __init__(self, given: ThreadsApi, client: ThreadsClient) -> None:
        self._given, self._client = given, client
        self._by_id = client.ownership.ids_are_kept is True
        self._mark = {"refused": uuid4().hex[:12]}
        self._sent: list[str] = []

    def send(self, body: dict[str, Any]) -> None:
        """Send one creation; `Blocked` if it is not refused, which another check judges."""
        metadata = body.get("metadata")
        if isinstance(metadata, dict):
            metadata = {**metadata, **self._mark}
        elif not self._by_id:
            return
        wanted = self._client.ownership.new_id()
        require_refused(self._client.create({**body, "thread_id": wanted, "metadata": metadata}))
        self._sent.append(wanted)

    def assert_none_made(self) -> None:
        """Assert that none of the refused creations made a thread."""
        if not self._sent:
            raise Blocked("no creation was sent of which a thread could be told")
        if self._by_id:
            for wanted in self._sent:
                assert_no_thread(self._given, wanted)
            return
        # Threads made before this one are visible once this one is.
        last = id_of(self._given.empty(metadata=self._mark))
        found = self._given.context.eventually(
            lambda: self._given.search_ids(metadata=self._mark), lambda shown: last in shown
        )
        if last not in found:
            raise Blocked("a search does not show a thread that was made", by="SEARCH-02")
        assert_equal(found, [last], "the threads that a search shows")

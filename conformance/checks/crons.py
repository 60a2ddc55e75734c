"""Access to crons for checks: each is on a thread of the check, and deleted in the end."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx

from conformance.checks.api import ThreadsApi
from conformance.checks.views import Thread, id_of
from conformance.deployment.ownership.guard import NotOursRefusal

Cron = dict[str, Any]

#: Once a year, so that the cron does not fire during the check.
RARELY = "0 0 1 1 *"
EVERY_MINUTE = "* * * * *"


class Crons:
    """The crons of a check: creates, reads and changes them, and deletes its own on exit."""

    def __init__(self, api: ThreadsApi) -> None:
        self._api = api
        self._crons = api.client.crons
        self._made: list[str] = []

    def __enter__(self) -> Crons:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for cron_id in self._made:
            try:
                self._crons.delete(cron_id)
            except (httpx.HTTPError, NotOursRefusal):
                continue  # Clean-up finds it in the ledger.

    def body(self, schedule: str = RARELY, **members: Any) -> dict[str, Any]:
        """Return the body of a cron that runs the graph of the settings, with the run's tag."""
        metadata = {**self._api.client.tag, **members.pop("metadata", {})}
        return self._api.run_body(schedule=schedule, metadata=metadata, **members)

    def create(self, thread: Thread, schedule: str = RARELY, **members: Any) -> Cron:
        """Create a cron on the thread and return it."""
        answer = self._crons.create(id_of(thread), self.body(schedule, **members))
        cron = self._api.object_of(answer, thread)
        if not isinstance(cron.get("cron_id"), str):
            raise self._api.refusal("a cron with cron_id", answer, "cron_id")
        self._made.append(cron["cron_id"])
        return cron

    def get(self, cron: Cron) -> Cron:
        """Return the cron as GET shows it."""
        return self._api.object_of(self._crons.get(cron["cron_id"]))

    def search(self, **filters: Any) -> list[Cron]:
        """Return the crons that a search finds."""
        return self._api.list_of(self._crons.search(filters))

    def search_ids(self, **filters: Any) -> list[Any]:
        """Return the ids of the crons that a search finds."""
        return [each.get("cron_id") for each in self.search(**filters)]

    def count(self, **filters: Any) -> Any:
        """Return the number that POST count answers."""
        return self._api.ensure_success(self._crons.count(filters)).body

    def update(self, cron: Cron, **body: Any) -> Cron:
        """PATCH the cron and return it as answered."""
        return self._api.object_of(self._crons.update(cron["cron_id"], body))

    def delete(self, cron: Cron) -> None:
        """Delete the cron."""
        self._api.ensure_success(self._crons.delete(cron["cron_id"]))

"""Crons as a check uses them: always on a thread of its own, and deleted in the end."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx

from conformance.checks.api import ThreadsApi
from conformance.checks.views import Thread, id_of
from conformance.deployment.guard import NotOursRefusal

Cron = dict[str, Any]

#: Once a year, so that a cron of a check does not fire while it is looked at.
RARELY = "0 0 1 1 *"
EVERY_MINUTE = "* * * * *"


class Crons:
    """Makes crons on threads, and looks at them."""

    def __init__(self, api: ThreadsApi) -> None:
        self._asker = api
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
                continue  # The ledger knows of it.

    def body(self, schedule: str = RARELY, **members: Any) -> dict[str, Any]:
        """The body of a cron that runs the graph of the settings, with the run's tag."""
        metadata = {**self._asker.client.tag, **members.pop("metadata", {})}
        return self._asker.run_body(schedule=schedule, metadata=metadata, **members)

    def created(self, thread: Thread, schedule: str = RARELY, **members: Any) -> Cron:
        """A cron on the thread."""
        answer = self._crons.create(id_of(thread), self.body(schedule, **members))
        cron = self._asker.object_of(answer, thread)
        if not isinstance(cron.get("cron_id"), str):
            raise self._asker.refusal("a cron with cron_id", answer, "cron_id")
        self._made.append(cron["cron_id"])
        return cron

    def shown(self, cron: Cron) -> Cron:
        """The cron as GET shows it."""
        return self._asker.object_of(self._crons.get(cron["cron_id"]))

    def found(self, **filters: Any) -> list[Any]:
        """The ids of the crons that a search gives."""
        return [each.get("cron_id") for each in self._asker.list_of(self._crons.search(filters))]

    def count(self, **filters: Any) -> Any:
        """What count answers."""
        return self._asker.granted(self._crons.count(filters)).body

    def updated(self, cron: Cron, **body: Any) -> Cron:
        """The cron after PATCH."""
        return self._asker.object_of(self._crons.update(cron["cron_id"], body))

    def deleted(self, cron: Cron) -> None:
        """Delete the cron."""
        self._asker.granted(self._crons.delete(cron["cron_id"]))

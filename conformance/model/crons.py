"""Operations on crons: runs that recur on a schedule, on one thread or on a new thread each.

The model does not wait: the owner of the store calls `fire_cron` when a cron is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from conformance.model.assistants import Assistants
from conformance.model.containment import contains
from conformance.model.entities import Cron, Run
from conformance.model.errors import InvalidError, ModelError
from conformance.model.ids_and_times import JsonObject, canonical_id, deep_copy, timestamp
from conformance.model.records import Records
from conformance.model.runs import Runs
from conformance.model.schedule import parse_schedule
from conformance.model.views import Views

#: Members of a cron's request that belong to the cron and are not passed to its runs.
_OWN_MEMBERS = ("schedule", "timezone", "end_time", "enabled", "on_run_completed")


class Crons:
    """The operations on crons."""

    def __init__(self, records: Records, assistants: Assistants, runs: Runs, views: Views) -> None:
        self.records, self.assistants, self.runs, self.views = records, assistants, runs, views

    def create_cron(self, request: JsonObject, thread_id: str | None = None) -> JsonObject:
        """Create a cron that runs `request` on its `schedule`, on that thread if one is given.

        NotFoundError if the thread is unknown; InvalidError for an unknown assistant or an
        invalid schedule, time zone or end time.
        """
        own = None if thread_id is None else self.records.thread(thread_id).thread_id
        assistant_id = self.assistants.assistant(request["assistant_id"]).assistant_id
        request = deep_copy(request)
        now = self.records.now()
        completed = None if own else request.get("on_run_completed", "delete")
        cron = Cron(
            cron_id=self.records.new_id(),
            assistant_id=assistant_id,
            thread_id=own,
            schedule=request["schedule"],
            payload={**request, "assistant_id": assistant_id},
            metadata=request.get("metadata") or {},
            created_at=now,
            updated_at=now,
            timezone=request.get("timezone"),
            end_time=request.get("end_time"),
            enabled=request.get("enabled", True),
            on_run_completed=completed,
        )
        return self.views.cron_view(
            self.records.keep_cron(self.scheduled(cron, self.records.next_time()))
        )

    def scheduled(self, cron: Cron, moment: datetime) -> Cron:
        """Return the cron with `due` set to the first time of its schedule after `moment`.

        InvalidError if the schedule never matches.
        """
        due = parse_schedule(cron.schedule, cron.timezone).after(moment)
        if due is None:
            raise InvalidError(f"the schedule {cron.schedule!r} is never due")
        ended = cron.end_time is not None and due > _moment(cron.end_time)
        return replace(cron, due=due if cron.enabled and not ended else None)

    def get_cron(self, cron_id: str) -> JsonObject:
        """Return the cron in the form of the API."""
        return self.views.cron_view(self.records.cron(cron_id))

    def update_cron(self, cron_id: str, changes: JsonObject) -> JsonObject:
        """Change the members that `changes` has; merge metadata and recompute the next run."""
        cron, changes = self.records.cron(cron_id), deep_copy(changes)
        metadata = {**cron.metadata, **(changes.pop("metadata", None) or {})}
        own = {name: changes[name] for name in _OWN_MEMBERS if name in changes}
        payload = {**cron.payload, **changes, "metadata": metadata}
        moment = self.records.next_time()
        cron = replace(
            cron, metadata=metadata, payload=payload, updated_at=timestamp(moment), **own
        )
        return self.views.cron_view(self.records.keep_cron(self.scheduled(cron, moment)))

    def delete_cron(self, cron_id: str) -> None:
        """Delete a cron; the runs that it started stay."""
        self.records.forget_cron(self.records.cron(cron_id).cron_id)

    def fire_cron(self, cron_id: str) -> tuple[str, Run] | None:
        """Start the run that is due and return its thread id and the run; None if it is refused.

        The cron is due again at the next time of its schedule.
        """
        cron = self.records.cron(cron_id)
        now = self.records.next_time()
        self.records.keep_cron(self.scheduled(cron, max(now, cron.due or now)))
        request = {k: v for k, v in cron.payload.items() if k not in _OWN_MEMBERS}
        request = {**request, "metadata": {**cron.metadata, "cron_id": cron.cron_id}}
        try:
            if cron.thread_id is not None:
                return cron.thread_id, self.runs.begin_run(cron.thread_id, request)
            request["on_completion"] = cron.on_run_completed or "delete"
            return self.runs.begin_stateless_run(request)
        except ModelError:  # such as a busy thread with multitask_strategy reject
            return None

    # Search and count

    def search_crons(
        self,
        filters: JsonObject,
        *,
        limit: int = 10,
        offset: int = 0,
        sort_by: str = "created_at",
        sort_order: str = "desc",
        select: Sequence[str] | None = None,
    ) -> list[JsonObject]:
        """Return at most `limit` matching crons from `offset` on, by default the newest first."""
        found = sorted(
            self.matching_crons(filters),
            key=lambda cron: str(getattr(cron, sort_by) or ""),
            reverse=sort_order != "asc",
        )
        views = [self.views.cron_view(cron) for cron in found[offset : offset + limit]]
        return views if select is None else [{k: view[k] for k in select} for view in views]

    def count_crons(self, filters: JsonObject) -> int:
        """Return the number of matching crons."""
        return len(self.matching_crons(filters))

    def matching_crons(self, filters: JsonObject) -> list[Cron]:
        """Return the crons that match `filters`: assistant_id, thread_id, enabled, metadata."""

        def matches(cron: Cron) -> bool:
            return contains(cron.metadata, filters.get("metadata") or {}) and all(
                getattr(cron, name) == wanted for name, wanted in exact.items()
            )

        exact: dict[str, Any] = {
            name: canonical_id(filters[name], name)
            for name in ("assistant_id", "thread_id")
            if filters.get(name) is not None
        }
        if filters.get("enabled") is not None:
            exact["enabled"] = filters["enabled"]
        return [cron for cron in self.records.crons_by_id.values() if matches(cron)]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError(f"end_time {text!r} is no RFC 3339 date and time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

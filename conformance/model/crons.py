"""Operations on crons: runs that recur on a schedule, on one thread or on a new thread each.

The model does not wait: the owner of the store calls `fire_cron` when a cron is due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from conformance.model.errors import InvalidError, ModelError, NotFoundError
from conformance.model.filters import contains
from conformance.model.graphs import GRAPHS, Graph
from conformance.model.runs import RunOperations
from conformance.model.schedule import parse_schedule
from conformance.model.threads import Run
from conformance.model.values import Clock, Ids, JsonObject, canonical_id, deep_copy, timestamp

#: Members of a cron's request that belong to the cron and are not passed to its runs.
_OWN_MEMBERS = ("schedule", "timezone", "end_time", "enabled", "on_run_completed")


@dataclass(frozen=True)
class Cron:
    """A schedule and the request that it runs; without `thread_id` each run gets a new thread.

    `due` is the time of the next run: None where the cron is disabled, or past its end.
    """

    cron_id: str
    assistant_id: str
    thread_id: str | None
    schedule: str
    payload: JsonObject
    metadata: JsonObject
    created_at: str
    updated_at: str
    timezone: str | None = None
    end_time: str | None = None
    enabled: bool = True
    on_run_completed: str | None = None
    due: datetime | None = None

    @property
    def next_run_date(self) -> str | None:
        """`due` in RFC 3339; None if the cron is never due."""
        return None if self.due is None else timestamp(self.due)


class CronOperations(RunOperations):
    """The part of a store that holds crons."""

    def __init__(self, clock: Clock, ids: Ids, graphs: Mapping[str, Graph] = GRAPHS) -> None:
        super().__init__(clock, ids, graphs)
        self.crons_by_id: dict[str, Cron] = {}

    def create_cron(self, request: JsonObject, thread_id: str | None = None) -> JsonObject:
        """Create a cron that runs `request` on its `schedule`, on that thread if one is given.

        NotFoundError if the thread is unknown; InvalidError for an unknown assistant or an
        invalid schedule, time zone or end time.
        """
        own = None if thread_id is None else self.thread(thread_id).thread_id
        assistant_id = self.assistant(request["assistant_id"]).assistant_id
        request = deep_copy(request)
        now = self.now()
        completed = None if own else request.get("on_run_completed", "delete")
        cron = Cron(
            cron_id=self.new_id(),
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
        return self.cron_view(self.keep_cron(self.scheduled(cron, self.moment())))

    def scheduled(self, cron: Cron, moment: datetime) -> Cron:
        """Return the cron with `due` set to the first time of its schedule after `moment`.

        InvalidError if the schedule never matches.
        """
        due = parse_schedule(cron.schedule, cron.timezone).after(moment)
        if due is None:
            raise InvalidError(f"the schedule {cron.schedule!r} is never due")
        ended = cron.end_time is not None and due > _moment(cron.end_time)
        return replace(cron, due=due if cron.enabled and not ended else None)

    def keep_cron(self, cron: Cron) -> Cron:
        """Store a cron under its id."""
        self.crons_by_id[cron.cron_id] = cron
        return cron

    def cron(self, cron_id: str) -> Cron:
        """Return the cron of that id; NotFoundError if it is unknown."""
        found = self.crons_by_id.get(canonical_id(cron_id, "a cron id"))
        if found is None:
            raise NotFoundError(f"there is no cron {cron_id}")
        return found

    def get_cron(self, cron_id: str) -> JsonObject:
        """Return the cron in the form of the API."""
        return self.cron_view(self.cron(cron_id))

    def update_cron(self, cron_id: str, changes: JsonObject) -> JsonObject:
        """Change the members that `changes` has; metadata is merged, the next run computed anew."""
        cron, changes = self.cron(cron_id), deep_copy(changes)
        metadata = {**cron.metadata, **(changes.pop("metadata", None) or {})}
        own = {name: changes[name] for name in _OWN_MEMBERS if name in changes}
        payload = {**cron.payload, **changes, "metadata": metadata}
        moment = self.moment()
        cron = replace(
            cron, metadata=metadata, payload=payload, updated_at=timestamp(moment), **own
        )
        return self.cron_view(self.keep_cron(self.scheduled(cron, moment)))

    def delete_cron(self, cron_id: str) -> None:
        """Delete a cron; the runs that it started stay."""
        del self.crons_by_id[self.cron(cron_id).cron_id]

    def forget(self, thread_id: str) -> None:
        """Delete a thread, and the crons on it."""
        super().forget(thread_id)
        ended = [cron for cron in self.crons_by_id.values() if cron.thread_id == thread_id]
        for cron in ended:
            del self.crons_by_id[cron.cron_id]

    def fire_cron(self, cron_id: str) -> tuple[str, Run] | None:
        """Start the run that is due and return its thread id and the run; None if it is refused.

        The cron is due again at the next time of its schedule.
        """
        cron = self.cron(cron_id)
        now = self.moment()
        self.keep_cron(self.scheduled(cron, max(now, cron.due or now)))
        request = {k: v for k, v in cron.payload.items() if k not in _OWN_MEMBERS}
        request = {**request, "metadata": {**cron.metadata, "cron_id": cron.cron_id}}
        try:
            if cron.thread_id is not None:
                return cron.thread_id, self.begin_run(cron.thread_id, request)
            request["on_completion"] = cron.on_run_completed or "delete"
            return self.begin_stateless_run(request)
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
        views = [self.cron_view(cron) for cron in found[offset : offset + limit]]
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
        return [cron for cron in self.crons_by_id.values() if matches(cron)]

    def cron_view(self, cron: Cron) -> JsonObject:
        """Return a cron in the form of the API."""
        return {
            "cron_id": cron.cron_id,
            "assistant_id": cron.assistant_id,
            "thread_id": cron.thread_id,
            "on_run_completed": cron.on_run_completed,
            "end_time": cron.end_time,
            "schedule": cron.schedule,
            "timezone": cron.timezone,
            "created_at": cron.created_at,
            "updated_at": cron.updated_at,
            "user_id": None,
            "payload": cron.payload,
            "next_run_date": cron.next_run_date,
            "metadata": cron.metadata,
            "enabled": cron.enabled,
        }


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError(f"end_time {text!r} is no RFC 3339 date and time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

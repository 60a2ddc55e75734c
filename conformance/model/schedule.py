"""Cron schedules: `minute hour day-of-month month day-of-week`, as defined by crontab(5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from conformance.model.errors import InvalidError

_FIELDS = 5


@dataclass(frozen=True)
class Schedule:
    """A cron schedule, in an IANA time zone or in UTC."""

    text: str
    zone: str | None = None

    def after(self, moment: datetime) -> datetime | None:
        """Return the first matching minute after `moment`, in UTC; None if there is none."""
        zone = UTC if self.zone is None else ZoneInfo(self.zone)
        try:
            due = croniter(self.text, moment.astimezone(zone)).get_next(datetime)
        except CroniterBadDateError:
            return None
        return due.astimezone(UTC)


def parse_schedule(text: str, zone: str | None = None) -> Schedule:
    """Parse five fields in an IANA time zone (default UTC); InvalidError if malformed."""
    if len(text.split()) != _FIELDS or not croniter.is_valid(text):
        raise InvalidError(f"{text!r} is no cron schedule; five fields, such as '*/5 * * * *'")
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (OSError, ValueError, KeyError):
            raise InvalidError(f"{zone!r} is no IANA time zone, such as 'Europe/Paris'") from None
    return Schedule(text, zone)

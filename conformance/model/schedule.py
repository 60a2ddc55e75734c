"""Cron schedules: `minute hour day-of-month month day-of-week`, as defined by crontab(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from conformance.model.errors import InvalidError

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_PART = re.compile(r"(?:\*|(?P<low>\d{1,2})(?:-(?P<high>\d{1,2}))?)(?:/(?P<step>\d{1,2}))?")
#: The rarest schedule, 29 February, recurs within this time.
_LONGEST = timedelta(days=8 * 366)


@dataclass(frozen=True)
class Schedule:
    """A cron schedule: the allowed values of each field of a local time."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    zone: str | None = None

    def after(self, moment: datetime) -> datetime | None:
        """Return the first matching minute after `moment`, in UTC; None if there is none."""
        zone = UTC if self.zone is None else ZoneInfo(self.zone)
        found = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        last = found + _LONGEST
        while found < last:
            local = found.astimezone(zone)
            if not self._of_day(local) or local.hour not in self.hours:
                found += timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes:
                found += timedelta(minutes=1)
            else:
                return found
        return None

    def _of_day(self, local: datetime) -> bool:
        by_date, by_week = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        # As in cron: where both are restricted, one match is enough.
        day = (by_date or by_week) if self.either_day else (by_date and by_week)
        return local.month in self.months and day


def parse_schedule(text: str, zone: str | None = None) -> Schedule:
    """Parse five fields in an IANA time zone (default UTC); InvalidError if malformed."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise InvalidError(f"{text!r} is no cron schedule; five fields, such as '*/5 * * * *'")
    values = [_values(field, *known) for field, known in zip(fields, _FIELDS, strict=True)]
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (OSError, ValueError, KeyError):
            raise InvalidError(f"{zone!r} is no IANA time zone, such as 'Europe/Paris'") from None
    minutes, hours, days, months, weekdays = values
    return Schedule(
        minutes,
        hours,
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        either_day=not fields[2].startswith("*") and not fields[4].startswith("*"),
        zone=zone,
    )


def _values(field: str, name: str, lowest: int, highest: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise InvalidError(f"{part!r} is no {name} of a cron schedule")
        step = int(match["step"] or 1)
        low = int(match["low"] or lowest)
        # A single value with a step extends to the end of the field.
        alone = match["low"] is not None and match["step"] is None
        high = int(match["high"] or (low if alone else highest))
        if not (lowest <= low <= high <= highest) or step < 1:
            raise InvalidError(f"{part!r} is out of range for the {name} of a cron schedule")
        found.update(range(low, high + 1, step))
    return frozenset(found)

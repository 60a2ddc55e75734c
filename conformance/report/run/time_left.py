"""How far a run is, how long it has taken, and about how long it will still take."""

from __future__ import annotations

from collections.abc import Callable, Iterable

#: Seconds of work for which the recorded durations are believed, beside what is seen of this
#: deployment, so that the first checks do not make the estimate jump.
_TRUST_S = 5.0


class TimeLeft:
    """An estimate of the time that a run still takes; all times are in seconds.

    `expected_s` tells how long a check takes somewhere else; how much faster or slower this
    deployment is, is learned from the checks that are done. `clock` returns the time.
    """

    def __init__(
        self,
        checks: Iterable[str],
        expected_s: Callable[[str], float],
        clock: Callable[[], float],
    ) -> None:
        self._expected_s, self._clock = expected_s, clock
        self._all = sum(map(expected_s, checks))
        self._done = 0.0
        self._started = clock()

    def finished(self, check_id: str) -> None:
        """Note that a check is done."""
        self._done = min(self._all, self._done + self._expected_s(check_id))

    @property
    def part(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self._done / self._all if self._all else 1.0

    @property
    def elapsed_s(self) -> float:
        """The time since the first check began."""
        return self._clock() - self._started

    @property
    def left_s(self) -> float:
        """About how long the run still takes."""
        pace = (self.elapsed_s + _TRUST_S) / (self._done + _TRUST_S)
        return (self._all - self._done) * pace

    def __str__(self) -> str:
        """Return both times as `0:31, about 1:10 left`."""
        return f"{_clock_time(self.elapsed_s)}, about {_clock_time(self.left_s)} left"


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

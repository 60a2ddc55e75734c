"""What became of one requirement from version to version of a server.

`Timeline` compresses the verdicts to spans of versions with one standing, and says since when it
is as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from conformance.contract.verdicts import Verdict


class Standing(StrEnum):
    """How a version stands to a requirement."""

    KEPT = "kept"
    BROKEN = "broken"
    UNDECIDED = "undecided"
    UNSUPPORTED = "unsupported"
    UNJUDGED = "unjudged"


#: Standings in words.
STANDING_WORDS = {
    Standing.KEPT: "kept",
    Standing.BROKEN: "broken",
    Standing.UNDECIDED: "undecided",
    Standing.UNSUPPORTED: "not offered",
    Standing.UNJUDGED: "not judged",
}
_STANDINGS = {
    None: Standing.UNJUDGED,
    Verdict.PASS: Standing.KEPT,
    Verdict.FAIL: Standing.BROKEN,
    Verdict.UNSUPPORTED: Standing.UNSUPPORTED,
}
#: Standings that say nothing about the promise.
_OPEN = (Standing.UNDECIDED, Standing.UNJUDGED)


def standing_of(verdict: Verdict | None) -> Standing:
    """Return the standing of a verdict; None is a requirement that was not judged."""
    return _STANDINGS.get(verdict, Standing.UNDECIDED)


@dataclass(frozen=True)
class Span:
    """Versions in a row, by number from the oldest, both included, with one standing."""

    standing: Standing
    first: int
    last: int

    @property
    def length(self) -> int:
        """The number of versions."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Timeline:
    """The standings of the `versions`, oldest first, to one requirement."""

    versions: tuple[str, ...]
    spans: tuple[Span, ...]

    @property
    def changes(self) -> bool:
        """Whether two versions are known to stand differently to the requirement."""
        return len({each.standing for each in self.spans} - set(_OPEN)) > 1

    def standing(self, number: int) -> Standing:
        """Return the standing of version `number`."""
        return next(each.standing for each in self.spans if each.last >= number)

    def told(self) -> str:
        """Return every span in words: `kept in 0.2.1 to 0.7.13, broken since 0.12.4`."""
        return ", ".join(map(self.span_words, self.spans))

    def span_words(self, span: Span) -> str:
        """Return a span in words: `broken in 0.7.13 to 0.16.7`."""
        words = STANDING_WORDS[span.standing]
        first, last = self.versions[span.first], self.versions[span.last]
        if span.last == len(self.versions) - 1 and span.first:
            return f"{words} since {first}"
        return f"{words} in {first}" if first == last else f"{words} in {first} to {last}"

    def since(self, number: int) -> str:
        """Return since when version `number` stands as it does, and what became of it later.

        `broken since 0.7.13, kept again since 0.17.0`. Versions in between that decide nothing are
        passed over where both sides agree, and told where they do not.
        """
        standing = self.standing(number)
        words = STANDING_WORDS[standing]
        if standing in _OPEN:
            return words
        start, before = self._start(number)
        name = self.versions[start]
        if before is None:
            said = f"{words} since {name}"
            if start == 0:
                said = f"{words} since {name} (the oldest judged)"
            elif number == start and start:
                said = f"{words}; no version before {name} decides it"
            else:
                said += "; no version before it decides it"
        else:
            said = f"{words} since {name}"
            if start - before > 1:
                said += f" or a version after {self.versions[before]}"
        later = self._next(number)
        if later is not None:
            after = self.standing(later)
            again = " again" if before is not None and self.standing(before) == after else ""
            said += f", {STANDING_WORDS[after]}{again} since {self.versions[later]}"
        return said

    def _decided(self, numbers: Iterable[int]) -> Iterable[int]:
        return (each for each in numbers if self.standing(each) not in _OPEN)

    def _start(self, number: int) -> tuple[int, int | None]:
        """Return the first version of the standing, and the last one before with another."""
        standing, start = self.standing(number), number
        for each in self._decided(range(number - 1, -1, -1)):
            if self.standing(each) != standing:
                return start, each
            start = each
        return start, None

    def _next(self, number: int) -> int | None:
        """Return the first later version that is known to stand otherwise."""
        standing = self.standing(number)
        later = self._decided(range(number + 1, len(self.versions)))
        return next((each for each in later if self.standing(each) != standing), None)


def timeline(versions: Sequence[str], verdicts: Sequence[Verdict | None]) -> Timeline:
    """Return the timeline of the verdicts of versions, oldest first."""
    spans = []
    for standing, numbers in groupby(
        range(len(verdicts)), key=lambda each: standing_of(verdicts[each])
    ):
        found = list(numbers)
        spans.append(Span(standing, found[0], found[-1]))
    return Timeline(tuple(versions), tuple(spans))

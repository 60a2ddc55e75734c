"""What kept a check from deciding, or made it fail, as data.

Sentences are for people. Baseline, grouping, board and comparison decide by what stands
here: ids of requirements, names of operations, statuses, places in JSON, and the names of
the functions that judged. A reworded sentence, of the suite or of a server, changes none
of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from conformance.excerpt import masked

#: How the answer to an operation was of no use; part of the fingerprint of a refusal.
MISSING = "missing"
NOT_GRANTED = "not granted"

_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True)
class Cause:
    """What a blocked check stands on and was not given.

    Either a `requirement` whose promise does not hold, or an `operation` that answered
    with `status` (None: no answer counts) what could not be used. `fingerprint` is equal
    for causes of one kind: that of a check that failed of the same is the same.
    """

    requirement: str = ""
    operation: str = ""
    status: int | None = None
    fingerprint: str = ""

    @classmethod
    def broken(cls, requirement: str) -> Cause:
        """The promise of a requirement does not hold."""
        return cls(requirement=requirement, fingerprint=fingerprint("requirement", requirement))

    @classmethod
    def refused(cls, operation: str, status: int | None, how: str) -> Cause:
        """An operation answered something that could not be used: `how` tells in what way."""
        return cls(
            operation=operation,
            status=status,
            fingerprint=fingerprint("refused", operation, status, how),
        )

    @classmethod
    def of_kinds(cls, kinds: tuple[str, ...]) -> Cause:
        """Answers differ where they should be equal, in these places (`kinds_of`)."""
        return cls(fingerprint=fingerprint("differs", *kinds))

    @classmethod
    def at(cls, place: str) -> Cause:
        """A function of the suite, by its name, found that nothing can be said."""
        return cls(fingerprint=fingerprint("at", place))


def fingerprint(*parts: str | int | None) -> str:
    """16 hex digits, equal for equal parts, which are names, statuses and places: no prose."""
    text = "\n".join(repr(each) for each in parts)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]


def kinds_of(changes: Iterable[tuple[str, Any, Any]]) -> tuple[str, ...]:
    """What kinds of differences there are: each place, and the types that differ there.

    A change is a JSON path, the expected and the actual value. Places are told without
    what differs from run to run (`place`), values by their type, but for null, true and
    false.
    """
    return tuple(
        sorted(
            {
                f"{place(path)} {_kind(expected)} {_kind(actual)}"
                for path, expected, actual in changes
            }
        )
    )


def place(path: str) -> str:
    """A JSON path without what differs from run to run.

    All items of a list are one place, and so are all members whose names are ids, as those
    under which a thread shows its interrupts.
    """
    return masked(_INDEX.sub("[*]", path))


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str | list | dict):
        return type(value).__name__
    return "absent"

"""The causes of failed and blocked checks as data, and their fingerprints.

Messages are for people. Baseline, grouping, board and comparison use these causes
instead: ids of requirements, names of operations, statuses, JSON paths and the names of
functions of the suite. A reworded message, of the suite or of a server, changes none of
them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from conformance.safe_text import masked

#: In what way an operation was refused; part of the fingerprint of a refusal.
MISSING = "missing"
NOT_GRANTED = "not granted"

_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True)
class Cause:
    """The failed prerequisite of a blocked check.

    Either a `requirement` that does not hold, or an `operation` whose answer, with
    `status` (None where there is no particular status), could not be used. `fingerprint`
    is equal for causes of one kind; a check that failed for this cause has the same one.
    """

    requirement: str = ""
    operation: str = ""
    status: int | None = None
    fingerprint: str = ""

    @classmethod
    def broken(cls, requirement: str) -> Cause:
        """Make the cause that a requirement does not hold."""
        return cls(requirement=requirement, fingerprint=fingerprint("requirement", requirement))

    @classmethod
    def refused(cls, operation: str, status: int | None, how: str) -> Cause:
        """Make the cause that an answer of an operation could not be used, in the way `how`."""
        return cls(
            operation=operation,
            status=status,
            fingerprint=fingerprint("refused", operation, status, how),
        )

    @classmethod
    def of_kinds(cls, kinds: tuple[str, ...]) -> Cause:
        """Make the cause that answers differ; `kinds` come from `kinds_of_changes`."""
        return cls(fingerprint=fingerprint("differs", *kinds))

    @classmethod
    def at(cls, place: str) -> Cause:
        """Make the cause that a function of the suite, named `place`, could not decide."""
        return cls(fingerprint=fingerprint("at", place))


def fingerprint(*parts: str | int | None) -> str:
    """Return 16 hex digits, equal for equal parts: names, statuses, JSON paths, never prose."""
    text = "\n".join(repr(each) for each in parts)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]


def kinds_of_changes(changes: Iterable[tuple[str, Any, Any]]) -> tuple[str, ...]:
    """Return the kinds of differences: each place with the two types that differ there.

    A change is a JSON path, the expected and the actual value. The path is normalized by
    `place`; a value is given by its type, except null, true and false.
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
    """Return a JSON path with everything masked that differs from run to run.

    All items of a list get one path, and so do all members whose names are ids, such as
    those under which a thread shows its interrupts.
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

"""How a check can end other than well, and the decorator that says what it decides."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.excerpt import excerpt
from conformance.model.history import differences


class PromiseBroken(AssertionError):  # noqa: N818 - what happened, not an error of ours
    """The deployment did not do what a requirement says.

    `expected` and `actual` are sentences; `diff` lines start with a JSON path. `facts` is
    what may be told where the content of threads may not: no id, no value, no name that
    only the deployment knows.
    """

    def __init__(
        self, expected: str, actual: str, diff: tuple[str, ...] = (), *, facts: str = ""
    ) -> None:
        self.expected = expected
        self.actual = actual
        self.diff = diff
        self.facts = facts
        super().__init__(f"expected {expected}; got {actual}")

    @classmethod
    def by_difference(cls, expected: Any, actual: Any, what: str) -> PromiseBroken:
        """Two JSON values that should be equal, and are not."""
        return cls(
            f"{what} to be {_short(expected)}", _short(actual), differences(expected, actual)
        )


class SequenceBroken(PromiseBroken):
    """A promise fell in a sequence of operations: all its requests tell how."""


class Blocked(Exception):  # noqa: N818
    """What a check stands on failed, so that nothing can be said.

    `facts` is what may be told where the content of threads may not.
    """

    def __init__(self, reason: str, *, facts: str = "") -> None:
        self.facts = facts
        super().__init__(reason)


class Unsupported(Exception):  # noqa: N818
    """The deployment does not offer an operation beyond the documented ones."""


class NotRun(Exception):  # noqa: N818
    """What the check is made with is not installed; the message says what to install."""


class NotAskedFor(NotRun):
    """What the check needs was not said by the user; the message names the option."""


def requires(*requirements: str, offers: str = "") -> pytest.MarkDecorator:
    """Name the requirements that a check decides.

    `offers` names the documented operations (with spaces between them) whose mere
    presence the check decides: if one is missing, this check fails, and every other
    that stands on it is blocked.
    """
    return pytest.mark.requires(*requirements, offers=offers)


#: The check judges by looking alone, and is made in a read-only run, and in no other.
reads_only = pytest.mark.reads_only


def _short(value: Any, width: int = 200) -> str:
    text = "null" if value is None else repr(value)
    return excerpt(text, width)

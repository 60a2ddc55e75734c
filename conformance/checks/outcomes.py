"""How a check can end other than well, and the decorator that says what it decides."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.contract.causes import Cause, kinds_of_changes
from conformance.excerpt import excerpt
from conformance.model.history import changes, differences, json_path


class PromiseBroken(AssertionError):  # noqa: N818 - what happened, not an error of ours
    """The deployment did not do what a requirement says.

    `expected` and `actual` are sentences; `diff` lines start with a JSON path. `facts` is
    what may be told where the content of threads may not: no id, no value, no name that
    only the deployment knows. `kinds` are the places that differ (`causes.kinds_of_changes`), and
    `cause` the refusal that broke the promise, where one did: by them, and never by the
    sentences, failures of one kind are known.
    """

    def __init__(
        self,
        expected: str,
        actual: str,
        diff: tuple[str, ...] = (),
        *,
        facts: str = "",
        kinds: tuple[str, ...] = (),
        cause: Cause | None = None,
    ) -> None:
        self.expected = expected
        self.actual = actual
        self.diff = diff
        self.facts = facts
        self.kinds = kinds
        self.cause = cause
        super().__init__(f"expected {expected}; got {actual}")

    @classmethod
    def by_difference(cls, expected: Any, actual: Any, what: str) -> PromiseBroken:
        """Two JSON values that should be equal, and are not."""
        return cls(
            f"{what} to be {_short(expected)}",
            _short(actual),
            differences(expected, actual),
            kinds=difference_kinds(expected, actual),
        )


class SequenceBroken(PromiseBroken):
    """A promise fell in a sequence of operations: all its requests tell how."""


class Blocked(Exception):  # noqa: N818
    """What a check stands on failed, so that nothing can be said.

    `by` is that as data: a `Cause`, several, or the id of the requirement whose promise
    does not hold. Where none is given it is the function that raised. `facts` is what may
    be told where the content of threads may not.
    """

    def __init__(
        self, reason: str, *, by: Cause | tuple[Cause, ...] | str = (), facts: str = ""
    ) -> None:
        if isinstance(by, str):
            by = Cause.broken(by)
        self.by = by if isinstance(by, tuple) else (by,)
        self.facts = facts
        super().__init__(reason)

    @classmethod
    def because(cls, broken: PromiseBroken) -> Blocked:
        """What a check stands on is a promise that another check judges, and it is broken."""
        by = broken.cause or (Cause.of_kinds(broken.kinds) if broken.kinds else ())
        return cls(str(broken), by=by, facts=broken.facts)


class Unsupported(Exception):  # noqa: N818
    """The deployment does not offer an operation beyond the documented ones."""

    def __init__(self, reason: str, *, by: Cause) -> None:
        self.by = (by,)
        super().__init__(reason)


class NotRun(Exception):  # noqa: N818
    """What the check is made with is not installed; the message says what to install."""


class NotAskedFor(NotRun):
    """What the check needs was not said by the user; the message names the option."""


def difference_kinds(expected: Any, actual: Any) -> tuple[str, ...]:
    """What kinds of differences two JSON values show, as `causes.kinds_of_changes` has it."""
    return kinds_of_changes(
        (json_path(each.path), each.expected, each.actual) for each in changes(expected, actual)
    )


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

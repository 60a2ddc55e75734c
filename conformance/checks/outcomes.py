"""How a check can end other than by passing, and the decorator that names its requirements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from conformance.contract.causes import Cause, kinds_of_changes
from conformance.json_differences import Change, changes, json_path, lines_of
from conformance.json_text import as_json
from conformance.safe_text import excerpt

#: The longest part of a message, in characters, and the longest value that a failure shows.
_TOLD, _SHOWN = 280, 2_000


class PromiseBroken(AssertionError):  # noqa: N818 - what happened, not an error of ours
    """The deployment did not do what a requirement says.

    `expected` and `actual` are sentences, whose values may be long; the message has their
    beginning. `diff` lines start with a JSON path. `facts` is what may
    be reported where the content of threads may not: no ids, values or unpublished names. `kinds`
    are the places that differ (`causes.kinds_of_changes`), and `cause` is the refusal that broke
    the promise, if one did. Failures are matched by these two, never by the sentences.
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
        told, came = excerpt(expected, _TOLD), excerpt(actual, _TOLD)
        super().__init__(f"expected {told}; got {came}")

    @classmethod
    def by_difference(cls, expected: Any, actual: Any, what: str) -> PromiseBroken:
        """Build the failure of two JSON values that should be equal and are not."""
        found = changes(expected, actual)
        return cls(
            f"{what} to be {_short(expected)}",
            _short(actual),
            lines_of(found),
            kinds=kinds_of(found),
        )


class SequenceBroken(PromiseBroken):
    """A promise was broken by a sequence of operations: all its requests are reported."""


class Blocked(Exception):  # noqa: N818
    """A prerequisite of the check failed, so that nothing can be decided.

    `by` is the typed cause: one `Cause`, several, or the id of the requirement whose promise does
    not hold; without one, the function that raised. `facts` is what may be reported where the
    content of threads may not.
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
        """Build the outcome of a check that needs a broken promise, which another check judges."""
        by = broken.cause or (Cause.of_kinds(broken.kinds) if broken.kinds else ())
        return cls(str(broken), by=by, facts=broken.facts)


class Unsupported(Exception):  # noqa: N818
    """The deployment does not offer an operation beyond the documented ones."""

    def __init__(self, reason: str, *, by: Cause) -> None:
        self.by = (by,)
        super().__init__(reason)


class NotRun(Exception):  # noqa: N818
    """A program that the check needs is not installed; the message says what to install."""


class OptionNotGiven(NotRun):
    """The user did not give an option that the check needs; the message names it."""


def kinds_of(found: Iterable[Change]) -> tuple[str, ...]:
    """Return the kinds of differences, as `causes.kinds_of_changes` does."""
    return kinds_of_changes((json_path(each.path), each.expected, each.actual) for each in found)


def requires(*requirements: str, offers: str = "") -> pytest.MarkDecorator:
    """Mark a check with the requirements that it decides.

    `offers` names (separated by spaces) the documented operations whose mere presence the check
    decides: if one is missing, this check fails, and all others that need it are blocked.
    """
    return pytest.mark.requires(*requirements, offers=offers)


#: Marks a check that ends the deployment and starts it again; it is made after all others.
restarts = pytest.mark.restarts

#: Marks a check that is sure of its verdict only where the deployment has nothing else to do: what
#: depends on two events of one millisecond, say. With workers, it is made after all others.
alone = pytest.mark.alone

#: Marks a check that only reads: it is made in a read-only run, and in no other.
reads_only = pytest.mark.reads_only


def _short(value: Any) -> str:
    return excerpt(as_json(value), _SHOWN)

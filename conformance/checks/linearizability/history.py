"""Histories: the requests of concurrent clients, their answers, and the order of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

Request = TypeVar("Request")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Operation(Generic[Request, Outcome]):
    """A request of one client, with its outcome.

    `called` and `returned` are the numbers of two events of the history, in the order in which
    events happened. If `returned` and `outcome` are None, it is unknown whether the request took
    effect: at any time after its call, or never.
    """

    client: int
    called: int
    request: Request
    returned: int | None = None
    outcome: Outcome | None = None

    def without_outcome(self) -> Operation[Request, Outcome]:
        """Return the operation as it is before it returns."""
        return replace(self, returned=None, outcome=None)


#: The operations of a history, in any order.
History = tuple[Operation[Request, Outcome], ...]

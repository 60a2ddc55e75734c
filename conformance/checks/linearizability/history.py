"""Histories: what concurrent clients asked, what they were told, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

Request = TypeVar("Request")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Operation(Generic[Request, Outcome]):
    """A request of one client; `called` and `returned` count the events of a history.

    Without `returned` and `outcome` nobody knows whether the request took effect, nor when: at any
    moment after its call, or never.
    """

    client: int
    called: int
    request: Request
    returned: int | None = None
    outcome: Outcome | None = None

    def without_outcome(self) -> Operation[Request, Outcome]:
        """Return the operation as it stands before it returns."""
        return replace(self, returned=None, outcome=None)


#: The operations of a history, in any order.
History = tuple[Operation[Request, Outcome], ...]

"""A deployment of the reference that is altered: what faults and freedoms are made on.

Both replace a decision of the model (`override`), or change requests and answers at the
HTTP layer (the rules of `Wire`). A fault is wrong there, a freedom is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from conformance.model.store import ThreadStore
from conformance.reference.app import new_store
from conformance.reference.wire import Wire

Apply = Callable[["Altered"], None]


@dataclass
class Altered:
    """A deployment of its own for one fault or freedom: its store and its HTTP layer."""

    store: ThreadStore = field(default_factory=new_store)
    wire: Wire = field(default_factory=Wire)
    #: The store of each tenant by the tenant's key; none where there are no doors.
    by_key: dict[str, ThreadStore] = field(default_factory=dict)
    #: The decisions of the store that are replaced.
    replaced: set[str] = field(default_factory=set)
    #: Nothing differs before one of these operations was asked for; none: from the start.
    only_with: frozenset[str] = frozenset()
    #: How often a replaced decision was asked for.
    decided: int = 0

    def override(self, decision: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Replace a method of the store; the replacement is given the right one first."""
        right = getattr(self.store, decision)
        self.replaced.add(decision)

        def register(other: Callable[..., Any]) -> Callable[..., Any]:
            def decide(*arguments: Any, **named: Any) -> Any:
                self.decided += 1
                return other(right, *arguments, **named)

            setattr(self.store, decision, decide)
            return other

        return register

    @property
    def exercised(self) -> bool:
        """Whether a request reached what is altered."""
        return bool(self.decided or self.wire.acted)

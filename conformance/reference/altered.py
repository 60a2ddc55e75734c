"""An altered reference deployment, on which faults and freedoms are built.

Both override decisions of the model (`override`), or change requests and answers at the HTTP
layer (the rules of `Wire`). A fault makes the deployment break requirements; a freedom makes it
differ in a way that is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from conformance.model.store import ThreadStore
from conformance.reference.app import new_store
from conformance.reference.restarting import RestartableApp
from conformance.reference.wire import Wire

Apply = Callable[["Altered"], None]


@dataclass
class Altered:
    """The deployment of one fault or freedom: its store and its HTTP layer."""

    store: ThreadStore = field(default_factory=new_store)
    wire: Wire = field(default_factory=Wire)
    #: The store of each tenant by API key; empty without access control.
    by_key: dict[str, ThreadStore] = field(default_factory=dict)
    #: The methods of the store's operations that are overridden.
    overridden: set[Callable[..., Any]] = field(default_factory=set)
    #: The alteration takes effect with the first request of one of these operations; if the set is
    #: empty, from the start.
    from_first: frozenset[str] = frozenset()
    #: The application over the store, without the HTTP layer; None with access control.
    app: RestartableApp | None = None
    #: The number of calls of overridden methods.
    decided: int = 0

    def override(
        self, decision: Callable[..., Any]
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Override a method of the store's operations, such as `Threads.copy`.

        The replacement gets the original method, bound to its object, as its first argument.
        """
        name = decision.__name__
        owner = self.owner_of(decision)
        right = getattr(owner, name)
        self.overridden.add(decision)

        def register(other: Callable[..., Any]) -> Callable[..., Any]:
            def decide(*arguments: Any, **named: Any) -> Any:
                self.decided += 1
                return other(right, *arguments, **named)

            setattr(owner, name, decide)
            return other

        return register

    def owner_of(self, decision: Callable[..., Any]) -> object:
        """Return the part of the store whose class has the method `decision`."""
        return next(
            part
            for part in vars(self.store).values()
            if getattr(type(part), decision.__name__, None) is decision
        )

    @property
    def exercised(self) -> bool:
        """Whether a request reached an alteration."""
        return bool(self.decided or self.wire.acted)

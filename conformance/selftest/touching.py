"""What a check touches without any fault, and whether a fault alters any of that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from conformance.reference.faults import Broken
from conformance.reference.wire import WireRequest


@dataclass
class Touched:
    """The decisions of the store that a check asked for, and the requests that it sent."""

    decisions: set[str] = field(default_factory=set)
    requests: list[WireRequest] = field(default_factory=list)

    def by(self, broken: Broken) -> bool:
        """Whether the fault alters anything of it.

        If it does not, the check's exchanges are the same with the fault as without:
        the first request whose answer could differ would have to be one of these.
        """
        if self.decisions & broken.replaced:
            return True
        rules = [*broken.wire.rules_before, *broken.wire.rules_after]
        return any(rule.concerns(request) for request in self.requests for rule in rules)


class Watcher:
    """Watches a deployment without faults; what it sees belongs to `current`."""

    def __init__(self, deployment: Broken, decisions: Iterable[str]) -> None:
        self.current = Touched()
        for name in decisions:
            self._watch(deployment, name)

        @deployment.wire.before()
        def note(request: WireRequest) -> None:
            # As it was sent: rules change requests in place, and this one does not.
            self.current.requests.append(request)

    def _watch(self, deployment: Broken, name: str) -> None:
        @deployment.instead(name)
        def noted(right: Any, *arguments: Any, **named: Any) -> Any:
            self.current.decisions.add(name)
            return right(*arguments, **named)

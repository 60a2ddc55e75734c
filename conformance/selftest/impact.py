"""What a check touches without any fault, and whether a fault or freedom alters any of that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from conformance.reference.altered import Altered
from conformance.reference.wire import Rule, WireAnswer, WireRequest


@dataclass
class SentRequest:
    """A request, and the status of its right answer; None where nobody waited for it."""

    request: WireRequest
    status: int | None = None

    def by(self, rule: Rule) -> bool:
        """Whether the rule acts on it, before or after it is answered."""
        return rule.concerns(self.request) and (self.status is None or rule.statuses(self.status))


@dataclass
class Impact:
    """The decisions of the store that a check asked for, and the requests that it sent."""

    decisions: set[str] = field(default_factory=set)
    requests: list[SentRequest] = field(default_factory=list)

    def by(self, altered: Altered) -> bool:
        """Whether what is altered is anything of it.

        If it does not, the check's exchanges are the same with the alteration as without:
        the first request whose answer could differ would have to be one of these.
        """
        if altered.only_with and not any(
            sent.request.operation in altered.only_with for sent in self.requests
        ):
            return False
        if self.decisions & altered.replaced:
            return True
        rules = [*altered.wire.rules_before, *altered.wire.rules_after]
        return any(sent.by(rule) for sent in self.requests for rule in rules)


class Watcher:
    """Watches a deployment that nothing alters; what it sees belongs to `current`."""

    def __init__(self, deployment: Altered, decisions: Iterable[str]) -> None:
        self.current = Impact()
        # By the identity of the request: it may be answered when the next check is at hand.
        unanswered: dict[int, SentRequest] = {}
        for name in decisions:
            self._watch(deployment, name)

        @deployment.wire.before()
        def note(request: WireRequest) -> None:
            # As it was sent: rules change requests in place, and this one does not.
            unanswered[id(request)] = sent = SentRequest(request)
            self.current.requests.append(sent)

        @deployment.wire.after()
        def note_status(request: WireRequest, answer: WireAnswer) -> None:
            unanswered.pop(id(request)).status = answer.status

    def _watch(self, deployment: Altered, name: str) -> None:
        @deployment.override(name)
        def noted(right: Any, *arguments: Any, **named: Any) -> Any:
            self.current.decisions.add(name)
            return right(*arguments, **named)

"""What a check touches without any fault, and whether a fault or freedom alters any of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from conformance.reference.altered import Altered
from conformance.reference.wire import Rule, WireAnswer, WireRequest


@dataclass
class SentRequest:
    """A request, and the status of its right answer; None if the client did not wait for it."""

    request: WireRequest
    status: int | None = None

    def matched_by(self, rule: Rule) -> bool:
        """Return whether the rule acts on the request or on its answer."""
        return rule.concerns(self.request) and (self.status is None or rule.statuses(self.status))


class Impact:
    """The methods of the store's operations that a check reached, and the requests that it sent.

    What is given as `requests` is not gone through before they are needed.
    """

    def __init__(
        self,
        decisions: Iterable[Callable[..., Any]] = (),
        requests: Iterable[SentRequest] = (),
    ) -> None:
        self.decisions = set(decisions)
        self._given = requests

    @cached_property
    def requests(self) -> list[SentRequest]:
        """The requests, in their order."""
        return list(self._given)

    def affected_by(self, altered: Altered) -> bool:
        """Return whether the alteration affects the check.

        If not, the check's exchanges are the same with the alteration as without: the first request
        whose answer differs would have to be one of the recorded requests.
        """
        if altered.from_first and not any(
            sent.request.operation in altered.from_first for sent in self.requests
        ):
            return False
        if self.decisions & altered.overridden:
            return True
        rules = [*altered.wire.rules_before, *altered.wire.rules_after]
        return any(sent.matched_by(rule) for rule in rules for sent in self.requests)


class ImpactRecorder:
    """A recorder of what the checks touch on an unaltered deployment; it writes into `current`."""

    def __init__(self, deployment: Altered, decisions: Iterable[Callable[..., Any]]) -> None:
        self.current = Impact()
        # By identity, since a request may be answered only during the next check.
        unanswered: dict[int, SentRequest] = {}
        for decision in decisions:
            self._watch(deployment, decision)

        @deployment.wire.before()
        def note(request: WireRequest) -> None:
            # Kept as it was sent: rules change requests in place, and this one does not.
            unanswered[id(request)] = sent = SentRequest(request)
            self.current.requests.append(sent)

        @deployment.wire.after()
        def note_status(request: WireRequest, answer: WireAnswer) -> None:
            # A stream that does not end is answered piece by piece: the first piece has the status.
            if id(request) in unanswered:
                unanswered.pop(id(request)).status = answer.status

    def _watch(self, deployment: Altered, decision: Callable[..., Any]) -> None:
        @deployment.override(decision)
        def noted(right: Any, *arguments: Any, **named: Any) -> Any:
            self.current.decisions.add(decision)
            return right(*arguments, **named)

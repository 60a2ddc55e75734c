"""The content of a failure: requirement, expected, actual, difference, and how to reproduce it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conformance.checks.outcomes import PromiseBroken, SequenceBroken
from conformance.contract.catalogue import Catalogue
from conformance.deployment.private_record import with_variables
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.reproduction import numbered_commands, reproduction
from conformance.deployment.record.story import needed_exchanges
from conformance.report.record import Failure
from conformance.runner.judging import fingerprint_of, first_line
from conformance.safe_text import excerpt

#: Exchanges quoted with a failure: enough to understand it, few enough to read.
QUOTED_EXCHANGES = 20
#: Characters of a value in the line and the message that tell a failure.
_TOLD = 280


@dataclass(frozen=True)
class FailureBuilder:
    """The builder of a `Failure` from the exception that ended a check.

    `redact` removes from a text what must not be reported. `strangers` returns a description of
    what the current check saw of other people's threads, without content; empty if it saw nothing.
    `base` is the URL of the deployment, without secrets.
    """

    catalogue: Catalogue
    redact: Callable[[str], str]
    strangers: Callable[[], str]
    base: str = ""

    def build(
        self, requirements: Sequence[str], ended: BaseException, exchanges: list[Exchange]
    ) -> Failure:
        """Make a failure of these requirements, with expected and actual values."""
        redact = self.redact
        broken = ended if isinstance(ended, PromiseBroken) else None
        expected = redact(broken.expected) if broken else "the check to hold"
        actual = redact(broken.actual) if broken else redact(first_line(ended))
        diff = tuple(map(redact, broken.diff)) if broken else ()
        if strangers := self.strangers():
            # No value of an answer may be reported, since it may be other people's.
            expected, diff = "what the promise says", ()
            actual = redact(broken.facts if broken and broken.facts else strangers)
        whole = isinstance(ended, SequenceBroken)
        commands = numbered_commands if whole else reproduction
        curl = commands(exchanges, self.base)
        message = "\n".join(
            [
                *self._statements(requirements),
                f"expected: {excerpt(expected, _TOLD)}",
                f"got: {excerpt(actual, _TOLD)}",
                *(f"difference: {line}" for line in diff),
                f"reproduce: \n{curl}",
                *self._sources(requirements),
            ]
        )
        return Failure(
            message=message,
            expected=expected,
            actual=actual,
            diff=diff,
            fingerprint=fingerprint_of(ended, exchanges),
            curl=curl.strip(),
            exchanges=tuple(
                each.summary() for each in (exchanges if whole else _quoted(exchanges))
            ),
        )

    def private_failure(
        self,
        requirements: Sequence[str],
        ended: BaseException,
        facts: str,
        exchanges: list[Exchange],
    ) -> Failure:
        """Make a failure with facts alone, since the threads are not the run's.

        The exchanges are already without content: see `PrivateRecorder`.
        """
        curl = reproduction(exchanges, self.base, placeholders=True)
        return Failure(
            message="\n".join(
                [
                    *self._statements(requirements),
                    f"got: {facts}",
                    f"reproduce: \n{curl}",
                    *self._sources(requirements),
                ]
            ),
            expected="the promise to hold of every thread that was looked at",
            actual=facts,
            diff=(),
            fingerprint=fingerprint_of(ended, exchanges),
            curl=curl,
            exchanges=tuple(
                {**summary, "curl": with_variables(summary["curl"])}
                for summary in (each.summary() for each in exchanges[-QUOTED_EXCHANGES:])
            ),
        )

    def _statements(self, requirements: Sequence[str]) -> list[str]:
        found = [self.catalogue.requirements[each] for each in requirements]
        return [f"{each.id}: {each.statement}" for each in found]

    def _sources(self, requirements: Sequence[str]) -> list[str]:
        found = [self.catalogue.requirements[each] for each in requirements]
        return [f"source: {source}" for each in found for source in each.sources]


def _quoted(exchanges: list[Exchange]) -> list[Exchange]:
    """Return the exchanges that are quoted: of too many, those that the failure needs."""
    if len(exchanges) <= QUOTED_EXCHANGES:
        return exchanges
    return needed_exchanges(exchanges)[-QUOTED_EXCHANGES:]


def summary_of(failure: Failure) -> str:
    """Return a failure as one line, with the beginning of its values."""
    return failure.symptom.splitlines()[0]

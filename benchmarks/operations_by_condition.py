"""Count which operations the checks call on a thread in each condition.

    python -m benchmarks.operations_by_condition [--markdown]

The checks of the profile `full` that name a condition are run on the reference, in process. A pair
of condition and operation is *asked* if a check requests the operation on the thread after making
it, *accepted* if such a request was answered by a success, and *at once* if no accepted write came
between. Requests that make the thread do not count. Pairs that need not be accepted are listed in
`LEFT_OUT` of `conformance/checks/acts.py`, with the reasons.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.condition_stories import stories
from conformance.checks import conditions
from conformance.checks.acts import LEFT_OUT, SUBJECT
from conformance.contract.operations import BY_NAME
from conformance.selftest.impact import SentRequest

#: Writes that leave a thread in its condition.
_LEAVING = ("create", "copy")

Pair = tuple[str, str]


@dataclass
class Reached:
    """The number of checks that ask each pair, the pairs accepted, and those accepted at once."""

    checks: dict[Pair, int] = field(default_factory=dict)
    accepted: set[Pair] = field(default_factory=set)
    at_once: set[Pair] = field(default_factory=set)

    def add(self, condition: str, sent: Iterable[SentRequest]) -> None:
        """Add the requests that one check sent about its thread, in order."""
        requested: set[Pair] = set()
        changed = False
        for each in sent:
            pair = condition, str(each.request.operation)
            requested.add(pair)
            # A stream that the client left has no known status; it was joined, so it is accepted.
            if each.status is not None and not 200 <= each.status < 300:
                continue
            self.accepted.add(pair)
            if not changed:
                self.at_once.add(pair)
            changed |= BY_NAME[pair[1]].writes and pair[1] not in _LEAVING
        for pair in requested:
            self.checks[pair] = self.checks.get(pair, 0) + 1


def count() -> Reached:
    """Return how many checks call each operation in each condition."""
    reached = Reached()
    for story in stories():
        for thread_id in story.threads:
            reached.add(story.condition, [each for _, each in story.of(thread_id)])
    return reached


def left_out() -> Mapping[Pair, str]:
    """Return why each pair need not be accepted, by pair."""
    return {pair: each.reason for each in LEFT_OUT for pair in each.pairs()}


def as_text(reached: Reached, *, markdown: bool) -> str:
    """Return a line for each condition, the totals, and what is left out with the reasons."""
    reasons = left_out()
    lines = ["| condition | checks by operation | not accepted |", "|---|---|---|"]
    lines = lines if markdown else []
    for name in conditions.names():
        shown = ", ".join(
            f"{each} {reached.checks[name, each]}"
            for each in SUBJECT
            if (name, each) in reached.checks
        )
        missing = [
            each
            for each in SUBJECT
            if (name, each) not in reached.accepted and (name, each) not in reasons
        ]
        left = ", ".join(missing) or "-"
        lines.append(
            f"| {name} | {shown} | {left} |" if markdown else f"{name}: {shown}; not: {left}"
        )
    pairs = len(conditions.names()) * len(SUBJECT)
    allowed = pairs - len(reasons)
    accepted, at_once = (len(each - reasons.keys()) for each in (reached.accepted, reached.at_once))
    lines += [
        "",
        f"{len(reached.checks)} of {pairs} pairs of condition and operation asked",
        f"{accepted} of {allowed} accepted ({accepted / allowed:.1%}), {at_once} of them at once",
        "",
        f"{len(reasons)} pairs are left out:",
        *(
            f"- {', '.join(each.operations)} in {_shown(each.conditions)}: {each.reason}"
            for each in LEFT_OUT
        ),
    ]
    return "\n".join(lines)


def _shown(names: Sequence[str]) -> str:
    if set(names) == set(conditions.settled()):
        return "each condition without a run under way"
    return ", ".join(names)


def main() -> None:
    """Print the coverage."""
    options = argparse.ArgumentParser(description="Operations reached in each condition.")
    options.add_argument("--markdown", action="store_true")
    print(as_text(count(), markdown=options.parse_args().markdown))


if __name__ == "__main__":
    main()

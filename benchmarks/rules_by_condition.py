"""Count which rules the checks judge after each operation on a thread in each condition.

    python -m benchmarks.rules_by_condition [--markdown]

A triple of condition, operation and rule is *reached* if a check that names the condition judged
the rule on its thread after the operation was answered: accepted or, for the rule about refused
requests, refused; a read may be either. It is reached *by itself* if no other accepted write came
between. `RULES` names the rules, the functions that judge each, and the triples that the sources do
not allow, with the reasons; so are pairs in `LEFT_OUT` of `conformance/checks/acts.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from benchmarks.condition_stories import Story, stories
from benchmarks.operations_by_condition import left_out
from conformance.checks import following, ways
from conformance.checks.acts import SUBJECT
from conformance.checks.conditions import UNSETTLED, names, settled
from conformance.checks.expect import assert_untouched
from conformance.contract.operations import BY_NAME
from conformance.selftest.impact import SentRequest
from conformance.suite import test_condition as suite

Triple = tuple[str, str, str]
Judge = Callable[..., object]

#: Runs by each way to start one, what changes a thread, and what writes at all.
_RUNS = ("run_wait", "run_stream", "run_background", "thread_command")
_CHANGES = ("update", "update_state", *_RUNS)
_WRITES = (*_CHANGES, "prune", "delete", "run_delete", "run_cancel", "runs_cancel")
#: What leaves a thread as it is: it looks, copies, or creates what exists.
_LOOKS = tuple(each for each in SUBJECT if each not in _WRITES)
#: What can be refused on a thread that exists, by a body, a name or an id that is wrong.
_REFUSABLE = ("create", *(each for each in _WRITES if each != "delete"))


@dataclass(frozen=True)
class LeftOutTriples:
    """Operations and conditions in which a rule does not apply, and why."""

    operations: tuple[str, ...]
    reason: str
    conditions: tuple[str, ...] = field(default_factory=names)


@dataclass(frozen=True)
class Rule:
    """A rule, the operations after which it must hold, and the functions that judge it.

    `judges` maps each function to the operations for which it judges, none standing for all.
    `refused` says that the rule is about requests that are refused.
    """

    name: str
    operations: tuple[str, ...]
    judges: Mapping[Judge, tuple[str, ...]]
    left_out: tuple[LeftOutTriples, ...] = ()
    refused: bool = False

    def counts(self, sent: SentRequest) -> bool:
        """Return whether the rule is judged after such a request, as it was answered.

        A read that is refused is a read: it must change no more than another.
        """
        looks = not self.refused and not BY_NAME[sent.request.operation].writes
        return looks or is_refused(sent) is self.refused

    def reasons(self) -> dict[tuple[str, str], str]:
        """Return why each pair of condition and operation is left out, by pair."""
        reasons = {
            pair: reason
            for pair, reason in left_out().items()
            if pair[1] in self.operations and not self.refused
        }
        for each in self.left_out:
            reasons |= dict.fromkeys(product(each.conditions, each.operations), each.reason)
        return reasons

    def allowed(self) -> list[tuple[str, str]]:
        """Return the pairs of condition and operation after which the rule must hold."""
        reasons = self.reasons()
        return [each for each in product(names(), self.operations) if each not in reasons]


_BY_ALL: tuple[str, ...] = ()
_UNDER_WAY = LeftOutTriples(
    _LOOKS, "a run under way may change the thread between two requests", UNSETTLED
)
_MOVES_ITSELF = "a run under way may move the times itself"
_WAYS: dict[Judge, tuple[str, ...]] = {
    ways.assert_ways_agree: _BY_ALL,
    ways.answers_that_disagree: _BY_ALL,
}

RULES = (
    Rule(
        "GET and POST agree",
        SUBJECT,
        {**_WAYS, ways.assert_gone: _BY_ALL, suite._assert_older_agree: _BY_ALL},
        (_UNDER_WAY,),
    ),
    Rule(
        "thread, state and history agree",
        SUBJECT,
        {
            **_WAYS,
            ways.assert_gone: _BY_ALL,
            suite._assert_values_agree: _BY_ALL,
            suite._assert_newest_agrees: _BY_ALL,
        },
        (_UNDER_WAY,),
    ),
    Rule(
        "search and count agree",
        SUBJECT,
        {**_WAYS, suite._assert_counted_by_status: _BY_ALL},
        (_UNDER_WAY,),
    ),
    Rule(
        "wait, stream and join agree",
        ("run_wait", "run_stream", "run_join"),
        {following.assert_answer_is_shown: _BY_ALL},
    ),
    Rule(
        "the status says what is so",
        tuple(each for each in SUBJECT if each != "delete"),
        {ways.assert_as_before: _LOOKS, following.assert_status_follows: _BY_ALL},
        (
            LeftOutTriples(
                ("run_delete",),
                "no source says which status the deletion of an ended run leaves",
                settled(),
            ),
        ),
    ),
    Rule(
        "updated_at moves with every change",
        _CHANGES,
        {following.assert_updated_at_follows: _BY_ALL, suite._assert_moves: _BY_ALL},
        (LeftOutTriples(_CHANGES, _MOVES_ITSELF, UNSETTLED),),
    ),
    Rule(
        "no time moves with a read",
        _LOOKS,
        {ways.assert_as_before: _BY_ALL},
        (LeftOutTriples(_LOOKS, _MOVES_ITSELF, UNSETTLED),),
    ),
    Rule(
        "what one call names holds for that call alone",
        ("state_at_checkpoint", "post_state_at_checkpoint", "update_state", *_RUNS),
        {
            ways.assert_as_before: _LOOKS,
            following.assert_checkpoint_held_once: ("run_stream",),
        },
        (LeftOutTriples(_RUNS, "a run that is refused or waits has no end to compare", UNSETTLED),),
    ),
    Rule(
        "what is refused changes nothing",
        _REFUSABLE,
        {ways.assert_as_before: _BY_ALL},
        refused=True,
    ),
    Rule(
        "what is beside stays",
        _WRITES,
        {following.assert_beside_stays: _BY_ALL, assert_untouched: _BY_ALL},
    ),
)

#: Why operations are in no rule of their own kind; told beside the tables.
NOT_IN_A_RULE = {
    "wait, stream and join agree": "other operations make no run, or tell no values of one",
    "the status says what is so": "a thread that was deleted has none",
    "updated_at moves with every change": "no source says that pruning, the deletion of a run or "
    "its end by cancelling update a thread; deletion leaves none",
    "no time moves with a read": "the others may change the thread",
    "what one call names holds for that call alone": "the others name no checkpoint, breakpoint, "
    "configuration or strategy that could go on to hold",
    "what is refused changes nothing": "requests that only look have a rule of their own; a copy "
    "and a deletion have nothing that could be wrong",
    "what is beside stays": "requests that only look change not even the thread that they name",
}


@dataclass
class Triples:
    """The triples that are reached, and those that are reached by themselves."""

    reached: set[Triple] = field(default_factory=set)
    by_itself: set[Triple] = field(default_factory=set)

    def add(self, story: Story) -> None:
        """Add what one check judged."""
        for thread_id in story.threads:
            sent = story.of(thread_id)
            for rule in RULES:
                self._add(story, rule, thread_id, sent)

    def _add(
        self, story: Story, rule: Rule, thread_id: str, sent: list[tuple[int, SentRequest]]
    ) -> None:
        by_name = {judge.__name__: operations for judge, operations in rule.judges.items()}
        for judged in story.judged:
            if judged.function not in by_name or not (
                thread_id in judged.threads or judged.function == assert_untouched.__name__
            ):
                continue
            only = by_name[judged.function]
            before = [each for number, each in sent if number < judged.at]
            between = False
            for each in reversed(before):
                operation = each.request.operation
                if rule.counts(each) and (not only or operation in only):
                    triple = story.condition, operation, rule.name
                    self.reached.add(triple)
                    if not between:
                        self.by_itself.add(triple)
                between = between or (
                    BY_NAME[operation].writes and operation not in _LOOKS and not is_refused(each)
                )


def is_refused(sent: SentRequest) -> bool:
    """Return whether a request was refused."""
    # A stream that the client left has no known status; it was joined, so it was accepted.
    return sent.status is not None and not 200 <= sent.status < 300


def count() -> Triples:
    """Return the triples that the checks reach."""
    triples = Triples()
    for story in stories({judge for rule in RULES for judge in rule.judges}):
        triples.add(story)
    return triples


def as_text(triples: Triples, *, markdown: bool) -> str:
    """Return a line for each rule, the total, what is missing, and what is left out and why."""
    rows = [_row(rule.name, _allowed(rule), triples) for rule in RULES]
    rows.append(_row("all", [each for rule in RULES for each in _allowed(rule)], triples))
    lines = [
        "| rule | reached | allowed | share | by itself |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(each)} |" for each in rows),
    ]
    if not markdown:
        lines = ["{}: {} of {} ({}), {} by itself".format(*each) for each in rows]
    return "\n".join([*lines, "", "Not reached:", *_missing(triples), "", "Left out:", *_reasons()])


def _allowed(rule: Rule) -> list[Triple]:
    return [(condition, operation, rule.name) for condition, operation in rule.allowed()]


def _row(name: str, allowed: Iterable[Triple], triples: Triples) -> tuple[str, ...]:
    wanted = {*allowed}
    reached = len(wanted & triples.reached)
    return (
        name,
        str(reached),
        str(len(wanted)),
        f"{reached / len(wanted):.1%}",
        str(len(wanted & triples.by_itself)),
    )


def _missing(triples: Triples) -> Iterator[str]:
    for rule in RULES:
        missing: dict[str, list[str]] = {}
        for condition, operation, name in _allowed(rule):
            if (condition, operation, name) not in triples.reached:
                missing.setdefault(operation, []).append(condition)
        for operation, where in missing.items():
            yield f"- {rule.name}: {operation} in {_shown(where)}"


def _reasons() -> Iterator[str]:
    for rule in RULES:
        others = len(SUBJECT) - len(rule.operations)
        if others:
            yield f"- {rule.name}: {others} operations: {NOT_IN_A_RULE[rule.name]}"
        classes: dict[str, list[tuple[str, str]]] = {}
        for (condition, operation), reason in rule.reasons().items():
            if operation in rule.operations:
                classes.setdefault(reason, []).append((condition, operation))
        for reason, pairs in classes.items():
            yield f"- {rule.name}: {len(pairs)} pairs: {reason}"


def _shown(conditions: list[str]) -> str:
    if {*conditions} == {*settled()}:
        return "each condition without a run under way"
    return ", ".join(conditions)


def main() -> None:
    """Print the coverage."""
    options = argparse.ArgumentParser(description="Rules judged after each operation.")
    options.add_argument("--markdown", action="store_true")
    print(as_text(count(), markdown=options.parse_args().markdown))


if __name__ == "__main__":
    main()

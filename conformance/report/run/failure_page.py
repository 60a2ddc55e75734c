"""The failures of a report as report.html shows them: each cause with its evidence, laid out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.quotations import Cited, cited
from conformance.report.plain_text import cut
from conformance.report.record import CheckResult, Report
from conformance.report.run.grouping import FailureGroup, ToldFailure
from conformance.report.run.json_view import Difference, View, parse_difference, view
from conformance.report.run.reference_answers import ReferenceAnswer, ReferenceAnswers
from conformance.report.run.wording import Promise, Requirements, promises, stability_note

#: So many of the last requests are shown whole: a check compares the answers of two.
_OPEN_STEPS = 2
#: Promises that a failure states whole; further ones are named.
_PROMISES_STATED = 3


@dataclass(frozen=True)
class _Limit:
    """Bytes that texts of one kind may take on a page, so that it stays one: all, and each."""

    all: int
    longest: int
    shortest: int

    def of_each(self, number: int) -> int:
        """Return how many bytes each of so many texts may take."""
        return max(self.shortest, min(self.longest, self.all // max(1, number)))


_BODIES = _Limit(400_000, 4_000, 40)
_VALUES = _Limit(400_000, 6_000, 300)
#: Bytes of the commands of all failures together, and of one.
_ALL_COMMANDS, _COMMANDS = 300_000, 20_000


#: Below so many bytes of a text it is not told how long the whole is.
_WORTH_A_NUMBER = 200


@dataclass(frozen=True)
class _Limits:
    """The bytes that each text of this page may take."""

    body: int
    value: int


@dataclass(frozen=True)
class Answer:
    """An answer to one request: a status or an error, and the body laid out."""

    status: int | None
    error: str
    body: View | None


@dataclass(frozen=True)
class Step:
    """One request of a failure with its answer, and the reference's if it was asked the same.

    `share` is how long it took, in percent of the longest. `open`: it is shown whole at first.
    """

    method: str
    path: str
    request: View | None
    answer: Answer
    reference: Answer | None
    same: bool
    elapsed_ms: float
    share: float
    open: bool


@dataclass(frozen=True)
class FailurePart:
    """One cause with its requirements, `ids` the highest level first, and its evidence.

    `address` names it on the page, `other_addresses` are those of its further requirements.
    `curl` is empty where the commands are too long for the page, and would have to be cut.
    """

    group: FailureGroup
    check: CheckResult
    address: str
    other_addresses: tuple[str, ...]
    ids: tuple[str, ...]
    title: str
    stated: tuple[Promise, ...]
    named: tuple[Promise, ...]
    sources: tuple[Cited, ...]
    note: str
    differences: tuple[Difference, ...]
    expected: View | None
    actual: View | None
    curl: str
    steps: tuple[Step, ...]
    asked_reference: str


def anchors(told: Sequence[ToldFailure]) -> tuple[str, ...]:
    """Return an address for each failure that is the same in every run.

    It is `failure-ID`. A further cause that breaks nothing else has a part of its fingerprint as
    well.
    """
    found: list[str] = []
    for each in told:
        name = f"failure-{each.ids[0]}"
        if name in found:
            fingerprint = each.check.failure.fingerprint if each.check.failure else ""
            name += f"-{''.join(filter(str.isalnum, fingerprint))[:8]}"
            while name in found:
                name += "x"
        found.append(name)
    return tuple(found)


def failure_parts(
    report: Report,
    requirements: Requirements,
    told: Sequence[ToldFailure],
    reference: Mapping[str, ReferenceAnswers],
) -> tuple[FailurePart, ...]:
    """Return the failures of a report, in the order of `told`."""
    shown = [failure for each in told if (failure := each.check.failure)]
    bodies = sum(len(each.exchanges) for each in shown)
    limits = _Limits(
        body=_BODIES.of_each((3 if reference else 2) * bodies),
        value=_VALUES.of_each(2 * len(shown)),
    )
    addresses = anchors(told)
    taken = set(addresses)
    found = []
    for each, address in zip(told, addresses, strict=True):
        others = [f"failure-{name}" for name in each.group.requirements]
        others = [name for name in dict.fromkeys(others) if name not in taken]
        taken.update(others)
        part = _part(each, address, tuple(others), report, requirements, reference, limits)
        found.append(part)
    fitting = _have_room([each.curl for each in found])
    return tuple(
        part if fits else replace(part, curl="") for part, fits in zip(found, fitting, strict=True)
    )


def _part(
    told: ToldFailure,
    address: str,
    others: tuple[str, ...],
    report: Report,
    requirements: Requirements,
    reference: Mapping[str, ReferenceAnswers],
    limits: _Limits,
) -> FailurePart:
    failure = told.check.failure
    decided = promises(told.ids, report, requirements)
    titles = {each.id: each.title for each in report.requirements}
    known = requirements.get(told.ids[0])
    lines = failure.diff if failure else ()
    differences = tuple(parse_difference(cut(each, 600)) for each in lines)
    paths = {each.path for each in differences if each.path}
    if paths == {"$"}:
        # The whole values differ: they stand side by side.
        differences = ()
    answers = reference.get(told.check.id)
    sources = {
        each.source: each
        for one in decided
        if (promised := requirements.get(one.id))
        for each in cited(promised)
    }
    return FailurePart(
        group=told.group,
        check=told.check,
        address=address,
        other_addresses=others,
        ids=told.ids,
        title=known.title if known else titles.get(told.ids[0], told.check.id),
        stated=decided[:_PROMISES_STATED],
        named=decided[_PROMISES_STATED:],
        sources=tuple(sorted(sources.values(), key=lambda each: not each.words)),
        note=stability_note(told.check),
        differences=differences,
        expected=view(_fitting(failure.expected, limits.value), paths) if failure else None,
        actual=view(_fitting(failure.actual, limits.value), paths) if failure else None,
        curl=failure.curl if failure else "",
        steps=tuple(_steps(told.check, report, answers, limits.body)),
        asked_reference=_asked(answers),
    )


def _asked(answers: ReferenceAnswers | None) -> str:
    if answers is None:
        return "The reference was not asked the same."
    if answers.problem:
        return f"The reference was not asked all of it: {answers.problem}."
    return "The reference was asked the same: its answers stand beside."


def _steps(
    check: CheckResult, report: Report, answers: ReferenceAnswers | None, limit: int
) -> Iterator[Step]:
    exchanges = check.failure.exchanges if check.failure else ()
    longest = max((each["elapsed_ms"] for each in exchanges), default=0.0)
    for position, each in enumerate(exchanges):
        theirs = answers.by_position.get(position) if answers else None
        paths = theirs.paths if theirs else ()
        yield Step(
            method=str(each["method"]),
            path=str(each["url"]).removeprefix(report.deployment.url.rstrip("/")),
            request=_body(each["request_body"], limit),
            answer=Answer(
                each["status"],
                str(each["error"] or ""),
                _body(each["response_body"], limit, paths),
            ),
            reference=_reference_answer(theirs, limit) if theirs else None,
            same=theirs is not None and theirs.same,
            elapsed_ms=each["elapsed_ms"],
            share=100 * each["elapsed_ms"] / longest if longest else 0.0,
            open=position >= len(exchanges) - _OPEN_STEPS,
        )


def _reference_answer(theirs: ReferenceAnswer, limit: int) -> Answer:
    if theirs.status is None:
        return Answer(None, _fitting(theirs.body, limit), None)
    return Answer(theirs.status, "", _body(theirs.body, limit, theirs.paths))


def _body(body: Any, limit: int, paths: Sequence[str] = ()) -> View | None:
    return None if body is None else view(_fitting(str(body), limit), paths)


def _have_room(commands: Sequence[str]) -> list[bool]:
    """Return which commands the page has room for: the shortest ones, and none is cut."""
    room = _ALL_COMMANDS
    found = [False] * len(commands)
    for size, place in sorted((_size(each), place) for place, each in enumerate(commands)):
        room -= size
        found[place] = room >= 0 and size <= _COMMANDS
    return found


def _size(text: str) -> int:
    """Return the bytes of a text as HTML: a character may be written by several."""
    written = len(text.encode("utf-8", "replace")) + sum(map(text.count, "<>")) * 3
    return written + text.count("&") * 4


def _fitting(text: str, limit: int) -> str:
    """Return a text cut so that it takes at most about `limit` bytes of HTML."""
    shown = text[:limit]
    fitting = limit * len(shown) // max(_size(shown), 1)
    if limit < _WORTH_A_NUMBER and len(text) > fitting:
        return f"{text[:fitting]}…"
    return cut(text, fitting)

"""Assertions about other people's threads that report published members, never their content."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from conformance.checks.visits import promise_broken, undecided
from conformance.contract.schemas import load_schema, validator
from conformance.deployment.client import Answer
from conformance.json_differences import same_json


def expect_fits(schema: str, value: dict[str, Any]) -> None:
    """Assert that an object fits one of our schemas; a failure names the members that do not."""
    misfits = sorted(set(_misfits(schema, value)))
    if misfits:
        raise promise_broken(f"does not fit schemas/{schema}.json: {', '.join(misfits)}")


def _misfits(schema: str, value: dict[str, Any]) -> Iterable[str]:
    known = load_schema(schema).get("properties", {})
    for error in validator(schema).iter_errors(value):
        place = str(error.absolute_path[0]) if error.absolute_path else ""
        if error.validator == "required" and not place:
            yield from (f"{each} is missing" for each in error.validator_value if each not in value)
        elif place in known:
            yield f"{place} breaks {error.validator}"
        else:
            yield f"it breaks {error.validator}"


def expect_same(
    actual: dict[str, Any], expected: dict[str, Any], members: Collection[str], what: str
) -> None:
    """Assert that two objects agree in these published members; a failure names the others."""
    differing = sorted(
        each for each in members if not same_json(actual.get(each), expected.get(each))
    )
    if differing:
        raise promise_broken(f"{what} differs in {', '.join(differing)}")


def expect_refused(answer: Answer, what: str) -> None:
    """Assert that a bad request is answered by a 4xx."""
    if not 400 <= answer.status < 500:
        raise promise_broken(f"{what} is answered with {answer.status} and not refused by a 4xx")


def texts_in_metadata(
    metadata: Any, usable: Callable[[str, str], bool], number: int = 1
) -> dict[str, str]:
    """Return `number` text members of a thread's metadata; blocked if there are fewer usable ones.

    Long texts come first: fewer threads share them.
    """
    found = {
        name: value
        for name, value in (metadata.items() if isinstance(metadata, dict) else ())
        if isinstance(value, str) and usable(name, value)
    }
    if len(found) < number:
        raise undecided(
            f"the metadata of the thread has {len(found)} of the {number} texts to search for "
            "that it takes: name another with --thread ID"
        )
    return dict(sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))[:number])

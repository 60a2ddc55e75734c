"""Requests that meet or break each keyword of a request schema.

The coverage phase of schemathesis goes through a schema keyword by keyword; random bodies reach the
rare ones by luck only.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.checks.generators.generated_cache import load_cached, store_cached
from conformance.checks.generators.schema_bodies import Mode, adapted_operation, is_portable
from conformance.checks.lenient_validation import must_be_refused
from conformance.contract.schemas import is_valid
from conformance.deployment.ownership.guard import ID_MEMBERS
from conformance.deployment.ownership.proof import Ownership, is_uuid
from conformance.deployment.settings import Settings
from conformance.time_account import Activity, spend

#: The share of the keywords that are broken, by effort.
_BROKEN = {"quick": 0.25, "standard": 1.0, "thorough": 1.0}
#: The number of values tried for each broken keyword, by effort.
_VALUES = {"quick": 1, "standard": 1, "thorough": 1000}
#: The share of the valid bodies that are sent, by effort.
_MET = {"quick": 0.1, "standard": 0.3, "thorough": 1.0}


@dataclass(frozen=True)
class BrokenKeyword:
    """A body that breaks one keyword; `keyword` is its JSON pointer in the schema."""

    keyword: str
    body: Any


def broken_keywords(
    operation_id: str, schema: str, right: Callable[[], dict[str, Any]], settings: Settings
) -> list[BrokenKeyword]:
    """Return bodies with one thing wrong in each, for as many keywords as the effort asks for.

    `right` returns a valid body. Each is a valid body in which one place is replaced by a wrong
    value, so that nothing else can be the reason for a refusal; in a list it is the last item.
    """
    by_keyword: dict[str, list[BrokenKeyword]] = {}
    for keyword, wrong in _coverage_cases(operation_id, schema, (), "negative"):
        # Wrong methods, wrong media types and missing bodies break no keyword of the schema.
        if not keyword or keyword == "/":
            continue
        body = _one_thing_wrong(keyword.strip("/").split("/"), wrong, right())
        if is_portable(body) and must_be_refused(schema, body):
            by_keyword.setdefault(keyword, []).append(BrokenKeyword(keyword, body))
    chosen = random.Random(settings.seed)
    keywords = sorted(by_keyword)
    chosen.shuffle(keywords)
    some = keywords[: max(1, round(_BROKEN[settings.effort] * len(keywords)))]
    return [
        each
        for keyword in sorted(some)
        for each in chosen.sample(
            by_keyword[keyword], min(len(by_keyword[keyword]), _VALUES[settings.effort])
        )
    ]


def met_keywords(
    operation_id: str, schema: str, without: tuple[str, ...], settings: Settings
) -> list[dict[str, Any]]:
    """Return valid bodies that meet keywords at their bounds, as many as the effort asks for."""
    bodies = [
        body
        for _, body in _coverage_cases(operation_id, schema, without, "positive")
        if isinstance(body, dict) and is_portable(body) and is_valid(schema, body)
    ]
    chosen = random.Random(settings.seed)
    return chosen.sample(bodies, max(1, round(_MET[settings.effort] * len(bodies))))


def with_own_ids(value: Any, ownership: Ownership) -> Any:
    """Return a copy in which every thread id is one of this run.

    A UUID is replaced by a new one, any other text by a malformed id that begins with it: another
    person's thread may have a short text as its id.
    """
    if isinstance(value, list):
        return [with_own_ids(each, ownership) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _own_id(member, ownership) if name in ID_MEMBERS else with_own_ids(member, ownership)
        for name, member in value.items()
    }


def _own_id(value: Any, ownership: Ownership) -> Any:
    if isinstance(value, list):
        return [_own_id(each, ownership) for each in value]
    if not isinstance(value, str) or not value.strip() or ownership.is_ours(value):
        return value
    return ownership.new_id() if is_uuid(value) else ownership.malformed_id(value)


def _coverage_cases(
    operation_id: str, schema: str, without: tuple[str, ...], mode: Mode
) -> list[Any]:
    """Return pairs of a keyword's JSON pointer in the schema, if any, and a body."""
    with spend(Activity.GENERATING):
        return _kept_coverage_cases(operation_id, schema, without, mode)


def _kept_coverage_cases(
    operation_id: str, schema: str, without: tuple[str, ...], mode: Mode
) -> list[Any]:
    name = ("keywords", operation_id, schema, without, mode)
    if (kept := load_cached(*name)) is not None:
        return kept
    from schemathesis import GenerationMode

    listed = adapted_operation(operation_id, schema, without, closed=mode == "positive")
    generation = listed.schema.config.generation_for(operation=listed, phase="coverage")
    made = [
        [case.meta.phase.data.location, case.body if _is_json(case.body) else None]
        for case in listed.schema.iter_coverage_cases(
            listed, generation_modes=[GenerationMode(mode)], generation_config=generation
        )
    ]
    store_cached(made, *name)
    return made


def _is_json(value: Any) -> bool:
    """Return whether a case has a body: schemathesis has a special object for no body."""
    return value is None or isinstance(value, dict | list | str | int | float)


def _one_thing_wrong(steps: list[str], wrong: Any, right: Any) -> Any:
    """Return the right value with the place at the path `steps` taken from the wrong value."""
    match steps:
        case ["anyOf" | "allOf", _, *rest]:
            return _one_thing_wrong(rest, wrong, right)
        case ["properties", name, *rest] if isinstance(wrong, dict) and isinstance(right, dict):
            kept = {key: member for key, member in right.items() if key != name}
            if name not in wrong:
                return kept
            member = wrong[name]
            return {
                **kept,
                name: _one_thing_wrong(rest, member, right[name]) if name in right else member,
            }
        case ["items", *rest] if isinstance(wrong, list) and isinstance(right, list):
            if wrong and right:
                return [*right, _one_thing_wrong(rest, wrong[-1], right[-1])]
        case ["required"] if isinstance(wrong, dict) and isinstance(right, dict):
            return {key: member for key, member in right.items() if key in wrong}
    return wrong

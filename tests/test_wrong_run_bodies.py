"""Bad bodies of runs: what is sent, where it is sent, and that accepting them is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.checks.generators.schema_keywords import broken_keywords
from conformance.checks.generators.wrong_run_bodies import (
    FOLLOWED,
    FOLLOWED_STATELESS,
    ON_A_THREAD,
    OUT_OF_DISCONNECT,
    OUT_OF_ENUM,
    WRONG_RUN_TYPES,
)
from conformance.checks.lenient_validation import must_be_refused
from conformance.contract.published import load_published
from conformance.contract.schemas import violations
from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.model.runs import Runs
from conformance.reference import bodies
from conformance.runner.session import run_suite
from tests.conftest import served
from tests.store_variants import store_of

MakeSettings = Callable[..., Settings]
RIGHT = {"assistant_id": "agent", "input": {}, "metadata": {}}
SCHEMAS = {"run_create": "RunCreateStateful", "run_create_stateless": "RunCreateStateless"}


def schema_of(operation: str) -> str:
    return "run_create" if operation in ON_A_THREAD else "run_create_stateless"


@pytest.mark.parametrize("operation", WRONG_RUN_TYPES)
def test_every_body_has_to_be_refused(operation: str) -> None:
    schema = schema_of(operation)
    assert violations(schema, RIGHT) == []
    for body in (*WRONG_RUN_TYPES[operation], *OUT_OF_ENUM[operation]):
        whole = {**RIGHT, **body} if isinstance(body, dict) and body else body
        assert must_be_refused(schema, whole), body
    if operation in (*FOLLOWED, *FOLLOWED_STATELESS):
        for body in OUT_OF_DISCONNECT:
            assert must_be_refused(schema, {**RIGHT, **body})


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_published_enumeration_is_broken(schema: str, settings_for: MakeSettings) -> None:
    found = broken_keywords(
        "a_run", schema, lambda: dict(RIGHT), settings_for("http://x", effort="standard")
    )
    for each in found:
        assert violations(schema, each.body), each
    published = load_published()["schemas"][SCHEMAS[schema]]["properties"]
    words = {name for name, member in published.items() if "enum" in member}
    assert words
    keywords = {each.keyword for each in found}
    assert keywords >= {f"/properties/{name}/enum" for name in (*words, "on_disconnect")}
    assert keywords >= {"/required", "/properties/stream_mode/anyOf/0/items/enum"}


def judged(
    settings_for: MakeSettings, *requirements: str, **options: Any
) -> dict[str, tuple[Verdict, int]]:
    """The verdict on each requirement, and how many runs were made on the way."""
    store = store_of(Counting)
    counting = store.runs
    assert isinstance(counting, Counting)
    with served(store) as url:
        settings = settings_for(
            url, profile="full", repeat_failures=0, requirements=requirements, **options
        )
        report = run_suite(settings, identify_deployment(settings))
    assert report.cleanup.left == ()
    return {each.id: (each.verdict, counting.begun) for each in report.requirements}


class Counting(Runs):
    """Counts the runs that are begun."""

    begun = 0

    def begin_run(self, thread_id: str, request: Any) -> Any:
        self.begun += 1
        return super().begin_run(thread_id, request)

    def begin_stateless_run(self, request: Any) -> Any:
        self.begun += 1
        return super().begin_stateless_run(request)


@pytest.mark.slow
def test_runs_without_a_thread_are_sent_only_where_nothing_matters(
    settings_for: MakeSettings,
) -> None:
    requirements = ("ERROR-JSON-12", "ERROR-TYPE-13", "ERROR-TYPE-14", "ERROR-RANGE-10")
    verdicts = judged(settings_for, *requirements)
    assert verdicts == dict.fromkeys(requirements, (Verdict.NOT_RUN, 0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requirement", "member"),
    [
        ("ERROR-RANGE-06", "multitask_strategy"),
        ("ERROR-RANGE-09", "on_disconnect"),
        ("ERROR-RANGE-10", "stream_mode"),
        ("ERROR-ANY-14", "durability"),
        ("ERROR-ANY-17", "stream_mode"),
    ],
)
def test_a_member_that_is_not_looked_at_is_noticed(
    requirement: str,
    member: str,
    settings_for: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(name: str, body: Any) -> Any:
        if name.startswith("run_create") and isinstance(body, dict):
            wrong = violations(name, {**RIGHT, member: body.get(member)})
            if member in body and wrong:
                del body[member]
        return violations(name, body)

    monkeypatch.setattr(bodies, "violations", careless)
    verdict, _ = judged(settings_for, requirement, disposable=True, effort="standard")[requirement]
    assert verdict is Verdict.FAIL


@pytest.mark.slow
def test_a_server_that_refuses_nothing_is_not_made_to_run_everything(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lenient(name: str, body: Any) -> Any:
        if not name.startswith("run_create") or not isinstance(body, dict):
            return violations(name, body)
        for each in list(body):
            if violations(name, {**RIGHT, each: body[each]}):
                del body[each]
        return []

    monkeypatch.setattr(bodies, "violations", lenient)
    verdict, begun = judged(settings_for, "ERROR-ANY-14", effort="standard")["ERROR-ANY-14"]
    assert verdict is Verdict.FAIL
    assert begun <= 4

"""Generated requests: what is sent, and that the checks which send them can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st

from conformance.checks.fixtures import RESOURCES
from conformance.checks.generators import hypothesis_setup
from conformance.checks.generators.for_all import for_all
from conformance.checks.generators.schema_bodies import invalid_bodies, valid_bodies
from conformance.checks.generators.schema_keywords import (
    broken_keywords,
    met_keywords,
    with_own_ids,
)
from conformance.checks.lenient_validation import must_be_refused
from conformance.contract.operations import load_operations
from conformance.contract.schemas import load_schema, violations
from conformance.contract.verdicts import Stability, Verdict
from conformance.deployment.ownership.proof import Ownership
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.model.entities import Thread
from conformance.model.records import Records
from conformance.model.search import Query, Searches
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.reference import bodies
from conformance.report.record import CheckResult
from conformance.runner.session import run_suite
from conformance.runner.worker import Checks
from tests.conftest import environment_of, served
from tests.store_variants import store_of

MakeSettings = Callable[..., Settings]
ANYTHING = Query()
BODIED = {name: each["request"] for name, each in load_operations().items() if "request" in each}
THREAD_ID = "6e9f2d3c-8a4b-4c1d-9e0f-1a2b3c4d5e6f"
#: What a body must hold, to be right.
RIGHT: dict[str, dict[str, Any]] = {
    "thread_prune": {"thread_ids": [THREAD_ID]},
    "state_checkpoint": {"checkpoint": {"checkpoint_id": THREAD_ID}},
}


# ---- what is sent -------------------------------------------------------------------


#: Draws numbers, and tells whether any that stands in its user's code is among them: of several,
#: since each is drawn by chance.
DRAWING = """
import sys
from contextlib import nullcontext
from hypothesis import strategies as st
from conformance.checks.generators.for_all import for_all
from conformance.checks.generators.hypothesis_setup import set_up_hypothesis
from conformance.deployment.settings import Settings

OF_THE_USER = {918_273_645, 918_273_655, 918_273_665, 918_273_675, 918_273_685, 918_273_695}
run = Settings(url="", run_id="", started_at="", run_dir="", effort="thorough")
numbers = st.lists(st.integers(-2**40, 2**40), min_size=50, max_size=50)
drawn = []
with set_up_hypothesis() if "ours" in sys.argv else nullcontext():
    for_all(numbers, drawn.extend, run)
print(not OF_THE_USER.isdisjoint(drawn))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "found"), [("ours", "False"), ("as it comes", "True")])
def test_what_is_drawn_depends_on_nobodys_code(how: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "of_the_user.py").write_text(DRAWING)
    ended = subprocess.run(
        [sys.executable, "of_the_user.py", how],
        cwd=tmp_path,
        env=environment_of(XDG_CACHE_HOME=str(tmp_path)),
        capture_output=True,
        text=True,
    )
    assert ended.stdout.strip() == found, ended.stderr


def test_a_hypothesis_of_other_parts_draws_all_the_same(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(hypothesis_setup, "import_module", gone)
    drawn: list[int] = []
    with hypothesis_setup.set_up_hypothesis():
        for_all(st.integers(), drawn.append, settings_for("http://x"))
    assert drawn


@pytest.mark.slow
def test_every_keyword_of_a_schema_is_broken(settings_for: MakeSettings) -> None:
    found = broken_keywords(
        "search_threads", "thread_search", dict, settings_for("http://x", effort="standard")
    )
    keywords = {each.keyword.removeprefix("/properties/") for each in found}
    assert keywords >= {
        "/type",
        "ids/type",
        "ids/items/type",
        "ids/items/format",
        "metadata/type",
        "values/type",
        "status/enum",
        "limit/type",
        "limit/minimum",
        "limit/maximum",
        "offset/minimum",
        "sort_by/enum",
        "sort_order/enum",
        "select/items/enum",
        "extract/type",
        "extract/maxProperties",
    }


@pytest.mark.parametrize("effort", ["quick", "standard", "thorough"])
@pytest.mark.parametrize("operation_id", BODIED)
def test_one_thing_is_wrong_in_a_broken_body(
    operation_id: str, effort: str, settings_for: MakeSettings
) -> None:
    schema = BODIED[operation_id]
    right = RIGHT.get(schema, {})
    found = broken_keywords(
        operation_id, schema, lambda: right, settings_for("http://x", effort=effort)
    )
    assert found
    for each in found:
        assert violations(schema, each.body), each
        if isinstance(each.body, dict) and not each.keyword.endswith("required"):
            differing = {name for name in each.body if each.body[name] != right.get(name)}
            assert len(differing) <= 1, each
            assert right.keys() <= each.body.keys()


def test_more_effort_sends_more(settings_for: MakeSettings) -> None:
    counts = [
        len(
            broken_keywords(
                "search_threads", "thread_search", dict, settings_for("http://x", effort=each)
            )
        )
        for each in ("quick", "standard", "thorough")
    ]
    assert counts == sorted(set(counts))


def test_the_same_seed_sends_the_same(settings_for: MakeSettings) -> None:
    def sent(seed: int) -> Any:
        return broken_keywords(
            "post_history", "history_search", dict, settings_for("http://x", seed=seed)
        )

    assert sent(1) == sent(1) != sent(2)


@pytest.mark.parametrize("operation_id", BODIED)
def test_bodies_that_meet_every_keyword_fit(operation_id: str, settings_for: MakeSettings) -> None:
    found = met_keywords(
        operation_id, BODIED[operation_id], (), settings_for("http://x", effort="thorough")
    )
    assert found
    assert [violations(BODIED[operation_id], each) for each in found] == [[]] * len(found)


@pytest.mark.slow
@pytest.mark.parametrize("operation_id", BODIED)
def test_no_undeclared_member_is_sent_by_accident(
    operation_id: str, settings_for: MakeSettings
) -> None:
    schema = BODIED[operation_id]
    run = settings_for("http://x", effort="standard")
    sent: list[Any] = met_keywords(operation_id, schema, (), run)
    if schema != "thread_prune":  # whose one required member is for us to choose
        for_all(valid_bodies(operation_id, schema), sent.append, run)
    assert [_undeclared(body, load_schema(schema)) for body in sent] == [set()] * len(sent)
    # What is wrong is to be the one reason why a body is refused.
    wrong: list[bytes] = []
    for_all(invalid_bodies(operation_id, schema), wrong.append, run)
    declared = load_schema(schema)["properties"].keys()
    for raw in wrong:
        with suppress(ValueError):
            body = json.loads(raw)
            assert not isinstance(body, dict) or body.keys() <= declared


def _undeclared(value: Any, schema: dict[str, Any]) -> set[str]:
    """The members that no schema names, at every depth at which one names any."""
    named = schema.get("properties")
    if not isinstance(value, dict) or not named:
        return set()
    found = set(value) - set(named)
    for name in value.keys() & named.keys():
        inner = named[name].get("items", named[name])
        values = value[name] if isinstance(value[name], list) else [value[name]]
        found |= {each for one in values for each in _undeclared(one, inner)}
    return found


def test_filled_members_always_hold_something(settings_for: MakeSettings) -> None:
    seen: list[dict[str, Any]] = []
    bodies = valid_bodies("update_thread", "thread_patch", ("ttl",), filled=("metadata",))
    for_all(bodies, seen.append, settings_for("http://x", effort="standard"))
    assert len(seen) > 1
    assert all(body["metadata"] and "ttl" not in body for body in seen)


@pytest.mark.parametrize(
    ("schema", "body", "refused"),
    [
        ("thread_search", {"limit": 5}, False),
        ("thread_search", {"limit": None}, False),
        ("thread_search", {"limit": "5"}, False),
        ("thread_search", {"limit": True}, False),
        ("thread_search", {"limit": "five"}, True),
        ("thread_search", {"limit": 5.5}, True),
        ("thread_search", {"limit": "0"}, True),
        ("thread_search", {"unknown": 5}, False),
        ("thread_search", {"ids": [THREAD_ID.replace("-", "")]}, False),
        ("thread_search", {"ids": [f"{{{THREAD_ID}}}"]}, False),
        ("thread_search", {"ids": ["red"]}, True),
        ("thread_search", {"ids": [None]}, True),
        ("thread_search", {"status": "IDLE"}, True),
        ("thread_search", {"limit": "5", "offset": -1}, True),
        ("thread_prune", {"thread_ids": None}, True),
        ("thread_search", None, True),
        ("thread_search", [], True),
        ("history_search", {"before": "a checkpoint"}, False),
        ("history_search", {"before": 5}, True),
    ],
)
def test_what_may_be_read_kindly_need_not_be_refused(schema: str, body: Any, refused: bool) -> None:
    assert must_be_refused(schema, body) is refused


def test_ids_are_the_run_s_own() -> None:
    ownership = Ownership(str(uuid4()))
    own = ownership.new_id()
    body = {"thread_id": THREAD_ID, "checkpoint": {"thread_id": own}, "thread_ids": ["x", 5]}
    sent = with_own_ids(body, ownership)
    assert sent["thread_id"] != THREAD_ID
    assert UUID(sent["thread_id"])
    assert ownership.is_ours(sent["thread_id"])
    assert sent["checkpoint"] == {"thread_id": own}
    # Under a short text a thread of somebody's may stand.
    assert sent["thread_ids"][0].startswith("x-")
    assert ownership.is_ours(sent["thread_ids"][0])
    assert sent["thread_ids"][1] == 5


# ---- the checks can fail ------------------------------------------------------------


def results(url: str, requirement: str, settings_for: MakeSettings) -> list[CheckResult]:
    settings = settings_for(
        url,
        profile="extended",
        effort="thorough",
        requirements=(requirement,),
        repeat_failures=0,
        shrink=False,
        disposable=True,
    )
    report = run_suite(settings, identify_deployment(settings))
    assert report.cleanup.left == ()
    return list(report.checks)


def assert_fails(url: str, requirement: str, settings_for: MakeSettings) -> CheckResult:
    failed = [
        each for each in results(url, requirement, settings_for) if each.verdict is not Verdict.PASS
    ]
    assert [each.verdict for each in failed] == [Verdict.FAIL], failed
    return failed[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requirement", "schema", "member"),
    [
        ("ERROR-ANY-01", "thread_create", "if_exists"),
        ("ERROR-ANY-02", "thread_search", "sort_order"),
        ("ERROR-ANY-03", "history_search", "checkpoint"),
        ("ERROR-ANY-04", "thread_patch", "ttl"),
        ("ERROR-ANY-06", "thread_count", "status"),
        ("ERROR-ANY-07", "thread_prune", "strategy"),
        ("ERROR-ANY-08", "state_update", "as_node"),
        ("ERROR-ANY-09", "state_checkpoint", "subgraphs"),
    ],
)
def test_a_keyword_that_is_not_looked_at_is_noticed(
    requirement: str,
    schema: str,
    member: str,
    settings_for: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(name: str, body: Any) -> Any:
        if (
            name == schema
            and isinstance(body, dict)
            and violations(name, {member: body.get(member)})
        ):
            body.pop(member, None)
        return violations(name, body)

    monkeypatch.setattr(bodies, "violations", careless)
    with served(store_of()) as url:
        settings = settings_for(
            url,
            profile="extended",
            effort="standard",
            disposable=True,
            requirements=(requirement,),
            repeat_failures=0,
        )
        report = run_suite(settings, identify_deployment(settings), keyword="keyword")
    (check,) = report.checks
    assert check.verdict is Verdict.FAIL, check
    assert check.failure is not None
    assert all(each.startswith(f"/properties/{member}/") for each in check.failure.diff)


@pytest.mark.slow
def test_a_repetition_looks_for_no_smaller_counterexample_and_waits_less(
    settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[tuple[bool, bool]] = []
    attempt = Checks.attempt

    def noted(self: Checks, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        resources = item.config.stash[RESOURCES]
        attempts.append((resources.settings.shrink, resources.patience.repeats))
        return attempt(self, item, nextitem)

    monkeypatch.setattr(Checks, "attempt", noted)
    monkeypatch.setattr(bodies, "violations", lambda name, body: [])
    with served(store_of()) as url:
        settings = settings_for(
            url, profile="extended", requirements=("ERROR-ANY-01",), disposable=True
        )
        report = run_suite(settings, identify_deployment(settings), keyword="invalid")
    failed = [each for each in report.checks if each.verdict is Verdict.FAIL]
    assert failed
    assert {each.stability for each in failed} == {Stability.STABLE}
    assert attempts == [(True, False), (False, True), (False, True)] * len(failed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requirement", "schema"),
    [
        ("ERROR-SAFE-06", "state_update"),
        ("ERROR-SAFE-07", "thread_create"),
        ("ERROR-SAFE-08", "thread_prune"),
    ],
)
def test_what_is_refused_too_late_is_noticed(
    requirement: str, schema: str, settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of()

    def late(name: str, body: Any) -> Any:
        found = violations(name, body)
        if found and name == schema:
            for each in store.searches.search(Query(), limit=1000):
                store.threads.update(each["thread_id"], {"touched": True})
            if schema == "thread_create" and isinstance(body, dict):
                store.threads.create(thread_id=body.get("thread_id"))
        return found

    monkeypatch.setattr(bodies, "violations", late)
    with served(store) as url:
        assert_fails(url, requirement, settings_for)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requirement", "schema", "cannot"),
    [
        ("ERROR-ANY-10", "state_update", lambda body: isinstance(body.get("values"), list)),
        ("ERROR-ANY-11", "thread_create", lambda body: body.get("supersteps") == []),
        ("ERROR-ANY-13", "state_checkpoint", lambda body: "subgraphs" in body),
    ],
)
def test_a_valid_body_that_breaks_the_server_is_noticed(
    requirement: str,
    schema: str,
    cannot: Callable[[Any], bool],
    settings_for: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fragile(name: str, body: Any) -> Any:
        if name == schema and isinstance(body, dict) and cannot(body):
            raise RuntimeError("this breaks the server")
        return violations(name, body)

    monkeypatch.setattr(bodies, "violations", fragile)
    with served(store_of()) as url:
        told = assert_fails(url, requirement, settings_for)
    assert "500" in told.reason


class PrunesOneTooFew(Threads):
    """The first of several ids is left out."""

    def prune(self, thread_ids: Any, strategy: str = "delete") -> Any:
        return super().prune(thread_ids[1:] if len(thread_ids) > 1 else thread_ids, strategy)


class ForgetsTheStatus(Searches):
    """Filters by status, unless something else is filtered by as well."""

    def search(self, query: Query = ANYTHING, **others: Any) -> Any:
        return super().search(_without_status(query), **others)

    def count(self, query: Query = ANYTHING) -> int:
        return super().count(_without_status(query))


def _without_status(query: Query) -> Query:
    metadata = query.metadata or {}
    return Query(query.ids, metadata, query.values) if "size" in metadata else query


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requirement", "kind"),
    [
        ("ERROR-ANY-12", PrunesOneTooFew),
        ("FILTER-07", ForgetsTheStatus),
        ("COUNT-07", ForgetsTheStatus),
    ],
)
def test_a_wrong_meaning_is_noticed(
    requirement: str, kind: type, settings_for: MakeSettings
) -> None:
    with served(store_of(kind)) as url:
        assert_fails(url, requirement, settings_for)


class LosesUpdatesOnceCopied(Threads):
    """An update of a thread is lost once the thread was copied."""

    def copy(self, thread_id: str) -> Any:
        made = super().copy(thread_id)
        self.copied = {*self.copied, thread_id}
        return made

    def update(self, thread_id: str, *given: Any, **others: Any) -> Any:
        if thread_id in self.copied:
            return self.get(thread_id)
        return super().update(thread_id, *given, **others)

    copied: set[str] = set()  # noqa: RUF012 - replaced, never changed


class KeepsDeletedThreads(Records):
    """Keeps what is deleted in a place of its own."""

    def forget(self, thread_id: str) -> None:
        self.deleted = {**self.deleted, thread_id: self.threads_by_id[thread_id]}
        super().forget(thread_id)

    deleted: dict[str, Thread] = {}  # noqa: RUF012 - replaced, never changed


class AnswersStatesOfDeletedThreads(States):
    """The state of a deleted thread is still answered."""

    def state(self, thread_id: str, *given: Any, **others: Any) -> Any:
        assert isinstance(self.records, KeepsDeletedThreads)
        thread = self.records.deleted.get(thread_id)
        if thread is None:
            return super().state(thread_id, *given, **others)
        return self.views.state_view(thread, thread.checkpoints[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "parts", [(LosesUpdatesOnceCopied,), (KeepsDeletedThreads, AnswersStatesOfDeletedThreads)]
)
def test_a_story_that_goes_wrong_is_noticed(
    parts: tuple[type, ...], settings_for: MakeSettings
) -> None:
    with served(store_of(*parts)) as url:
        settings = settings_for(
            url,
            profile="extended",
            effort="thorough",
            requirements=("LINK-01",),
            repeat_failures=0,
            shrink=False,
        )
        (check,) = run_suite(settings, identify_deployment(settings)).checks
    assert check.verdict is Verdict.FAIL, check

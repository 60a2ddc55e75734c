"""Servers that are right and built differently: what is judged of them, and what is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.faults.kit.http_changes import (
    change_request,
    change_shown,
    refusing,
    without,
)
from conformance.faults.registry import FaultyDeployment, faulty_deployment
from conformance.model.entities import Thread
from conformance.model.search import Searches
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.reference.wire import Json, WireAnswer, WireRequest, json_answer
from conformance.runner.session import run_suite
from tests.conftest import served

pytestmark = pytest.mark.slow

MakeSettings = Callable[..., Settings]
Differ = Callable[[FaultyDeployment], None]


@contextmanager
def deployed(*differ: Differ) -> Iterator[str]:
    """The URL of a reference that differs in these ways."""
    deployment, app = faulty_deployment(None)
    for each in differ:
        each(deployment)
    with served(deployment.store, lambda _: app) as url:
        yield url


def verdicts(
    url: str, settings_for: MakeSettings, requirements: str, **options: Any
) -> dict[str, Verdict]:
    """The verdict of each requirement that was not kept, of those with these ids."""
    settings = settings_for(
        url,
        profile="extended",
        requirements=tuple(requirements.split()),
        repeat_failures=0,
        disposable=True,
        **options,
    )
    report = run_suite(settings, identify_deployment(settings))
    assert report.checks
    return {
        each.id: each.verdict
        for each in report.requirements
        if each.id in requirements.split() and each.verdict is not Verdict.PASS
    }


# ---- what may differ, and makes nothing red -----------------------------------------


def stamps_an_owner(deployment: FaultyDeployment) -> None:
    """As the linked page on authentication does: every thread has its owner in metadata."""
    change_request(
        "create",
        to=lambda body: {**body, "metadata": {**(body.get("metadata") or {}), "owner": "me"}},
    )(deployment)


def removes_nulls(deployment: FaultyDeployment) -> None:
    """Metadata is merged as RFC 7396 has it, in a new thread as in one that is there."""

    def merged(there: Any, new: Any) -> Any:
        if not isinstance(new, dict):
            return new
        kept = dict(there) if isinstance(there, dict) else {}
        for name, value in new.items():
            if value is None:
                kept.pop(name, None)
            else:
                kept[name] = merged(kept.get(name), value)
        return kept

    change_request(
        "create", to=lambda body: {**body, "metadata": merged({}, body.get("metadata") or {})}
    )(deployment)
    deployment.override(Threads.merged)(lambda _, there, new: merged(there, new))


def chooses_the_ids(deployment: FaultyDeployment) -> None:
    """A thread_id is never taken from the body of a creation."""
    change_request("create", to=lambda body: without(body, "thread_id"))(deployment)


def lags(deployment: FaultyDeployment) -> None:
    """Neither search nor count shows a thread in its first moments."""
    seen: dict[str, float] = {}

    @deployment.override(Searches.matches)
    def matches(right: Any, thread: Any, query: Any) -> Any:
        since = seen.setdefault(thread.thread_id, time.monotonic())
        return time.monotonic() - since > 0.2 and right(thread, query)


def dates_an_update_a_moment_after_the_creation(deployment: FaultyDeployment) -> None:
    """Creating takes some microseconds, which the two moments of a new thread are apart."""
    deployment.override(Threads.new_thread)(
        lambda right, *arguments: replace(
            right(*arguments), updated_at=deployment.store.records.now()
        )
    )


def selects_the_required_members_always(deployment: FaultyDeployment) -> None:
    """What every published thread must have is shown whatever is selected."""
    required = ["thread_id", "created_at", "updated_at", "metadata", "status"]
    change_request(
        "search",
        to=lambda body: {**body, "select": sorted({*body["select"], *required})},
        when=lambda request: isinstance(request.members.get("select"), list),
    )(deployment)


def copies_nothing_but_the_history(deployment: FaultyDeployment) -> None:
    """A copy has metadata of its own."""
    deployment.override(Threads.copied_metadata)(lambda _right, _source: {})


def takes_one_update_a_step_but_of_the_last_node(deployment: FaultyDeployment) -> None:
    """A node that another follows may write once in a superstep, as its edge takes one value."""

    @deployment.wire.before("create")
    def refuse(request: WireRequest) -> WireAnswer | None:
        for step in request.members.get("supersteps") or []:
            nodes = [each.get("as_node") for each in step.get("updates") or []]
            if nodes.count("__start__") > 1:
                return json_answer(422, {"detail": "can receive only one value per step"})
        return None


@pytest.mark.parametrize(
    ("differ", "requirements"),
    [
        (
            stamps_an_owner,
            "CREATE-08 CREATE-11 CREATE-13 CREATE-14 CREATE-19 COPY-10 GET-04 IDENTITY-04 "
            "IDENTITY-05 SEARCH-09 UPDATE-04 UPDATE-07 UPDATE-11",
        ),
        (
            removes_nulls,
            "CREATE-13 CREATE-19 SEARCH-02 SEARCH-04 SEARCH-08 SEARCH-14 UPDATE-02 UPDATE-03 "
            "UPDATE-04 UPDATE-10 LINK-01",
        ),
        (chooses_the_ids, "PAGE-01 PAGE-02 PAGE-03 SORT-01 SORT-02 SORT-03 SORT-04 SORT-06"),
        (
            lags,
            "COUNT-01 COUNT-07 FILTER-07 SEARCH-07 SEARCH-11 SEARCH-12 SEARCH-15 SELECT-03 SORT-03",
        ),
        (dates_an_update_a_moment_after_the_creation, "CREATE-07 CREATE-18"),
        (selects_the_required_members_always, "SELECT-01 SELECT-02"),
        (copies_nothing_but_the_history, "COPY-02 COPY-22 COPY-24"),
    ],
)
def test_what_may_differ_makes_nothing_red(
    differ: Differ, requirements: str, settings_for: MakeSettings
) -> None:
    with deployed(differ) as url:
        assert verdicts(url, settings_for, requirements) == {}


def test_several_updates_are_sent_as_the_last_node(settings_for: MakeSettings) -> None:
    # `append` of this description names a node that another follows.
    graph = settings_for("http://x").graph
    early = replace(graph, append={**graph.append, "as_node": "__start__"})
    with deployed(takes_one_update_a_step_but_of_the_last_node) as url:
        assert verdicts(url, settings_for, "PREPOP-11", graph=early) == {}


def test_a_server_that_chooses_ids_breaks_identity_alone(settings_for: MakeSettings) -> None:
    with deployed(chooses_the_ids) as url:
        fallen = verdicts(
            url, settings_for, "DELETE-07 IDENTITY-01 IDENTITY-02 IDENTITY-07 PREPOP-16 TTL-05"
        )
    assert fallen.pop("IDENTITY-01") is Verdict.FAIL
    # What would be looked for under an id that was sent cannot be judged.
    assert fallen == dict.fromkeys(
        ("DELETE-07", "IDENTITY-02", "IDENTITY-07", "PREPOP-16"), Verdict.BLOCKED
    )


def offers_neither_supersteps_nor_history_nor_copy(deployment: FaultyDeployment) -> None:
    """A server of threads and runs, and nothing of what stands on checkpoints."""
    change_request("create", to=lambda body: without(body, "supersteps"))(deployment)
    for operation in ("copy", "history", "post_history", "state_at_checkpoint"):
        refusing(operation, status=405)(deployment)


def test_what_needs_no_history_is_judged_without_one(settings_for: MakeSettings) -> None:
    judged = (
        "CREATE-09 CREATE-11 CREATE-12 CREATE-18 CREATE-19 GET-01 GET-02 GET-03 GET-04 GET-05 "
        "SEARCH-01 SEARCH-02 SEARCH-05 SEARCH-07 SEARCH-08 SEARCH-13 COUNT-01 COUNT-02 COUNT-06 "
        "FILTER-01 FILTER-02 FILTER-04 FILTER-07 SELECT-01 SELECT-02 SELECT-03 EXTRACT-01 "
        "EXTRACT-02 EXTRACT-03 EXTRACT-06 PAGE-02 SORT-01 SORT-02 SORT-03 UPDATE-01 UPDATE-06 "
        "UPDATE-13 DELETE-01 DELETE-02 DELETE-03 DELETE-05 DELETE-07 DELETE-08 DELETE-10 "
        "DELETE-14 IDENTITY-02 IDENTITY-03 IDENTITY-04 IDENTITY-06 PRUNE-01 PRUNE-05"
    )
    with deployed(offers_neither_supersteps_nor_history_nor_copy) as url:
        assert verdicts(url, settings_for, judged) == {}
        missing = "COPY-01 COPY-02 COPY-12 COPY-24 DELETE-04 DELETE-13"
        assert verdicts(url, settings_for, missing) == {
            "COPY-01": Verdict.FAIL,
            **dict.fromkeys(missing.split()[1:], Verdict.BLOCKED),
        }


def applies_no_supersteps(deployment: FaultyDeployment) -> None:
    """Supersteps are accepted and passed over, and a history is made by runs and updates."""
    change_request("create", to=lambda body: without(body, "supersteps"))(deployment)


def test_what_is_said_of_supersteps_is_not_judged_by_updates(settings_for: MakeSettings) -> None:
    with deployed(applies_no_supersteps) as url:
        asked = "PREPOP-02 PREPOP-29 STATE-UPDATE-21 STATE-UPDATE-22"
        assert verdicts(url, settings_for, asked) == {
            "PREPOP-02": Verdict.FAIL,
            "PREPOP-29": Verdict.BLOCKED,
            "STATE-UPDATE-21": Verdict.BLOCKED,
        }


def shows_the_values_of_states_as_a_list(deployment: FaultyDeployment) -> None:
    """By its published type, the values of a state are an object or a list of objects."""
    change_shown("state", to=lambda state: {**state, "values": [state["values"]]})(deployment)


def test_values_that_are_a_list_cannot_be_searched_for(settings_for: MakeSettings) -> None:
    asked = "COUNT-03 COUNT-04 COUNT-08 EXTRACT-06 FILTER-03"
    with deployed(shows_the_values_of_states_as_a_list) as url:
        assert verdicts(url, settings_for, asked) == dict.fromkeys(asked.split(), Verdict.BLOCKED)


def adds_to_states_what_differs_each_time(deployment: FaultyDeployment) -> None:
    """States have an unpublished member, and the metadata of their thread as it is now."""
    looks = count(1)

    @deployment.override(Views.state_view)
    def state_view(right: Any, thread: Thread, *given: Any, **named: Any) -> Any:
        state = right(thread, *given, **named)
        metadata = {**thread.metadata, **state["metadata"]}
        return {**state, "served": next(looks), "metadata": metadata}


def test_what_is_added_to_states_is_not_judged(settings_for: MakeSettings) -> None:
    with deployed(adds_to_states_what_differs_each_time) as url:
        assert verdicts(url, settings_for, "PREPOP-17 UPDATE-13 UPDATE-14") == {}


# ---- one fact, one id ---------------------------------------------------------------


def dates_states_by_a_number(deployment: FaultyDeployment) -> None:
    """state_updated_at is no text, wherever a thread is shown."""
    operations = ("create", "get", "copy", "update", "search")

    @deployment.wire.answers(*operations)
    def shown(_: WireRequest, body: Json) -> Json:
        many = body if isinstance(body, list) else [body]
        changed = [
            {**each, "state_updated_at": 1747063028} if "state_updated_at" in each else each
            for each in many
        ]
        return changed if isinstance(body, list) else changed[0]


def test_the_form_of_an_optional_member_is_told_once(settings_for: MakeSettings) -> None:
    asked = "COPY-01 COPY-24 CREATE-19 GET-01 GET-05 SEARCH-13 UPDATE-01 ERROR-ANY-05"
    with deployed(dates_states_by_a_number) as url:
        assert verdicts(url, settings_for, asked) == {"GET-05": Verdict.FAIL}


def shows_no_ttl(deployment: FaultyDeployment) -> None:
    """A ttl is accepted with other members, and never shown."""
    for operation in ("create", "update"):
        change_request(
            operation,
            to=lambda body: without(body, "ttl"),
            when=lambda request: {*request.members} > {"ttl"},
        )(deployment)
    refusing("update", lambda request: {*request.members} == {"ttl"}, status=500)(deployment)


def test_a_refused_ttl_does_not_hide_behind_one_that_is_not_shown(
    settings_for: MakeSettings,
) -> None:
    with deployed(shows_no_ttl) as url:
        assert verdicts(url, settings_for, "TTL-01 TTL-03 TTL-04 TTL-05 TTL-06") == {
            "TTL-01": Verdict.FAIL,
            "TTL-03": Verdict.BLOCKED,
            "TTL-04": Verdict.BLOCKED,
            "TTL-06": Verdict.FAIL,
        }


def refuses_to_sort_by_state_updated_at(deployment: FaultyDeployment) -> None:
    """One of the published orders is not offered."""
    refusing("search", lambda request: request.members.get("sort_by") == "state_updated_at")(
        deployment
    )


def test_an_order_that_is_refused_is_told_once(settings_for: MakeSettings) -> None:
    with deployed(refuses_to_sort_by_state_updated_at) as url:
        assert verdicts(url, settings_for, "SORT-04 FILTER-07 ERROR-ANY-05") == {
            "SORT-04": Verdict.FAIL
        }

"""Members of states that a history shows."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import thread_with_channels
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import assert_equal, assert_refused, assert_that
from conformance.checks.outcomes import requires
from conformance.checks.views import State, Thread, checkpoint_id_of, id_of
from conformance.contract.schemas import schema_members
from conformance.deployment.client import ThreadsClient

_ABSENT = object()
#: A page of a history with `select`, by GET or by POST.
Page = Callable[..., list[State]]
#: Combinations of members; `checkpoint` tells which state it is.
SELECTIONS = (["checkpoint", "values"], ["checkpoint", "metadata", "next"], ["checkpoint"])


@requires("HISTORY-SELECT-01")
@pytest.mark.parametrize("select", SELECTIONS, ids=" ".join)
def test_get_shows_the_selected_members(
    given: ThreadsApi, threads: ThreadsApi, select: list[str]
) -> None:
    _assert_selected(given, threads.page, select)


@requires("HISTORY-SELECT-02")
@pytest.mark.parametrize("select", SELECTIONS, ids=" ".join)
def test_post_shows_the_selected_members(
    given: ThreadsApi, threads: ThreadsApi, select: list[str]
) -> None:
    _assert_selected(given, threads.post_page, select)


@requires("HISTORY-SELECT-03")
@pytest.mark.parametrize("method", ["page", "post_page"])
def test_one_key_of_the_values_is_shown(
    given: ThreadsApi, threads: ThreadsApi, method: str
) -> None:
    made = thread_with_channels(given)
    states = given.history(made).states
    keys = sorted({key for each in states for key in each["values"]})
    require_some(keys, "no state has values", "HISTORY-01")
    for key in keys:
        shown = getattr(threads, method)(made, limit=100, select=["checkpoint", f"values.{key}"])
        expected = {
            checkpoint_id_of(state): {key: value}
            for state in states
            if (value := state["values"].get(key, _ABSENT)) is not _ABSENT
        }
        found = {checkpoint_id_of(each): each.get("values") or {} for each in shown}
        wanted = {checkpoint_id: expected.get(checkpoint_id, {}) for checkpoint_id in found}
        assert_that(bool(shown), "at least one state, as there are without select", shown)
        assert_equal(found, wanted, f"the values with {key} alone")


@requires("HISTORY-SELECT-04")
@pytest.mark.parametrize("select", [["no_such"], ["values", "no_such"], ["next.values"]], ids=repr)
def test_a_select_of_nothing_published_is_refused(
    given: ThreadsApi, client: ThreadsClient, select: list[str]
) -> None:
    made = given.prepopulated()
    given.post_page(made, select=["values"])
    assert_refused(client.post_history(id_of(made), {"select": select}))


def _assert_selected(given: ThreadsApi, page: Page, select: list[str]) -> None:
    """Require that each state of a page shows these members, and no other published one."""
    made: Thread = given.prepopulated()
    states = {checkpoint_id_of(each): each for each in given.history(made).states}
    shown = page(made, limit=100, select=select)
    require_some(states, "the history holds no state", "HISTORY-01")
    assert_that(bool(shown), "at least one state, as there are without select", shown)
    published = schema_members("thread_state")
    found = [{name: each[name] for name in each if name in published} for each in shown]
    expected: list[dict[str, Any]] = [
        {name: states.get(checkpoint_id_of(each), {}).get(name) for name in select}
        for each in shown
    ]
    assert_equal(found, expected, f"the states with {', '.join(select)}")

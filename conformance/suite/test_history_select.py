"""Selecting the members of states that a history shows."""

from collections.abc import Callable

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import thread_with_channels, values_of
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import assert_equal, assert_is, assert_refused, assert_that
from conformance.checks.outcomes import Unsupported, requires
from conformance.checks.require_declared import own_document
from conformance.checks.selectable_keys import selectable
from conformance.checks.views import State, Thread, checkpoint_id_of, id_of
from conformance.contract.causes import Cause
from conformance.contract.claims import Claim, declares
from conformance.deployment.client import ThreadsClient

_ABSENT = object()
#: The published optional members of a state: they must be absent where others are selected.
_OPTIONAL = ("tasks", "parent_checkpoint", "interrupts")
_BY_GET = Claim.parse("GET /threads/{thread_id}/history: select")
#: A page of a history with `select`, by GET or by POST.
Page = Callable[..., list[State]]
#: Combinations of members; `checkpoint` identifies the state.
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
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, method: str
) -> None:
    if method == "page" and not declares(own_document(client), _BY_GET):
        raise Unsupported(
            f"the deployment's OpenAPI document does not declare {_BY_GET}",
            by=Cause.at(f"claim: {_BY_GET}"),
        )
    made = thread_with_channels(given)
    states = given.history(made).states
    keys = selectable({key for each in states for key in values_of(each)})
    require_some(keys, "no state has values under a key that can be selected", "HISTORY-01")
    if not any(len(values_of(each)) > 1 for each in states):
        raise Unsupported(
            "the graph of the settings has states of one key, of which nothing could be left out",
            by=Cause.at("graph: states of two keys"),
        )
    for key in keys:
        shown = getattr(threads, method)(made, limit=100, select=["checkpoint", f"values.{key}"])
        expected = {
            checkpoint_id_of(state): {key: value}
            for state in states
            if (value := values_of(state).get(key, _ABSENT)) is not _ABSENT
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
    """Assert that each state of a page shows the selected members, and no other optional one."""
    made: Thread = given.prepopulated()
    states = {checkpoint_id_of(each): each for each in given.history(made).states}
    shown = page(made, limit=100, select=select)
    require_some(states, "the history holds no state", "HISTORY-01")
    assert_that(bool(shown), "at least one state, as there are without select", shown)
    whole = [states.get(checkpoint_id_of(each), {}) for each in shown]
    found, expected = (
        [{name: each[name] for name in select if name in each} for each in holders]
        for holders in (shown, whole)
    )
    assert_equal(found, expected, f"the states with {', '.join(select)}")
    unselected = sorted({name for each in shown for name in _OPTIONAL if name in each})
    assert_is(unselected, [], "the optional members that are shown and were not selected")

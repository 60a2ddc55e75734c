"""Reading the history of a thread."""

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import thread_with_channels
from conformance.checks.comparable_members import require_some, shown_by_both
from conformance.checks.expect import (
    assert_equal,
    assert_is,
    assert_page,
    assert_parents_in_history,
    assert_refused,
    assert_that,
    assert_valid,
    timestamp_or_blocked,
)
from conformance.checks.offered_operations import require_operation, try_with_history
from conformance.checks.outcomes import Blocked, Unsupported, requires
from conformance.checks.required_states import require_states
from conformance.checks.unknown_checkpoints import (
    UNKNOWN_CHECKPOINTS,
    assert_refused_or_some_states,
)
from conformance.checks.views import (
    Thread,
    checkpoint_id_of,
    id_of,
    is_integer,
    items_of_followed_list,
    parent_id_of,
)
from conformance.deployment.client import ThreadsClient
from conformance.deployment.settings import GraphSettings

#: The published default of GET history's limit, and of search's.
DEFAULT_PAGE = 10


@requires("HISTORY-01", offers="history")
def test_the_history_is_a_list_of_states(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.prepopulated()
    _add_state(given, made)
    states = threads.page(made, limit=100)
    assert_that(bool(states), "the states of the thread", "an empty list")
    assert_valid("thread_history", states)


@requires("HISTORY-02")
@pytest.mark.parametrize("states", [4, 30])
def test_newest_first(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings, states: int
) -> None:
    history = threads.history(given.long(states), states)
    ids = history.checkpoint_ids()
    require_some([len(ids) > 1], "the history holds no two states")
    parents = [(own, parent_id_of(each)) for own, each in zip(ids, history, strict=True)]
    named = [(own, parent) for own, parent in parents if parent in ids]
    for own, parent in named:
        assert_that(ids.index(own) < ids.index(str(parent)), f"{parent} after {own}", ids)
    if not named:
        # Clocks of a deployment may differ: timestamps decide only where no parents are shown.
        moments = [timestamp_or_blocked(each.get("created_at"), "created_at") for each in history]
        assert_that(moments == sorted(moments, reverse=True), "created_at falling", moments)
    # Every superstep of this history adds messages.
    numbers = [len(items_of_followed_list(each, graph)) for each in history]
    assert_equal(numbers, sorted(numbers, reverse=True), "the numbers of messages")


@requires("HISTORY-02")
def test_an_update_comes_first(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.prepopulated()
    before = given.history(made).checkpoint_ids()
    _add_state(given, made)
    after = threads.history(made).checkpoint_ids()
    if len(after) <= len(before):
        raise Blocked("what was added is not in the history")
    assert_that(after[0] not in before, "the state that was added, first", after[0])


@requires("HISTORY-03")
def test_every_parent_is_in_the_history(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.long(12)
    given.run(made)
    assert_parents_in_history(threads.history(made))


@requires("HISTORY-04")
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_get_and_post_agree(given: ThreadsApi, threads: ThreadsApi, limit: int) -> None:
    _assert_get_and_post_agree(threads, given.long(12), limit)


@requires("HISTORY-05")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_thread_is_refused(
    given: ThreadsApi, client: ThreadsClient, method: str
) -> None:
    _require_history(given, method)
    absent = client.ownership.absent_id()
    assert_refused(client.history(absent) if method == "GET" else client.post_history(absent, {}))


@requires("HISTORY-06")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_malformed_id_is_refused(given: ThreadsApi, client: ThreadsClient, method: str) -> None:
    _require_history(given, method)
    malformed = client.ownership.malformed_id()
    assert_refused(
        client.history(malformed) if method == "GET" else client.post_history(malformed, {})
    )


@requires("HISTORY-07")
def test_a_fresh_thread_has_no_history(given: ThreadsApi, threads: ThreadsApi) -> None:
    try_with_history(given, given.page)
    assert_is(threads.page(given.empty(), limit=10), [], "the history")


@requires("HISTORY-08")
def test_checkpoint_ids_are_unique(given: ThreadsApi, threads: ThreadsApi) -> None:
    # One page, as answered: reading the whole history in pages would hide a repeated state.
    page = threads.page(given.long(30), limit=1000)
    ids = [checkpoint_id_of(state) for state in page]
    require_some([len(ids) > 1], "the page holds no two states")
    assert_equal(len(set(ids)), len(ids), "the number of different checkpoint ids")


@requires("HISTORY-09")
def test_steps_count_up(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.prepopulated()
    given.run(made)
    history = threads.history(made)
    steps = {checkpoint_id_of(each): (each.get("metadata") or {}).get("step") for each in history}
    before = {checkpoint_id_of(each): steps.get(parent_id_of(each) or "") for each in history}
    known = {child: step for child, step in before.items() if is_integer(step)}
    require_some([known], "no state names a parent that has a step")
    for child, step in known.items():
        assert_equal(steps[child], int(step) + 1, "the step after its parent's")


@requires("HISTORY-10")
@pytest.mark.parametrize("position", [0, 4, 10, 11])
def test_before_continues_a_page(given: ThreadsApi, threads: ThreadsApi, position: int) -> None:
    made = given.long(12)
    states = given.history(made, 12).states
    if len(states) < 12:
        raise Blocked(f"the history of twelve states shows {len(states)}", by="PREPOP-09")
    before = checkpoint_id_of(states[position])
    older = threads.page(made, limit=100, before=before)
    assert_page(older, states[position + 1 :], f"the states before number {position}", 100)


@requires("HISTORY-11")
@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_limit_bounds_a_page(
    given: ThreadsApi, threads: ThreadsApi, limit: int, method: str
) -> None:
    made = given.long(6)
    client = threads.page if method == "GET" else threads.post_page
    page = client(made, limit=limit)
    require_some(page, "an empty page")
    assert_that(len(page) <= limit, f"at most {limit} states", f"{len(page)} states")


@requires("HISTORY-12")
@pytest.mark.parametrize("states", [3, 12])
def test_the_default_page_holds_ten(given: ThreadsApi, threads: ThreadsApi, states: int) -> None:
    made = given.long(states)
    # A page may hold fewer states than its limit, whether that was sent or not.
    expected = [checkpoint_id_of(each) for each in given.page(made, limit=DEFAULT_PAGE)]
    require_some(expected, "an empty page")
    if len(expected) > DEFAULT_PAGE:
        raise Blocked(f"the limit {DEFAULT_PAGE} gives {len(expected)} states", by="HISTORY-11")
    shown = [checkpoint_id_of(each) for each in threads.page(made)]
    assert_equal(shown, expected, f"the checkpoints, as with limit {DEFAULT_PAGE}")


@requires("HISTORY-04")
def test_get_and_post_agree_in_every_channel(given: ThreadsApi, threads: ThreadsApi) -> None:
    _assert_get_and_post_agree(threads, thread_with_channels(given), 5)


@requires("HISTORY-14")
@pytest.mark.parametrize("before", UNKNOWN_CHECKPOINTS)
def test_before_an_unknown_checkpoint_is_no_server_error(
    given: ThreadsApi, client: ThreadsClient, before: str
) -> None:
    made = given.prepopulated()
    ids = require_states(given.history(made)).checkpoint_ids()
    require_some(given.page(made, limit=100, before=ids[0]), "an empty page", "HISTORY-10")
    answer = client.history(id_of(made), limit=100, before=before)
    assert_refused_or_some_states(given, answer, ids)


def _assert_get_and_post_agree(threads: ThreadsApi, thread: Thread, limit: int) -> None:
    by_get, by_post = threads.page(thread, limit=limit), threads.post_page(thread, limit=limit)
    assert_equal(bool(by_post), bool(by_get), "whether POST history gives any state")
    require_some(by_get, "neither gives a state")
    # Either page may hold fewer states than its limit.
    for one, other in zip(by_post, by_get, strict=False):
        # A member that one of the two states shows must not be missing in the other.
        shown_members = [name for each in (one, other) for name, value in each.items() if value]
        views = ({**dict.fromkeys(shown_members), **each} for each in (one, other))
        assert_equal(*shown_by_both(*views), "the state by POST history")


def _add_state(given: ThreadsApi, thread: Thread) -> None:
    """Add a state: by an update, or by a run where no update is offered."""
    try:
        given.append(thread, 2)
    except Unsupported:
        given.run(thread)


def _require_history(given: ThreadsApi, method: str) -> None:
    require_operation(given, given.page if method == "GET" else given.post_page)

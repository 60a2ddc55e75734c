"""Copying a thread."""

from typing import Any
from uuid import UUID

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.channels import channels_before_and_after, thread_with_channels
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import lasting_members, masked_state, require_some
from conformance.checks.expect import (
    assert_equal,
    assert_identical_history,
    assert_is,
    assert_that,
    assert_thread,
    assert_untouched,
    kept_metadata,
    require_identical_history,
    timestamp_or_blocked,
)
from conformance.checks.messages import values_with_text
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.required_states import require_states
from conformance.checks.runs import Runs
from conformance.checks.views import State, Thread, has_data, id_of, items_of_followed_list
from conformance.deployment.settings import GraphSettings
from conformance.json_differences import same_json

#: One more than the default page of the history.
MORE_THAN_A_PAGE = 11
MORE_THAN_A_HUNDRED = 105
#: Letters of three scripts, marks beyond the first 65,536 characters, controls, and spaces.
_TEXTS = ("Grüße, мир, 世界", "👩‍👩‍👧 e\u0301", "\u202eabc\u2028\t\\\"'", "  two  spaces  ")
#: The number of state updates with which a thread is continued.
CONTINUING_UPDATES = 5

_WAYS_TO_CONTINUE = pytest.mark.parametrize("way", ["update", "run"])


@requires("COPY-01", offers="copy")
def test_a_copy_is_answered(given: ThreadsApi, threads: ThreadsApi) -> None:
    # The simplest thread shows whether the operation exists; whether an empty one is copied
    # is judged by COPY-12.
    empty = given.empty()
    answer = threads.client.copy(id_of(empty))
    if threads.lacks(answer, empty):
        threads.ensure_success(answer, empty)
    if not answer.ok:
        threads.copy(given.with_state())
        return
    copy = answer.body if isinstance(answer.body, dict) else {}
    assert_that(isinstance(copy.get("thread_id"), str), "a thread", answer.text)


@requires("COPY-24")
def test_a_copy_is_answered_as_a_thread(given: ThreadsApi) -> None:
    assert_thread(_simplest_pair(given)[1])


@requires("COPY-02")
def test_a_copy_has_a_new_id(given: ThreadsApi) -> None:
    source, copy = _simplest_pair(given)
    made = id_of(copy)
    assert_that(made != id_of(source), "an id other than the source's", made)
    try:
        UUID(made)
    except ValueError:
        assert_that(False, "a thread_id that is a UUID", made)


@requires("COPY-03")
def test_a_copy_has_the_whole_history(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.prepopulated()
    history = given.history(source)
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy), history)


@requires("COPY-04")
def test_a_copy_of_a_thread_with_runs_is_whole(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.empty()
    given.run(source, 1)
    given.run(source, 2)
    history = given.history(source)
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy), history)


@requires("COPY-05")
def test_a_copy_of_a_mixed_history_is_whole(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.prepopulated()
    given.run(source, 1)
    given.append(source, 2)
    history = given.history(source)
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy), history)


@requires("COPY-06")
def test_a_copy_of_more_than_a_page_is_whole(given: ThreadsApi, threads: ThreadsApi) -> None:
    _assert_long_copy_is_whole(given, threads, MORE_THAN_A_PAGE)


@requires("COPY-07")
def test_a_copy_of_more_than_a_hundred_states_is_whole(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    _assert_long_copy_is_whole(given, threads, MORE_THAN_A_HUNDRED)


@requires("COPY-08")
def test_a_copy_shows_the_values_of_its_source(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.with_state()
    copy = given.copy(source)
    shown, expected = _values_by_get(given, threads, copy, source)
    if not expected:
        raise Blocked("GET shows no values of a thread that has a state")
    assert_equal(shown, expected, "values")


@requires("COPY-09")
def test_a_copy_has_the_state_of_its_source(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.with_state()
    copy = given.copy(source)
    expected = masked_state(given.state(source), id_of(source))
    shown = masked_state(threads.state(copy), id_of(copy), id_of(source))
    assert_equal(shown, expected, "the state of the copy")


@requires("COPY-10")
def test_a_copy_has_the_metadata_of_its_source(given: ThreadsApi, threads: ThreadsApi) -> None:
    source, copy = _simplest_pair(given, metadata={"kept": {"by": ["the", "copy"]}})
    sent = {**given.client.tag, **given.context.tag, "kept": {"by": ["the", "copy"]}}
    if kept_metadata(given.get(source), sent) != sent:
        raise Blocked("GET does not show the metadata of the source", by="CREATE-11")
    assert_equal(kept_metadata(threads.get(copy), sent), sent, "the metadata of the source")


@requires("COPY-11")
def test_a_copy_has_the_status_of_its_source(given: ThreadsApi, threads: ThreadsApi) -> None:
    for source in (given.empty(), given.fullest(), *given.unfinished()):
        copy = given.copy(source)
        expected = given.get_settled(source).get("status")
        assert_equal(threads.get_settled(copy).get("status"), expected, "status")


@requires("COPY-12")
def test_copying_an_empty_thread_does_not_fail(given: ThreadsApi, threads: ThreadsApi) -> None:
    threads.copy(given.empty())


@requires("COPY-13")
def test_a_copy_can_be_copied(given: ThreadsApi, threads: ThreadsApi) -> None:
    first = given.copy(given.prepopulated())
    given.append(first, 2)
    given.run(first, 3)
    history = given.history(first)
    second = threads.copy(first)
    assert_identical_history(threads.history(second), history)


@requires("COPY-14")
def test_a_thread_can_be_copied_several_times(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.prepopulated()
    history = given.history(source)
    copies = [threads.copy(source) for _ in range(3)]
    assert_equal(len({id_of(each) for each in copies}), 3, "the number of different ids")
    for copy in copies:
        assert_identical_history(threads.history(copy), history)


@requires("COPY-15")
@_WAYS_TO_CONTINUE
def test_continuing_a_copy_leaves_the_source(
    given: ThreadsApi, threads: ThreadsApi, way: str
) -> None:
    source = given.with_state()
    copy = given.copy(source)
    assert_untouched(threads, source, lambda: _continue(given, copy, way))


@requires("COPY-16")
@_WAYS_TO_CONTINUE
def test_continuing_the_source_leaves_a_copy(
    given: ThreadsApi, threads: ThreadsApi, way: str
) -> None:
    source = given.with_state()
    copy = given.copy(source)
    assert_untouched(threads, copy, lambda: _continue(given, source, way))


@requires("COPY-17")
def test_a_copy_can_be_run(given: ThreadsApi, threads: ThreadsApi) -> None:
    copy = given.copy(given.prepopulated())
    before = given.history(copy)
    threads.run(copy)
    after = threads.history(copy)
    assert_that(len(after) > len(before), f"more than {len(before)} states", len(after))
    copied = lasting_members(after)[-len(before) :]
    assert_equal(copied, lasting_members(before), "the copied states after the run")


@requires("COPY-17")
def test_a_run_on_a_copy_starts_from_its_state(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    copy = given.copy(given.prepopulated())
    before = items_of_followed_list(given.state(copy), graph)
    threads.run(copy)
    after = items_of_followed_list(given.state(copy), graph)
    assert_equal(after[: len(before)], before, "the messages that were copied")


@requires("COPY-23")
def test_the_copy_of_an_empty_thread_can_be_run(given: ThreadsApi, threads: ThreadsApi) -> None:
    given.run(given.empty())
    threads.run(given.copy(given.empty()))


@requires("COPY-25")
def test_the_copy_of_an_empty_thread_has_a_state_once_run(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    twin, copy = given.empty(), given.copy(given.empty())
    given.run(twin)
    try:
        given.run(copy)
        ended_well = True
    except Blocked:  # judged by COPY-23: the state is read all the same
        ended_well = False
    values = threads.state(copy).get("values")
    if ended_well and has_data(given.state(twin)["values"]):
        wanted = "values in the state, as of a thread that was run"
        assert_that(has_data(values), wanted, values)


@requires("COPY-26")
def test_the_copy_of_an_empty_thread_has_a_history_once_run(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    twin, copy = _twins_after_runs(given)
    if not given.history(twin):
        raise Blocked("a run gives an empty thread no history")
    states = threads.history(copy)
    assert_that(len(states) > 0, "a history, as of a thread that was run", len(states))


@requires("COPY-27")
def test_the_copy_of_an_empty_thread_has_its_state(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.empty()
    answer = given.client.state(id_of(source))
    given.ensure_success(answer, source)
    copy = given.copy(source)
    shown = threads.state(copy)
    # Null and {} count as equal: how an empty state is shown is judged by another check.
    expected = answer.body.get("values") if isinstance(answer.body, dict) else None
    assert_is(shown.get("values") or {}, expected or {}, "the values of the copy's state")


@requires("COPY-27")
def test_the_copy_of_a_thread_that_was_never_read_has_its_state(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    source = given.empty(metadata={"graph_id": graph.id})
    copy = given.copy(source)
    answer = threads.client.state(id_of(copy))
    # The source is read only now: a read before the copy could hide the fault.
    given.ensure_success(given.client.state(id_of(source)), source)
    assert_that(answer.ok, "the state of the copy", f"{answer.status} {answer.text}")


@requires("COPY-28")
def test_a_copy_is_not_created_after_its_update(given: ThreadsApi, threads: ThreadsApi) -> None:
    shown = threads.get(_simplest_pair(given)[1])
    created = timestamp_or_blocked(shown.get("created_at"), "created_at")
    updated = timestamp_or_blocked(shown.get("updated_at"), "updated_at")
    assert_that(created <= updated, f"updated_at not before created_at, {created}", updated)


@requires("COPY-18")
@pytest.mark.parametrize("deleted", ["source", "copy"])
def test_deleting_one_leaves_the_other(
    given: ThreadsApi, threads: ThreadsApi, deleted: str
) -> None:
    source = given.with_state()
    copy = given.copy(source)
    gone, other = (source, copy) if deleted == "source" else (copy, source)
    assert_untouched(threads, other, lambda: given.delete(gone))


@requires("COPY-19")
def test_a_copy_holds_its_moment(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.empty()
    given.run(source, 1)
    at_the_time = given.history(source)
    copy = threads.copy(source)
    given.run(source, 2)
    assert_identical_history(threads.history(copy), at_the_time)


@requires("COPY-20")
@pytest.mark.parametrize("of_a_copy", [False, True], ids=["copy", "copy-of-a-copy"])
def test_copied_checkpoints_are_readable(
    given: ThreadsApi, threads: ThreadsApi, of_a_copy: bool
) -> None:
    source = given.prepopulated()
    if of_a_copy:
        source = given.copy(source)
    copy = given.copy(source)
    for checkpoint_id in require_states(given.history(source)).checkpoint_ids():
        named = _named_by(given.state_at(source, checkpoint_id))
        if named[:2] != [checkpoint_id, id_of(source)]:
            raise Blocked("a state does not name its checkpoint and thread", by="CHECKPOINT-08")
        if named[2] not in (None, id_of(source)):
            raise Blocked("the parent of a state does not name its thread", by="STATE-05")
        shown = _named_by(threads.state_at(copy, checkpoint_id))
        in_parent = named[2] and id_of(copy)
        assert_equal(
            shown, [checkpoint_id, id_of(copy), in_parent], "the checkpoint and threads it names"
        )


@requires("COPY-21")
def test_the_recipe_of_the_documents(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    assert_equal(
        [_without_metadata_thread_id(state) for state in threads.page(copy)],
        [_without_metadata_thread_id(state) for state in given.page(source)],
        "the history of the copy, as the recipe compares it",
    )


@requires("COPY-22")
def test_a_copy_is_found(given: ThreadsApi, threads: ThreadsApi, context: CheckContext) -> None:
    source, copy = _simplest_pair(given)
    if id_of(source) not in context.eventually(
        given.search_ids, lambda found: id_of(source) in found
    ):
        raise Blocked("search does not show the source", by="CREATE-12")
    if kept_metadata(given.get(copy), context.tag) != context.tag:
        # Whether a copy keeps the metadata of its source is judged by COPY-10.
        given.update(copy, metadata=context.tag)
    found = context.eventually(threads.search_ids, lambda found: id_of(copy) in found)
    assert_that(id_of(copy) in found, f"the copy {id_of(copy)} among the threads found", found)


def _named_by(state: State) -> list[Any]:
    """Return the ids of the checkpoint, of its thread and of its parent's thread in a state."""
    own, parent = (
        each if isinstance(each, dict) else {}
        for each in (state.get("checkpoint"), state.get("parent_checkpoint"))
    )
    return [own.get("checkpoint_id"), own.get("thread_id"), parent.get("thread_id")]


def _simplest_pair(given: ThreadsApi, **members: Any) -> tuple[Thread, Thread]:
    """Return a thread and its copy; the thread is empty if the deployment copies empty threads."""
    source = given.empty(**members)
    answer = given.client.copy(id_of(source))
    if not answer.ok and not given.lacks(answer, source):
        # Whether an empty thread can be copied is judged by COPY-12.
        source = given.with_state(**members)
        return source, given.copy(source)
    copy = given.object_of(answer, source)
    if not isinstance(copy.get("thread_id"), str):
        raise Blocked("the copy is answered without a thread_id", by="COPY-01")
    return source, copy


def _twins_after_runs(given: ThreadsApi) -> tuple[Thread, Thread]:
    """Return an empty thread and the copy of another one, after a run on each."""
    twin, copy = given.empty(), given.copy(given.empty())
    given.run(twin)
    given.run(copy)
    return twin, copy


def _continue(given: ThreadsApi, thread: Thread, way: str) -> None:
    if way == "run":
        given.run(thread, 7)
        return
    # Data that copy and source wrongly share may show only after several writes.
    for number in range(7, 7 + CONTINUING_UPDATES):
        given.append(thread, number)


def _assert_long_copy_is_whole(given: ThreadsApi, threads: ThreadsApi, states: int) -> None:
    source = given.long(states)
    history = given.history(source, states)
    if len(history) < states:
        raise Blocked(f"the source has {len(history)} states instead of {states}")
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy, states), history)


def _without_metadata_thread_id(state: dict[str, object]) -> dict[str, object]:
    metadata = state.get("metadata")
    if not isinstance(metadata, dict):
        return state
    kept = {name: value for name, value in metadata.items() if name != "thread_id"}
    return {**state, "metadata": kept}


@requires("COPY-03")
def test_a_copy_has_every_channel_in_its_history(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = thread_with_channels(given)
    history = given.history(source)
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy), history)


@requires("COPY-03")
def test_a_copy_keeps_every_character(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    source = given.prepopulated()
    # If the graph's updates have no place for a text, the thread is copied without these texts.
    updates = [values_with_text(text, graph) for text in _TEXTS]
    for values in filter(None, updates):
        body = {**graph.append, "values": values}
        given.ensure_success(given.client.update_state(id_of(source), body), source)
    history = given.history(source)
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy), history)


@requires("COPY-08")
def test_a_copy_shows_every_channel(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = thread_with_channels(given)
    copy = given.copy(source)
    shown, expected = _values_by_get(given, threads, copy, source)
    if expected is None:
        raise Blocked("GET shows no values, as in the documented output")
    assert_equal(shown, expected, "values")


def _values_by_get(
    given: ThreadsApi, threads: ThreadsApi, copy: Thread, source: Thread
) -> tuple[Any, Any]:
    """Return the values of a copy and of its source by GET, once equal or at the deadline."""
    return given.context.eventually(
        lambda: (threads.get(copy).get("values"), given.get(source).get("values")),
        lambda seen: seen[1] is None or (bool(seen[1]) and same_json(*seen)),
    )


@requires("COPY-09")
def test_a_copy_has_every_channel_in_its_state(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = thread_with_channels(given)
    copy = given.copy(source)
    assert_equal(threads.state(copy).get("values"), given.state(source)["values"], "the values")


@requires("COPY-20")
def test_copied_checkpoints_show_every_channel(given: ThreadsApi, threads: ThreadsApi) -> None:
    source = thread_with_channels(given)
    copy = given.copy(source)
    require_identical_history(given.history(copy), given.history(source))
    for checkpoint_id in require_states(given.history(source)).checkpoint_ids():
        expected = given.state_at(source, checkpoint_id).get("values")
        shown = threads.state_at(copy, checkpoint_id).get("values")
        assert_equal(shown, expected, "the values at the copied checkpoint")


@requires("COPY-17")
def test_a_run_on_a_copy_starts_from_every_channel(
    given: ThreadsApi, threads: ThreadsApi, graph: GraphSettings
) -> None:
    source = thread_with_channels(given)
    copy = given.copy(source)
    before = given.state(copy)["values"]
    # A graph may change channels by itself: a run on the source shows which ones it keeps.
    given.run(source)
    had, left = channels_before_and_after(before, given.state(source)["values"], graph)
    threads.run(copy)
    shown = channels_before_and_after(before, given.state(copy)["values"], graph)[1]
    kept = [key for key in had if key in left and same_json(had[key], left[key])]
    assert_equal(
        {key: shown.get(key) for key in kept},
        {key: had[key] for key in kept},
        "what was in the channels that a run leaves",
    )


@requires("COPY-29")
def test_a_thread_whose_run_failed_is_copied_identically(
    given: ThreadsApi, threads: ThreadsApi, given_runs: Runs
) -> None:
    source = given.empty()
    given_runs.run_to_end(source, "failing")
    given.get_settled(source)
    history = given.history(source)
    require_some(history, "the history holds no state after a run that failed")
    assert_identical_history(threads.history(threads.copy(source)), history)

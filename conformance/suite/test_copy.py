"""Copying a thread."""

from uuid import UUID

import pytest

from conformance.deployment.settings import GraphSettings, numbered
from conformance.model.history import mask_thread_id, same_json
from conformance.suite.asking import Asker
from conformance.suite.case import Case
from conformance.suite.channels import standing, wide
from conformance.suite.expect import (
    assert_equal,
    assert_identical_history,
    assert_that,
    assert_untouched,
    assert_valid,
)
from conformance.suite.outcomes import Blocked, requires
from conformance.suite.shown import Thread, id_of, messages_of

#: One more than the default page of the history.
MORE_THAN_A_PAGE = 11
MORE_THAN_A_HUNDRED = 105
#: State updates by which a thread is continued.
WRITES = 5

_WAYS_TO_CONTINUE = pytest.mark.parametrize("way", ["update", "run"])


@requires("COPY-01", offers="copy")
def test_a_copy_is_answered(given: Asker, threads: Asker) -> None:
    assert_valid("thread", threads.copy(given.prepopulated()))


@requires("COPY-02")
def test_a_copy_has_a_new_id(given: Asker) -> None:
    source = given.prepopulated()
    made = id_of(given.copy(source))
    assert_that(made != id_of(source), "an id other than the source's", made)
    try:
        UUID(made)
    except ValueError:
        assert_that(False, "a thread_id that is a UUID", made)


@requires("COPY-03")
def test_a_copy_has_the_whole_history(given: Asker, threads: Asker) -> None:
    source = given.prepopulated()
    history = given.history(source)
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy), history)


@requires("COPY-04")
def test_a_copy_of_a_thread_with_runs_is_whole(given: Asker, threads: Asker) -> None:
    source = given.empty()
    given.run(source, 1)
    given.run(source, 2)
    history = given.history(source)
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy), history)


@requires("COPY-05")
def test_a_copy_of_a_mixed_history_is_whole(given: Asker, threads: Asker) -> None:
    source = given.prepopulated()
    given.run(source, 1)
    given.appended(source, 2)
    history = given.history(source)
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy), history)


@requires("COPY-06")
def test_a_copy_of_more_than_a_page_is_whole(given: Asker, threads: Asker) -> None:
    _assert_long_copy_is_whole(given, threads, MORE_THAN_A_PAGE)


@requires("COPY-07")
def test_a_copy_of_more_than_a_hundred_states_is_whole(given: Asker, threads: Asker) -> None:
    _assert_long_copy_is_whole(given, threads, MORE_THAN_A_HUNDRED)


@requires("COPY-08")
def test_a_copy_shows_the_values_of_its_source(given: Asker, threads: Asker) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    expected = given.get(source).get("values")
    assert_equal(threads.get(copy).get("values"), expected, "values")


@requires("COPY-09")
def test_a_copy_has_the_state_of_its_source(given: Asker, threads: Asker) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    expected = mask_thread_id(given.state(source), id_of(source))
    shown = mask_thread_id(threads.state(copy), id_of(copy))
    assert_equal(shown, expected, "the state of the copy")


@requires("COPY-10")
def test_a_copy_has_the_metadata_of_its_source(given: Asker, threads: Asker) -> None:
    source = given.prepopulated(metadata={"kept": {"by": ["the", "copy"]}})
    copy = given.copy(source)
    expected = given.get(source).get("metadata")
    assert_equal(threads.get(copy).get("metadata"), expected, "metadata")


@requires("COPY-11")
@pytest.mark.parametrize("supersteps", ["all", "all-but-the-last"])
def test_a_copy_has_the_status_of_its_source(
    given: Asker, threads: Asker, graph: GraphSettings, supersteps: str
) -> None:
    steps = [numbered(each, 1) for each in graph.supersteps]
    source = given.prepopulated(steps if supersteps == "all" else steps[:-1])
    copy = given.copy(source)
    assert_equal(threads.get(copy).get("status"), given.get(source).get("status"), "status")


@requires("COPY-12")
def test_copying_an_empty_thread_does_not_fail(given: Asker, threads: Asker) -> None:
    threads.copy(given.empty())


@requires("COPY-13")
def test_a_copy_can_be_copied(given: Asker, threads: Asker) -> None:
    first = given.copy(given.prepopulated())
    given.appended(first, 2)
    given.run(first, 3)
    history = given.history(first)
    second = threads.copy(first)
    assert_identical_history(threads.history(second), history)


@requires("COPY-14")
def test_a_thread_can_be_copied_several_times(given: Asker, threads: Asker) -> None:
    source = given.prepopulated()
    history = given.history(source)
    copies = [threads.copy(source) for _ in range(3)]
    assert_equal(len({id_of(each) for each in copies}), 3, "the number of different ids")
    for copy in copies:
        assert_identical_history(threads.history(copy), history)


@requires("COPY-15")
@_WAYS_TO_CONTINUE
def test_continuing_a_copy_leaves_the_source(given: Asker, threads: Asker, way: str) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    assert_untouched(threads, source, lambda: _continue(given, copy, way))


@requires("COPY-16")
@_WAYS_TO_CONTINUE
def test_continuing_the_source_leaves_a_copy(given: Asker, threads: Asker, way: str) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    assert_untouched(threads, copy, lambda: _continue(given, source, way))


@requires("COPY-17")
def test_a_copy_can_be_run(given: Asker, threads: Asker) -> None:
    copy = given.copy(given.prepopulated())
    before = given.history(copy)
    threads.run(copy)
    after = threads.history(copy)
    assert_that(len(after) > len(before), f"more than {len(before)} states", len(after))
    assert_equal(list(after)[-len(before) :], list(before), "the copied states after the run")


@requires("COPY-17")
def test_a_run_on_a_copy_starts_from_its_state(
    given: Asker, threads: Asker, graph: GraphSettings
) -> None:
    copy = given.copy(given.prepopulated())
    before = messages_of(given.state(copy), graph)
    threads.run(copy)
    after = messages_of(given.state(copy), graph)
    assert_equal(after[: len(before)], before, "the messages that were copied")


@requires("COPY-23")
def test_the_copy_of_an_empty_thread_can_be_run(given: Asker, threads: Asker) -> None:
    given.run(given.empty())
    copy = given.copy(given.empty())
    threads.run(copy)
    assert_that(threads.state(copy)["values"] != {}, "values", {})
    assert_that(len(threads.history(copy)) > 0, "a history", [])


@requires("COPY-18")
@pytest.mark.parametrize("deleted", ["source", "copy"])
def test_deleting_one_leaves_the_other(given: Asker, threads: Asker, deleted: str) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    gone, other = (source, copy) if deleted == "source" else (copy, source)
    assert_untouched(threads, other, lambda: given.delete(gone))


@requires("COPY-19")
def test_a_copy_holds_its_moment(given: Asker, threads: Asker) -> None:
    source = given.empty()
    given.run(source, 1)
    at_the_time = given.history(source)
    copy = threads.copy(source)
    given.run(source, 2)
    assert_identical_history(threads.history(copy), at_the_time)


@requires("COPY-20")
def test_copied_checkpoints_are_readable(given: Asker, threads: Asker) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    for checkpoint_id in given.history(source).checkpoint_ids():
        expected = mask_thread_id(given.state_at(source, checkpoint_id), id_of(source))
        shown = mask_thread_id(threads.state_at(copy, checkpoint_id), id_of(copy))
        assert_equal(shown, expected, "the state at the copied checkpoint")


@requires("COPY-21")
def test_the_recipe_of_the_documents(given: Asker, threads: Asker) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    assert_equal(
        [_without_metadata_thread_id(state) for state in threads.page(copy)],
        [_without_metadata_thread_id(state) for state in given.page(source)],
        "the history of the copy, as the recipe compares it",
    )


@requires("COPY-22")
def test_a_copy_is_found(given: Asker, threads: Asker, case: Case) -> None:
    copy = given.copy(given.prepopulated())
    metadata = given.get(copy)["metadata"]
    if not case.tag.items() <= metadata.items():
        # Whether a copy keeps the metadata of its source is another question.
        metadata = given.update(copy, metadata=case.tag)["metadata"]
    found = case.eventually(
        lambda: threads.found(metadata=metadata), lambda found: id_of(copy) in found
    )
    assert_that(id_of(copy) in found, f"the copy {id_of(copy)} among the threads found", found)


def _continue(given: Asker, thread: Thread, way: str) -> None:
    if way == "run":
        given.run(thread, 7)
        return
    # What is shared may come to light only after some writes.
    for number in range(7, 7 + WRITES):
        given.appended(thread, number)


def _assert_long_copy_is_whole(given: Asker, threads: Asker, states: int) -> None:
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
def test_a_copy_has_every_channel_in_its_history(given: Asker, threads: Asker) -> None:
    source = wide(given)
    history = given.history(source)
    copy = threads.copy(source)
    assert_identical_history(threads.history(copy), history)


@requires("COPY-08")
def test_a_copy_shows_every_channel(given: Asker, threads: Asker) -> None:
    source = wide(given)
    copy = given.copy(source)
    expected = given.get(source).get("values")
    assert_equal(threads.get(copy).get("values"), expected, "values")


@requires("COPY-09")
def test_a_copy_has_every_channel_in_its_state(given: Asker, threads: Asker) -> None:
    source = wide(given)
    copy = given.copy(source)
    assert_equal(threads.state(copy).get("values"), given.state(source)["values"], "the values")


@requires("COPY-20")
def test_copied_checkpoints_show_every_channel(given: Asker, threads: Asker) -> None:
    source = wide(given)
    copy = given.copy(source)
    for checkpoint_id in given.history(source).checkpoint_ids():
        expected = given.state_at(source, checkpoint_id).get("values")
        shown = threads.state_at(copy, checkpoint_id).get("values")
        assert_equal(shown, expected, "the values at the copied checkpoint")


@requires("COPY-17")
def test_a_run_on_a_copy_starts_from_every_channel(
    given: Asker, threads: Asker, graph: GraphSettings
) -> None:
    source = wide(given)
    copy = given.copy(source)
    before = given.state(copy)["values"]
    # A graph may change channels of its own accord: what it leaves alone is seen at the source.
    given.run(source)
    had, left = standing(before, given.state(source)["values"], graph)
    threads.run(copy)
    shown = standing(before, given.state(copy)["values"], graph)[1]
    kept = [key for key in had if key in left and same_json(had[key], left[key])]
    assert_equal(
        {key: shown.get(key) for key in kept},
        {key: had[key] for key in kept},
        "what was in the channels that a run leaves",
    )

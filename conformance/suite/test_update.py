"""Changing the metadata of a thread."""

import pytest

from conformance.deployment.client import ThreadsClient
from conformance.suite.asking import Asker
from conformance.suite.case import Case
from conformance.suite.expect import (
    assert_equal,
    assert_that,
    assert_untouched,
    assert_valid,
    known_moment,
)
from conformance.suite.outcomes import requires
from conformance.suite.shown import id_of


@requires("UPDATE-01")
def test_an_update_answers_the_thread(given: Asker, threads: Asker) -> None:
    made = given.empty(metadata={"colour": "red"})
    shown = threads.update(made, metadata={"colour": "blue"})
    assert_equal(shown.get("thread_id"), id_of(made), "thread_id")
    assert_equal(shown["metadata"].get("colour"), "blue", "metadata.colour")
    # What an empty thread has in values is a question of its own.
    assert_valid("thread", {name: shown[name] for name in shown if name != "values"})


@requires("UPDATE-02")
def test_new_metadata_is_added(given: Asker, threads: Asker) -> None:
    made = given.empty()
    threads.update(made, metadata={"size": {"w": 1}, "none": None})
    shown = given.get(made)["metadata"]
    assert_equal(
        {name: shown.get(name, "absent") for name in ("size", "none")},
        {"size": {"w": 1}, "none": None},
        "the added metadata",
    )


@requires("UPDATE-03")
@pytest.mark.parametrize("value", ["blue", 2, False, [1], "ünï"], ids=repr)
def test_known_metadata_is_replaced(given: Asker, threads: Asker, value: object) -> None:
    made = given.empty(metadata={"colour": [0] if isinstance(value, list) else "red"})
    threads.update(made, metadata={"colour": value})
    assert_equal(given.get(made)["metadata"].get("colour"), value, "metadata.colour")


@requires("UPDATE-04")
def test_other_metadata_is_kept(given: Asker, threads: Asker) -> None:
    made = given.empty(metadata={"colour": "red", "deep": {"er": [1, None]}})
    threads.update(made, metadata={"size": 1})
    shown = given.get(made)["metadata"]
    kept = {name: shown.get(name) for name in made["metadata"]}
    assert_equal(kept, made["metadata"], "the metadata that the update does not name")


@requires("UPDATE-05")
def test_an_update_moves_updated_at(given: Asker, threads: Asker, case: Case) -> None:
    made = given.empty()
    before = known_moment(made.get("updated_at"), "updated_at")
    # A deployment may count in milliseconds: the next update is later, at the latest.
    after = case.eventually(
        lambda: known_moment(
            threads.update(made, metadata={"n": 1}).get("updated_at"), "updated_at"
        ),
        lambda after: after > before,
    )
    assert_that(after > before, f"updated_at after {before}", after)
    shown = known_moment(given.get(made).get("updated_at"), "updated_at")
    assert_that(shown >= after, f"updated_at by GET, not before {after}", shown)


@requires("UPDATE-06")
def test_an_update_leaves_what_is_not_metadata(given: Asker, threads: Asker) -> None:
    made = given.prepopulated()
    members = ("thread_id", "created_at", "status", "values", "state_updated_at")
    before = given.get(made)
    state, history = given.state(made), given.history(made)
    threads.update(made, metadata={"colour": "red"})
    after = given.get(made)
    assert_equal(
        {name: after.get(name) for name in members},
        {name: before.get(name) for name in members},
        "the thread",
    )
    assert_equal(given.state(made), state, "the state")
    assert_equal(given.history(made).states, history.states, "the history")


@requires("UPDATE-07")
def test_an_update_is_shown_by_get(given: Asker, threads: Asker) -> None:
    made = given.empty()
    for number in range(3):
        answered = threads.update(made, metadata={"number": number})
        assert_equal(threads.get(made)["metadata"], answered["metadata"], "metadata by GET")


@requires("UPDATE-08")
def test_an_unknown_thread_is_404(given: Asker, ask: ThreadsClient) -> None:
    given.update(given.empty(), metadata={})
    answer = ask.update(ask.ownership.absent_id(), {"metadata": {"colour": "red"}})
    assert_that(answer.status == 404, "404", f"{answer.status} {answer.text}")


@requires("UPDATE-09")
def test_a_minimal_answer_on_request(given: Asker, threads: Asker, ask: ThreadsClient) -> None:
    made = given.empty()
    body = {"metadata": {"colour": "red"}}
    headers = {"Prefer": "return=minimal"}
    answer = threads.granted(ask.update(id_of(made), body, headers=headers), made)
    assert_equal(given.get(made)["metadata"].get("colour"), "red", "metadata.colour")
    assert_equal(answer.text, "", "the body of the answer")


@requires("UPDATE-11")
@pytest.mark.parametrize("body", [{}, {"metadata": {}}], ids=["empty-body", "empty-metadata"])
def test_an_empty_update_keeps_the_metadata(
    given: Asker, threads: Asker, body: dict[str, object]
) -> None:
    made = given.empty(metadata={"colour": "red"})
    threads.update(made, **body)
    assert_equal(given.get(made).get("metadata"), made["metadata"], "metadata")


@requires("UPDATE-12")
@pytest.mark.parametrize("updated", ["source", "copy"])
def test_a_copy_has_metadata_of_its_own(given: Asker, threads: Asker, updated: str) -> None:
    source = given.prepopulated()
    copy = given.copy(source)
    changed, other = (source, copy) if updated == "source" else (copy, source)
    assert_untouched(given, other, lambda: threads.update(changed, metadata={"colour": "red"}))

"""Updating the metadata of a thread."""

from itertools import count

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import contract_members, contract_members_of_each
from conformance.checks.expect import (
    assert_advances_timestamp,
    assert_equal,
    assert_that,
    assert_thread,
    assert_untouched,
    kept_metadata,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.texts_like_escapes import NAMES_LIKE_PATHS, metadata_of_lookalikes
from conformance.checks.views import id_of
from conformance.checks.ways import get_caught_up
from conformance.deployment.client import ThreadsClient


@requires("UPDATE-01")
def test_an_update_answers_the_thread(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty(metadata={"colour": "red"})
    shown = threads.update(made, metadata={"colour": "blue"})
    assert_equal(shown.get("thread_id"), id_of(made), "thread_id")
    assert_thread(shown)
    assert_equal(kept_metadata(shown, {"colour": ""}), {"colour": "blue"}, "the metadata sent")


@requires("UPDATE-02")
def test_new_metadata_is_added(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty()
    added = {"size": {"w": 1}, "list": [7, "x"]}
    threads.update(made, metadata=added)
    assert_equal(kept_metadata(given.get(made), added), added, "the added metadata")


@requires("UPDATE-03")
@pytest.mark.parametrize("value", ["blue", 2, False, [1], "ünï"], ids=repr)
def test_known_metadata_is_replaced(given: ThreadsApi, threads: ThreadsApi, value: object) -> None:
    made = given.empty(metadata={"colour": [0] if isinstance(value, list) else "red"})
    threads.update(made, metadata={"colour": value})
    assert_equal(
        kept_metadata(given.get(made), {"colour": ""}), {"colour": value}, "the metadata sent"
    )


@requires("UPDATE-04")
def test_other_metadata_is_kept(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty(metadata={"colour": "red"})
    # How an update treats null is not judged; what it made of null must be kept.
    given.update(made, metadata={"deep": {"er": [1, None]}})
    deep = kept_metadata(given.get(made), {"deep": 0})
    if not isinstance(deep, dict):
        raise Blocked("GET shows no metadata", by="GET-01")
    expected = {**given.client.tag, **given.context.tag, "colour": "red", **deep}
    threads.update(made, metadata={"size": 1})
    shown = kept_metadata(given.get(made), expected)
    assert_equal(shown, expected, "the metadata that the update does not name")


@requires("UPDATE-17")
def test_metadata_that_a_run_added_is_kept(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty(metadata={"colour": "red"})
    given.run(made)
    before = given.get_settled(made).get("metadata")
    if not isinstance(before, dict):
        raise Blocked("GET shows no metadata", by="GET-01")
    threads.update(made, metadata={"size": 1})
    shown = kept_metadata(given.get(made), before)
    names = sorted(shown) if isinstance(shown, dict) else shown
    if names != sorted(before):
        _require_metadata_kept_without_a_run(given)
    assert_equal(names, sorted(before), "the names in the metadata that were there")
    # The value of what else the deployment writes there by itself may have changed.
    lasting = [name for name in ("colour", "graph_id") if name in before]
    expected = {name: before[name] for name in lasting}
    assert_equal({name: shown[name] for name in lasting}, expected, "the metadata")


def _require_metadata_kept_without_a_run(given: ThreadsApi) -> None:
    """Raise `Blocked` if an update loses metadata of a thread that was never run as well."""
    made = given.empty(metadata={"colour": "red"})
    given.update(made, metadata={"size": 1})
    if kept_metadata(given.get(made), {"colour": ""}) != {"colour": "red"}:
        raise Blocked("an update of a thread loses what it does not name", by="UPDATE-04")


@requires("UPDATE-05")
def test_an_update_moves_updated_at(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty()
    numbers = count()
    assert_advances_timestamp(
        given, lambda: given.get(made), lambda: threads.update(made, metadata={"n": next(numbers)})
    )


@requires("UPDATE-06")
def test_an_update_leaves_what_is_not_metadata(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.fullest()
    members = ("thread_id", "created_at", "status", "values", "state_updated_at")
    before = get_caught_up(given, made)
    threads.update(made, metadata={"colour": "red"})
    after = given.get(made)
    assert_equal(
        {name: after.get(name) for name in members},
        {name: before.get(name) for name in members},
        "the thread",
    )


@requires("UPDATE-13")
def test_an_update_leaves_the_state(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.with_state()
    before = contract_members(given.state(made))
    threads.update(made, metadata={"colour": "red"})
    assert_equal(contract_members(given.state(made)), before, "the state")


@requires("UPDATE-14")
def test_an_update_leaves_the_history(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.with_state()
    before = contract_members_of_each(given.history(made))
    if not before:
        raise Blocked("the thread has no history")
    threads.update(made, metadata={"colour": "red"})
    after = contract_members_of_each(given.history(made))
    assert_equal(len(after), len(before), "the number of states")
    assert_equal(after[1:], before[1:], "the states before the newest")


@requires("UPDATE-07")
def test_an_update_is_shown_by_get(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty()
    for number in range(3):
        answered = threads.update(made, metadata={"number": number})
        if not isinstance(answered.get("metadata"), dict):
            raise Blocked("PATCH answers no metadata", by="UPDATE-01")
        shown = threads.get(made).get("metadata")
        assert_equal(shown, answered["metadata"], "metadata by GET")


@requires("UPDATE-08")
def test_an_unknown_thread_is_404(given: ThreadsApi, client: ThreadsClient) -> None:
    given.update(given.empty(), metadata={})
    answer = client.update(client.ownership.absent_id(), {"metadata": {"colour": "red"}})
    assert_that(answer.status == 404, "404", f"{answer.status} {answer.text}")


@requires("UPDATE-09")
def test_a_minimal_answer_on_request(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient
) -> None:
    made = given.empty(metadata={"size": 1})
    body = {"metadata": {"colour": "red"}}
    headers = {"Prefer": "return=minimal"}
    answer = threads.ensure_success(client.update(id_of(made), body, headers=headers), made)
    expected = {**given.client.tag, **given.context.tag, "size": 1, "colour": "red"}
    assert_equal(kept_metadata(given.get(made), expected), expected, "the metadata afterwards")
    assert_equal(answer.text, "", "the body of the answer")


@requires("UPDATE-11")
@pytest.mark.parametrize("body", [{}, {"metadata": {}}], ids=["empty-body", "empty-metadata"])
def test_an_empty_update_keeps_the_metadata(
    given: ThreadsApi, threads: ThreadsApi, body: dict[str, object]
) -> None:
    made = given.empty(metadata={"colour": "red"})
    threads.update(made, **body)
    expected = {**given.client.tag, **given.context.tag, "colour": "red"}
    assert_equal(kept_metadata(given.get(made), expected), expected, "the metadata that was there")


@requires("UPDATE-12")
@pytest.mark.parametrize("updated", ["source", "copy"])
def test_a_copy_has_metadata_of_its_own(
    given: ThreadsApi, threads: ThreadsApi, updated: str
) -> None:
    source = given.fullest()
    copy = given.copy(source)
    changed, other = (source, copy) if updated == "source" else (copy, source)
    assert_untouched(given, other, lambda: threads.update(changed, metadata={"colour": "red"}))


@requires("UPDATE-15")
def test_texts_that_look_like_escapes_are_kept(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty()
    sent = metadata_of_lookalikes()
    threads.update(made, metadata=sent)
    assert_equal(kept_metadata(given.get(made), sent), sent, "the metadata sent")


@requires("UPDATE-16")
def test_names_like_paths_are_names(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty(metadata={"a": {"b": 2}, "b": 3})
    sent = {**dict.fromkeys(NAMES_LIKE_PATHS, 1), "plain": 1}
    threads.update(made, metadata=sent)
    expected = {**sent, "a": {"b": 2}, "b": 3}
    kept = kept_metadata(given.get(made), expected)
    if not isinstance(kept, dict) or not {"plain", "b"} <= kept.keys():
        raise Blocked("an update of a plain name is not merged", by="UPDATE-04")
    assert_equal(kept, expected, "the metadata")

"""Ids of threads in upper case: such an id is the same UUID, so it names the same thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import mask_thread_id, require_some
from conformance.checks.expect import (
    assert_equal,
    assert_no_thread,
    assert_untouched,
    kept_metadata,
    published_part,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.views import Thread, checkpoint_id_of, id_of, known_checkpoint_id
from conformance.deployment.client import Answer, ThreadsClient
from conformance.json_differences import same_json

#: Reads of a thread, by the client, the thread's id and the id of its newest checkpoint.
_READS: dict[str, Callable[[ThreadsClient, str, str], Answer]] = {
    "get": lambda client, thread_id, _: client.get(thread_id),
    "state": lambda client, thread_id, _: client.state(thread_id),
    "state_at_checkpoint": lambda client, thread_id, checkpoint_id: client.state_at_checkpoint(
        thread_id, checkpoint_id
    ),
    "history": lambda client, thread_id, _: client.history(thread_id),
    "post_history": lambda client, thread_id, _: client.post_history(thread_id, {}),
}


@requires("IDENTITY-09")
@pytest.mark.parametrize("operation", _READS)
def test_a_read_by_an_id_in_upper_case(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, operation: str
) -> None:
    made = given.with_state()
    newest = checkpoint_id_of(given.state(made)) if operation == "state_at_checkpoint" else ""
    read = partial(_READS[operation], client)

    def read_by_both() -> tuple[Any, Any, Any]:
        by_lower = given.ensure_success(read(id_of(made), newest), made)
        by_upper = threads.ensure_success(read(_upper(made), newest))
        shown, expected, again = (
            mask_thread_id(published_part(each), id_of(made))
            for each in (by_upper, by_lower, read(id_of(made), newest))
        )
        return shown, expected, again

    # What GET shows of a new thread may follow its state a little later.
    shown, expected, again = given.context.eventually(
        read_by_both,
        lambda seen: same_json(seen[0], seen[1]) and same_json(seen[1], seen[2]),
        within_s=None if operation == "get" else 0.0,
    )
    if not same_json(again, expected):
        raise Blocked(f"two answers of {operation} to the same question differ")
    assert_equal(shown, expected, f"what {operation} answers")


@requires("IDENTITY-09")
def test_a_search_by_an_id_in_upper_case(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    made = given.empty()
    given.empty()
    found = context.eventually(
        lambda: [each.lower() for each in threads.search_ids(ids=[_upper(made)])], bool
    )
    assert_equal(found, [id_of(made).lower()], "the threads found")


@requires("IDENTITY-10")
def test_an_update_by_an_id_in_upper_case(given: ThreadsApi, threads: ThreadsApi) -> None:
    def metadata_after(api: ThreadsApi, name: Callable[[Thread], str]) -> Any:
        made = given.empty(metadata={"colour": "red", "size": 1})
        api.update({"thread_id": name(made)}, metadata={"colour": "blue"})
        return kept_metadata(given.get(made), {"colour": "", "size": 0})

    expected = metadata_after(given, id_of)
    assert_equal(metadata_after(threads, _upper), expected, "the metadata")


@requires("IDENTITY-10")
def test_an_update_of_the_state_by_an_id_in_upper_case(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    def change(api: ThreadsApi, name: Callable[[Thread], str]) -> tuple[bool, int]:
        """Return whether an update made another newest state, and how many states were added."""
        made = given.with_state()
        newest, number = _state_and_number(given, made)
        api.append({"thread_id": name(made)}, 3)
        newest_after, number_after = _state_and_number(given, made)
        return newest_after != newest, number_after - number

    expected = change(given, id_of)
    require_some(expected, "an update by the id in lower case shows nowhere")
    assert_equal(list(change(threads, _upper)), list(expected), "a new state, and how many")


@requires("IDENTITY-10")
def test_a_copy_by_an_id_in_upper_case(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.with_state()
    expected = _state_and_number(given, given.copy(made))[1]
    require_some([expected], "a copy has no history")
    copy = threads.copy({"thread_id": _upper(made)})
    assert_equal(_state_and_number(threads, copy)[1], expected, "the number of states in the copy")


@requires("IDENTITY-10")
@pytest.mark.parametrize("operation", ["delete", "prune"])
def test_a_removal_by_an_id_in_upper_case(
    given: ThreadsApi, threads: ThreadsApi, operation: str
) -> None:
    made, other = given.empty(), given.empty()
    _remove(given, operation, other)
    if given.client.get(id_of(other)).ok:
        promised = "DELETE-02" if operation == "delete" else "PRUNE-01"
        raise Blocked(f"GET shows a thread after {operation}", by=promised)
    _remove(threads, operation, {"thread_id": _upper(made)})
    assert_no_thread(threads, id_of(made))


@requires("IDENTITY-11")
@pytest.mark.parametrize("if_exists", ["raise", "do_nothing"])
def test_a_creation_under_an_id_in_upper_case(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, if_exists: str
) -> None:
    made = given.with_state(thread_id=given.generate_id(), metadata={"first": True})
    body = {
        "metadata": {**client.tag, **given.context.tag, "second": True},
        "if_exists": if_exists,
    }
    by_lower = client.create({**body, "thread_id": id_of(made)})
    answers: list[Answer] = []
    assert_untouched(
        given,
        made,
        lambda: answers.append(client.create({**body, "thread_id": _upper(made)})),
    )
    assert_equal(answers[0].status, by_lower.status, "the status of the answer")


def _remove(api: ThreadsApi, operation: str, thread: Thread) -> Any:
    """Remove a thread by this operation."""
    return api.delete(thread) if operation == "delete" else api.prune(thread)


def _upper(thread: Thread) -> str:
    return id_of(thread).upper()


def _state_and_number(api: ThreadsApi, thread: Thread) -> tuple[Any, int]:
    """Return the id of the newest checkpoint of a thread, and how many states its history has."""
    return known_checkpoint_id(api.state(thread)), len(api.page(thread, limit=100))

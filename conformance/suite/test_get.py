"""Reading a thread."""

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import (
    OPTIONAL_OF_A_THREAD,
    assert_equal,
    assert_refused,
    assert_that,
    assert_thread,
    assert_valid,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import ThreadsClient
from conformance.safe_text import excerpt


@requires("GET-01", offers="get")
def test_a_thread_has_every_documented_member(given: ThreadsApi, threads: ThreadsApi) -> None:
    for each in (given.empty(), given.fullest()):
        assert_thread(threads.get(each))


@requires("GET-05")
def test_the_other_members_are_of_the_published_types(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    shown = threads.get(given.fullest())
    others = [name for name in OPTIONAL_OF_A_THREAD if shown.get(name) is not None]
    if not others:
        raise Blocked(f"GET shows none of {', '.join(OPTIONAL_OF_A_THREAD)}")
    assert_valid("thread_selected", {name: shown[name] for name in others})


@requires("GET-02")
def test_an_unknown_thread_is_404(given: ThreadsApi, client: ThreadsClient) -> None:
    given.get(given.empty())
    answer = client.get(client.ownership.absent_id())
    assert_that(answer.status == 404, "404", f"{answer.status} {excerpt(answer.text, 200)}")


@requires("GET-03")
@pytest.mark.parametrize("malformed", ["not-a-uuid", "123", "%00"])
def test_a_malformed_id_is_refused(
    given: ThreadsApi, client: ThreadsClient, malformed: str
) -> None:
    given.get(given.empty())
    assert_refused(client.get(client.ownership.malformed_id(malformed)))


@requires("GET-04")
def test_get_answers_the_thread_asked_for(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = [given.empty(), *(given.empty(metadata={"number": number}) for number in range(2))]
    for each in made:
        shown = threads.get(each)
        for member in ("thread_id", "metadata", "status"):
            assert_equal(shown.get(member), each.get(member), f"{member} of {id_of(each)}")
    for each in given.unfinished():
        _assert_shows_status(threads, each)


def _assert_shows_status(threads: ThreadsApi, made: Thread) -> None:
    """Assert that GET shows the status that the creation answered for a thread with a next node.

    No source says when the status follows the state: if the creation answered idle, interrupted is
    right as well.
    """
    answered = made.get("status")
    expected = {answered, "interrupted"} if answered == "idle" else {answered}
    shown = threads.context.eventually(
        lambda: threads.get(made).get("status"), lambda shown: shown in expected
    )
    assert_that(shown in expected, f"status {answered}", shown)

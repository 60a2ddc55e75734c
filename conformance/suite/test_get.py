"""Inspecting a thread."""

import pytest

from conformance.deployment.client import ThreadsClient
from conformance.excerpt import excerpt
from conformance.suite.asking import Asker
from conformance.suite.expect import (
    OPTIONAL_OF_A_THREAD,
    assert_equal,
    assert_refused,
    assert_that,
    assert_thread,
    assert_valid,
)
from conformance.suite.outcomes import Blocked, requires
from conformance.suite.shown import id_of


@requires("GET-01", offers="get")
def test_a_thread_has_every_documented_member(given: Asker, threads: Asker) -> None:
    for each in (given.empty(), given.fullest()):
        assert_thread(threads.get(each))


@requires("GET-05")
def test_the_other_members_are_of_the_published_types(given: Asker, threads: Asker) -> None:
    shown = threads.get(given.fullest())
    others = [name for name in OPTIONAL_OF_A_THREAD if shown.get(name) is not None]
    if not others:
        raise Blocked(f"GET shows none of {', '.join(OPTIONAL_OF_A_THREAD)}")
    assert_valid("thread_selected", {name: shown[name] for name in others})


@requires("GET-02")
def test_an_unknown_thread_is_404(given: Asker, ask: ThreadsClient) -> None:
    given.get(given.empty())
    answer = ask.get(ask.ownership.absent_id())
    assert_that(answer.status == 404, "404", f"{answer.status} {excerpt(answer.text, 200)}")


@requires("GET-03")
@pytest.mark.parametrize("malformed", ["not-a-uuid", "123", "%00"])
def test_a_malformed_id_is_refused(given: Asker, ask: ThreadsClient, malformed: str) -> None:
    given.get(given.empty())
    assert_refused(ask.get(ask.ownership.malformed_id(malformed)))


@requires("GET-04")
def test_get_answers_the_thread_asked_for(given: Asker, threads: Asker) -> None:
    made = [given.empty(), *(given.empty(metadata={"number": number}) for number in range(2))]
    for each in made:
        shown = threads.get(each)
        for member in ("thread_id", "metadata", "status"):
            assert_equal(shown.get(member), each.get(member), f"{member} of {id_of(each)}")
    for each in given.unfinished():
        assert_equal(threads.get(each).get("status"), each.get("status"), "status")

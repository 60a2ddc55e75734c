"""Properties: what must hold of any request that the schemas allow, or forbid."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import strategies as st

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import Settings
from conformance.model.history import same_json
from conformance.suite.asking import Asker, Case, Thread, id_of
from conformance.suite.expect import (
    assert_equal,
    assert_page,
    assert_refused,
    assert_that,
    assert_valid,
)
from conformance.suite.generated import for_all, invalid_bodies, metadata, valid_bodies
from conformance.suite.outcomes import Blocked, requires

#: Requests that are as valid as any, and hard to keep.
_CREATIONS: tuple[dict[str, Any], ...] = (
    {"if_exists": "raise"},
    {"if_exists": "do_nothing"},
    {
        "metadata": {
            "deep": {"list": [1, "1", [3], {"Four": False}], "empty": {}},
            "Grüße, мир": "  e\u0301 世界  ",
            "nothing": None,
            "nested": {"nothing": None},
            "large": 2**53,
            "negative": -(2**53),
            "half": 0.5,
            "with.dot": True,
            "$dollar": [],
            "": "",
        }
    },
)


@requires("CREATE-19")
def test_every_valid_creation_is_accepted(given: Asker, threads: Asker, settings: Settings) -> None:
    given.empty()

    def accepted(body: dict[str, Any]) -> None:
        made = threads.empty(**body)
        expected = {**given.client.tag, **given.case.tag, **body.get("metadata", {})}
        assert_equal(made.get("metadata"), expected, "metadata")
        # What an empty thread has in values is a question of its own.
        assert_valid("thread", _without(made, "values"))

    for body in _CREATIONS:
        accepted(body)
    bodies = valid_bodies("create_thread", "thread_create", ("supersteps", "ttl"))
    for_all(bodies, accepted, settings)


@requires("UPDATE-10")
def test_every_valid_update_is_accepted(given: Asker, threads: Asker, settings: Settings) -> None:
    made = given.empty()

    def accepted(body: dict[str, Any]) -> None:
        before = given.get(made)["metadata"]
        threads.update(made, **body)
        expected = {**before, **body.get("metadata", {})}
        assert_equal(given.get(made).get("metadata"), expected, "metadata")

    for_all(valid_bodies("update_thread", "thread_patch", ("ttl",)), accepted, settings)


@requires("HISTORY-13")
def test_every_valid_history_request_is_accepted(
    given: Asker, threads: Asker, settings: Settings
) -> None:
    made = given.long(12)
    states = given.history(made, 12).states

    def accepted(body: dict[str, Any]) -> None:
        page = threads.post_page(made, **body)
        wanted = [each for each in states if _has(each.get("metadata"), body.get("metadata", {}))]
        limit = int(body.get("limit", 1))
        assert_page(page, wanted[:limit], "the states", limit)

    # These name checkpoints: they have requirements of their own.
    bodies = valid_bodies("post_history", "history_search", ("before", "checkpoint"))
    for_all(bodies, accepted, settings)


@requires("ERROR-ANY-05")
def test_every_valid_search_is_accepted(
    given: Asker, threads: Asker, ask: ThreadsClient, case: Case, settings: Settings
) -> None:
    for number in range(3):
        given.empty(metadata={"number": number})

    def accepted(body: dict[str, Any]) -> None:
        sent = {**body, "metadata": {**body.get("metadata", {}), **case.tag}}
        answer = threads.granted(ask.search(sent))
        found = answer.body if isinstance(answer.body, list) else None
        assert_that(found is not None, "a list of threads", answer.text)
        limit = sent.get("limit", 10)
        assert_that(len(found or []) <= limit, f"at most {limit} threads", len(found or []))
        for each in found or []:
            whole = "select" not in sent
            assert_valid("thread" if whole else "thread_selected", _without(each, "values"))

    # Values and paths to extract have requirements of their own.
    bodies = valid_bodies("search_threads", "thread_search", ("values", "extract"))
    for_all(bodies, accepted, settings)


@requires("SEARCH-14")
def test_a_thread_is_found_by_what_it_satisfies(
    given: Asker, threads: Asker, case: Case, settings: Settings
) -> None:
    given.empty()

    def found_exactly(example: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
        stored, wanted = example
        # Every example searches among its own threads only.
        mark = {"example": uuid4().hex}
        made = {id_of(given.empty(metadata={**each, **mark})): each for each in stored}
        must = {each for each, metadata in made.items() if _has(metadata, wanted)}
        may = {each for each, metadata in made.items() if not _contradicts(metadata, wanted)}
        found = case.eventually(
            lambda: set(threads.found(metadata={**wanted, **mark})),
            lambda found: must <= found <= may,
        )
        assert_that(must <= found, f"the threads with {wanted}: {sorted(must)}", sorted(found))
        assert_that(
            found <= may, f"no thread without {wanted}", [made.get(each) for each in found - may]
        )

    stored = st.lists(metadata(), min_size=1, max_size=3)
    for_all(st.tuples(stored, metadata()), found_exactly, settings)


@pytest.mark.parametrize(
    ("operation", "operation_id", "schema"),
    [
        pytest.param("create", "create_thread", "thread_create", marks=requires("ERROR-ANY-01")),
        pytest.param("search", "search_threads", "thread_search", marks=requires("ERROR-ANY-02")),
        pytest.param(
            "post_history", "post_history", "history_search", marks=requires("ERROR-ANY-03")
        ),
        pytest.param("update", "update_thread", "thread_patch", marks=requires("ERROR-ANY-04")),
    ],
)
def test_whatever_is_invalid_is_refused(
    given: Asker,
    ask: ThreadsClient,
    settings: Settings,
    operation: str,
    operation_id: str,
    schema: str,
) -> None:
    thread = given.empty()
    _offered(given, operation, thread)

    def refused(raw: bytes) -> None:
        assert_refused(_send(ask, operation, id_of(thread), raw))

    for_all(invalid_bodies(operation_id, schema), refused, settings)


@requires("ERROR-SAFE-05")
def test_whatever_was_refused_changed_nothing(
    given: Asker, threads: Asker, ask: ThreadsClient, settings: Settings
) -> None:
    thread = given.empty(metadata={"colour": "red"})
    _offered(given, "update", thread)
    before = given.get(thread)
    if given.get(thread) != before:
        raise Blocked("GET answers the same question in two ways, though nothing was done")

    def changed_nothing(raw: bytes) -> None:
        if ask.update(id_of(thread), raw=raw).ok:
            raise Blocked("an update that does not fit the schema was accepted")
        assert_equal(threads.get(thread), before, "the thread, after the refusal")

    for_all(invalid_bodies("update_thread", "thread_patch"), changed_nothing, settings)


def _send(ask: ThreadsClient, operation: str, thread_id: str, raw: bytes) -> Answer:
    match operation:
        case "create":
            return ask.create(raw=raw)
        case "search":
            return ask.search(raw=raw, private=True)
        case "post_history":
            return ask.post_history(thread_id, raw=raw)
        case _:
            return ask.update(thread_id, raw=raw)


def _offered(given: Asker, operation: str, thread: Thread) -> None:
    """A right request is answered, so that a refusal means something."""
    match operation:
        case "search":
            given.search()
        case "post_history":
            given.post_page(thread)
        case "update":
            given.update(thread, metadata={})


def _without(body: dict[str, Any], *members: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in members}


def _has(metadata: Any, wanted: dict[str, Any]) -> bool:
    """Whether every wanted member is there with an equal value."""
    return isinstance(metadata, dict) and all(
        name in metadata and same_json(metadata[name], value) for name, value in wanted.items()
    )


def _contradicts(metadata: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a wanted member is missing, or is another scalar.

    Whether a filter that is part of a larger object or list matches, no source says;
    whether true is told from 1 is a question of its own, so they are not told here.
    """
    return any(
        name not in metadata
        or not (
            metadata[name] == value
            or isinstance(value, dict | list)
            or isinstance(metadata[name], dict | list)
        )
        for name, value in wanted.items()
    )

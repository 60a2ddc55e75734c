"""Generated requests: valid ones are accepted, invalid ones are refused and change nothing."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import strategies as st

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import published_members
from conformance.checks.expect import assert_equal, assert_refused, assert_that, kept_metadata
from conformance.checks.generators.check_each import check_each
from conformance.checks.generators.for_all import for_all
from conformance.checks.generators.metadata import metadata
from conformance.checks.generators.schema_bodies import (
    invalid_bodies,
    valid_bodies,
    without_thread_ids,
)
from conformance.checks.generators.schema_keywords import met_keywords
from conformance.checks.generators.wrong_bodies import (
    MALFORMED_JSON,
    bad_bodies,
    bodies_to_refuse,
    sendable_body,
)
from conformance.checks.lenient_validation import without_any_null
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.sort_members import SORTED_BY, refused_orders
from conformance.checks.views import Thread, checkpoint_id_of, id_of
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import Settings
from conformance.json_differences import same_json
from conformance.parallel import gathered

#: Valid requests that are hard to store unchanged.
_CREATIONS: tuple[dict[str, Any], ...] = (
    {"if_exists": "raise"},
    {"if_exists": "do_nothing"},
    {
        "metadata": {
            "deep": {"list": [1, "1", [3], {"Four": False}], "empty": {}},
            "Grüße, мир": "  e\u0301 世界  ",
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
def test_every_valid_creation_is_accepted(
    given: ThreadsApi, threads: ThreadsApi, settings: Settings
) -> None:
    given.empty()

    def assert_accepted(generated: dict[str, Any]) -> None:
        # Whether null is kept is judged by CREATE-15.
        body = without_any_null(generated)
        made = threads.empty(**body)
        expected = {**given.client.tag, **given.context.tag, **body.get("metadata", {})}
        assert_equal(kept_metadata(made, expected), expected, "the metadata sent")

    without = ("supersteps", "ttl")
    met = met_keywords("create_thread", "thread_create", without, settings)
    at_once = given.context.at_once
    check_each(assert_accepted, (*_CREATIONS, *map(without_thread_ids, met)), at_once)
    bodies = valid_bodies("create_thread", "thread_create", without)
    for_all(bodies, assert_accepted, settings, "valid creations", at_once)


@requires("UPDATE-10")
def test_every_valid_update_is_accepted(
    given: ThreadsApi, threads: ThreadsApi, settings: Settings
) -> None:
    def assert_accepted(generated: dict[str, Any]) -> None:
        # Null may remove a member, as in a merge by RFC 7396: no source says so or denies it.
        body = without_any_null(generated)
        made = given.empty()
        threads.update(made, **body)
        assert_equal(kept_metadata(given.get(made), body["metadata"]), body["metadata"], "metadata")

    assert_accepted({"metadata": {"ключ": ["ünï", {"a": [[]], "b": False}], "half": 0.5}})
    bodies = valid_bodies("update_thread", "thread_patch", ("ttl",), filled=("metadata",))
    for_all(bodies, assert_accepted, settings, "valid updates of metadata", given.context.at_once)


@requires("HISTORY-13")
def test_every_valid_history_request_is_accepted(
    given: ThreadsApi, threads: ThreadsApi, settings: Settings
) -> None:
    made = given.long(12)
    known = set(given.history(made, 12).checkpoint_ids())

    def assert_accepted(generated: dict[str, Any]) -> None:
        # Whether an undeclared member is refused is not judged here.
        body = {name: generated[name] for name in ("limit", "metadata") if name in generated}
        page = threads.post_page(made, **body)
        # Which states metadata selects, and the default limit, have requirements of their own.
        limit = int(body.get("limit", len(page)))
        assert_that(len(page) <= limit, f"at most {limit} states", f"{len(page)} states")
        ids = {checkpoint_id_of(each) for each in page}
        assert_that(ids <= known, "states of the thread", sorted(ids - known))

    # Members that name checkpoints have requirements of their own.
    without = ("before", "checkpoint")
    at_once = given.context.at_once
    met = met_keywords("post_history", "history_search", without, settings)
    check_each(assert_accepted, met, at_once)
    bodies = valid_bodies("post_history", "history_search", without)
    for_all(bodies, assert_accepted, settings, "valid requests for a history", at_once)


#: Each member of a search in turn, and values that random bodies rarely have.
_EVERY_MEMBER_OF_SEARCH: tuple[dict[str, Any], ...] = (
    {},
    {"metadata": {}},
    {"ids": []},
    {"ids": ["00000000-0000-4000-8000-000000000000"]},
    *({"limit": limit} for limit in (1, 2, 1000)),
    *({"offset": offset} for offset in (0, 1, 3, 1000)),
    *({"status": status} for status in ("idle", "busy", "interrupted", "error")),
    *(
        {"sort_by": member, "sort_order": order}
        for member in SORTED_BY
        for order in ("asc", "desc")
    ),
    {"select": []},
    {"select": ["thread_id", "metadata"]},
)


@requires("ERROR-ANY-05")
def test_every_valid_search_is_accepted(
    given: ThreadsApi,
    threads: ThreadsApi,
    client: ThreadsClient,
    context: CheckContext,
    settings: Settings,
) -> None:
    for number in range(3):
        given.empty(metadata={"number": number})

    refused = refused_orders(client, context)

    def assert_accepted(body: dict[str, Any]) -> None:
        if body.get("sort_by") in refused:
            return  # judged by SORT-01 to SORT-05
        sent = {**body, "metadata": {**body.get("metadata", {}), **context.tag}}
        found = threads.list_of(client.search(sent))
        # What each thread shows is judged by SEARCH-13 and SELECT-01.
        limit = sent.get("limit", 10)
        assert_that(len(found) <= limit, f"at most {limit} threads", len(found))

    # Values and paths to extract have requirements of their own.
    without = ("values", "extract")
    met = met_keywords("search_threads", "thread_search", without, settings)
    check_each(assert_accepted, (*_EVERY_MEMBER_OF_SEARCH, *met), context.at_once)
    bodies = valid_bodies("search_threads", "thread_search", without)
    for_all(bodies, assert_accepted, settings, "valid searches", context.at_once)


#: Metadata that a careless comparison mixes up.
_SIMILAR_METADATA: list[dict[str, Any]] = [
    *({"k": value} for value in ("red", "Red", "redder", "", "uni", "ünï", "1", 1)),
    *({"k": value} for value in ({"a": 1}, {"a": 2}, [1])),
    {"a": 1},
    {"k": "red", "l": 1},
    {"k": "red", "l": 2},
    {"l": 1},
]


@requires("SEARCH-14")
def test_a_thread_is_found_by_what_it_satisfies(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, settings: Settings
) -> None:
    given.empty()

    def assert_found_exactly(generated: list[dict[str, Any]], *wished: dict[str, Any]) -> None:
        # Every example searches among its own threads only, and not for null: that is SEARCH-17.
        mark = {"example": uuid4().hex}
        stored, filters = without_any_null(generated), without_any_null(list(wished))
        ids = gathered(
            lambda each: id_of(given.empty(metadata={**each, **mark})), stored, context.at_once
        )
        made = dict(zip(ids, stored, strict=True))
        check_each(lambda wanted: assert_found_by(wanted, made, mark), filters, context.at_once)

    def assert_found_by(
        wanted: dict[str, Any], made: dict[str, dict[str, Any]], mark: dict[str, Any]
    ) -> None:
        must = {each for each, metadata in made.items() if _has_members(metadata, wanted)}
        may = {each for each, metadata in made.items() if not _contradicts(metadata, wanted)}
        found = context.eventually(
            lambda: set(threads.search_ids(metadata={**wanted, **mark})),
            lambda found: must <= found <= may,
        )
        assert_that(must <= found, f"the threads with {wanted}: {sorted(must)}", sorted(found))
        assert_that(
            found <= may, f"no thread without {wanted}", [made.get(each) for each in found - may]
        )

    assert_found_exactly(_SIMILAR_METADATA, *_SIMILAR_METADATA)
    stored = st.lists(metadata(), min_size=1, max_size=3)
    for_all(
        st.tuples(stored, metadata()),
        lambda example: assert_found_exactly(*example),
        settings,
        "metadata of threads, and of a filter",
        context.at_once,
    )


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
    given: ThreadsApi,
    client: ThreadsClient,
    settings: Settings,
    operation: str,
    operation_id: str,
    schema: str,
) -> None:
    thread = given.empty()
    _require_valid_request(given, operation, thread)

    def assert_raw_refused(raw: bytes) -> None:
        assert_refused(
            _send(client, operation, id_of(thread), _sendable_body(given, operation, raw))
        )

    at_once = given.context.at_once

    def assert_body_refused(body: Any) -> None:
        assert_raw_refused(json.dumps(sendable_body(given, operation, body)).encode())

    listed = bodies_to_refuse(given, operation, bad_bodies(operation))
    check_each(assert_body_refused, listed, at_once)
    check_each(assert_raw_refused, MALFORMED_JSON, at_once)
    bodies = invalid_bodies(operation_id, schema)
    for_all(bodies, assert_raw_refused, settings, f"invalid bodies of {operation_id}", at_once)


@requires("ERROR-SAFE-05")
def test_whatever_was_refused_changed_nothing(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, settings: Settings
) -> None:
    thread = given.empty(metadata={"colour": "red"})
    _require_valid_request(given, "update", thread)

    def read(api: ThreadsApi) -> Any:
        return published_members("thread", api.get(thread))

    before = read(given)
    if not same_json(read(given), before):
        raise Blocked("GET answers the same question in two ways, though nothing was done")

    def assert_unchanged(raw: bytes) -> None:
        answer = client.update(id_of(thread), raw=raw)
        if not 400 <= answer.status < 500:
            raise Blocked(f"what does not fit the schema is answered with {answer.status}")
        assert_equal(read(threads), before, "the thread, after the refusal")

    bodies = invalid_bodies("update_thread", "thread_patch")
    for_all(bodies, assert_unchanged, settings, "invalid updates")


def _send(client: ThreadsClient, operation: str, thread_id: str, raw: bytes) -> Answer:
    match operation:
        case "create":
            return client.create(raw=raw)
        case "search":
            return client.search(raw=raw, private=True)
        case "post_history":
            return client.post_history(thread_id, raw=raw)
        case _:
            return client.update(thread_id, raw=raw)


def _sendable_body(given: ThreadsApi, operation: str, raw: bytes) -> bytes:
    """Return the body in a form that is safe to send; unchanged if it is no object."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    return (
        json.dumps(sendable_body(given, operation, body)).encode()
        if isinstance(body, dict)
        else raw
    )


def _require_valid_request(given: ThreadsApi, operation: str, thread: Thread) -> None:
    """Require that a valid request succeeds, so that a refusal means something."""
    match operation:
        case "search":
            given.search()
        case "post_history":
            given.post_page(thread)
        case "update":
            given.update(thread, metadata={})


def _has_members(metadata: Any, wanted: dict[str, Any]) -> bool:
    """Return whether every wanted member is there with an equal value."""
    return isinstance(metadata, dict) and all(
        name in metadata and same_json(metadata[name], value) for name, value in wanted.items()
    )


def _contradicts(metadata: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Return whether a wanted member is missing or has another value, at any depth.

    No source says whether a filter matches that is part of a larger object or list; whether true
    matches 1 is a requirement of its own. So neither counts as a contradiction.
    """
    return any(
        name not in metadata or _differs(metadata[name], value) for name, value in wanted.items()
    )


def _differs(value: Any, wanted: Any) -> bool:
    if isinstance(value, list) or isinstance(wanted, list):
        return False
    if isinstance(value, dict) and isinstance(wanted, dict):
        return _contradicts(value, wanted)
    return bool(value != wanted)

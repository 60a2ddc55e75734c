"""Creating a thread without a state."""

import re
import time
from datetime import timedelta
from uuid import UUID

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.expect import (
    assert_equal,
    assert_no_server_error,
    assert_same_thread,
    assert_that,
    kept_metadata,
    parse_timestamp,
    timestamp_or_blocked,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.texts_like_escapes import NAMES_LIKE_PATHS, metadata_of_lookalikes
from conformance.checks.views import id_of
from conformance.deployment.client import ThreadsClient


@requires("CREATE-01", offers="create")
def test_an_empty_body_creates_a_thread(threads: ThreadsApi) -> None:
    threads.create_documented({}, without_metadata=True)


@requires("CREATE-02", offers="create")
def test_empty_metadata_creates_a_thread(threads: ThreadsApi) -> None:
    threads.create_documented({"metadata": {}}, without_metadata=True)


@requires("CREATE-03")
def test_the_id_is_a_uuid(given: ThreadsApi) -> None:
    thread_id = id_of(given.create_documented({}))
    assert_that(_is_uuid(thread_id), "a thread_id that is a UUID", thread_id)


@requires("CREATE-04")
def test_every_id_is_fresh(given: ThreadsApi) -> None:
    made = [id_of(given.create_documented({})) for _ in range(3)]
    assert_equal(len(set(made)), len(made), "the number of different ids")


@requires("CREATE-05")
def test_created_at_has_an_offset(given: ThreadsApi) -> None:
    parse_timestamp(given.create_documented({}).get("created_at"), "created_at")


@requires("CREATE-06")
def test_updated_at_has_an_offset(given: ThreadsApi) -> None:
    parse_timestamp(given.create_documented({}).get("updated_at"), "updated_at")


@requires("CREATE-07")
def test_a_new_thread_was_never_updated(given: ThreadsApi) -> None:
    started = time.monotonic()
    thread = given.create_documented({})
    took = timedelta(seconds=time.monotonic() - started)
    created, updated = thread.get("created_at"), thread.get("updated_at")
    apart = abs(
        timestamp_or_blocked(updated, "updated_at") - timestamp_or_blocked(created, "created_at")
    )
    # Both times lie within the request; timestamps may be in whole seconds.
    most = max(took, timedelta(seconds=1))
    assert_that(apart <= most, f"updated_at in the same creation as created_at, {created}", updated)


@requires("CREATE-08")
@pytest.mark.parametrize("body", [{}, {"metadata": {}}], ids=["empty-body", "empty-metadata"])
def test_metadata_is_empty_where_none_was_sent(given: ThreadsApi, body: dict[str, object]) -> None:
    sent = {**given.client.tag, **given.context.tag}
    added = given.empty()["metadata"].keys() - sent.keys()
    shown = given.create_documented(body, without_metadata=True).get("metadata")
    names = list(shown) if isinstance(shown, dict) else None
    assert_that(names is not None, "metadata that is an object", shown)
    expected = "{}" if not added else f"nothing but what every thread gets: {sorted(added)}"
    assert_that(set(names or ()) <= added, expected, shown)


@requires("CREATE-09")
def test_a_new_thread_is_idle(given: ThreadsApi) -> None:
    assert_equal(given.create_documented({}).get("status"), "idle", "status")


@requires("CREATE-10")
@pytest.mark.parametrize("body", [{}, {"metadata": {}}], ids=["empty-body", "empty-metadata"])
def test_a_new_thread_has_empty_values(given: ThreadsApi, body: dict[str, object]) -> None:
    thread = given.create_documented(body)
    assert_that("values" in thread, "a member values", f"only {', '.join(thread)}")
    assert_equal(thread["values"], {}, "values")


@requires("CREATE-11")
def test_a_new_thread_can_be_got_at_once(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty()
    assert_same_thread(threads.get(made), made, "the thread that GET shows")


@requires("CREATE-12")
def test_a_new_thread_is_found_by_search(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext
) -> None:
    made = id_of(given.empty())
    found = context.eventually(threads.search_ids, lambda found: made in found)
    assert_equal(found, [made], "the threads found by their metadata")


@requires("CREATE-13")
def test_nested_metadata_is_echoed(threads: ThreadsApi) -> None:
    _assert_echoed(threads, {"deep": {"list": [1, "1", [3], {"Four": False}, {}], "empty": {}}})


@requires("CREATE-14")
@pytest.mark.parametrize(
    "text",
    ["Grüße, мир, 世界", "👩‍👩‍👧 e\u0301", "\u202eabc\u2028\t\\\"'", "  two  spaces  "],
    ids=["letters", "marks", "controls", "spaces"],
)
def test_unicode_metadata_is_echoed(threads: ThreadsApi, text: str) -> None:
    _assert_echoed(threads, {"text": text, text: "as a key"})


@requires("CREATE-15")
def test_null_metadata_is_echoed(threads: ThreadsApi) -> None:
    _assert_echoed(threads, {"nothing": None, "nested": {"nothing": None}})


@requires("CREATE-16")
@pytest.mark.parametrize("number", [0, -1, 2**31, 2**53, -(2**53)])
def test_integers_in_metadata_are_echoed(threads: ThreadsApi, number: int) -> None:
    _assert_echoed(threads, {"number": number})


@requires("CREATE-17")
@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63, 10**30])
def test_large_integers_are_echoed_or_refused(
    given: ThreadsApi, client: ThreadsClient, number: int
) -> None:
    given.empty()
    body = {
        "thread_id": client.ownership.new_id(),
        "metadata": {**client.tag, "number": number},
    }
    answer = client.create(body)
    assert_no_server_error(answer)
    if answer.ok:
        made = answer.body if isinstance(answer.body, dict) else {}
        assert_equal(kept_metadata(made, {"number": 0}), {"number": number}, "the metadata sent")


@requires("CREATE-21")
@pytest.mark.parametrize("by", ["get", "search", "copy", "update"])
def test_large_integers_stay_what_they_are(
    given: ThreadsApi, threads: ThreadsApi, context: CheckContext, by: str
) -> None:
    sent = {"number": 2**53 + 1, "list": [-(2**63) + 1]}
    made = given.empty(metadata=sent)  # blocked unless answered as sent: CREATE-17
    if by == "search":
        found = context.eventually(threads.search, bool)
        shown = found[0] if found else {}
    elif by == "copy":
        shown = given.copy(made)
    else:
        if by == "update":
            given.update(made, metadata={"colour": "red"})
        shown = threads.get(made)
    kept = kept_metadata(shown, sent)
    if not kept:
        known = {"search": "CREATE-12", "copy": "COPY-10", "update": "UPDATE-04"}
        raise Blocked(f"the metadata of the creation is not there: {by}", by=known.get(by, ()))
    assert_equal(kept, sent, "the metadata sent")


@requires("CREATE-18")
@pytest.mark.parametrize("then", ["nothing", "run"])
def test_creation_is_not_after_the_update(given: ThreadsApi, then: str) -> None:
    thread = given.empty()
    if then == "run":
        given.run(thread)
    shown = given.get(thread)
    created, updated = shown.get("created_at"), shown.get("updated_at")
    assert_that(
        timestamp_or_blocked(created, "created_at") <= timestamp_or_blocked(updated, "updated_at"),
        f"updated_at not before created_at, {created}",
        updated,
    )


@requires("CREATE-20")
def test_texts_that_look_like_escapes_are_echoed(threads: ThreadsApi) -> None:
    _assert_echoed(threads, metadata_of_lookalikes(beyond_ascii=False))


@requires("CREATE-22")
def test_names_like_paths_are_echoed(threads: ThreadsApi) -> None:
    _assert_echoed(threads, {**dict.fromkeys(NAMES_LIKE_PATHS, 1), "a": {"b": 2}})


def _assert_echoed(threads: ThreadsApi, metadata: dict[str, object]) -> None:
    """Assert that creation and GET answer the metadata as sent; more may be added to it."""
    made = threads.empty(metadata=metadata)
    sent = {**threads.client.tag, **threads.context.tag, **metadata}
    assert_equal(kept_metadata(made, sent), sent, "the metadata sent, as the creation answers it")
    assert_equal(
        kept_metadata(threads.get(made), sent), sent, "the metadata sent, as GET answers it"
    )


def _is_uuid(text: str) -> bool:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        return False
    return bool(UUID(text))

"""The time to live of a thread."""

from datetime import timedelta
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import assert_equal, assert_that, moment_or_blocked, parse_moment
from conformance.checks.outcomes import Blocked, PromiseBroken, requires
from conformance.checks.views import Thread, id_of
from conformance.deployment.client import ThreadsClient

#: A ttl so long that no thread expires during a run.
MINUTES = 600
#: How far expires_at may be from the ttl after the creation.
TOLERANCE = timedelta(minutes=2)


@requires("TTL-01")
@pytest.mark.parametrize("strategy", ["delete", "keep_latest"])
def test_a_time_to_live_is_shown_on_request(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, strategy: str
) -> None:
    made = given.empty(ttl={"ttl": MINUTES, "strategy": strategy})
    shown = _read_ttl(threads, client, made)
    assert_equal(
        {name: shown.get(name) for name in ("strategy", "ttl_minutes")},
        {"strategy": strategy, "ttl_minutes": MINUTES},
        "ttl",
    )


@requires("TTL-02")
def test_a_time_to_live_is_not_shown_unasked(given: ThreadsApi) -> None:
    shown = given.get(given.empty(ttl={"ttl": MINUTES}))
    assert_that(shown.get("ttl") is None, "no ttl", shown.get("ttl"))


@requires("TTL-03")
def test_a_time_to_live_has_an_end(given: ThreadsApi, client: ThreadsClient) -> None:
    made = given.empty(ttl={"ttl": MINUTES})
    expires = parse_moment(_require_ttl(given, client, made).get("expires_at"), "expires_at")
    expected = moment_or_blocked(made.get("created_at"), "created_at") + timedelta(minutes=MINUTES)
    assert_that(abs(expires - expected) < TOLERANCE, f"expires_at about {expected}", expires)


@requires("TTL-04")
def test_a_time_to_live_can_be_set_later(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient
) -> None:
    # Whether a ttl is shown, and in which unit, is judged by TTL-01.
    expected = _require_ttl(given, client, given.empty(ttl={"ttl": MINUTES})).get("ttl_minutes")
    made = given.empty()
    given.update(made, ttl={"ttl": MINUTES})
    assert_equal(_read_ttl(threads, client, made).get("ttl_minutes"), expected, "ttl_minutes")


@requires("TTL-06")
def test_an_update_with_a_time_to_live_alone_is_accepted(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    made = given.empty()
    given.update(made, metadata={})
    threads.ensure_success(threads.client.update(id_of(made), {"ttl": {"ttl": MINUTES}}), made)


@requires("TTL-07")
def test_an_update_without_a_time_to_live_keeps_it(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient
) -> None:
    made = given.empty(ttl={"ttl": MINUTES})
    expected = _require_ttl(given, client, made).get("ttl_minutes")
    given.update(made, metadata={"colour": "red"})
    assert_equal(_read_ttl(threads, client, made).get("ttl_minutes"), expected, "ttl_minutes")


@requires("TTL-05")
def test_a_creation_with_a_time_to_live_is_accepted(given: ThreadsApi, threads: ThreadsApi) -> None:
    threads.get(threads.empty(ttl={"ttl": MINUTES, "strategy": "delete"}))


def _read_ttl(threads: ThreadsApi, client: ThreadsClient, thread: Thread) -> dict[str, Any]:
    shown = threads.ensure_success(client.get(id_of(thread), include="ttl"), thread).body
    ttl = shown.get("ttl") if isinstance(shown, dict) else None
    assert_that(isinstance(ttl, dict), "a member ttl", shown)
    return ttl if isinstance(ttl, dict) else {}


def _require_ttl(given: ThreadsApi, client: ThreadsClient, thread: Thread) -> dict[str, Any]:
    """Return the ttl of a thread that was created with one; `Blocked` if none is shown."""
    try:
        return _read_ttl(given, client, thread)
    except PromiseBroken as unseen:
        raise Blocked("GET shows no ttl of a thread created with one", by="TTL-01") from unseen

"""The time to live of a thread."""

from datetime import timedelta
from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import require_some
from conformance.checks.expect import (
    assert_equal,
    assert_no_server_error,
    assert_that,
    assert_untouched,
    parse_timestamp,
    timestamp_or_blocked,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.shown_ttl import MINUTES, read_ttl, require_ttl, shown_ttl
from conformance.checks.views import Thread, id_of, known_checkpoint_id
from conformance.deployment.client import ThreadsClient

#: How far expires_at may be from the creation of the thread plus the ttl.
TOLERANCE = timedelta(minutes=2)
#: Minutes whose number of seconds is too large for a signed integer of 32 bits.
_BEYOND_32_BITS = 40_000_000
#: A ttl with the strategy that is not the default.
_KEEPING = {"ttl": MINUTES, "strategy": "keep_latest"}


@requires("TTL-01")
@pytest.mark.parametrize("strategy", ["delete", "keep_latest"])
def test_a_time_to_live_is_shown_on_request(
    given: ThreadsApi, threads: ThreadsApi, strategy: str
) -> None:
    made = given.empty(ttl={"ttl": MINUTES, "strategy": strategy})
    shown = read_ttl(threads, made)
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
def test_a_time_to_live_has_an_end(given: ThreadsApi) -> None:
    made = given.empty(ttl={"ttl": MINUTES})
    _assert_ends_after(MINUTES, require_ttl(given, made), made)


@requires("TTL-04")
def test_a_time_to_live_can_be_set_later(given: ThreadsApi, threads: ThreadsApi) -> None:
    # Whether a ttl is shown, and in which unit, is judged by TTL-01.
    expected = _lasting(require_ttl(given, given.empty(ttl=_KEEPING)))
    made, minimal = given.empty(), given.empty()
    given.update(made, ttl=_KEEPING)
    assert_equal(_lasting(read_ttl(threads, made)), expected, "ttl")
    # Which answer is preferred does not decide what is done.
    headers = {"Prefer": "return=minimal"}
    answer = given.client.update(id_of(minimal), {"ttl": _KEEPING}, headers=headers)
    given.ensure_success(answer, minimal)
    assert_equal(_lasting(read_ttl(threads, minimal)), expected, "ttl, set with a minimal answer")


def _lasting(ttl: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a ttl that do not depend on when it was set."""
    return {name: ttl.get(name) for name in ("strategy", "ttl_minutes")}


@requires("TTL-06")
def test_an_update_with_a_time_to_live_alone_is_accepted(
    given: ThreadsApi, threads: ThreadsApi
) -> None:
    made = given.empty()
    given.update(made, metadata={})
    threads.ensure_success(threads.client.update(id_of(made), {"ttl": {"ttl": MINUTES}}), made)


@requires("TTL-07")
def test_an_update_without_a_time_to_live_keeps_it(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty(ttl=_KEEPING)
    expected = _lasting(require_ttl(given, made))
    given.update(made, metadata={"colour": "red"})
    assert_equal(_lasting(read_ttl(threads, made)), expected, "ttl")


@requires("TTL-05")
def test_a_creation_with_a_time_to_live_is_accepted(given: ThreadsApi, threads: ThreadsApi) -> None:
    threads.get(threads.empty(ttl={"ttl": MINUTES, "strategy": "delete"}))


@requires("TTL-08")
@pytest.mark.parametrize("how", ["creation", "update"])
def test_a_fraction_of_a_minute_is_kept(given: ThreadsApi, threads: ThreadsApi, how: str) -> None:
    whole = require_ttl(given, given.empty(ttl={"ttl": MINUTES})).get("ttl_minutes")
    if whole != MINUTES:
        raise Blocked(f"a ttl of {MINUTES} minutes is shown as {whole}", by="TTL-01")
    minutes = MINUTES + 0.5
    if how == "creation":
        made = threads.empty(ttl={"ttl": minutes})
    else:
        made = given.empty()
        given.update(made, ttl={"ttl": MINUTES})
        if not shown_ttl(given, made):
            raise Blocked("GET shows no ttl that PATCH set", by="TTL-04")
        threads.update(made, ttl={"ttl": minutes})
    assert_equal(read_ttl(threads, made).get("ttl_minutes"), minutes, "ttl_minutes")


@requires("TTL-09")
def test_a_time_to_live_of_many_years(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient
) -> None:
    shown = require_ttl(given, given.empty(ttl={"ttl": MINUTES}))
    timestamp_or_blocked(shown.get("expires_at"), "expires_at")
    answer = client.create(
        {
            "thread_id": client.ownership.new_id(),
            "metadata": {**client.tag, **given.context.tag},
            "ttl": {"ttl": _BEYOND_32_BITS},
        }
    )
    assert_no_server_error(answer)
    if answer.ok and isinstance(answer.body, dict):
        _assert_ends_after(_BEYOND_32_BITS, read_ttl(threads, answer.body), answer.body)


@requires("TTL-10")
def test_a_time_to_live_can_be_set_again(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.empty(ttl={"ttl": MINUTES, "strategy": "delete"})
    require_ttl(given, made)
    # Once longer and once shorter than before, compared with a thread created with that ttl. The
    # strategy that is left out is the published default, and not the former one.
    for ttl in ({"ttl": 2 * MINUTES, "strategy": "keep_latest"}, {"ttl": MINUTES // 2}):
        expected = require_ttl(given, given.empty(ttl=ttl))
        end = timestamp_or_blocked(expected.get("expires_at"), "expires_at")
        given.update(made, ttl=ttl)
        shown = read_ttl(threads, made)
        for member in ("strategy", "ttl_minutes"):
            assert_equal(shown.get(member), expected.get(member), member)
        expires = parse_timestamp(shown.get("expires_at"), "expires_at")
        assert_that(abs(expires - end) < TOLERANCE, f"expires_at about {end}", expires)


@requires("TTL-11")
def test_a_time_to_live_alone_leaves_the_rest(given: ThreadsApi, threads: ThreadsApi) -> None:
    made = given.fullest(metadata={"colour": "red"})
    before = given.get_settled(made)
    # The values are compared in the state, since GET may show them a little later.
    assert_untouched(given, made, lambda: given.update(made, ttl={"ttl": MINUTES}), ("state",))
    after = threads.get(made)
    for member in ("metadata", "status"):
        assert_equal(after.get(member), before.get(member), member)


@requires("TTL-12")
def test_a_time_to_live_beside_supersteps(given: ThreadsApi, threads: ThreadsApi) -> None:
    expected = _lasting(require_ttl(given, given.empty(ttl=_KEEPING)))
    made = threads.prepopulated(ttl=_KEEPING)
    assert_equal(_lasting(read_ttl(threads, made)), expected, "ttl")


@requires("TTL-12")
def test_supersteps_beside_a_time_to_live(given: ThreadsApi, threads: ThreadsApi) -> None:
    given.insists_on_supersteps = True
    plain = given.prepopulated()
    require_some([given.state(plain).get("values")], "the state shows no values", "STATE-01")
    expected = _lengths(given, plain)
    given.get(given.empty(ttl={"ttl": MINUTES}))
    made = threads.prepopulated(ttl={"ttl": MINUTES})
    assert_equal(_lengths(threads, made), expected, "the numbers of states and of items")


def _lengths(api: ThreadsApi, thread: Thread) -> dict[str, int]:
    """Return the number of states of a thread, and how many items each list of its values has."""
    values = api.state(thread).get("values")
    named = values.items() if isinstance(values, dict) else ()
    lists = {name: len(value) for name, value in named if isinstance(value, list)}
    states = [each for each in api.page(thread, limit=100) if known_checkpoint_id(each)]
    return {**lists, "(states)": len(states)}


def _assert_ends_after(minutes: int, ttl: dict[str, Any], made: Thread) -> None:
    """Assert that a ttl expires so many minutes after the creation of its thread."""
    expires = parse_timestamp(ttl.get("expires_at"), "expires_at")
    expected = timestamp_or_blocked(made.get("created_at"), "created_at") + timedelta(
        minutes=minutes
    )
    assert_that(abs(expires - expected) < TOLERANCE, f"expires_at about {expected}", expires)

"""Pairs of concurrent requests in faults, also if the first gives up when the second comes."""

from __future__ import annotations

import asyncio

import pytest

from conformance.faults import concurrency
from conformance.faults.concurrency import RequestPairs
from conformance.reference.wire import WireRequest


def _pair() -> tuple[WireRequest | None, ...]:
    """Have two requests meet; return what each was given: "/first", "/second" or None."""

    async def meet() -> list[WireRequest | None]:
        pairs = RequestPairs()
        requests = [WireRequest("GET", path, b"", b"", []) for path in ("/first", "/second")]
        return await asyncio.gather(*(pairs.partner_of("all", each) for each in requests))

    return tuple(asyncio.run(meet()))


def test_each_of_two_requests_is_given_the_other() -> None:
    assert [each and each.path for each in _pair()] == ["/second", "/first"]


def test_a_request_that_comes_while_the_first_gives_up_waits_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The first gives up in its own turn of the loop; the second comes in the next.
    monkeypatch.setattr(concurrency, "_PATIENCE_S", 0)
    assert _pair() == (None, None)

"""Checking of the same for many values, several at a time where the deployment is far away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from conformance.checks.outcomes import PromiseBroken
from conformance.parallel import ConcurrencyLimit, for_each


def check_each(holds: Callable[[Any], object], values: Iterable[Any], at_once: int) -> None:
    """Call `holds` with each value; raise what it raises for the first that it does not accept.

    `at_once` values are tried at a time, so `holds` must not depend on the order, and must send
    new ids in each call. If it does not accept one of them, all are tried again, one by one, so
    that the evidence of a failure is the same wherever the deployment is.
    """
    listed = list(values)
    with tried_together(holds, listed, at_once) as all_hold:
        if not all_hold:
            for value in listed:
                holds(value)


@contextmanager
def tried_together(
    holds: Callable[[Any], object], values: Iterable[Any], at_once: int
) -> Iterator[bool]:
    """Yield whether `holds` accepts all values, `at_once` tried at a time; False if that is one.

    After False the block tries them one by one. If it finds nothing, a promise that was broken
    before is raised nevertheless; what else was raised, such as trouble on the way, is over.
    """
    failed = _first_failure(holds, values, at_once) if at_once > 1 else None
    yield at_once > 1 and failed is None
    if isinstance(failed, PromiseBroken):
        raise failed


def _first_failure(
    holds: Callable[[Any], object], values: Iterable[Any], at_once: int
) -> Exception | None:
    """Try all values, fewer at a time if that slows them, until `holds` raises; return what."""
    limit = ConcurrencyLimit(at_once)

    def try_one(value: Any) -> None:
        with limit.slot():
            began = time.monotonic()
            holds(value)
        limit.adjust(well=True, took_s=time.monotonic() - began)

    try:
        for_each(try_one, deepcopy(list(values)), at_once)
    except Exception as failed:
        return failed
    return None

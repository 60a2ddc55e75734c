"""Concurrent calls."""

import threading

import pytest

from conformance.parallel import ConcurrencyLimit, for_each, gathered


@pytest.mark.parametrize("number", [0, 1, 3, 50])
def test_every_item_is_called_once(number: int) -> None:
    seen: list[int] = []
    for_each(seen.append, range(number), 8)
    assert sorted(seen) == list(range(number))


def test_as_many_at_once_as_are_allowed_and_no_more() -> None:
    together = threading.Barrier(4)
    running, most, lock = 0, 0, threading.Lock()

    def call(_item: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(10)  # passes only when four are here
        with lock:
            running -= 1

    for_each(call, range(8), 4)
    assert most == 4


def test_an_error_is_raised_and_ends_the_rest() -> None:
    seen: list[int] = []

    def call(item: int) -> None:
        seen.append(item)
        if item == 1:
            raise LookupError("the first")

    with pytest.raises(LookupError, match="the first"):
        for_each(call, range(1000), 2)
    assert len(seen) < 1000


def test_an_interruption_begins_no_further_call(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    seen: list[int] = []
    goes_on = threading.Event()

    def call(item: int) -> None:
        seen.append(item)
        goes_on.wait(10)

    def interrupted(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("conformance.parallel.wait_for", interrupted)
    with pytest.raises(KeyboardInterrupt):
        for_each(call, range(100), 2)
    goes_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert len(seen) <= 2


@pytest.mark.slow
def test_a_pace_begins_with_one_and_grows_with_success() -> None:
    limit = ConcurrencyLimit(3)
    allowed = []
    for well in (True, True, True, False, True):
        allowed.append(_how_many_at_once(limit))
        limit.adjust(well=well)
    assert allowed == [1, 2, 3, 3, 1]


def _how_many_at_once(limit: ConcurrencyLimit) -> int:
    """How many turns are given to eight threads that all keep theirs."""
    enough, given = threading.Event(), threading.Semaphore(0)

    def keep() -> None:
        with limit.slot():
            given.release()
            enough.wait(10)

    threads = [threading.Thread(target=keep) for _ in range(8)]
    for each in threads:
        each.start()
    number = 0
    while given.acquire(timeout=0.2):
        number += 1
    enough.set()
    for each in threads:
        each.join()
    return number


def test_results_are_in_the_order_of_their_items() -> None:
    first_waits = threading.Event()

    def call(item: int) -> int:
        if item:
            first_waits.set()
        else:
            assert first_waits.wait(10)
        return item * 2

    assert gathered(call, range(5), 2) == [0, 2, 4, 6, 8]
    assert gathered(str, range(3), 1) == ["0", "1", "2"]
    assert gathered(str, [], 4) == []


def test_a_pace_is_halved_once_when_calls_become_much_slower() -> None:
    limit = ConcurrencyLimit(32)
    for _ in range(15):
        limit.adjust(well=True, took_s=0.1)
    assert limit._allowed == 16
    # All sixteen that were under way are slow; that is one reason, not sixteen.
    for _ in range(16):
        limit.adjust(well=True, took_s=0.5)
    assert limit._allowed == 8
    for _ in range(40):
        limit.adjust(well=True, took_s=0.5)
    assert limit._allowed == 1
    limit.adjust(well=True, took_s=0.3)
    assert limit._allowed == 2

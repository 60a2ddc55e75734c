"""Ctrl-C gives a write in progress a short time to finish, and ends everything else at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import pytest

from conformance.deployment.delivery import interruption
from conformance.deployment.delivery.interruption import WRITES, signals_as_interrupt

#: Longer than any of this takes.
DEADLINE_S = 30.0


def wait_for_interrupt() -> None:
    started = time.monotonic()
    while time.monotonic() - started < DEADLINE_S:
        time.sleep(0.001)
    raise AssertionError("it was never interrupted")


def interrupted(*acts: Callable[[], object]) -> None:
    """Do all of it, until the signal ends it."""
    with signals_as_interrupt():
        for act in acts:
            act()


def writing(*acts: Callable[[], object]) -> Callable[[], None]:
    """Do all of it as one write."""

    def write() -> None:
        with WRITES.delay_signals():
            for act in acts:
                act()

    return write


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_reads_is_ended_at_once(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: signal.raise_signal(number), wait_for_interrupt)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_write_under_way_is_finished(number: signal.Signals) -> None:
    done: list[str] = []
    # A request of the suite's own may be sent beside it.
    beside = writing(lambda: done.append("beside"))
    write = writing(lambda: signal.raise_signal(number), beside, lambda: done.append("answered"))
    with pytest.raises(KeyboardInterrupt):
        interrupted(write, lambda: done.append("the next one"))
    assert done == ["beside", "answered"]


def test_a_write_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "GRACE_S", 0.01)
    with pytest.raises(KeyboardInterrupt):
        interrupted(writing(ctrl_c, wait_for_interrupt))


def test_who_asks_twice_is_heard_at_once() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(writing(ctrl_c, ctrl_c, lambda: done.append("too late")))
    assert done == []


def test_nothing_is_left_of_it_for_the_next() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(writing(ctrl_c))
    interrupted(writing())
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_what_was_there_before_is_there_again() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    with signals_as_interrupt():
        assert signal.getsignal(signal.SIGTERM) == WRITES.interrupt
    after = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    assert after == before


def test_other_threads_hold_nothing_back() -> None:
    begun, ended = threading.Event(), threading.Event()

    def write() -> None:
        with signals_as_interrupt(), WRITES.delay_signals():
            begun.set()
            ended.wait(DEADLINE_S)

    other = threading.Thread(target=write)
    other.start()
    try:
        assert begun.wait(DEADLINE_S)
        with pytest.raises(KeyboardInterrupt):
            interrupted(ctrl_c, wait_for_interrupt)
    finally:
        ended.set()
        other.join()

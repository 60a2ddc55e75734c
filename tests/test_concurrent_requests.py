"""Concurrent requests: all results, the first error, and Ctrl-C, which waits for no request."""

from __future__ import annotations

import signal
import threading

import pytest

from conformance.checks import concurrency
from conformance.checks.concurrency import poll_while, run_together


def test_an_interrupt_waits_for_no_thread() -> None:
    over, under_way = threading.Event(), threading.Event()
    main = threading.get_ident()

    def hang() -> None:
        under_way.set()
        over.wait()

    def interrupt() -> None:
        under_way.wait()
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_together(hang, hang)
    assert not over.is_set()
    over.set()


def test_together_gives_all_or_the_first_error_when_all_have_ended() -> None:
    assert run_together(lambda: 1, lambda: 2) == [1, 2]
    ended = threading.Event()

    def slow() -> None:
        failing.wait()
        ended.set()

    failing = threading.Event()

    def fails() -> None:
        failing.set()
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        run_together(fails, slow)
    assert ended.is_set()


def test_while_doing_looks_until_it_is_done_and_tells_what_broke() -> None:
    looked = threading.Event()

    def act() -> None:
        looked.wait()

    def look() -> int:
        looked.set()
        return 1

    assert len(poll_while(act, look, 3)) >= 3

    def broken() -> None:
        raise ValueError("acting")

    with pytest.raises(ValueError, match="acting"):
        poll_while(broken, lambda: 1, 1)


def test_between_two_looks_there_is_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    enough = threading.Event()

    def noted(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            enough.set()

    monkeypatch.setattr(concurrency, "pause", noted)
    looks = poll_while(lambda: enough.wait(10), lambda: 1, 1, 0.5)
    assert pauses == [0.5] * len(looks)
    assert len(looks) >= 3

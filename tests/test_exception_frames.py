"""Objects that an exception kept alive are released once the exception was reported."""

from __future__ import annotations

import weakref

import pytest

from conformance.exception_frames import release_frames


class Large:
    """Something that a function held when it failed."""


def test_what_an_exception_kept_alive_is_let_go() -> None:
    held: list[weakref.ref[Large]] = []

    def fails() -> None:
        large = Large()
        held.append(weakref.ref(large))
        try:
            raise ValueError
        except ValueError as first:
            raise KeyError from first

    with pytest.raises(KeyError) as told:
        fails()
    assert held[0]() is not None
    release_frames(told.value)
    assert held[0]() is None
    assert told.traceback

"""The sequence of a thread's checkpoints is a tuple in all but the cost of a change."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.model import block_sequence
from conformance.model.block_sequence import BlockSequence


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_sequence, "_BLOCK", 4)


#: A busy machine must not fail a test.
_settings = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_BOUND = st.none() | st.integers(-25, 25)


@_settings
@given(
    st.lists(st.integers(), max_size=20),
    st.builds(slice, _BOUND, _BOUND, _BOUND.filter(bool)),
    st.integers(),
)
def test_it_shows_what_a_tuple_shows(items: list[int], part: slice, other: int) -> None:
    one, like = BlockSequence(items), tuple(items)
    assert len(one) == len(like)
    assert tuple(one) == like
    assert tuple(reversed(one)) == like[::-1]
    assert [one[place] for place in range(-len(like), len(like))] == [*like, *like]
    assert tuple(one[part]) == like[part]
    assert tuple(one.with_added(other)) == (*like, other)
    for place in range(len(like)):
        changed = one.with_replaced(place, other)
        assert tuple(changed) == (*like[:place], other, *like[place + 1 :])
    assert tuple(one) == like
    assert one == like
    assert one == BlockSequence(like)
    assert one != (*like, other)
    assert hash(one) == hash(BlockSequence(like))
    assert pickle.loads(pickle.dumps(one)) == one


def test_what_is_beyond_the_end_is_an_error() -> None:
    with pytest.raises(IndexError):
        BlockSequence([1, 2, 3])[3]


def test_a_longer_sequence_shares_the_blocks_of_the_shorter_one() -> None:
    first = object()
    shorter = BlockSequence([first, *range(8)])
    assert BlockSequence.of(shorter) is shorter
    assert shorter.with_added(1)[0] is first
    assert shorter.with_added(1)._full[0] is shorter._full[0]
    assert shorter[:6]._full[0] is shorter._full[0]  # type: ignore[attr-defined]  # a BlockSequence

"""An immutable sequence that is cheap to extend, however long it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeVar, overload

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

#: The number of items in a block. A change copies one block and the list of blocks.
_BLOCK = 512


class BlockSequence(Sequence[_T_co]):
    """An immutable sequence in blocks of equal length; sequences share the blocks that are equal.

    A tuple would be copied whole with each item that is added: a thread of 100,000 states would
    copy five thousand million items. A slice of consecutive items from the start is a
    `BlockSequence`, any other a tuple.
    """

    __slots__ = ("_full", "_last")

    def __init__(self, items: Iterable[_T_co] = ()) -> None:
        every = iter(items)
        blocks = list(iter(lambda: tuple(islice(every, _BLOCK)), ()))
        self._last: tuple[_T_co, ...] = ()
        if blocks and len(blocks[-1]) < _BLOCK:
            self._last = blocks.pop()
        self._full: tuple[tuple[_T_co, ...], ...] = tuple(blocks)

    @classmethod
    def of(cls, items: Sequence[_T]) -> BlockSequence[_T]:
        """Return the items as a `BlockSequence`, without a copy if they are one already."""
        return items if isinstance(items, BlockSequence) else BlockSequence(items)

    @staticmethod
    def _made(full: tuple[tuple[_T, ...], ...], last: tuple[_T, ...]) -> BlockSequence[_T]:
        made: BlockSequence[_T] = BlockSequence()
        made._full, made._last = full, last
        return made

    def with_added(self: BlockSequence[_T], item: _T) -> BlockSequence[_T]:
        """Return the sequence with one more item at its end."""
        last = (*self._last, item)
        if len(last) < _BLOCK:
            return BlockSequence._made(self._full, last)
        return BlockSequence._made((*self._full, last), ())

    def with_replaced(self: BlockSequence[_T], position: int, item: _T) -> BlockSequence[_T]:
        """Return the sequence with the item at `position`, which is not negative, replaced."""
        number, inside = divmod(position, _BLOCK)
        block = self._full[number] if number < len(self._full) else self._last
        block = (*block[:inside], item, *block[inside + 1 :])
        if number < len(self._full):
            return BlockSequence._made(
                (*self._full[:number], block, *self._full[number + 1 :]), self._last
            )
        return BlockSequence._made(self._full, block)

    def __len__(self) -> int:
        return len(self._full) * _BLOCK + len(self._last)

    @overload
    def __getitem__(self, place: int) -> _T_co: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[_T_co]: ...
    def __getitem__(self, place: int | slice) -> _T_co | Sequence[_T_co]:
        if isinstance(place, slice):
            return self._slice(range(len(self))[place])
        position = range(len(self))[place]
        number, inside = divmod(position, _BLOCK)
        return (self._full[number] if number < len(self._full) else self._last)[inside]

    def _slice(self, positions: range) -> Sequence[_T_co]:
        if positions.start == 0 and positions.step == 1:
            number, inside = divmod(len(positions), _BLOCK)
            block = self._full[number] if number < len(self._full) else self._last
            return BlockSequence._made(self._full[:number], block[:inside])
        return tuple(self[position] for position in positions)

    def __iter__(self) -> Iterator[_T_co]:
        return chain(chain.from_iterable(self._full), self._last)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BlockSequence | tuple):
            return NotImplemented
        return len(self) == len(other) and all(map(_equal, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockSequence, (tuple(self),)


def _equal(one: object, other: object) -> bool:
    return one is other or one == other

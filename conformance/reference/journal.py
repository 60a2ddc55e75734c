"""A file that keeps the threads and crons of a store, so that a later process finds them.

Every change is written before the request that made it is answered. The file holds pickles, so
load only files that this program wrote itself.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from conformance.model.store import ThreadStore
from conformance.model.thread_index import IndexedThreads

#: A change: the name of the mapping, the id, and the new value, or None where it is deleted.
_Change = tuple[str, str, Any]
_MAPPINGS = ("threads_by_id", "crons_by_id")


class JournalError(Exception):
    """The file cannot be used; the message names the file and says why."""


def attach_journal(store: ThreadStore, file: Path) -> bool:
    """Fill the store from the file, and write all later changes of the store to the file.

    Return whether the file held any change. An incomplete change at its end, during which the
    previous process was killed, is dropped: its request was not answered. `JournalError` if the
    file cannot be read or written, or is not such a file.
    """
    held = False
    try:
        if file.exists():
            end = 0
            for (mapping, key, value), after in _changes(file):
                end = after
                kept = getattr(store.records, mapping)
                if value is None:
                    kept.pop(key, None)
                else:
                    kept[key] = value
                held = True
            os.truncate(file, end)
        file.open("ab").close()
    except OSError as broken:
        raise JournalError(f"cannot use {file} as the store ({broken.strerror})") from broken

    def write(change: _Change) -> None:
        # Opened for each change, so that no open file is left when the process is killed.
        with file.open("ab") as journal:
            journal.write(pickle.dumps(change))

    for name in _MAPPINGS:
        kept = getattr(store.records, name)
        kind = _JournaledIndex if isinstance(kept, IndexedThreads) else _JournaledDict
        setattr(store.records, name, kind(kept).writing(name, write))
    return held


def _changes(file: Path) -> Iterator[tuple[_Change, int]]:
    """Yield each complete change in the file, with the position after it."""
    with file.open("rb") as written:
        begun = False
        while True:
            try:
                change = pickle.load(written)
            except (EOFError, pickle.UnpicklingError) as broken:
                if not begun and written.seek(0, os.SEEK_END):
                    raise JournalError(f"{file} is no store of this program") from broken
                return
            begun = True
            yield change, written.tell()


class _JournaledDict(dict[str, Any]):
    """A dict that writes each change to the journal before it applies it, once it is `writing`."""

    _name = ""
    _write: Callable[[_Change], None] | None = None

    def writing(self, name: str, write: Callable[[_Change], None]) -> Self:
        """Write changes from now on, under the name of the mapping, and return the dict."""
        self._name, self._write = name, write
        return self

    def __setitem__(self, key: str, value: Any) -> None:
        if self._write is not None:
            self._write((self._name, key, value))
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        if self._write is not None:
            self._write((self._name, key, None))
        super().__delitem__(key)


class _JournaledIndex(_JournaledDict, IndexedThreads):
    """Threads by id, with an index, whose changes are written."""

"""A file that keeps the threads and crons of a store, so that a later process finds them.

Every change is written before the request that made it is answered. The file is this program's
own: it holds pickles, and is not to be taken from elsewhere.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from conformance.model.store import ThreadStore

#: A change: the name of the mapping, the id, and the new value, or None where it is deleted.
_Change = tuple[str, str, Any]
_MAPPINGS = ("threads_by_id", "crons_by_id")


class JournalError(Exception):
    """The file cannot be used; the message says which and why."""


def keep_in(store: ThreadStore, file: Path) -> bool:
    """Fill the store from the file, and write its changes there; return whether it held any.

    A change that the process before was killed in is left out: it was not answered.
    `JournalError` if the file cannot be read or written, or is none of these.
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
        # Each time anew: nothing has to close it where a process is killed.
        with file.open("ab") as journal:
            journal.write(pickle.dumps(change))

    for name in _MAPPINGS:
        setattr(store.records, name, _Written(name, getattr(store.records, name), write))
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


class _Written(dict[str, Any]):
    """A mapping whose changes are written down."""

    def __init__(self, name: str, held: dict[str, Any], write: Callable[[_Change], None]) -> None:
        super().__init__(held)
        self._name, self._write = name, write

    def __setitem__(self, key: str, value: Any) -> None:
        self._write((self._name, key, value))
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self._write((self._name, key, None))
        super().__delitem__(key)

"""Generated data that is kept for later runs, in memory and in the user's cache.

To generate the data takes longer than to send it. The key of a file depends on all that its data
depends on: name, schemas, the code of checks, suite and contract, and the versions of Python,
hypothesis and schemathesis. So a hit equals what would be generated again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from conformance.code_digest import code_digest
from conformance.user_dirs import cache_dir, keep_newest

#: How many files are kept in the user's cache; the oldest are removed first.
MOST_FILES = 400
_BYTES = "$bytes"
#: The folders of this package whose code decides what is generated.
_MAKERS = ("checks", "suite", "contract")
_in_memory: dict[str, list[Any]] = {}


def load_cached(*name: object) -> list[Any] | None:
    """Return a copy of the data kept under a name; None if there is none that can be read."""
    key = _key(name)
    if key not in _in_memory:
        try:
            _in_memory[key] = _decoded(json.loads(_file(key).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
    return deepcopy(_in_memory[key])


def store_cached(values: Iterable[Any], *name: object) -> None:
    """Keep data, JSON values or bytes, under a name; nothing happens where it cannot be written."""
    key, made = _key(name), list(values)
    try:
        text = json.dumps(_encoded(made))
    except (TypeError, ValueError):
        return
    _in_memory[key] = deepcopy(made)
    file = _file(key)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
        keep_newest(file.parent, "*.json", MOST_FILES)


def _file(key: str) -> Path:
    return cache_dir("generated") / f"{key}.json"


def _key(name: tuple[object, ...]) -> str:
    return hashlib.sha256(f"{_circumstances()} {name!r}".encode()).hexdigest()[:32]


@cache
def _circumstances() -> str:
    """Return a digest of all that generated data depends on, besides its name."""
    # These files define the strategies, filters and their arguments: data made by other code must
    # not be used.
    return code_digest(_MAKERS)


def _encoded(value: Any) -> Any:
    """Return a value with bytes as objects; `ValueError` for an object that looks like them."""
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return [_encoded(each) for each in value]
    if isinstance(value, dict):
        if value.keys() == {_BYTES} or not all(isinstance(name, str) for name in value):
            raise ValueError("an object that would be read as something else")
        return {name: _encoded(each) for name, each in value.items()}
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if isinstance(value, dict):
        if value.keys() == {_BYTES}:
            return base64.b64decode(value[_BYTES])
        return {name: _decoded(each) for name, each in value.items()}
    return value

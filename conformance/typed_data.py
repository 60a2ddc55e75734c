"""Data from files as typed values: TOML is read, and converted by msgspec.

An error names the key as it is written in the file, and says in one clause what is wrong with it;
the caller puts the name of the file before that.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")

_MISSING = re.compile(r"Object missing required field `(\w+)`")
_OTHER_TYPE = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?")
_PLACE = re.compile(r"(.*?)(?: - at `\$\.?([^`]*)`)?", re.DOTALL)
#: The words of our messages for the type names of msgspec.
_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "date": "a date, such as 2027-01-31",
    "datetime": "a time",
    "null": "nothing",
}


class DataError(Exception):
    """Data does not have the form of its type: `key` says where, `problem` what is wrong there.

    The key is a path such as `install.ranges[0].before`; it is empty for the data as a whole.
    """

    def __init__(self, key: str, problem: str) -> None:
        self.key, self.problem = key, problem
        super().__init__(f"{key} {problem}" if key else problem)


class UnreadableError(Exception):
    """A file cannot be read as TOML; the message names it and says why."""


def read_toml(file: Path) -> dict[str, Any]:
    """Return the content of a TOML file; `UnreadableError` if the file cannot be read as TOML.

    A missing file raises `FileNotFoundError`: only the caller knows what to do then.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except OSError as unread:
        raise UnreadableError(f"{file} cannot be read ({unread.strerror})") from unread
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as broken:
        raise UnreadableError(f"{file} is not TOML: {broken}") from broken


def typed(
    data: Any, kind: type[_T], parse: Callable[[type, Any], Any] | None = None, within: str = ""
) -> _T:
    """Return data of JSON or TOML as a value of `kind`, such as a dataclass.

    Members that a dataclass does not have are dropped; `check_keys` finds them. `parse(type,
    value)` makes the values of types that msgspec does not know, and raises `ValueError` for data
    from which they cannot be made. `within` is put before the key in an error. Raises `DataError`
    if the data does not have the form of `kind`.
    """
    try:
        return msgspec.convert(data, kind, dec_hook=parse)
    except msgspec.ValidationError as invalid:
        raise _data_error(str(invalid), within) from invalid


def check_keys(table: dict[str, Any], kind: type | Collection[str], within: str = "") -> None:
    """Raise `DataError` if a table has a key that is no field of the dataclass `kind`.

    `kind` can also be a collection of the known keys.
    """
    known = (
        {each.name for each in dataclasses.fields(kind)} if isinstance(kind, type) else set(kind)
    )
    if unknown := sorted(table.keys() - known):
        key = f"{within}.{unknown[0]}" if within else unknown[0]
        raise DataError(key, f"is not known here: use {', '.join(sorted(known))}")


def _data_error(message: str, within: str) -> DataError:
    found = _PLACE.fullmatch(message)
    assert found is not None
    problem, place = found[1], found[2] or ""
    if missing := _MISSING.fullmatch(problem):
        place = f"{place}.{missing[1]}" if place else missing[1]
        problem = "is missing"
    elif other := _OTHER_TYPE.fullmatch(problem):
        problem = f"must be {_in_words(other[1])}"
        if other[2]:
            problem += f", not {_in_words(other[2])}"
    elif problem.startswith("Invalid RFC3339 encoded date"):
        problem = f"must be {_WORDS['date']}"
    key = f"{within}.{place}" if within and place else within or place
    return DataError(key, problem)


def _in_words(types: str) -> str:
    return " or ".join(_WORDS.get(each, each) for each in types.split(" | "))

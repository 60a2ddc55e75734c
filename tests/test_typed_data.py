"""Data from files becomes typed values, or an error that names the key."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conformance.typed_data import DataError, UnreadableError, check_keys, read_toml, typed


@dataclass(frozen=True)
class Part:
    day: date | None = None
    number: int = 0


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...] = ()
    seconds: float = 1.0


def test_nested_data_is_converted() -> None:
    data = {"name": "a", "parts": [{"day": date(2027, 1, 31)}, {"number": 2}], "seconds": 3}
    assert typed(data, Whole) == Whole("a", (Part(date(2027, 1, 31)), Part(number=2)), 3.0)


@pytest.mark.parametrize(
    ("data", "within", "told"),
    [
        ({}, "", "name is missing"),
        ({}, "launcher", "launcher.name is missing"),
        ({"name": 1}, "", "name must be a string, not a whole number"),
        ({"name": "a", "parts": {}}, "", "parts must be a list, not a table"),
        ({"name": "a", "parts": [{}, {"number": True}]}, "x",
         "x.parts[1].number must be a whole number, not true or false"),
        ({"name": "a", "parts": [{"day": "soon"}]}, "",
         "parts[0].day must be a date, such as 2027-01-31"),
        ([], "", "must be a table, not a list"),
        ([], "graph", "graph must be a table, not a list"),
    ],
)  # fmt: skip
def test_an_error_names_the_key_and_what_is_wrong(data: Any, within: str, told: str) -> None:
    with pytest.raises(DataError) as refused:
        typed(data, Whole, within=within)
    assert str(refused.value) == told


def test_a_type_of_ones_own_is_parsed() -> None:
    def parse(kind: type, value: Any) -> Any:
        assert kind is complex
        if value == "1j":
            return 1j
        raise ValueError(f"cannot be read: {value}")

    assert typed(["1j"], tuple[complex, ...], parse) == (1j,)
    with pytest.raises(DataError, match=r"^\[0\] cannot be read: i$"):
        typed(["i"], tuple[complex, ...], parse)


def test_unknown_keys_are_named_with_the_known_ones() -> None:
    check_keys({"name": 1, "parts": 2}, Whole)
    with pytest.raises(DataError, match=r"^env\.titel is not known here: use name, parts, seconds"):
        check_keys({"titel": 1, "name": 1}, Whole, "env")
    with pytest.raises(DataError, match=r"^c is not known here: use a, b$"):
        check_keys({"c": 1}, ("b", "a"))


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    with pytest.raises(FileNotFoundError):
        read_toml(file)
    file.write_text("a = 1")
    assert read_toml(file) == {"a": 1}
    for content in (b"a =", b"\xff", b"a = " + b"[" * 100_000):
        file.write_bytes(content)
        with pytest.raises(UnreadableError, match=f"^{file} is not TOML"):
            read_toml(file)
    with pytest.raises(UnreadableError, match=f"^{tmp_path} cannot be read"):
        read_toml(tmp_path)

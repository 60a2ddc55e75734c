"""The baseline file: TOML, which the suite validates and only appends to."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from conformance.data import schemas_dir
from conformance.report.baseline.judgement import Entry, Judgement
from conformance.report.plain_text import cut, listed, one_line
from conformance.report.run.wording import server_name
from conformance.safe_text import masked
from conformance.typed_data import DataError, UnreadableError, read_toml, typed

FORMAT = "threads-conformance-baseline/1"
_HEAD = f"""\
# Deviations of {{server}} that are accepted: threads-conformance run --baseline FILE
#
# Write the reason of each entry; `link` and `expires = 2027-01-31` may be added. An entry
# accepts only failures with its fingerprints; without fingerprints it accepts any failure.
format = "{FORMAT}"
"""
_ENTRIES = "write each entry as an [[accepted]] table"
_SYMPTOM_LIMIT = 160


class BaselineError(Exception):
    """A baseline cannot be used or written; the message says where, and what to write."""


def read_baseline(file: Path) -> tuple[Entry, ...]:
    """Read the entries of a file; raise `BaselineError` if it is not a valid baseline."""
    return tuple(_parse_entry(each, file) for each in read_table(file).get("accepted", []))


def read_table(file: Path) -> dict[str, Any]:
    """Read a file as JSON values; raise `BaselineError` if it is not a valid baseline."""
    try:
        data = read_toml(file)
    except FileNotFoundError as missing:
        raise BaselineError(
            f"no baseline at {file}: start one with `run --write-baseline {file}`"
        ) from missing
    except UnreadableError as unreadable:
        raise BaselineError(f"{unreadable}; correct this, or name another file") from unreadable
    plain = _dates_as_text(data)
    if wrong := best_match(_schema().iter_errors(plain)):
        raise BaselineError(f"{file}: {_error_text(wrong, plain)}")
    assert isinstance(plain, dict)
    return plain


def check_names(
    entries: Iterable[Entry], requirements: Collection[str], checks: Collection[str], file: Path
) -> None:
    """Raise `BaselineError` if an entry names an unknown requirement or check."""
    for entry in entries:
        kind, known = ("requirement", requirements) if entry.requirement else ("check", checks)
        if entry.name not in known:
            near = get_close_matches(entry.name, known, n=2)
            hint = f": did you mean {' or '.join(near)}?" if near else ""
            raise BaselineError(f"{file}: there is no {kind} {entry.name}{hint or '; remove it'}")


def check_writable(file: Path) -> None:
    """Raise `BaselineError` if the file cannot be written; call this before a run."""
    probe = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as refused:
        raise _not_writable(file, refused) from refused


def add_entries(file: Path, entries: tuple[Entry, ...], judgement: Judgement) -> None:
    """Append entries; the present content stays unchanged. Raise `BaselineError` on failure."""
    # As bytes: a text would lose the ends of lines that the file has.
    before = file.read_bytes().decode() if file.exists() else ""
    text = before or _HEAD.format(server=one_line(server_name(judgement.report)))
    if not text.endswith("\n"):
        text += "\n"
    text += entries_text(entries, judgement)
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(text.encode())
        partial.replace(file)
    except OSError as refused:
        raise _not_writable(file, refused) from refused
    finally:
        with suppress(OSError):
            partial.unlink()


def entries_text(entries: Iterable[Entry], judgement: Judgement) -> str:
    """Return the entries as TOML, each after an empty line and with a comment on what was seen."""
    return "".join(f"\n{_as_toml(entry, judgement)}" for entry in entries)


def _not_writable(file: Path, refused: OSError) -> BaselineError:
    return BaselineError(
        f"cannot write {file} ({refused.strerror}): name another file with --write-baseline"
    )


def _as_toml(entry: Entry, judgement: Judgement) -> str:
    of = [
        (result, check) for result, check in judgement.unaccepted if result.id == entry.requirement
    ]
    result, check = of[0]
    said = check.failure
    symptom = f"expected {said.expected}; got {said.actual}" if said else check.reason
    lines = [
        "[[accepted]]",
        f"# {result.level}: {one_line(result.title)}",
        f"# {check.verdict}: {one_line(cut(masked(symptom), _SYMPTOM_LIMIT))}",
        f"requirement = {_toml_string(entry.requirement)}",
        f"reason = {_toml_string(entry.reason)}",
    ]
    if entry.flaky:
        lines.append("flaky = true")
    if entry.fingerprints:
        lines.append(f"fingerprints = [{', '.join(map(_toml_string, entry.fingerprints))}]")
    return "\n".join(lines) + "\n"


def _toml_string(text: str) -> str:
    # A JSON string of these texts is a valid TOML string.
    return json.dumps(text)


def _parse_entry(table: dict[str, Any], file: Path) -> Entry:
    name = table.get("requirement") or table.get("check")
    try:
        return typed({**table, "reason": table.get("reason", "").strip()}, Entry)
    except DataError as wrong:
        raise BaselineError(f"{file}: {name}: {wrong}") from wrong


def _dates_as_text(value: Any) -> Any:
    """Return TOML values as JSON values: dates and times as text."""
    if isinstance(value, dict):
        return {key: _dates_as_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _error_text(error: ValidationError, data: dict[str, Any]) -> str:
    if error.json_path in ("$", "$.format"):
        known: Any = error.schema
        if error.validator == "additionalProperties":
            stray = [key for key in data if key not in known["properties"]]
            return f"unknown setting {listed(stray, 3)}: {_ENTRIES}"
        return f'write format = "{FORMAT}" before the first entry'
    path = list(error.absolute_path)
    if path[:1] != ["accepted"] or len(path) == 1:
        return _ENTRIES
    number = int(path[1]) + 1
    entry = data["accepted"][path[1]]
    name = entry.get("requirement") or entry.get("check") if isinstance(entry, dict) else None
    where = f"entry {number}" + (f" ({name})" if isinstance(name, str) else "")
    if error.validator == "oneOf":
        return f"{where}: give either `requirement` or `check`, and not both"
    return f"{where}: {'.'.join(map(str, path[2:])) or 'it'}: {error.message}"


@cache
def _schema() -> Draft202012Validator:
    text = (schemas_dir() / "baseline.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))

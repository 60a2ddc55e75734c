"""`threads-conformance schemas`: derive, check and use the schemas."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from conformance.contract import derive_schemas
from conformance.contract.schemas import load_schema, schema_names, violations

#: Schemas of objects among which `guess` chooses; on a tie the first one wins.
_OBJECTS = ("thread", "thread_state", "run", "message", "error_published", "prune_response")


@click.group(name="schemas")
def schemas_command() -> None:
    """Derive, check and use the JSON Schemas of the contract.

    Exit status: that of its command.
    """


@schemas_command.command(name="derive")
def derive_command() -> None:
    """Derive the schemas from the fixtures and write them.

    Exit status: 0 written, 2 wrong usage.
    """
    written = derive_schemas.write()
    click.echo(f"wrote {len(written)} files to {written[0].parent}")


@schemas_command.command(name="check")
def check_command() -> None:
    """Compare the committed schemas with what the fixtures give.

    Exit status: 0 equal, 1 different, 2 wrong usage.
    """
    differing = derive_schemas.check()
    if not differing:
        click.echo("the schemas agree with the fixtures")
        return
    for line in differing:
        click.echo(line)
    click.echo("Run `threads-conformance schemas derive` and commit what it writes.")
    sys.exit(1)


@schemas_command.command(name="validate")
@click.argument("file", metavar="FILE")
@click.option(
    "--schema", "name", metavar="NAME", help="Schema to validate against; guessed if not given."
)
def validate_command(file: str, name: str | None) -> None:
    """Say in plain words what in FILE breaks a schema, and where. FILE - is standard input.

    Exit status: 0 nothing does, 1 something does, 2 FILE cannot be used.
    """
    instance = _read_json(file)
    if name is None:
        name = guess(instance)
        if name is None:
            raise click.UsageError(
                f"{_file_label(file)} does not look like an answer of the Threads API; "
                f"name its schema with --schema: {', '.join(schema_names())}"
            )
        click.echo(f"schema (guessed): {name} ({load_schema(name)['title']})")
    elif name not in schema_names():
        raise click.UsageError(f"unknown schema {name!r}: use one of {', '.join(schema_names())}")
    found = violations(name, instance)
    for violation in found:
        click.echo(str(violation))
    if found:
        sys.exit(1)
    click.echo(f"{_file_label(file)} is valid")


def guess(instance: Any) -> str | None:
    """Return the name of the schema that shares most members with an instance, or None."""
    if isinstance(instance, list):
        kinds = [kind for each in instance[:1] if (kind := guess(each))]
        states = ("thread_state", "thread_state_empty")
        return "thread_history" if kinds and kinds[0] in states else "thread_list"
    if isinstance(instance, int) and not isinstance(instance, bool):
        return "count"
    if not isinstance(instance, dict):
        return None
    shown = {name: len(instance.keys() & load_schema(name)["properties"]) for name in _OBJECTS}
    likeliest = max(_OBJECTS, key=lambda name: shown[name])
    if not shown[likeliest]:
        return None
    if likeliest == "thread_state" and instance.get("checkpoint", "") is None:
        return "thread_state_empty"
    return likeliest


def _file_label(file: str) -> str:
    return "standard input" if file == "-" else file


def _read_json(file: str) -> Any:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as problem:
        raise click.UsageError(f"{file} cannot be read: {problem.strerror or problem}") from problem
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise click.UsageError(
            f"{_file_label(file)} is not JSON ({problem}); give a file that holds one answer's body"
        ) from problem

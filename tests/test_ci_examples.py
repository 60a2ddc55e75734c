"""The examples for CI systems: each is valid, and its commands are ones that there are."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema.validators import validator_for

from conformance.cli import cli
from tests.yaml_files import read_yaml

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(
    each
    for each in (ROOT / "docs" / "examples").iterdir()
    if each.is_file() and each.name != "README.md"
)
ACTION = read_yaml(ROOT / "action.yml")
#: By name, the schema of SchemaStore that check-jsonschema carries.
KINDS = {"gitlab-ci.yml": "gitlab-ci"}


def commands_of(text: str) -> Iterator[list[str]]:
    """Yield the words of every command line of ours in a text."""
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in joined.splitlines():
        if line.strip().startswith("threads-conformance "):
            yield shlex.split(line)[1:]


def texts_of(file: Path) -> Iterator[str]:
    """Yield the texts of a file in which commands stand: every text of YAML, else the whole."""
    if file.name == "compose.yaml":
        for service in read_yaml(file)["services"].values():
            yield shlex.join(["threads-conformance", *service["command"]])
        return
    if file.suffix != ".yml":
        yield file.read_text("utf-8")
        return
    places: list[Any] = [read_yaml(file)]
    while places:
        place = places.pop()
        if isinstance(place, str):
            yield place
        elif isinstance(place, dict | list):
            places += place.values() if isinstance(place, dict) else place


def parse(words: list[str]) -> click.Context:
    """Parse a command line as the program does, without running it."""
    command: click.Command = cli.load(words[0])
    rest = words[1:]
    while isinstance(command, click.Group):
        command = command.commands[rest.pop(0)]
    return command.make_context(words[0], rest)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda each: each.name)
class TestExamples:
    def test_its_commands_are_accepted(self, file: Path) -> None:
        found = [words for text in texts_of(file) for words in commands_of(text)]
        uses_action = "your-org/threads-conformance@" in file.read_text("utf-8")
        assert found or uses_action
        for words in found:
            # A shell fills in what begins with $.
            parse([re.sub(r"\$\w+", "1", each) for each in words])

    def test_it_gives_the_action_what_it_takes(self, file: Path) -> None:
        if file.suffix != ".yml":
            return
        for job in (read_yaml(file).get("jobs") or {}).values():
            for step in job["steps"]:
                if step.get("uses", "").startswith("your-org/threads-conformance@"):
                    assert set(step["with"]) <= set(ACTION["inputs"])
                    parse(["run", *step["with"].get("arguments", "").splitlines()])

    def test_it_is_valid(self, file: Path) -> None:
        if file.suffix == ".yml":
            assert errors_of(file, KINDS.get(file.name, "github-workflows")) == []


def test_the_action_is_valid() -> None:
    assert errors_of(ROOT / "action.yml", "github-actions") == []


def test_a_wrong_command_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(["run", "--profil", "full"])


def errors_of(file: Path, kind: str) -> list[str]:
    """Return what is wrong with a file by a schema of SchemaStore."""
    schemas = files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / f"{kind}.json").read_text("utf-8"))
    data = read_yaml(file)
    return [each.message for each in validator_for(schema)(schema).iter_errors(data)]

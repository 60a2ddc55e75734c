"""What the command line does before any command has begun."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from conformance.cli import cli
from tests.conftest import environment_of

#: Ctrl-C, just as the commands are being loaded.
INTERRUPTED = """
import sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "conformance.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from conformance.__main__ import main
main()
"""


def test_an_interrupt_while_it_is_loaded_leaves_no_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, env=environment_of()
    )
    assert (ended.returncode, ended.stderr, ended.stdout) == (130, "", "")


#: Imports a command and prints which of the slow packages that took.
LOADED = """
import sys
from click.testing import CliRunner
from conformance.cli import cli

assert CliRunner().invoke(cli, sys.argv[1:]).exit_code == 0
slow = ("pytest", "hypothesis", "schemathesis", "starlette", "httpx", "deepdiff")
if sys.argv[1] in ("--help", "--version"):
    slow = (*slow, "jsonschema", "msgspec", "filelock", "rich")
print(*sorted(set(slow) & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["requirements"],
        ["explain", "--help"],
        ["compare", "--help"],
        ["board", "--help"],
    ],
    ids=" ".join,
)
def test_what_asks_no_server_loads_nothing_slow(arguments: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        capture_output=True,
        text=True,
        env=environment_of(),
        check=True,
    )
    assert ended.stdout == "\n"


def test_every_command_is_listed_with_a_short_help_and_can_be_loaded() -> None:
    listed = CliRunner().invoke(cli, ["--help"]).output
    names = cli.list_commands(click.Context(cli))
    assert "run" in names
    for name in names:
        command = cli.load(name)
        assert command.name == name
        assert f"\n  {name} " in listed
    assert "..." not in listed.partition("Commands:")[2]


def test_requirements_are_listed_in_short() -> None:
    ended = CliRunner().invoke(cli, ["requirements", "GET-0*", "--format", "short"])
    lines = ended.output.splitlines()
    assert lines[0].split()[:2] == ["GET-01", "MUST"]
    assert all(line.startswith("GET-0") for line in lines)


def test_a_setting_of_another_command_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "threads-conformance.toml"
    settings.write_text("older-than = '2h'\n")
    assert CliRunner().invoke(cli, ["requirements", "COPY-01"]).exit_code == 0
    settings.write_text("older-then = '2h'\n")
    ended = CliRunner().invoke(cli, ["requirements", "COPY-01"])
    assert ended.exit_code == 2
    assert "unknown setting older_then in the configuration file" in ended.output


def test_an_unknown_command_is_told() -> None:
    ended = CliRunner().invoke(cli, ["rum"])
    assert ended.exit_code == 2
    assert "No such command 'rum'" in ended.output

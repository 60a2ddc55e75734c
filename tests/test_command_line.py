"""What the command line does before any command has begun."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from conformance import __version__
from conformance.__main__ import _OLDEST_PYTHON, _check_python
from conformance.cli import cli
from conformance.commands.run_again import run_again
from conformance.contract.catalogue import load_catalogue
from conformance.deployment import run_folder as run_folder_module
from conformance.deployment.settings import SettingsError
from tests.conftest import CHECKOUT, environment_of

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
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from conformance.cli import cli

assert CliRunner().invoke(cli, sys.argv[1:]).exit_code == 0
slow = ("pytest", "hypothesis", "schemathesis", "starlette", "httpx", "deepdiff")
if sys.argv[1] == "--help":
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


def test_the_version_tells_which_requirements_are_checked() -> None:
    ended = CliRunner().invoke(cli, ["--version"])
    assert ended.exit_code == 0
    assert ended.output == (
        f"threads-conformance, version {__version__}, catalogue {load_catalogue().digest}\n"
    )


def commands_of(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, those within groups too."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*names, name)
        if isinstance(command, click.Group):
            yield from commands_of(command, *names, name)


@pytest.mark.parametrize("words", list(commands_of(cli)), ids=" ".join)
def test_every_help_tells_the_exit_statuses(words: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(cli, [*words, "--help"])
    assert ended.exit_code == 0
    assert "Exit status: " in ended.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = [sys.executable, "-c", "from conformance.cli import main; main()"]
    asked = {"_THREADS_CONFORMANCE_COMPLETE": f"{shell}_source"}
    source = subprocess.run(program, capture_output=True, text=True, env=environment_of(**asked))
    assert "_THREADS_CONFORMANCE_COMPLETE" in source.stdout
    asked = {"_THREADS_CONFORMANCE_COMPLETE": "bash_complete"}
    words = {"COMP_WORDS": "threads-conformance run --prof", "COMP_CWORD": "2"}
    given = subprocess.run(
        program, capture_output=True, text=True, env=environment_of(**asked, **words)
    )
    assert given.stdout == "plain,--profile\n"


@pytest.mark.parametrize(
    ("words", "typed", "completed"),
    [
        (["run", "--requirement"], "COPY-0", "COPY-08"),
        (["run", "--requirement"], "GET-01,copy-0", "GET-01,COPY-08"),
        (["run", "--capability"], "co", "copy"),
        (["run", "--profile"], "ext", "extended"),
        (["run", "--server"], "langgraph-a", "langgraph-api@latest"),
        (["bisect", "--server"], "langgraph-a", "langgraph-api"),
        (["requirements"], "GET-", "GET-03"),
        (["explain"], "GET-", "GET-03"),
        (["explain"], "reports/", "reports/"),  # a path, which the shell completes
        (["serve", "--fault"], "get-of-a-m", "get-of-a-malformed-id-is-200"),
        (["selftest", "--freedom"], "malformed-", "malformed-ids-answer-404"),
    ],
)
def test_a_shell_completes_ids_and_names(words: list[str], typed: str, completed: str) -> None:
    shell = ShellComplete(cli, {}, "threads-conformance", "_THREADS_CONFORMANCE_COMPLETE")
    found = [each.value for each in shell.get_completions(words, typed)]
    assert completed in found
    assert all(each.upper().startswith(typed.upper()) for each in found)


@pytest.mark.parametrize(
    "words",
    [
        "--client js-sdk",
        "--client all",
        "--restart-command 'docker compose restart api'",
        '--header "X-Key: $TOKEN"',
    ],
)
def test_a_run_is_made_again_with_its_options(words: str) -> None:
    url = "http://127.0.0.1:2024"
    typed = [url, *shlex.split(words.replace("$TOKEN", "secret"))]
    parent = click.Context(cli, **cli.context_settings)
    again = run_again(cli.load("run").make_context("run", typed, parent=parent), url)
    assert again.options == f"{url} {words}"


def test_a_state_folder_of_another_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(run_folder_module, "remove_stale_folders", refuse)
    with pytest.raises(SettingsError, match="set XDG_STATE_HOME to a folder of your own"):
        run_folder_module.run_folder().__enter__()


def test_an_old_python_is_told_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _check_python((3, 9, 18))
    assert str(ended.value) == (
        "Error: threads-conformance needs Python 3.11 or newer, and this is 3.9.18: make its "
        "environment with another, such as python3.12 -m venv .venv"
    )
    _check_python((3, 11, 0))


@pytest.mark.parametrize("module", ["__init__.py", "__main__.py"])
def test_an_old_python_can_read_what_tells_it(module: str) -> None:
    text = (CHECKOUT / "conformance" / module).read_text()
    tree = ast.parse(text, feature_version=(3, 7))
    imported = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    assert all(isinstance(each, ast.Import) and each.names[0].name == "sys" for each in imported)


def test_the_oldest_python_is_that_of_the_package() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">={}.{}".format(*_OLDEST_PYTHON)

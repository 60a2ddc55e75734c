"""What names a deployment: an argument or --url, never empty; and settings that are misspelt."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from tests.conftest import command as command_in

URL = "http://127.0.0.1:9"
WANTS = "write it like http://127.0.0.1:2024"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cli_with(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(cli, arguments, env=variables)


@pytest.mark.parametrize("empty", ["", "  "])
@pytest.mark.parametrize(
    "command",
    [
        ("run",), ("run", "--url"), ("doctor",), ("doctor", "--url"),
        ("sweep",), ("sweep", "--url"), ("plant", "--url"), ("verify", "plant.json", "--url"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_an_empty_url_is_wrong_usage(command: tuple[str, ...], empty: str) -> None:
    """Without a URL the embedded reference is checked, which is always conformant."""
    refused = cli_with(*command, empty)
    assert refused.exit_code == 2
    assert WANTS in refused.output


@pytest.mark.parametrize("command", ["run", "doctor", "sweep"])
def test_a_variable_that_is_set_and_empty_is_wrong_usage(command: str) -> None:
    refused = cli_with(command, THREADS_CONFORMANCE_URL="")
    assert refused.exit_code == 2
    assert "THREADS_CONFORMANCE_URL is set" in refused.output
    assert WANTS in refused.output


def test_an_empty_url_in_the_configuration_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "threads-conformance.toml").write_text('url = ""\n')
    refused = cli_with("run")
    assert refused.exit_code == 2
    assert WANTS in refused.output


@pytest.mark.parametrize("command", ["run", "doctor", "sweep"])
@pytest.mark.parametrize("named", [(URL,), ("--url", URL), (URL, "--url", URL)])
def test_the_argument_and_the_option_are_the_same(
    command: str, named: tuple[str, ...], tmp_path: Path
) -> None:
    unreachable = command_in(tmp_path, command, *named, THREADS_CONFORMANCE_URL="")
    assert unreachable.returncode == 3
    assert f"cannot connect to {URL}" in unreachable.stdout + unreachable.stderr


@pytest.mark.parametrize("command", ["run", "doctor", "sweep"])
def test_two_urls_are_wrong_usage(command: str) -> None:
    refused = cli_with(command, URL, "--url", "http://127.0.0.1:8")
    assert (refused.exit_code, "two URLs" in refused.output) == (2, True)


def test_a_sweep_says_that_it_needs_a_url() -> None:
    refused = cli_with("sweep")
    assert (refused.exit_code, "threads-conformance sweep URL" in refused.output) == (2, True)


def test_a_variable_that_sets_nothing_is_told() -> None:
    told = cli_with("requirements", "COPY-01", THREADS_CONFORMANCE_PROFLE="full")
    assert told.exit_code == 0
    assert (
        "Warning: the variable THREADS_CONFORMANCE_PROFLE sets no option; did you mean "
        "THREADS_CONFORMANCE_PROFILE?" in told.stderr
    )
    # Of another command.
    known = cli_with("requirements", "COPY-01", THREADS_CONFORMANCE_API_KEY="secret")
    assert known.stderr == ""


@pytest.mark.parametrize(("typed", "meant"), [("rn", "run"), ("requirement", "requirements")])
def test_a_misspelt_command_is_told_with_what_is_close(typed: str, meant: str) -> None:
    refused = cli_with(typed)
    assert refused.exit_code == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in refused.output
    assert "Did you mean" not in cli_with("xyzzy").output

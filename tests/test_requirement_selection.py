"""How requirements are named on the command line: ids, lists, patterns, words."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.commands.requirements import find_requirements
from conformance.contract.catalogue import load_catalogue
from tests.conftest import command


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def found(*names: str) -> tuple[str, ...]:
    return find_requirements(load_catalogue(), names)


def test_ids_lists_and_patterns() -> None:
    assert found("copy-03", "COPY-01, COPY-03") == ("COPY-03", "COPY-01")
    assert set(found("COPY-*")) == {
        each for each in load_catalogue().requirements if each.startswith("COPY-")
    }
    assert found() == ()


@pytest.mark.parametrize(
    ("name", "told"),
    [("COPY-8", "did you mean COPY-08"), ("KOPY-*", "no requirement matches KOPY-\\*")],
)
def test_what_names_nothing_is_told(name: str, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        found(name)


def test_requirements_are_found_by_a_word() -> None:
    by_word = typed("requirements", "supersteps").stdout
    assert "PREPOP-" in by_word
    assert "TTL-01" not in by_word
    by_id = typed("requirements", "COPY-03").stdout
    assert by_id.startswith("COPY-03  ")
    assert "COPY-04  " not in by_id
    assert typed("requirements", "TTL-").stdout.count("\nTTL-") > 2
    unknown = typed("requirements", "nonesuch")
    assert (unknown.exit_code, "unknown requirement nonesuch" in unknown.stderr) == (2, True)


@pytest.mark.slow
def test_a_requirement_of_a_wider_profile_is_judged_where_it_is_named(tmp_path: Path) -> None:
    ended = command(tmp_path, "run", "--requirement", "SELECT-01,DELETE-01")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "profile extended" in ended.stdout
    narrower = ("--profile", "documented", "--requirement", "SELECT-01,DELETE-01,GET-01")
    ended = command(tmp_path, "run", *narrower)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 check, profile documented" in ended.stdout.replace("checks", "check")


def test_a_profile_that_excludes_what_is_named_is_refused() -> None:
    refused = typed("run", "--profile", "documented", "--requirement", "STREAM-*")
    assert refused.exit_code == 2
    assert "is not judged in the profile documented: add --profile full" in refused.stderr

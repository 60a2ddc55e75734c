"""The README is true: its commands are those that CI runs, its example is the default."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest

from conformance.cli import cli
from conformance.contract.catalogue import load_catalogue
from conformance.deployment.settings import GraphSettings, graph_settings
from conformance.faults.registry import all_faults
from conformance.freedoms.registry import all_freedoms

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_ci_runs_the_commands_of_the_readme() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in blocks("sh")[:2]:
        assert command.strip() in ci


def test_every_command_named_exists() -> None:
    table = README.partition("### Commands")[2].partition("\n\n`run")[0]
    named = set(re.findall(r"`([a-z]+)`", table))
    assert named == set(cli.list_commands(click.Context(cli)))


def test_the_example_configuration_is_the_default() -> None:
    (example,) = blocks("toml", SETTINGS)
    graph = graph_settings(tomllib.loads(example)["graph"])
    default = GraphSettings()
    assert graph.id == default.id
    assert graph.appending == default.appending
    assert graph.run_input == default.run_input
    assert graph.append == default.append
    nodes = [[update["as_node"] for update in step["updates"]] for step in graph.supersteps]
    assert nodes == [[u["as_node"] for u in step["updates"]] for step in default.supersteps]


def test_every_path_named_exists() -> None:
    for path in re.findall(r"\]\(([a-z][^)#:]*)\)", README):
        assert (ROOT / path).exists(), path


def test_its_figures_are_those_of_the_data() -> None:
    full = load_catalogue().in_profile("full")
    looking = {
        requirement
        for file in (ROOT / "conformance" / "suite").glob("test_visited_*.py")
        for requirement in re.findall(r'"([A-Z]+(?:-[A-Z]+)*-\d\d)"', file.read_text("utf-8"))
    }
    figures = {
        f"{sum(each.level == 'MUST' for each in full)} MUSTs in the profile full",
        f"{len(all_faults())} faults",
        f"{len(all_freedoms())} *freedoms*",
        f"judges {len(looking)} requirements",
    }
    missing = sorted(each for each in figures if each not in README.replace("\n", " "))
    assert not missing, f"README.md must say: {'; '.join(missing)}"


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    named = set(re.findall(r"`([\w./*-]+\.(?:py|toml|md|ini))`", (ROOT / page).read_text("utf-8")))
    files = [file.relative_to(ROOT).as_posix() for file in ROOT.glob("**/*") if file.is_file()]
    missing = {name for name in named if not any(fnmatch(file, f"*{name}") for file in files)}
    assert named
    assert missing == set()

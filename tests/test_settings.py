"""Options: the command line, else the environment, else a file, else the default."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import click
import pytest
from click.testing import CliRunner

from conformance.cli import cli
from conformance.deployment.settings import (
    GraphSettings,
    Settings,
    SettingsError,
    documented_supersteps,
    graph_settings,
    numbered,
    read_config,
)
from conformance.runner.settings import SettingsOptions, new_settings

OWN = "threads-conformance.toml"
PROJECT = "pyproject.toml"


@pytest.fixture
def parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The values of `run`'s options for a command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}

    def note(**options: Any) -> None:
        found.update(options, graph_table=click.get_current_context().obj["graph"])

    monkeypatch.setattr(cli.load("run"), "callback", note)

    def parse(*arguments: str, **environment: str) -> dict[str, Any]:
        result = CliRunner().invoke(cli, ["run", *arguments], env=environment)
        if result.exit_code:
            raise SettingsError(result.output)
        return found

    return parse


def test_nearer_settings_win(parsed: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    assert parsed()["seed"] == 20250512
    (tmp_path / PROJECT).write_text("[tool.threads-conformance]\nseed = 1\neffort = 'quick'\n")
    assert parsed()["seed"] == 1
    (tmp_path / OWN).write_text("seed = 2\n")
    found = parsed()
    assert found["seed"] == 2
    assert found["effort"] == "standard"  # one file is read, not both
    environment = {"THREADS_CONFORMANCE_SEED": "3"}
    assert parsed(**environment)["seed"] == 3
    assert parsed("--seed", "4", **environment)["seed"] == 4


def test_every_option_is_read_from_a_file(
    parsed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / OWN).write_text(
        "url = 'http://127.0.0.1:1'\nprofile = 'extended'\nreport-dir = 'out'\nworkers = '2'\n"
        "header = ['A: 1', 'B: 2']\nvisible_within = 1.5\nrequirement = ['COPY-03']\nkeep = true\n"
        "[graph]\nid = 'mine'\n"
    )
    found = parsed()
    assert found["url"] == "http://127.0.0.1:1"
    assert found["profile"] == "extended"
    assert found["report_dir"] == Path("out")
    assert found["workers"] == "2"
    assert found["headers"] == (("A", "1"), ("B", "2"))
    assert found["visible_within_s"] == 1.5
    assert found["requirements"] == ("COPY-03",)
    assert found["keep"] is True
    assert found["graph_table"] == {"id": "mine"}


@pytest.mark.parametrize("name", ["url", "profile", "graph", "api_key", "seed", "report_dir"])
def test_every_option_is_read_from_the_environment(
    name: str, parsed: Callable[..., dict[str, Any]]
) -> None:
    value = {"profile": "extended", "seed": "7"}.get(name, "some-value")
    found = parsed(**{f"THREADS_CONFORMANCE_{name.upper()}": value})
    assert str(found[{"graph": "graph_id"}.get(name, name)]) == value


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        (OWN, "sed = 1", "unknown setting sed"),
        (OWN, "seed = ", f"{OWN} is not TOML"),
        (OWN, "seed = 'many'", "'many' is not a valid integer"),
        (OWN, "profile = 'all'", "'all' is not one of"),
        (OWN, "workers = 'many'", "give a number of processes, or auto"),
        (OWN, "header = ['no colon']", "a header is written 'Name: value'"),
        (PROJECT, "[tool]\nthreads-conformance = 1", "must be a table"),
        (PROJECT, "[tool", f"{PROJECT} is not TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    file: str,
    text: str,
    complaint: str,
    parsed: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(SettingsError) as refused:
        parsed()
    assert complaint in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    assert read_config(tmp_path) == {}
    (tmp_path / PROJECT).write_text("[project]\nname = 'x'\n")
    assert read_config(tmp_path) == {}


def test_the_graph_of_the_documents_is_the_default() -> None:
    assert graph_settings({}) == GraphSettings()
    assert GraphSettings().id == "agent"
    assert GraphSettings().supersteps == documented_supersteps()
    assert [each["updates"][0]["as_node"] for each in documented_supersteps()] == [
        "__input__",
        "__start__",
        "call_model",
    ]


def test_a_graph_of_ones_own() -> None:
    table = {
        "id": "mine",
        "run_input": {"question": "{n}"},
        "supersteps": [{"updates": [{"values": {}, "as_node": "ask"}]}],
        "append": {"values": {"log": ["{n}"]}, "as_node": "ask"},
        "appending": ["log"],
    }
    graph = graph_settings(table)
    assert graph.supersteps == tuple(table["supersteps"])
    assert graph.appending == ("log",)
    # Of a graph of one's own is known what is said of it, and no more.
    assert (graph.channels, graph.adding, graph.replacing) == ({}, (), ())
    described = {**table, "channels": {"count": 1}, "adding": ["count"]}
    assert graph_settings(described).channels == {"count": 1}
    assert graph_settings(described).adding == ("count",)


def test_the_graph_of_the_documents_under_another_id_has_its_channels() -> None:
    assert graph_settings({"id": "mine"}).channels == GraphSettings().channels


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"nodes": []}, "nodes is not known here: use adding, append, appending, channels, id"),
        ({"id": 1}, "id must be a string"),
        ({"supersteps": {}}, "supersteps must be a list"),
        ({"supersteps": [{}]}, "each is a table with a list `updates`"),
        ({"append": []}, "append must be a table"),
        ({"appending": "messages"}, "appending must be a list"),
        ({"adding": "turns"}, "adding must be a list"),
        ({"replacing": 5}, "replacing must be a list"),
        ({"channels": ["turns"]}, "channels must be a table"),
    ],
)
def test_what_is_wrong_with_the_graph_is_said(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        graph_settings(table)


def test_settings_travel_whole(settings_for: Callable[..., Settings]) -> None:
    settings = settings_for(
        "http://127.0.0.1:1",
        headers=(("A", "ü: 1"),),
        requirements=("COPY-03",),
        graph=graph_settings({"id": "mine", "run_input": {"x": [1, None, "{n}"]}}),
    )
    assert Settings.from_json(settings.to_json()) == settings


def test_profiles_nest(settings_for: Callable[..., Settings]) -> None:
    extended = settings_for("http://127.0.0.1:1", profile="extended")
    assert extended.includes("documented")
    assert extended.includes("extended")
    assert not extended.includes("full")


def test_numbers_are_put_into_every_text() -> None:
    template = {"a": ["{n}", {"b": "x{n}{n}"}], "{n}": 1}
    assert numbered(template, 7) == {"a": ["7", {"b": "x77"}], "{n}": 1}
    assert template["a"] == ["{n}", {"b": "x{n}{n}"}]


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("127.0.0.1:2024", "not the URL of a deployment"),
        ("localhost:2024", "not the URL of a deployment"),
        ("ftp://127.0.0.1", "not the URL of a deployment"),
        ("http://", "not the URL of a deployment"),
        ("", "not the URL of a deployment"),
        ("http://127.0.0.1:port", "is not a URL"),
        ("http://127.0.0.1/?a=b", r"ends before \? and #"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=complaint):
        new_settings(url, tmp_path)


def test_the_options_are_the_settings_that_can_be_chosen() -> None:
    named = get_type_hints(SettingsOptions)
    of_a_run = {"url", "run_id", "started_at", "run_dir", "headers"}
    settings = get_type_hints(Settings)
    assert named == {name: kind for name, kind in settings.items() if name not in of_a_run}


@pytest.mark.parametrize("name", ["run", "doctor", "plant", "verify", "sweep"])
def test_what_a_command_does_not_name_is_a_setting(name: str) -> None:
    command = cli.load(name)
    assert command.callback is not None
    own = inspect.signature(inspect.unwrap(command.callback)).parameters
    taken = {str(each.name) for each in command.params if each.expose_value} - {"help"}
    # Credentials come as headers, whatever option gives them.
    given = {each for each in taken - own.keys() if not each.endswith(("_file", "api_key"))}
    assert given
    assert given <= SettingsOptions.__annotations__.keys()

"""Keys and headers from options, environment and files; what no header can carry is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click
import pytest
from click.testing import CliRunner

from conformance.cli import cli
from conformance.commands.options import credentials, credentials_options
from conformance.deployment.credential_parsing import parse_headers, parse_key
from conformance.deployment.settings import SettingsError
from conformance.runner.embedding import EmbeddedController, headers_of
from tests.conftest import Reply, answering, as_json, command


@click.command()
@credentials_options
@credentials("other")
@click.pass_context
def _asked(context: click.Context, /, **given: Any) -> None:
    """Say what the command was given."""
    click.echo(json.dumps(given))


for _parameter in _asked.params:
    _parameter.envvar = f"THREADS_CONFORMANCE_{max(_parameter.opts, key=len)[2:].upper()}".replace(
        "-", "_"
    )


def typed(*arguments: object, **environment: str) -> Any:
    """What a command gets for these options; the error where it ends."""
    names = {f"THREADS_CONFORMANCE_{name}": value for name, value in environment.items()}
    ended = CliRunner().invoke(_asked, list(map(str, arguments)), env=names)
    if ended.exit_code == 0:
        return json.loads(ended.stdout)
    assert ended.exit_code == 2, ended.output
    return ended.stderr.splitlines()[-1]


def headers(*arguments: object, **environment: str) -> list[list[str]]:
    found: list[list[str]] = typed(*arguments, **environment)["headers"]
    return found


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        (tmp_path / "secret").write_bytes(content)
        return tmp_path / "secret"

    return write


def test_headers_of_the_command_line() -> None:
    assert headers("-H", "A: 1", "--header", "b:  2 ", "--api-key", " k\n") == [
        ["A", "1"],
        ["b", "2"],
        ["x-api-key", "k"],
    ]


def test_headers_of_the_environment_stand_one_a_line() -> None:
    assert headers(HEADER="A: 1 2\r\n\n# a remark\n B:  3\n", API_KEY="k\n") == [
        ["A", "1 2"],
        ["B", "3"],
        ["x-api-key", "k"],
    ]


def test_headers_and_keys_of_files(file: Callable[[bytes], Path], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"\xef\xbb\xbfk-1\r\n\n")
    given = file(b"# whose\nA: 1\n\nB: 2 3\r\n")
    assert headers("-H", "C: 4", "--header-file", given, "--api-key-file", key) == [
        ["C", "4"],
        ["A", "1"],
        ["B", "2 3"],
        ["x-api-key", "k-1"],
    ]
    assert headers(HEADER_FILE=str(given), API_KEY_FILE=str(key))[2] == ["x-api-key", "k-1"]


def test_what_is_closer_to_the_command_line_holds(file: Callable[[bytes], Path]) -> None:
    key = file(b"of the file")
    assert headers("--api-key-file", key, API_KEY="of the environment") == [
        ["x-api-key", "of the file"]
    ]
    assert headers("--api-key", "typed", API_KEY_FILE=str(key)) == [["x-api-key", "typed"]]
    said = typed("--api-key-file", key, "--api-key", "swordfish")
    assert "--api-key and --api-key-file exclude each other" in said


def test_another_tenant_has_options_of_its_own() -> None:
    found = typed("--other-header", "A: 1", "--api-key", "mine", OTHER_API_KEY="theirs")
    assert found["headers"] == [["x-api-key", "mine"]]
    assert found["other_headers"] == [["A", "1"], ["x-api-key", "theirs"]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--api-key", "sword\nfish"), "--api-key: the key holds a character that no header"),
        (("--api-key", "swordfish\x7f"), "--api-key: the key holds a character that no header"),
        (("--api-key", "swordfish-ü"), "outside of ASCII"),
        (("--api-key", " \n"), "--api-key is empty: give the key, or leave the option out"),
        (("--api-key", ""), "--api-key is empty"),
        (("-H", "A: swordfish-€"), "--header: the value of the header A holds a character"),
        (("-H", "A: sword\r\nfish: 1"), "--header: the value of the header A holds a character"),
        (("-H", "swordfish"), "--header: a header is written 'Name: value'"),
        (("-H", "sword fish: 1"), "--header: a header is written 'Name: value'"),
        (("-H", "A:"), "--header: the header A has no value"),
        (("--api-key-file", "swordfish"), "--api-key-file names no file that can be read (No such"),
        (("--header-file", "/"), "--header-file names no file that can be read (Is a directory)"),
    ],
)
def test_what_no_header_can_carry_is_refused(arguments: tuple[str, str], says: str) -> None:
    said = typed(*arguments)
    assert says in said
    assert "fish" not in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "--api-key-file is empty"),
        (b"\n \n", "--api-key-file is empty"),
        (b"swordfish\nswordfish\n", "--api-key-file: the key holds a character"),
        (b"\xff\xfeswordfish", "--api-key-file names no file that can be read (not a text)"),
        (b"swordfish" * 100_000, "--api-key-file names a file that is too long"),
    ],
)
def test_a_key_file_that_holds_none(
    content: bytes, says: str, file: Callable[[bytes], Path]
) -> None:
    said = typed("--api-key-file", file(content))
    assert says in said
    assert "fish" not in said


def test_the_environment_is_named_where_it_is_wrong() -> None:
    with pytest.raises(SettingsError, match="X_HEADER: a header is written"):
        parse_headers("A: 1\nswordfish", "X_HEADER")
    with pytest.raises(SettingsError, match="X_KEY is empty"):
        parse_key("\n", "X_KEY")


# ---- the commands, whole ------------------------------------------------------------

PLANT = ("plant", "plant.json")
VERIFY = ("verify", "plant.json")


@pytest.mark.slow
@pytest.mark.parametrize("name", [("run",), PLANT, VERIFY, ("sweep",)], ids=lambda each: each[0])
def test_every_command_takes_the_key_of_a_secret_file(
    name: tuple[str, ...], tmp_path: Path
) -> None:
    """The key arrives without its line end, also from the environment, and is not printed."""
    (tmp_path / "key").write_text("swordfish-1\n")
    (tmp_path / "headers").write_text("Authorization: Bearer swordfish-2\n")
    (tmp_path / "plant.json").write_text("{}") if name is VERIFY else None
    with answering(lambda *_: (401, "application/json", b'{"detail": "swordfish-1"}')) as url:
        options = ("--api-key-file", "key", "--header-file", "headers", "--url", url)
        ended = command(tmp_path, *name, *options, THREADS_CONFORMANCE_HEADER="X-A: b c")
    assert ended.returncode == (2 if name is VERIFY else 3), ended.stderr
    assert "Traceback" not in ended.stderr
    assert "swordfish" not in ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_broken_header_of_the_environment_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("swordfish-1\n")
    with answering(lambda *_: as_json({}, 401)) as url:
        ended = command(
            tmp_path,
            *("run", "--url", url, "-k", "nothing"),
            THREADS_CONFORMANCE_HEADER="Authorization: Bearer swordfish-2\nbroken swordfish-3",
        )
    assert ended.returncode == 2
    assert "--header: a header is written 'Name: value'" in ended.stderr
    assert "swordfish" not in ended.stderr


def refused(*arguments: str) -> str:
    """With what words a command refuses these arguments, in this process."""
    with pytest.raises(click.UsageError) as said:
        cli.main(list(arguments), standalone_mode=False)
    return said.value.format_message()


@pytest.mark.parametrize("command_line", [PLANT, VERIFY, ("sweep",)], ids=lambda e: e[0])
@pytest.mark.parametrize(
    "url",
    ["htp://me:swordfish@host", "http://host/?k=swordfish", "http://me:sword/swordfish@host:x"],
)
def test_no_command_shows_what_is_secret_in_a_url(
    command_line: tuple[str, ...], url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    said = refused(*command_line, "--url", url)
    assert "URL" in said
    assert "fish" not in "".join((said, *capfd.readouterr()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--url", "htp://me:swordfish@host"),
        ("--url", "{url}", "--schema-url", "{url}/a?key=swordfish-of-a-query"),
        ("--url", "{url}", "--schema-url", "htp://me:swordfish@host?a=b"),
    ],
)
def test_a_run_shows_nothing_that_is_secret_in_a_url(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    def reply(_method: str, path: str, _body: bytes) -> Reply:
        # A threads server, as far as it is asked before a run.
        return as_json([]) if path == "/threads/search" else as_json({"detail": "Not Found"}, 404)

    with answering(reply) as url:
        ended = command(tmp_path, "run", *(each.format(url=url) for each in options))
    assert ended.returncode == 2
    assert "URL" in ended.stderr or "OpenAPI" in ended.stderr
    assert "swordfish" not in ended.stdout + ended.stderr


# ---- plain pytest -------------------------------------------------------------------


class _Options:
    """The options of plain pytest."""

    def __init__(self, headers: list[str]) -> None:
        self._given = {
            "deployment_url": "http://127.0.0.1:1",
            "deployment_header": headers,
            "deployment_other_header": [],
            "deployment_profile": "documented",
            "deployment_client": "http",
        }

    def at(self, url: str) -> _Options:
        """The same options, of another URL."""
        self._given["deployment_url"] = url
        return self

    def getoption(self, name: str) -> Any:
        return self._given.get(name)


def embedded(headers: list[str]) -> tuple[tuple[str, str], ...]:
    return headers_of(cast(pytest.Config, _Options(headers)))


def test_plain_pytest_takes_credentials_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADS_CONFORMANCE_HEADER", "Authorization: Bearer k\nB: 2")
    monkeypatch.setenv("THREADS_CONFORMANCE_API_KEY", "key\n")
    assert embedded([]) == (("Authorization", "Bearer k"), ("B", "2"), ("x-api-key", "key"))
    assert embedded(["A: 1 "]) == (("A", "1"), ("x-api-key", "key"))


@pytest.mark.parametrize("headers", [["swordfish"], ["A: sword\x00fish"], ["A: swordfish-ü"]])
def test_plain_pytest_refuses_what_no_header_can_carry(headers: list[str]) -> None:
    with pytest.raises(pytest.UsageError, match="--deployment-header: ") as said:
        embedded(headers)
    assert "fish" not in str(said.value)


@pytest.mark.parametrize("url", ["htp://me:swordfish@host", "http://host/?k=swordfish"])
def test_plain_pytest_refuses_a_url_without_showing_its_secrets(url: str) -> None:
    with pytest.raises(pytest.UsageError, match="--deployment-url: ") as said:
        EmbeddedController(cast(pytest.Config, _Options([]).at(url)))
    assert "swordfish" not in str(said.value)

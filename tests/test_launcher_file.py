"""Launcher files: ours are valid, and errors in a user's are reported in plain words."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from conformance.data import fixtures_dir
from conformance.deployment.launch.catalogue import find_launcher, load_launchers
from conformance.deployment.launch.errors import LauncherError
from conformance.deployment.launch.launcher import Launcher, read_launcher
from conformance.deployment.launch.versions import known_versions, parse_wanted
from tests.launching import write_launcher

RIGHT = 'name = "mine"\ncommand = ["serve"]\nknown = ["1.0"]\n'


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "threads-conformance" / "launchers"
    folder.mkdir(parents=True)
    return folder


def test_ours() -> None:
    ours = load_launchers()
    assert set(ours) == {"langgraph-api", "langgraph-auth", "langgraph-js", "aegra"}
    assert len(ours["langgraph-api"].known) >= 12
    for launcher in ours.values():
        assert launcher.project is not None
        assert (launcher.project / "langgraph.json").is_file()
        assert launcher.install is not None


def test_every_lock_is_of_a_known_version_and_pins_all() -> None:
    for launcher in load_launchers().values():
        assert launcher.install is not None
        files = set((launcher.file.parent / "locks").glob(f"{launcher.name}-*.txt"))
        locks = {each: launcher.lock(each) for each in known_versions(launcher)}
        if launcher.install.kind == "python":
            assert set(locks.values()) == files
        for version, file in locks.items():
            if file is not None:
                pins = [Requirement(line) for line in file.read_text().splitlines()]
                assert all(str(each.specifier).startswith("==") for each in pins)
                (own,) = (each for each in pins if each.name == launcher.install.package)
                assert own.specifier == Requirement(f"x=={version}").specifier


def test_the_ranges_of_ours_leave_no_old_version_out() -> None:
    install = load_launchers()["langgraph-api"].install
    assert install is not None
    days = [install.range_of(Version(each)) for each in ("0.0.1", "0.3.0", "0.16.7")]
    assert all(day and day.before for day in days)
    assert install.range_of(Version("0.16.8")) is None


def test_the_users_folder_and_files_win(tmp_path: Path, own_configuration: Path) -> None:
    (own_configuration / "one.toml").write_text(RIGHT + 'description = "of the folder"\n')
    assert load_launchers()["mine"].description == "of the folder"
    named = tmp_path / "named.toml"
    named.write_text(RIGHT + 'description = "named"\n')
    assert load_launchers([named])["mine"].description == "named"


def test_a_launcher_that_is_not_there() -> None:
    launchers = load_launchers()
    with pytest.raises(LauncherError, match="did you mean langgraph-api"):
        find_launcher(launchers, "langraph-api")
    with pytest.raises(
        LauncherError, match="use one of aegra, langgraph-api, langgraph-auth, langgraph-js"
    ):
        find_launcher(launchers, "xyz")


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("langgraph-api==0.16.7", "langgraph-api", "0.16.7"),
        ("langgraph-api==0.17.0rc6", "langgraph-api", "0.17.0rc6"),
        ("aegra@latest", "aegra", None),
        ("aegra", "aegra", None),
    ],
)
def test_a_server_is_named(text: str, name: str, version: str | None) -> None:
    wanted = parse_wanted(text)
    assert wanted.name == name
    assert wanted.version == (None if version is None else Version(version))


@pytest.mark.parametrize("text", ["", "a=1", "a==", "a==1==2", "a@newest", "a==one", "==1"])
def test_what_names_no_server(text: str) -> None:
    with pytest.raises(LauncherError, match="write"):
        parse_wanted(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name =", "is not TOML"),
        ('command = ["serve"]', "name is missing"),
        ('name = "a b"\ncommand = ["serve"]', "name must be made of"),
        ('name = "mine"', "command is missing"),
        ('name = "mine"\ncommand = "serve"', "command must be a list, not a string"),
        ('name = "mine"\ncommand = ["serve"]', "known is missing"),
        (RIGHT + "colour = 1", "colour is not known here: use command"),
        (RIGHT + 'project = "nowhere"', "project names the folder 'nowhere'"),
        (RIGHT + 'ready = "ok"', "ready must be the path"),
        (RIGHT + "ready_within_s = true", "ready_within_s must be a number, not true or false"),
        (RIGHT + 'printed_url = "("', "printed_url must be a regular expression"),
        (RIGHT + 'printed_url = "url"', "printed_url must have exactly one group"),
        (
            RIGHT + 'services = ["redis"]',
            "services names an unknown service 'redis': use postgresql",
        ),
        (RIGHT + "env = 1", "env must be a table, not a whole number"),
        (RIGHT + "env = { A = 1 }", "env.A must be a string, not a whole number"),
        (
            RIGHT + 'env = { A = "{ports}" }',
            "env.A has an unknown placeholder {ports}: use one of {bin}",
        ),
        (RIGHT + 'env = { A = "{" }', "env.A has a single brace"),
        (RIGHT + 'env = { A = "{postgresql}" }', "env.A has an unknown placeholder {postgresql}"),
        (RIGHT.replace("1.0", "one"), "known[0] cannot be read: Invalid version"),
        (RIGHT + "install = 1", "install must be a table"),
        (RIGHT + '[install]\nwith = "cargo"', "install.with must be one of python, npm"),
        (RIGHT + '[install]\nwith = "npm"', "install.packages is missing"),
        (
            RIGHT + '[install]\nwith = "npm"\npackages = ["a@{port}"]',
            "install.packages has an unknown placeholder {port}: use one of {here}, {version}",
        ),
        (
            RIGHT + '[install]\nwith = "npm"\npackages = ["a"]\npython = "three"',
            "install.python cannot be read",
        ),
        (
            RIGHT + '[install]\nwith = "npm"\npackages = ["a"]\nranges = [1]',
            "install.ranges[0] must be a table",
        ),
        (
            RIGHT + '[install]\nwith = "npm"\npackages = ["a"]\nranges = [{ versions = "old" }]',
            "install.ranges[0].versions cannot be read",
        ),
        (
            RIGHT
            + '[install]\nwith = "npm"\npackages = ["a"]\n'
            + 'ranges = [{ versions = "<2", before = "soon" }]',
            "install.ranges[0].before must be a date",
        ),
    ],
)
def test_what_is_wrong_is_said(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(LauncherError) as refused:
        read_launcher(file)
    assert str(refused.value).startswith(str(file))
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_example_of_the_readme_is_right(tmp_path: Path) -> None:
    readme = fixtures_dir() / "deployments" / "launchers" / "README.md"
    (example,) = re.findall(r"^```toml\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path / "my-server.toml"
    file.write_text(example)
    launcher = read_launcher(file)
    assert launcher.install is not None
    assert set(tomllib.loads(example)) == Launcher.__dataclass_fields__.keys() - {"file"}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="cannot be read"):
        read_launcher(tmp_path / "none.toml")


def test_a_project_beside_the_file(tmp_path: Path) -> None:
    launcher = read_launcher(write_launcher(tmp_path))
    assert launcher.project == tmp_path / "graphs"

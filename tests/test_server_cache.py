"""Environments are made once, by one run at a time, and cleared only where nobody uses them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pytest
from packaging.version import Version

from conformance.deployment.launch import server_cache
from conformance.deployment.launch.errors import LauncherError, NotStartedError
from conformance.deployment.launch.installers import Recipe, bin_of, commands, recipe
from conformance.deployment.launch.launcher import Launcher, read_launcher
from conformance.deployment.launch.server_cache import (
    cache_dir,
    cached,
    clear,
    environment,
    environment_of,
)
from tests.launching import write_launcher, write_wheel

ONE = Version("1.0")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def with_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """uv stands beside our own Python, which need not be on the PATH."""
    folder = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    monkeypatch.setenv("PATH", folder)


@pytest.fixture
def without_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    folder = tmp_path / "mine"
    folder.mkdir()
    write_wheel(folder)
    more = """
[install]
with = "python"
packages = ["{here}/fake_server-{version}-py3-none-any.whl"]
"""
    return read_launcher(write_launcher(folder, known=("1.0", "2.0"), more=more))


@pytest.mark.slow
@pytest.mark.parametrize("installer", ["with_uv", "without_uv"])
def test_it_is_made_once(
    installer: str, launcher: Launcher, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(installer)
    told: list[str] = []
    for _ in range(2):
        with environment(launcher, ONE, told.append) as folder:
            program = bin_of("python", folder) / "fake_server"
            said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
            assert said == f"fake_server 1.0 {folder / 'python'}\n"
    assert told == [f"installing fake 1.0 into {folder}"]
    assert [(each.name, each.version, each.folder) for each in cached()] == [
        ("fake", "1.0", folder)
    ]
    assert cached()[0].size > 1000


def test_two_at_once_make_one(with_uv: None, launcher: Launcher) -> None:
    told: list[str] = []
    folders: list[Path] = []
    ready = threading.Barrier(2)

    def use() -> None:
        ready.wait()
        with environment(launcher, ONE, told.append) as folder:
            folders.append(folder)

    runs = [threading.Thread(target=use) for _ in range(2)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert len(folders) == 2
    assert len(set(folders)) == 1
    assert len([each for each in told if each.startswith("installing")]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("installer", ["with_uv", "without_uv"])
def test_a_failed_install_tells_the_installers_last_lines(
    installer: str, launcher: Launcher, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(installer)
    with (
        pytest.raises(NotStartedError, match=r"(?s)fake 2\.0 could not.*fake_server-2\.0-py3"),
        environment(launcher, Version("2.0"), print),
    ):
        pass
    assert list((cache_dir() / "fake").iterdir()) == []
    assert cached() == []


@pytest.mark.parametrize("dated", [True, False])
def test_a_failed_install_tells_the_day_that_bounds_it(
    dated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = [sys.executable, "-c", "raise SystemExit('no matching version: ' + 2000 * '1.0, ')"]
    monkeypatch.setattr(server_cache, "commands", lambda _wanted, _folder: [fails])
    wanted = Recipe("python", ("fake==9",), before=date(2026, 8, 1) if dated else None)
    with pytest.raises(NotStartedError) as told, environment_of("fake", "9", wanted, print):
        pass
    message = str(told.value)
    assert ("only releases before 2026-08-01 were allowed" in message) is dated
    assert "no matching version" in message
    assert max(map(len, message.splitlines())) < 500


def test_what_was_never_finished_is_made_anew(with_uv: None, launcher: Launcher) -> None:
    with environment(launcher, ONE, print) as folder:
        pass
    (folder / "environment.json").unlink()
    (bin_of("python", folder) / "fake_server").unlink()
    assert cached() == []
    with environment(launcher, ONE, print):
        assert (bin_of("python", folder) / "fake_server").exists()


def test_another_recipe_is_another_environment(with_uv: None, launcher: Launcher) -> None:
    with environment(launcher, ONE, print) as before:
        pass
    locks = launcher.file.parent / "locks"
    locks.mkdir()
    wheel = launcher.file.parent / "fake_server-1.0-py3-none-any.whl"
    (locks / "fake-1.0.txt").write_text(f"{wheel}\n")
    with environment(launcher, ONE, print) as after:
        assert (bin_of("python", after) / "fake_server").exists()
    assert before != after


def test_what_is_in_use_is_not_cleared(with_uv: None, launcher: Launcher) -> None:
    with environment(launcher, ONE, print) as folder:
        assert not clear(cached()[0])
        assert (bin_of("python", folder) / "fake_server").exists()
    assert clear(cached()[0])
    assert not folder.exists()
    assert cached() == []


def test_what_a_killed_run_used_is_cleared(with_uv: None, launcher: Launcher) -> None:
    script = (
        "import os, sys; from pathlib import Path; from packaging.version import Version\n"
        "from conformance.deployment.launch.server_cache import environment\n"
        "from conformance.deployment.launch.launcher import read_launcher\n"
        "environment(read_launcher(Path(sys.argv[1])), Version('1.0'), print).__enter__()\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(launcher.file)], check=False)
    (one,) = cached()
    assert clear(one)


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with (
        pytest.raises(LauncherError, match="set XDG_CACHE_HOME"),
        environment(launcher, ONE, print),
    ):
        pass


def dated(tmp_path: Path) -> Launcher:
    more = """
[install]
with = "python"
packages = ["server=={version}"]
ranges = [
  { versions = "<2", before = 2025-01-01, packages = ["old"] },
  { versions = "<3", before = 2026-01-01 },
]
"""
    return read_launcher(write_launcher(tmp_path, more=more))


@pytest.mark.parametrize(
    ("version", "arguments"),
    [
        ("1.5", ["--exclude-newer", "2025-01-01T00:00:00Z", "server==1.5", "old"]),
        ("2.0rc1", ["--exclude-newer", "2026-01-01T00:00:00Z", "server==2.0rc1"]),
        ("3.0", ["server==3.0"]),
    ],
)
def test_old_versions_get_what_there_was_at_their_time(
    with_uv: None, version: str, arguments: list[str], tmp_path: Path
) -> None:
    last = commands(recipe(dated(tmp_path), Version(version)), tmp_path)[-1]
    assert last[5:] == arguments


def test_pip_does_the_same(without_uv: None, tmp_path: Path) -> None:
    _, upgrade, install = commands(recipe(dated(tmp_path), Version("1.5")), tmp_path)
    # Only since 26 it can.
    assert upgrade[-2:] == ["--upgrade", "pip>=26"]
    assert install[5:] == ["--uploaded-prior-to", "2025-01-01T00:00:00Z", "server==1.5", "old"]


def test_a_python_that_nobody_has(without_uv: None, tmp_path: Path) -> None:
    more = '[install]\nwith = "python"\npackages = ["server"]\npython = "<3"'
    with pytest.raises(NotStartedError, match="needs a Python <3, and this is 3"):
        recipe(read_launcher(write_launcher(tmp_path, more=more)), ONE)


def test_npm_that_is_not_there(without_uv: None, tmp_path: Path) -> None:
    more = '[install]\nwith = "npm"\npackages = ["server@{version}"]'
    launcher = read_launcher(write_launcher(tmp_path, more=more))
    with (
        pytest.raises(NotStartedError, match=r"install Node\.js"),
        environment(launcher, ONE, print),
    ):
        pass

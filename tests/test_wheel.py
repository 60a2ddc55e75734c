"""The installed package works without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed import ROOT, unpack_wheel


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked as an installer would."""
    return unpack_wheel(tmp_path_factory.mktemp("wheel"))


def run(unpacked: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "conformance", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_wheel_carries_its_packages_and_their_data(unpacked: Path) -> None:
    top = {each.name for each in unpacked.iterdir() if each.suffix not in (".dist-info", ".data")}
    assert top == {"conformance", "threads_conformance"}
    (pages,) = unpacked.glob("*.data/data/share/man/man1")
    assert {each.name for each in pages.iterdir()} == {
        each.name for each in (ROOT / "man" / "man1").iterdir()
    }
    data = unpacked / "conformance" / "_data"
    for folder in ("schemas", "fixtures"):
        carried = {path.relative_to(data) for path in (data / folder).rglob("*.json")}
        committed = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.json")}
        assert carried == committed


def test_the_wheel_carries_what_the_documents_clients_need(unpacked: Path) -> None:
    for path in ("clients/js/package.json", "clients/js/run.mjs", "_data/fixtures/documented"):
        assert (unpacked / "conformance" / path).exists(), path
    documented = unpacked / "conformance" / "_data" / "fixtures" / "documented"
    assert {path.name for path in documented.glob("*.toml")} == {"flows.toml", "slips.toml"}


@pytest.mark.slow
def test_commands_work_outside_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    shown = run(unpacked, tmp_path, "requirements", "COPY-03", "--format", "json")
    assert [each["id"] for each in json.loads(shown.stdout)] == ["COPY-03"]
    assert run(unpacked, tmp_path, "schemas", "check").returncode == 0


@pytest.mark.slow
def test_a_run_works_outside_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    ended = run(unpacked, tmp_path, "run", "--capability", "create", "--effort", "quick")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "reports" / "selection" / "report.json").read_text())
    assert report["verdict"] == "conformant"
    assert report["totals"]["MUST"]["pass"] > 0

"""The example projects of the documentation work with the installed package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

from tests.installed import ROOT, unpack_wheel

EXAMPLES = ROOT / "docs" / "examples"
PROJECTS = sorted(each.parent.name for each in EXAMPLES.glob("*/README.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_wheel(tmp_path_factory.mktemp("wheel"))


def test_every_project_is_listed() -> None:
    listed = re.findall(r"^\| \[(.+?)\]", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == PROJECTS


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS)
def test_the_commands_of_an_example_pass(
    project: str, site: Path, reference: str, tmp_path: Path
) -> None:
    folder = copytree(EXAMPLES / project, tmp_path / project)
    text = (folder / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert commands
    for command in commands:
        ended = subprocess.run(
            ["bash", "-euc", command],
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(site),
                "URL": reference,
                "REPORTS": str(tmp_path / "reports"),
            },
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, command + ended.stdout + ended.stderr
        counts = {
            what: int(count)
            for count, what in re.findall(r"(\d+) (passed|failed|error)", ended.stdout)
        }
        assert counts.keys() == {"passed"}, ended.stdout
        assert counts["passed"] > 0

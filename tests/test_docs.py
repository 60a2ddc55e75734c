"""The commands of the documentation work: all name options that exist, most are run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import httpx
import pytest

from conformance.cli import cli
from tests.conftest import environment_of

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: The URL of a deployment in the documentation; the tests put that of the reference in its place.
URL = "http://127.0.0.1:2024"

#: What is not run here, and why.
NOT_RUN = {
    r"^python3 -m venv|^pip install": "it installs; .ci/run does so by the command of the README",
    r"--server |^threads-conformance bisect": "it installs a server; .ci/run servers does",
    r"^docker ": "no Docker engine runs in the tests",
    r"_source threads-conformance": "tests/test_command_line.py completes",
    r"--load ": "tests/test_load.py puts a load on a reference",
    r"--shard |^threads-conformance merge": "tests/test_shards.py divides and merges",
    r"--scale ": "it makes 10,000 threads; tests/test_scale.py makes fewer",
    r"--restart-command ": "tests/test_restarts.py restarts by a command",
    r"--worker-command ": "it needs another machine",
    r"compare old|reports/ours": "it needs reports of servers that are not started here",
    r"board reports/": "it reads the published reports; .ci/run data makes the board of them",
    r"doctor .*--graph mine": "the reference has no graph of that name; see tests/test_doctor.py",
}
#: A run in the documentation judges all; here it judges these, which are kept, and quickly.
NARROWED = {
    "THREADS_CONFORMANCE_REQUIREMENT": "GET-01,COPY-01",
    "THREADS_CONFORMANCE_EFFORT": "quick",
    # As that of a run which judges all, for the next command of the page.
    "THREADS_CONFORMANCE_REPORT_DIR": "reports/latest",
}


def commands(page: Path) -> list[str]:
    """Return the commands of a page, one for each line of its blocks of shell."""
    blocks = re.findall(
        r"^( *)```sh\n(.*?)^\1```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    lines = "\n".join(block.replace("\\\n", " ") for _, block in blocks).splitlines()
    without = (re.sub(r"\s+#.*", "", f" {line}").strip() for line in lines)
    return [each for each in without if each]


COMMANDS = [(page, each) for page in PAGES for each in commands(page)]


def why_not_run(command: str) -> str:
    return next((why for form, why in NOT_RUN.items() if re.search(form, command)), "")


def test_every_reason_is_of_some_command() -> None:
    for form in NOT_RUN:
        assert any(re.search(form, command) for _, command in COMMANDS), form


@pytest.mark.parametrize(
    ("page", "command"),
    [pytest.param(page, each, id=f"{page.name}: {each[:60]}") for page, each in COMMANDS],
)
def test_every_option_of_a_command_is_there(page: Path, command: str) -> None:
    for part in re.split(r" && | \| |;|\$\(|\)", command):
        words = shlex.split(part) if part.count("'") % 2 == 0 and part.count('"') % 2 == 0 else []
        if not words or Path(words[0]).name != "threads-conformance":
            continue
        found: click.Command = cli
        context, words = click.Context(cli, **cli.context_settings), words[1:]
        while isinstance(found, click.Group) and words and not words[0].startswith("-"):
            inner = found.get_command(context, words[0])
            if inner is None:
                break
            context, found = click.Context(inner, parent=context), inner
            words = words[1:]
        # Raises click's error for an option that is not there.
        found.make_parser(context).parse_args(args=[*words])


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, reference: str, tmp_path: Path) -> None:
    runnable = [each for each in commands(page) if not why_not_run(each)]
    programs = Path(sys.executable).parent
    (programs / "threads-conformance").stat()  # the command is installed beside this Python
    environment = environment_of(
        **NARROWED, PATH=f"{programs}{os.pathsep}{os.environ['PATH']}", XDG_CACHE_HOME=str(tmp_path)
    )
    # Somebody's thread, for a run that only reads.
    httpx.post(f"{reference}/threads", json={}).raise_for_status()
    for command in runnable:
        ended = subprocess.run(
            ["bash", "-euc", command.replace(URL, reference)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"

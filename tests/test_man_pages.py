"""The manual pages say what the help says."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from difflib import unified_diff
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "man" / "man1").glob("*.1"))
PINNED = re.findall(r"^click==(.+)$", (ROOT / ".ci" / "constraints.txt").read_text(), re.MULTILINE)


@pytest.mark.skipif([version("click")] != PINNED, reason="another click words defaults otherwise")
def test_the_manual_pages_are_current() -> None:
    made = runpy.run_path(str(ROOT / ".ci" / "man_pages.py"))["pages"]()
    stale = {name: text for name, text in made.items() if text != _text(name)}
    differences = [
        unified_diff(_text(each).splitlines(), stale[each].splitlines()) for each in stale
    ]
    assert not stale, "\n".join(["run python .ci/man_pages.py", *chain(*differences)])
    assert sorted(made) == [page.name for page in PAGES]


def _text(name: str) -> str:
    page = ROOT / "man" / "man1" / name
    return page.read_text(encoding="utf-8") if page.exists() else ""


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_pages_can_be_shown() -> None:
    for page in PAGES:
        ended = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8", page], capture_output=True, text=True, check=True
        )
        assert ended.stderr == "", page.name
        plain = re.sub(".\b", "", ended.stdout)
        assert "EXIT STATUS" in plain or page.stem == "threads-conformance", page.name

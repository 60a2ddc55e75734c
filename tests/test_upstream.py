"""The reports for upstream are complete, and their index agrees with each of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conformance.contract.catalogue import load_catalogue

UPSTREAM = Path(__file__).parent.parent / "docs" / "upstream"
REPORTS = sorted(path for path in UPSTREAM.glob("*.md") if path.name != "README.md")
#: Each row of the index: the file, the requirements, the level.
ROWS = {
    file: (set(re.findall(r"[A-Z-]+-\d+", ids)), level)
    for file, ids, level in re.findall(
        r"^\| \[.*\]\((\S+\.md)\) \| \S+ \| (.*?) \| .* \| (MUST|SHOULD) \|$",
        (UPSTREAM / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
}
SECTIONS = (
    *("What happens", "What is expected", "Sources", "Reproduction", "Answers", "Versions"),
    "Consequence for users",
)


def test_the_index_names_every_report_and_no_other() -> None:
    assert sorted(ROWS) == [path.name for path in REPORTS]


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_report_is_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [section for section in SECTIONS if f"\n## {section}\n" not in text] == []
    (command,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert "$URL" in command
    assert "-X DELETE" in command, "the threads it made stay"


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_its_requirements_exist_at_the_levels_it_tells(path: Path) -> None:
    head = path.read_text(encoding="utf-8").partition("Seen live")[0]
    requirements = load_catalogue().requirements
    told = {}
    for level, ids in re.findall(r"(MUST|SHOULD): ([^;.]*)", head):
        told.update(dict.fromkeys(re.findall(r"[A-Z-]+-\d+", ids), level))
    assert told
    assert told == {each: requirements[each].level for each in told}
    assert ROWS[path.name] == (set(told), "MUST" if "MUST" in told.values() else "SHOULD")

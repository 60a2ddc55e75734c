"""The sources of the documentation site: every page, no dead link, the catalogue whole."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from conformance.contract.catalogue import load_catalogue

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / ".ci" / "docs_site.py"))


@pytest.fixture(scope="module")
def pages(site: dict[str, Any]) -> dict[str, str]:
    made: dict[str, str] = site["pages"]()
    return made


def test_every_page_has_its_place(site: dict[str, Any], pages: dict[str, str]) -> None:
    written = site["settings"](pages)
    assert {*re.findall(r'"([\w./-]+\.md)"', written)} == pages.keys()
    for needed in (
        "quick-start",
        "verdicts",
        "safety",
        "own-graph",
        "own-launcher",
        "architecture",
    ):
        assert f"{needed}.md" in pages


def test_the_catalogue_is_whole(pages: dict[str, str]) -> None:
    for each in load_catalogue().requirements.values():
        assert f"{{ #{each.id} }}" in pages[f"catalogue/{each.capability}.md"]


def test_links_lead_from_page_to_page(site: dict[str, Any]) -> None:
    files = {"README.md": "index.md", "docs/a.md": "a.md", "docs/upstream/README.md": "b/README.md"}

    def written(text: str, file: str) -> str:
        result: str = site["_for_site"](text, file, files[file], files)
        return result

    assert written("[a](docs/a.md#x)", "README.md") == "[a](a.md#x)"
    assert written("[b](docs/upstream) [c](README.md)", "README.md") == (
        "[b](b/README.md) [c](index.md)"
    )
    assert written("[up](../README.md)", "docs/a.md") == "[up](index.md)"
    assert written("[home](../../README.md)", "docs/upstream/README.md") == "[home](../index.md)"
    # What is no page is named; in code nothing is a link.
    assert written("[the license](LICENSE)", "README.md") == "the license (`LICENSE`)"
    assert written("```py\na[0](x)\n```", "README.md") == "```py\na[0](x)\n```"
    assert written("[x](https://example.org) [y](#z)", "README.md") == (
        "[x](https://example.org) [y](#z)"
    )
    with pytest.raises(site["BrokenLinkError"], match=r"README\.md links to docs/gone\.md"):
        written("[x](docs/gone.md)", "README.md")

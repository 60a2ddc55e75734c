"""What the tests of the pages are made of notices what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from tests.browser.pages import SCHEMES, WIDTHS, Pages, axe_findings, sideways

pytestmark = pytest.mark.browser

_SOUND = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sound</title></head>
<body><main><h1>Sound</h1><p>text</p></main></body></html>"""


def write(folder: Path, text: str) -> Path:
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_sound_page_passes(
    pages: Pages, tmp_path: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = pages.open(write(tmp_path, _SOUND), width=width, scheme=scheme)
    assert page.title() == "Sound"
    assert sideways(page) == 0
    assert axe_findings(page) == []


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ('<img src="http://127.0.0.1:9/a.png" alt="">', "request: GET http://127.0.0.1:9/a.png"),
        ("<script>undefinedName()</script>", "error: undefinedName is not defined"),
        ("<script>alert('hello')</script>", "dialog: hello"),
        ("<script>console.error('broken')</script>", "console: broken"),
    ],
)
def test_what_a_page_may_not_do_is_noticed(
    browser: Browser, tmp_path: Path, part: str, said: str
) -> None:
    pages = Pages(browser)
    pages.open(write(tmp_path, _SOUND.replace("<p>text</p>", part)))
    pages.close()
    assert said in pages.complaints


def test_what_is_too_wide_or_hard_to_read_is_noticed(pages: Pages, tmp_path: Path) -> None:
    wide = '<div style="width: 500px">wide</div><p style="color: #ddd">pale</p>'
    page = pages.open(write(tmp_path, _SOUND.replace("<p>text</p>", wide)), width=360)
    assert sideways(page) > 100
    assert [each.partition(" ")[0] for each in axe_findings(page)] == ["color-contrast"]


def test_scripts_can_be_off(pages: Pages, tmp_path: Path) -> None:
    text = _SOUND.replace("text", "<script>document.title = 'Changed'</script>")
    assert pages.open(write(tmp_path, text), scripts=False).title() == "Sound"
    assert pages.open(write(tmp_path, text)).title() == "Changed"

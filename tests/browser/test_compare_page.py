"""compare.html in a browser: any width, axe, hostile text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from conformance.report.compare.html import comparison_html
from conformance.report.compare.model import compare_reports
from conformance.report.record import Report, load_report
from tests.board_examples import forgets, of
from tests.browser.pages import SCHEMES, WIDTHS, Pages, axe_findings, sideways
from tests.report_examples import exchange, failure

pytestmark = pytest.mark.browser

_REPORTS = Path(__file__).parents[2] / "reports"
_HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202e</pre>' + "x" * 500


def write(folder: Path, old: Report, new: Report) -> Path:
    file = folder / "compare.html"
    file.write_text(comparison_html(compare_reports(old, new)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real versions, of which the newer one is given as the older, so that it regresses."""
    old, new = (load_report(_REPORTS / f"langgraph-api-{each}") for each in ("0.17.0rc6", "0.7.13"))
    return write(tmp_path_factory.mktemp("real"), old, new)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(pages: Pages, real: Path, width: int) -> None:
    page = pages.open(real, width=width)
    assert page.locator("article").count() > 20
    assert sideways(page) == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing(pages: Pages, real: Path, scheme: Literal["light", "dark"]) -> None:
    assert axe_findings(pages.open(real, scheme=scheme)) == []


def test_all_is_there_without_scripts(pages: Pages, real: Path) -> None:
    texts = [pages.open(real, scripts=each).locator("body").inner_text() for each in (True, False)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("width", [360, 1280])
def test_hostile_text_is_inert(pages: Pages, tmp_path: Path, width: int) -> None:
    answered = exchange(response_body=_HOSTILE)
    broken = failure(
        _HOSTILE, answered, expected=_HOSTILE, actual=_HOSTILE, diff=(_HOSTILE,), curl=_HOSTILE
    )
    new = of(_HOSTILE, forgets(failure=broken), name=_HOSTILE)
    page = pages.open(write(tmp_path, of("1.0"), new), width=width)
    assert page.locator("article").count() == 1
    assert page.locator("img, script").count() == 0
    assert sideways(page) == 0

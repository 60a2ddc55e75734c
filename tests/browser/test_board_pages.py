"""The pages of the board in a browser: one screen, any width, keyboard, search, hostile text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page

from conformance.contract.catalogue import load_catalogue
from conformance.contract.verdicts import Verdict
from conformance.report.board.history import Judgement, judgement_of, read_history
from conformance.report.board.model import make_board
from conformance.report.board.site import site_files
from conformance.report.board.site_model import make_site
from conformance.report.record import Report, load_report
from tests.board_examples import THREE, forgets, of
from tests.browser.pages import SCHEMES, WIDTHS, Pages, axe_findings, sideways
from tests.report_examples import REQUIREMENTS, check, exchange, failure, report_of

pytestmark = pytest.mark.browser

_REPORTS = Path(__file__).parents[2] / "reports"
#: Every server, and the ends of what is known of langgraph-api.
_PUBLISHED = (
    "aegra-0.6.0",
    "langgraph-api-0.2.117",
    "langgraph-api-0.16.7",
    "langgraph-api-0.18.0.dev12",
    "langgraph-js-2.0.0",
    "reference",
)
#: How many versions the strips of langgraph-api have at most, the published ones included.
_VERSIONS = 28
#: The pages that are looked at; those of requirements that are broken have evidence.
_KINDS = (
    "index.html",
    "servers/langgraph-api.html",
    "versions/langgraph-api-0.2.117.html",
    "versions/aegra-0.6.0.html",
    "requirements/COPY-08.html",
    "requirements/index.html",
)


def write(folder: Path, reports: Iterable[Report], history: Iterable[Judgement] = ()) -> Path:
    requirements = {**load_catalogue().requirements, **REQUIREMENTS}
    made = make_site(make_board(reports), history, requirements)
    for name, text in site_files(made, requirements):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the published reports, with a history of as many versions as it will have."""
    reports = [load_report(_REPORTS / each) for each in _PUBLISHED]
    oldest = judgement_of(load_report(_REPORTS / "langgraph-api-0.7.13"))
    older = [
        dataclasses.replace(
            oldest,
            version=f"0.1.{number}",
            verdicts={
                id_: Verdict.FAIL if place % (number + 7) == 0 else verdict
                for place, (id_, verdict) in enumerate(oldest.verdicts.items())
            },
        )
        for number in range(_VERSIONS - 3)
    ]
    return write(tmp_path_factory.mktemp("published"), reports, older)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of three reports and an older version."""
    history = [judgement_of(of("0.8.0"))]
    return write(tmp_path_factory.mktemp("small"), THREE, history)


def visible(page: Page, selector: str) -> int:
    return page.locator(f"{selector}:visible").count()


# ---- how it looks -------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_overview_fits_one_screen(
    pages: Pages, published: Path, scheme: Literal["light", "dark"]
) -> None:
    page = pages.open(published / "index.html", width=1280, height=800, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollHeight") <= 800
    assert sideways(page) == 0
    cut = "[...document.querySelectorAll('.overview th, .overview td')]"
    assert page.evaluate(f"{cut}.filter((each) => each.scrollWidth > each.clientWidth).length") == 0


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", _KINDS)
def test_nothing_is_wider_than_the_window(
    pages: Pages, published: Path, name: str, width: int
) -> None:
    assert sideways(pages.open(published / name, width=width)) == 0


# What axe looks at takes as long as there are elements: the small site has every kind of page too.
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", _KINDS)
def test_axe_finds_nothing(
    pages: Pages, small: Path, name: str, scheme: Literal["light", "dark"]
) -> None:
    page = small / name.replace("COPY-08", "COPY-03").replace("0.2.117", "0.9.0")
    assert axe_findings(pages.open(page, scheme=scheme)) == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["index.html", "requirements/COPY-08.html"])
def test_axe_finds_nothing_on_the_published_pages(
    pages: Pages, published: Path, name: str, width: int
) -> None:
    assert axe_findings(pages.open(published / name, width=width)) == []


def test_the_pages_are_small(published: Path) -> None:
    sizes = {str(each): each.stat().st_size for each in published.rglob("*.html")}
    assert max(sizes.values()) < 2_000_000
    assert (published / "index.html").stat().st_size < 150_000


def test_light_and_dark_differ(pages: Pages, small: Path) -> None:
    grounds = {
        pages.open(small / "index.html", scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in SCHEMES
    }
    assert len(grounds) == 2


# ---- keyboard -----------------------------------------------------------------------

_STOPS = """[...document.querySelectorAll("a, button, input, select, summary, [tabindex]")].filter(
  (each) => each.tabIndex >= 0 && each.checkVisibility({contentVisibilityAuto: true})).length"""


def test_the_overview_has_few_tab_stops(pages: Pages, published: Path) -> None:
    with_scripts = pages.open(published / "index.html")
    assert with_scripts.evaluate(_STOPS) < 20
    without = (published / "index.html").read_text(encoding="utf-8")
    assert without.count("<a ") + 3 < 150


def test_arrows_lead_through_the_table(pages: Pages, small: Path) -> None:
    page = pages.open(small / "index.html")
    page.locator(".overview a").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.getAttribute('href')") == (
        "versions/langgraph-api-0.10.0.html#threads"
    )
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "servers/aegra.html"


# ---- search and only differences ----------------------------------------------------


def test_search_from_the_overview_leads_to_the_requirements(pages: Pages, small: Path) -> None:
    page = pages.open(small / "index.html")
    page.get_by_role("searchbox").fill("copy-03")
    page.keyboard.press("Enter")
    page.wait_for_url("**/requirements/index.html?q=copy-03*")
    assert page.locator("[data-row]:visible a").first.text_content() == "COPY-03"
    assert visible(page, "[data-row]") == 1
    assert page.locator("output").text_content() == "1 of 4 requirements"
    assert visible(page, "[data-group]") == 1


def test_what_is_filtered_is_kept_in_the_address(pages: Pages, small: Path) -> None:
    page = pages.open(small / "requirements/index.html")
    assert visible(page, "[data-row]") == 4
    page.get_by_label("only differences").check()
    # aegra 0.6.0 and langgraph-api 0.10.0 differ in the history of a copy alone.
    assert visible(page, "[data-row]") == 1
    page.get_by_role("searchbox").fill("a copy")
    page.wait_for_url("**differences=1*")
    page.wait_for_url("**q=a+copy*")
    page.reload()
    assert page.get_by_label("only differences").is_checked()
    assert page.get_by_role("searchbox").input_value() == "a copy"
    assert visible(page, "[data-row]") == 1
    page.get_by_label("only differences").uncheck()
    page.get_by_role("searchbox").fill("")
    page.get_by_label("Level").select_option("SHOULD")
    assert visible(page, "[data-row]") == 0
    assert page.locator("output").text_content() == "0 of 4 requirements"


def test_only_differences_between_versions(pages: Pages, small: Path) -> None:
    page = pages.open(small / "servers/langgraph-api.html")
    page.get_by_label("only differences between versions").check()
    page.wait_for_url("**differences=1*")
    shown = page.locator("[data-row]:visible a").all_text_contents()
    assert set(shown) == {"COPY-03", "PRUNE-01"}


# ---- without scripts ----------------------------------------------------------------


@pytest.mark.parametrize("name", _KINDS)
def test_all_is_there_without_scripts(pages: Pages, published: Path, name: str) -> None:
    with_scripts = pages.open(published / name)
    without = pages.open(published / name, scripts=False)
    texts = [each.locator("main").inner_text() for each in (with_scripts, without)]
    # The scripts add the number of rows to the filter, and nothing else.
    words = [set(text.split()) for text in texts]
    assert words[0] - words[1] <= {"requirements", *(w for w in words[0] if w.isdigit())}
    assert words[1] <= words[0]


def test_only_differences_needs_no_script(pages: Pages, small: Path) -> None:
    page = pages.open(small / "requirements/index.html", scripts=False)
    page.get_by_label("only differences").check()
    assert visible(page, "[data-row]") == 1


# ---- links and hostile text ---------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "is_red"), [("COPY-03", True), ("COPY-09", False)], ids=["MUST", "MAY"]
)
@pytest.mark.parametrize(
    ("name", "of_it"),
    [
        ("versions/langgraph-api-0.16.7.html", ".mark"),
        ("requirements/{}.html", ".keeper h3 span"),
        ("requirements/index.html", "td a"),
    ],
)
def test_what_is_optional_is_not_red(
    pages: Pages, tmp_path: Path, id_: str, is_red: bool, name: str, of_it: str
) -> None:
    judged = report_of(
        [
            check("test_a", each, "fail", failure=failure("broken"))
            for each in ("COPY-03", "COPY-09")
        ]
    )
    page = pages.open(write(tmp_path, [judged]) / name.format(id_))
    row = page.locator("main" if "{" in name else f"li:has-text('{id_}'), tr:has-text('{id_}')")
    colour = row.locator(of_it).first.evaluate("each => getComputedStyle(each).color")
    red, green, _ = map(int, re.findall(r"\d+", colour)[:3])
    assert (red > 1.5 * green) is is_red


def test_a_cell_leads_to_the_evidence(pages: Pages, small: Path) -> None:
    page = pages.open(small / "index.html")
    page.get_by_label("Copy, aegra 0.6.0").click()
    page.get_by_role("link", name="COPY-03").click()
    assert page.url.endswith("requirements/COPY-03.html#on-aegra-0.6.0")
    assert page.locator(":target").is_visible()
    assert page.locator("article pre").first.is_visible()


@pytest.mark.parametrize("name", ["index.html", "requirements/index.html", "servers/"])
def test_hostile_text_is_inert(pages: Pages, tmp_path: Path, name: str) -> None:
    hostile = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202e</style></svg>'
    answered = exchange(response_body=hostile)
    broken = failure(
        hostile, answered, expected=hostile, actual=hostile, diff=(hostile,), curl=hostile
    )
    reports = [
        of(version, forgets(failure=broken, reason=hostile), name=f"{hostile} {version}")
        for version in (hostile, "1.0")
    ]
    site = write(tmp_path, reports)
    # The fixture fails on dialogs, errors and requests.
    for file in site.glob("**/*.html") if name == "servers/" else [site / name]:
        page = pages.open(file)
        assert page.locator("img[src='x']").count() == 0
        assert page.locator("script").count() == 1
        assert sideways(page) == 0


# ---- pictures -----------------------------------------------------------------------


def test_pictures_of_the_overview(
    pages: Pages, tmp_path: Path, picture: Callable[[str, bytes], None]
) -> None:
    reports = [load_report(each) for each in sorted(_REPORTS.glob("*/report.json.gz"))]
    site = write(tmp_path, reports, read_history(_REPORTS / "history"))
    for scheme in SCHEMES:
        page = pages.open(site / "index.html", width=1280, height=600, scheme=scheme)
        picture(f"board-{scheme}", page.screenshot())
    for name, file, width in (
        ("board-360", "index.html", 360),
        ("board-768", "index.html", 768),
        ("board-server", "servers/langgraph-api.html", 1280),
        ("board-requirement", "requirements/COPY-08.html", 1280),
    ):
        page = pages.open(site / file, width=width, height=740)
        picture(name, page.screenshot())

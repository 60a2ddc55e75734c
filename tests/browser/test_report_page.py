"""report.html as people see it: by mouse and keyboard, in print, in any width, by its addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from conformance.contract.catalogue import load_catalogue
from conformance.report.record import Report, load_report
from conformance.report.run.html import html_report
from conformance.report.run.reference_answers import ReferenceAnswer, ReferenceAnswers
from tests.browser.pages import SCHEMES, WIDTHS, Pages, axe_findings, sideways
from tests.report_examples import (
    CONFORMANT,
    REQUIREMENTS,
    RICH,
    check,
    exchange,
    failure,
    large_report,
    report_of,
)

pytestmark = pytest.mark.browser
Open = Callable[..., Page]

#: What a server may say to do harm, or to break the page: scripts, marks of direction, long words.
HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "\u202egnol si siht\u202c \u2066\u200b",
    "longword" * 400,
    '{"a": "</pre><script>alert(2)</script>", "b": [1, ' + "[" * 200,
    "javascript:alert(3)",
    "::error::no command ##[error]",
    "<!-- --> ]]> {{ 7*7 }} &lt;b&gt;",
)
_ANSWER = '{"thread_id": "9c2b6a1e-53f1-4d56-8c7e-61c1b0a9d7aa", "values": {"n": %s}}'
#: A report with every part, and the reference's answers to one of its failures.
EVIDENT = replace(
    RICH,
    checks=tuple(
        replace(
            each,
            failure=failure(
                "the copy has 3 states, its source has 4",
                exchange(operation="create", url="http://127.0.0.1:2024/threads"),
                exchange(response_body=_ANSWER % 3, elapsed_ms=12.5),
                expected="values to be " + _ANSWER % 4,
                actual=_ANSWER % 3,
                diff=("$.values.n: expected 4, got 3",),
                curl="curl -sS -X POST 'http://127.0.0.1:2024/threads'",
            ),
        )
        if each.id == "test_copy.py::test_history"
        else each
        for each in RICH.checks
    ),
)
REFERENCE = {
    "test_copy.py::test_history": ReferenceAnswers(
        {
            0: ReferenceAnswer(200, '{"thread_id": "x", "values": {}}', True),
            1: ReferenceAnswer(200, _ANSWER % 4, False, ("$.values.n",)),
        }
    )
}


def hostile_report(text: str) -> Report:
    """A report in which a server's text stands wherever it may."""
    answered = exchange(response_body=text, request_body=text, error=text, url=f"http://x/{text}")
    broken = failure(text, answered, expected=text, actual=text, diff=(text,), curl=text)
    made = report_of(
        [
            check(f"test_a[{text}]", "COPY-01", "fail", reason=text, failure=broken),
            check("test_b", "COPY-03", "error", reason=text),
            check("test_c", "COPY-04", "blocked", reason=text),
        ]
    )
    return replace(made, deployment=replace(made.deployment, url=f"http://{text}", graph_id=text))


@pytest.fixture
def open_report(pages: Pages, tmp_path: Path) -> Open:
    """Return a function that writes the page of a report and opens it."""

    def make(report: Report = EVIDENT, **options: object) -> Page:
        file = tmp_path / "report.html"
        if not file.exists():
            file.write_text(
                html_report(report, REQUIREMENTS, reference=REFERENCE), encoding="utf-8"
            )
        return pages.open(file, **options)  # type: ignore[arg-type] # passed on as they are

    return make


def failures(page: Page) -> list[str]:
    """Return the addresses of the failures that are shown."""
    found: list[str] = page.locator(".failure").evaluate_all(
        "all => all.filter((each) => each.checkVisibility()).map((each) => each.id)"
    )
    return found


def requirements(page: Page) -> list[str]:
    """Return the ids of the requirements that are shown."""
    return page.locator(".requirement:visible .id").all_inner_texts()


class TestAtFirstSight:
    def test_the_verdict_its_reasons_and_how_much_is_kept_stand_on_top(
        self, open_report: Open
    ) -> None:
        page = open_report(width=1280, height=800)
        expect(page.locator("h1")).to_have_text("✗ NON-CONFORMANT: langgraph-api 0.16.7")
        for said in (
            "3 kept · 3 broken · 2 undecided of 9 MUST requirements",
            "A copy has the whole history",
            "✓ 3 kept",
        ):
            expect(page.get_by_text(said).first).to_be_in_viewport()
        page.get_by_role("link", name="A copy has the whole history").click()
        expect(page.locator("#failure-COPY-03")).to_be_in_viewport()

    @pytest.mark.parametrize(
        ("report", "said"), [(CONFORMANT, "✓ CONFORMANT"), (report_of([]), "? INCOMPLETE")]
    )
    def test_each_verdict_has_a_sign(self, open_report: Open, report: Report, said: str) -> None:
        page = open_report(report)
        expect(page.locator("h1")).to_contain_text(said)
        icon = page.locator("link[rel=icon]").get_attribute("href") or ""
        assert icon.startswith("data:image/svg+xml,")

    def test_the_map_leads_to_each_capability(self, open_report: Open) -> None:
        page = open_report()
        names = page.locator(".map .name span:first-child").all_inner_texts()
        assert names == ["create", "copy", "search", "prune"]
        page.locator(".map a", has_text="search").click()
        assert requirements(page) == ["SEARCH-01", "SEARCH-02"]
        expect(page.locator("#capability-search")).to_be_in_viewport()


class TestAFailure:
    def test_promise_and_difference_come_before_the_values(self, open_report: Open) -> None:
        page = open_report(fragment="failure-COPY-03")
        shown = page.locator("#failure-COPY-03")
        text = shown.inner_text()
        order = ["A deployment MUST see to it", "independent thread", "$.values.n", "Expected"]
        assert sorted(map(text.index, order)) == [text.index(each) for each in order]
        assert shown.locator(".sides").first.locator("mark").all_inner_texts() == [
            '"n": 4',
            '"n": 3',
        ]

    def test_the_longest_id_leaves_the_verdict_free(self, open_report: Open) -> None:
        known = load_catalogue().requirements
        longest = max(known, key=len)
        page = open_report(report_of([check("test_a", longest)], [known[longest]]), width=1600)
        line = page.locator(".requirement > summary", has_text=longest)
        id_, word = (line.locator(each).bounding_box() for each in (".id", ".word"))
        assert id_ is not None
        assert word is not None
        page_id = line.locator(".id").evaluate("each => each.scrollWidth")
        assert id_["x"] + page_id <= word["x"]

    def test_its_curl_is_one_click_away(self, open_report: Open) -> None:
        page = open_report(fragment="failure-COPY-03")
        page.locator("#failure-COPY-03 .acts button").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == "curl -sS -X POST 'http://127.0.0.1:2024/threads'"

    def test_requests_stand_in_their_order_with_both_answers(self, open_report: Open) -> None:
        page = open_report(fragment="failure-COPY-03")
        shown = page.locator("#failure-COPY-03")
        shown.get_by_text("2 requests, with the answers of the reference beside").click()
        steps = shown.locator(".steps > li")
        summaries = steps.locator("> details > summary").all_inner_texts()
        path = "/threads/3f0c5f6e-8a54-4a52-9a35-0d7a3f1c2b11/copy"
        assert summaries[1].split() == ["POST", path, "200", "reference", "200", "12", "ms"]
        expect(steps.nth(0)).to_contain_text("= reference 200")
        for title, value in (("This deployment 200", 3), ("The reference 200", 4)):
            side = steps.nth(1).locator(".sides > div", has_text=title)
            expect(side.locator("mark")).to_have_text(f'"n": {value}')

    def test_it_leads_to_its_requirement_and_back(self, open_report: Open) -> None:
        page = open_report(fragment="failure-COPY-03")
        page.locator("#failure-COPY-03 h3 a").first.click()
        expect(page.locator("#COPY-03")).to_be_in_viewport()
        page.locator("#COPY-03").get_by_role("link", name="How it is broken").click()
        expect(page.locator("#failure-COPY-03")).to_be_in_viewport()


class TestAddresses:
    @pytest.mark.parametrize("scripts", [True, False])
    @pytest.mark.parametrize("address", ["COPY-03", "failure-COPY-05", "undecided", "CREATE-01"])
    def test_what_an_address_names_is_shown(
        self, open_report: Open, address: str, scripts: bool
    ) -> None:
        page = open_report(fragment=address, scripts=scripts)
        expect(page.locator(f"[id='{address}']")).to_be_in_viewport()

    @pytest.mark.parametrize("width", [768, 1600])
    def test_what_is_jumped_to_stands_below_the_filter(self, open_report: Open, width: int) -> None:
        page = open_report(width=width, height=600)
        page.evaluate("location.hash = 'copy-05'")
        line = page.locator(".requirement:has([id='COPY-05']) > summary")
        expect(line).to_be_in_viewport()
        told, filter_ = (each.bounding_box() for each in (line, page.locator("#filter")))
        assert told is not None
        assert filter_ is not None
        assert told["y"] >= filter_["y"] + filter_["height"]

    def test_an_address_with_a_filter_shows_the_filter(self, open_report: Open) -> None:
        page = open_report(height=600)
        address = page.url.partition("?")[0]
        page.goto("about:blank")
        page.goto(f"{address}?verdict=broken")
        expect(page.locator("#found")).to_be_in_viewport()

    def test_an_address_shows_what_the_filter_hides(self, open_report: Open) -> None:
        page = open_report()
        page.get_by_label("Text").fill("prune")
        assert requirements(page) == ["PRUNE-01"]
        page.evaluate("location.hash = 'COPY-03'")
        expect(page.locator("#COPY-03")).to_be_in_viewport()
        expect(page.get_by_label("Text")).to_have_value("")

    def test_the_filter_stands_in_the_address(self, open_report: Open) -> None:
        page = open_report()
        page.get_by_label("Text").fill("whole history")
        page.get_by_role("combobox", name="Level").select_option("MUST")
        page.get_by_role("combobox", name="Verdict").select_option("broken")
        assert requirements(page) == ["COPY-03", "COPY-05"]
        assert failures(page) == ["failure-COPY-03"]
        expect(page.locator("#found")).to_have_text("2 of 11 requirements")
        address = page.url
        assert "text=whole+history&level=MUST&verdict=broken" in address
        page.goto("about:blank")
        page.goto(address)
        assert requirements(page) == ["COPY-03", "COPY-05"]
        page.get_by_role("button", name="Show all").click()
        assert len(requirements(page)) == 11
        assert "?" not in page.url

    def test_a_filter_that_nothing_fits_says_so(self, open_report: Open) -> None:
        page = open_report()
        page.get_by_label("Text").fill("nowhere to be found")
        expect(page.get_by_text("No requirement fits the filter.")).to_be_visible()
        expect(page.get_by_text("No failure fits the filter.")).to_be_visible()

    def test_counts_are_filters(self, open_report: Open) -> None:
        page = open_report()
        page.locator(".level", has_text="SHOULD").get_by_role("link", name="broken").click()
        assert requirements(page) == ["CREATE-03"]
        expect(page.get_by_role("combobox", name="Level")).to_have_value("SHOULD")


class TestKeyboard:
    def test_the_filter_is_one_key_away_and_esc_shows_all(self, open_report: Open) -> None:
        page = open_report()
        page.keyboard.press("/")
        page.keyboard.type("prune")
        assert requirements(page) == ["PRUNE-01"]
        page.keyboard.press("Escape")
        assert len(requirements(page)) == 11

    def test_failures_are_walked_through(self, open_report: Open) -> None:
        page = open_report(height=600)
        order = failures(page)
        for key, position in (("j", 0), ("j", 1), ("k", 0), ("k", 0)):
            page.keyboard.press(key)
            assert page.evaluate("document.activeElement.id") == order[position]
            expect(page.locator(f"#{order[position]} h3")).to_be_in_viewport()

    def test_everything_can_be_reached_and_opened_by_tab(self, open_report: Open) -> None:
        page = open_report()
        page.locator("#failure-COPY-03").focus()
        seen = []
        for _ in range(14):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.textContent.trim().split('\\n')[0]"))
        for name in ("Copy curl", "link to this", "Repeat it with curl"):
            assert name in seen
        page.locator("#failure-COPY-03 summary", has_text="Repeat it with curl").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#failure-COPY-03 pre[id^=curl]")).to_be_visible()


class TestForEveryone:
    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_it_fits_and_axe_finds_nothing(
        self, open_report: Open, width: int, scheme: Literal["light", "dark"]
    ) -> None:
        page = open_report(width=width, scheme=scheme)
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        assert sideways(page) == 0
        assert axe_findings(page) == []

    def test_without_scripts_everything_is_there(self, open_report: Open) -> None:
        with_scripts = open_report()
        told = with_scripts.locator("main").evaluate("main => main.textContent")
        page = open_report(scripts=False)
        assert page.locator("main").evaluate("main => main.textContent").replace(
            "All 11 requirements", ""
        ) == told.replace("All 11 requirements", "")
        expect(page.get_by_role("search")).to_be_hidden()
        expect(page.get_by_role("button", name="Copy curl")).to_have_count(0)
        page.locator("#failure-COPY-03 summary", has_text="Repeat it with curl").click()
        expect(page.locator("#failure-COPY-03 pre[id^=curl]")).to_be_visible()

    def test_print_shows_the_failures_whole_and_of_the_rest_a_line(self, open_report: Open) -> None:
        page = open_report(scheme="dark")
        page.emulate_media(media="print", color_scheme="light")
        expect(page.locator("#failure-COPY-03 pre[id^=curl]")).to_be_visible()
        expect(page.locator("summary", has_text="COPY-03").last).to_be_visible()
        for left_out in ("#filter", "nav", ".acts >> nth=0", "#COPY-03", ".steps >> nth=0"):
            expect(page.locator(left_out)).to_be_hidden()
        expect(page.locator("button:visible, kbd:visible")).to_have_count(0)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )
        assert page.pdf().startswith(b"%PDF")

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_what_a_server_says_is_text(self, open_report: Open, text: str) -> None:
        page = open_report(hostile_report(text), width=360)
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        assert page.locator("img, svg, iframe, object, main script").count() == 0
        assert sideways(page) == 0
        # Marks of direction and what hides a character are written out.
        seen = page.locator("body").inner_text()
        assert not re.search("[\u200b-\u200f\u202a-\u202e\u2060-\u2069]", seen)
        page.get_by_label("Text").fill("COPY-01")
        assert requirements(page) == ["COPY-01"]

    def test_a_large_report_is_read_like_a_small_one(self, pages: Pages, tmp_path: Path) -> None:
        file = tmp_path / "report.html"
        file.write_text(html_report(*large_report()), encoding="utf-8")
        assert file.stat().st_size < 5_000_000
        page = pages.open(file, fragment="failure-SIGMA-17")
        expect(page.locator("#failure-SIGMA-17 h3")).to_be_in_viewport()
        page.get_by_label("Text").fill("ZETA-50")
        assert requirements(page) == ["ZETA-50"]
        assert failures(page) == ["failure-ZETA-50"]


PUBLISHED = Path(__file__).parents[2] / "reports" / "langgraph-api-0.16.7"


@pytest.fixture(scope="module")
def published_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of the published report of a real server."""
    file = tmp_path_factory.mktemp("published") / "report.html"
    page = html_report(load_report(PUBLISHED), load_catalogue().requirements)
    file.write_text(page, encoding="utf-8")
    return file


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_a_real_server_fits_and_axe_finds_nothing(
    pages: Pages, published_page: Path, width: int
) -> None:
    page = pages.open(published_page, width=width)
    assert sideways(page) == 0
    assert axe_findings(page) == []


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [
        ("report-360", 360, 720, "dark"),
        ("report-768", 768, 900, "light"),
        ("report-1600", 1600, 900, "light"),
        ("report-1600-dark", 1600, 900, "dark"),
    ],
)
def test_pictures_of_it_are_in_the_documentation(
    pages: Pages,
    published_page: Path,
    picture: Callable[[str, bytes], None],
    name: str,
    width: int,
    height: int,
    scheme: Literal["light", "dark"],
) -> None:
    page = pages.open(published_page, width=width, height=height, scheme=scheme)
    picture(name, page.screenshot())


def test_a_picture_of_a_failure_is_in_the_documentation(
    open_report: Open, picture: Callable[[str, bytes], None]
) -> None:
    # All of it in one window: what stays on top would stand over it.
    page = open_report(width=1000, height=1600, fragment="failure-COPY-03")
    shown = page.locator("#failure-COPY-03")
    shown.get_by_text("2 requests, with the answers of the reference beside").click()
    picture("report-failure", shown.screenshot())


def test_the_pictures_are_small() -> None:
    files = list((Path(__file__).parents[2] / "docs" / "pictures").glob("report-*.png"))
    assert len(files) == 5
    assert sum(each.stat().st_size for each in files) < 250_000

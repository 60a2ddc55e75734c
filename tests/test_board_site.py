"""The pages of the board: links, fair counts, hostile text, what was judged otherwise."""

from __future__ import annotations

import dataclasses
import posixpath
from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.contract.quotations import cited
from conformance.contract.verdicts import Verdict
from conformance.report.board.areas import OTHER, area_of, areas, words_of
from conformance.report.board.history import Judgement, judgement_of
from conformance.report.board.model import make_board
from conformance.report.board.page_context import Context
from conformance.report.board.server_pages import badge
from conformance.report.board.site import site_files
from conformance.report.board.site_model import Site, make_site, tally, unequal
from conformance.report.record import Report
from tests.board_examples import BLOCKED, SOME, THREE, forgets, of
from tests.report_examples import REQUIREMENTS, check, exchange, failure, report_of, requirement


def site(*reports: Report, history: tuple[Judgement, ...] = ()) -> Site:
    return make_site(make_board(reports), history, REQUIREMENTS)


def pages(made: Site) -> dict[str, str]:
    return dict(site_files(made, REQUIREMENTS))


class Page(HTMLParser):
    """The ids, the links and the elements of a page, and the text without markup."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.attributes.update(found)
        if "id" in found:
            self.ids.append(str(found["id"]))
        for name in ("href", "src", "action"):
            if name in found:
                self.links.append(str(found[name]))

    def handle_data(self, data: str) -> None:
        self.text += data


def dead_links(files: dict[str, str]) -> list[str]:
    """Return the links that lead to no file, or to no anchor of it."""
    parsed = {name: Page(text) for name, text in files.items() if name.endswith(".html")}
    dead = []
    for name, page in parsed.items():
        assert len(page.ids) == len(set(page.ids)), name
        for link in page.links:
            address, _, anchor = link.partition("#")
            if address.startswith(("data:", "https:")):
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), address))
            target = target if address else name
            if target not in files or (anchor and anchor not in parsed[target].ids):
                dead.append(f"{name}: {link}")
    return dead


OLDER = dataclasses.replace(judgement_of(of("0.8.0")), run="older")


# ---- links --------------------------------------------------------------------------


def test_every_link_leads_to_an_anchor_that_exists() -> None:
    apart = of("0.11.0", profile="full", effort="thorough")
    files = pages(site(*THREE, apart, history=(OLDER,)))
    assert dead_links(files) == []
    assert "versions/langgraph-api-0.11.0.html" in files
    assert "versions/langgraph-api-0.8.0.html" in files


def test_a_dead_link_is_found() -> None:
    files = pages(site(*THREE))
    files["index.html"] += '<a href="servers/aegra.html#nowhere">x</a><a href="gone.html">y</a>'
    assert len(dead_links(files)) == 2


def test_every_cell_has_a_link() -> None:
    files = pages(site(*THREE))
    overview = Page(files["index.html"]).links
    for slug in ("aegra-0.6.0", "langgraph-api-0.10.0"):
        for area in ("threads", "copy", "history"):
            assert f"versions/{slug}.html#{area}" in overview
    every = Page(files["requirements/index.html"]).links
    for row in SOME:
        for slug in ("aegra-0.6.0", "langgraph-api-0.10.0"):
            assert f"{row.id}.html#on-{slug}" in every


def test_a_version_says_in_a_line_why_it_falls_short() -> None:
    text = pages(site(*THREE))["versions/langgraph-api-0.9.0.html"]
    assert "<code>$[3]: removed, was" in text
    assert "<code>COPY-03 failed</code>" in text
    bare = forgets(failure=failure("no", expected="4 " + "states " * 40, actual="3", diff=()))
    text = pages(site(of("1.0", bare)))["versions/langgraph-api-1.0.html"]
    assert "<code>expected 4 states states" in text
    assert "…</code>" in text


def test_a_requirement_quotes_its_sources_and_leads_to_them() -> None:
    page = pages(site(*THREE))["requirements/COPY-03.html"]
    (first, *_) = cited(REQUIREMENTS["COPY-03"])
    assert first.words
    assert f"<q>{escape(first.words)}</q>" in page
    assert f'href="{escape(first.url)}" rel="noreferrer"' in page


def test_deployments_that_fail_alike_share_an_evidence() -> None:
    page = pages(site(*THREE))["requirements/COPY-03.html"]
    assert page.count("<article") == 1
    assert '<span id="on-aegra-0.6.0">' in page
    assert '<span id="on-langgraph-api-0.9.0">' in page
    assert 'href="#on-langgraph-api-0.9.0"' in page


# ---- what is counted ----------------------------------------------------------------


def counts(made: Site) -> dict[str, tuple[int, int, int, int]]:
    rows = made.common(made.shown)
    found = {each.label: tally(each, rows) for each in made.shown}
    return {
        name: (each.kept, each.broken, each.undecided, each.unsupported)
        for name, each in found.items()
    }


def test_kept_broken_undecided_and_not_offered_are_apart() -> None:
    made = site(*THREE, of("1.0.0", BLOCKED, forgets(), name="other"))
    assert counts(made) == {
        "aegra 0.6.0": (2, 1, 0, 1),
        "langgraph-api 0.10.0": (3, 0, 0, 1),
        "other 1.0.0": (2, 1, 1, 0),
    }
    assert "Copy, other 1.0.0: 0 kept, 1 broken, 1 undecided of 2" in pages(made)["index.html"]


def test_only_what_all_were_judged_by_is_counted_and_told() -> None:
    less = dataclasses.replace(
        of("0.7.0", name="aegra"),
        catalogue_digest="sha256:other",
        requirements=THREE[0].requirements[:2],
    )
    made = site(*THREE, less)
    assert {sum(each) for each in counts(made).values()} == {2}
    overview = Page(pages(made)["index.html"]).text
    assert "the 2 MUST that all of them were judged by" in overview
    assert "2 that not all of these were judged by" in overview
    assert "different catalogues" in overview
    assert "other catalogue" in overview


def test_a_may_is_not_counted_nor_red() -> None:
    recipe = check("test_recipe", "COPY-09", "fail", failure=failure("differs"))
    report = report_of([recipe], [REQUIREMENTS["COPY-09"]])
    made = site(report)
    assert counts(made) == {"langgraph-api 0.16.7": (0, 0, 0, 0)}
    server = pages(made)["servers/langgraph-api.html"]
    assert 'id="optional"' in server
    assert 'id="broken"' not in server


def test_what_no_run_decides_is_not_counted() -> None:
    undecided = check("test_COPY-05", "COPY-05", "not_run", reason="give --restart")
    made = site(of("1.0", undecided), of("2.0", undecided))
    assert counts(made) == {"langgraph-api 2.0": (3, 0, 0, 0)}
    assert "1 that none of these runs decides" in pages(made)["index.html"]


# ---- what is set apart --------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ({"profile": "full"}, "its profile is full, not extended"),
        ({"effort": "quick"}, "its effort is quick, not standard"),
        ({"partial": True}, "it judged only a selection"),
        ({"read_only": True}, "its run only read what was there"),
        ({"partial": True, "interrupted": True}, "its run was interrupted"),
        ({"partial": True, "given_up": True}, "its run ended early, since the server stopped"),
    ],
)
def test_runs_of_another_measure_are_set_apart(run: dict[str, Any], why: str) -> None:
    made = site(*THREE, of("9.9", **run))
    (apart,) = made.apart
    assert apart.judged.version == "9.9"
    assert why in apart.why
    assert "9.9" not in [each.version for each in made.shown]
    files = pages(made)
    assert why in files["index.html"]
    assert "Set apart:" in files["versions/langgraph-api-9.9.html"]
    assert unequal(made) == (f"langgraph-api 9.9: {apart.why}",)


def test_equal_runs_are_equal() -> None:
    assert unequal(site(*THREE)) == ()
    other = dataclasses.replace(of("2.0"), catalogue_digest="sha256:other")
    assert len(unequal(site(*THREE, other))) == 2


def test_of_two_runs_of_one_version_the_newer_is_compared() -> None:
    old = of("1.0", forgets(), started_at="2026-01-01T00:00:00+00:00")
    new = of("1.0", started_at="2026-02-01T00:00:00+00:00")
    made = site(old, new)
    assert counts(made) == {"langgraph-api 1.0, extended, 2026-02-01T00:00:00+00:00": (4, 0, 0, 0)}
    assert made.apart[0].judged.judgement.date == "2026-01-01"


def test_the_newest_release_is_shown_and_what_is_newer() -> None:
    versions = ["1.0", "1.1rc1", "1.1", "1.2.dev1", "1.2rc1"]
    made = site(*map(of, versions))
    assert [each.version for each in made.shown] == ["1.1", "1.2rc1"]
    assert made.servers[0].current.version == "1.1"


# ---- the history --------------------------------------------------------------------


def test_a_report_stands_for_the_history_of_its_version() -> None:
    stale = dataclasses.replace(judgement_of(THREE[0]), verdicts={})
    made = site(THREE[0], history=(stale, OLDER))
    (server,) = made.servers
    assert [(each.version, each.column is None) for each in server.versions] == [
        ("0.8.0", True),
        ("0.9.0", False),
    ]
    assert server.versions[1].judgement.verdicts


def test_since_when_it_is_broken_stands_on_the_pages() -> None:
    files = pages(site(*THREE, history=(OLDER,)))
    said = "kept since 0.10.0"
    assert said in Page(files["requirements/COPY-03.html"]).text
    assert said in Page(files["servers/langgraph-api.html"]).text
    assert (
        "broken since 0.9.0, kept again since 0.10.0" in files["versions/langgraph-api-0.9.0.html"]
    )
    strip = 'aria-label="kept in 0.8.0, broken in 0.9.0, kept since 0.10.0"'
    assert strip in files["servers/langgraph-api.html"]
    assert strip in files["requirements/COPY-03.html"]


def test_what_is_newly_broken_and_newly_kept() -> None:
    made = site(*THREE, of("0.11.0", forgets()))
    text = " ".join(Page(pages(made)["servers/langgraph-api.html"]).text.split())
    assert "1 newly broken: COPY-03" in text
    assert "1 newly kept: COPY-03" in text


def test_history_of_another_measure_is_set_apart() -> None:
    made = site(*THREE, history=(dataclasses.replace(OLDER, effort="quick"),))
    assert [each.why for each in made.apart] == ["its effort is quick, not standard"]


def test_what_neither_reports_nor_the_catalogue_know_has_no_row() -> None:
    gone = dataclasses.replace(OLDER, verdicts={**OLDER.verdicts, "GONE-01": Verdict.FAIL})
    assert [row.id for row in site(*THREE, history=(gone,)).rows] == [
        "CREATE-01",
        "PRUNE-01",
        "COPY-03",
        "COPY-05",
    ]


# ---- hostile text -------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "\x1b[31m\u202e"],
)
def test_text_of_a_server_is_inert(hostile: str) -> None:
    answered = exchange(response_body=hostile)
    broken = failure(
        hostile, answered, expected=hostile, actual=hostile, diff=(hostile,), curl=hostile
    )
    report = of(hostile, forgets(failure=broken), name=hostile)
    files = pages(site(report, of("1.0", name=hostile)))
    for name, text in files.items():
        assert "\x1b" not in text
        assert "\u202e" not in text
        if name.endswith(".html"):
            page = Page(text)
            assert page.tags.count("script") == 1
            assert not {each for each in page.attributes if each.startswith("on")}
            assert "style" not in page.attributes
    assert dead_links(files) == []
    assert all("<script" not in text for name, text in files.items() if name.endswith(".svg"))


@pytest.mark.parametrize(
    ("verdict", "said", "color"),
    [
        ("pass", "1.0: 4 of 4 MUST kept", "brightgreen"),
        ("fail", "1.0: 3 of 4 MUST kept, 1 broken", "red"),
        ("blocked", "1.0: 3 of 4 MUST kept, incomplete", "lightgrey"),
    ],
)
def test_the_badge_of_a_server(verdict: str, said: str, color: str) -> None:
    copied = check("test_COPY-03", "COPY-03", verdict, failure=failure("no"))
    made = site(of("1.0", copied))
    shown = badge(Context(made, REQUIREMENTS), made.servers[0])
    assert (shown.label, shown.message, shown.color) == ("Threads API extended", said, color)
    files = pages(made)
    assert said in files["badges/langgraph-api.svg"]
    assert f'alt="Threads API extended: {said}"' in files["servers/langgraph-api.html"]


@pytest.mark.parametrize("id_", ["../../x", "index", "CON <b>", "a" * 300])
def test_ids_of_a_report_lead_to_no_other_folder(id_: str) -> None:
    odd = dataclasses.replace(requirement("COPY-77", "Odd"), id=id_, capability="<i>odd</i>")
    report = report_of([check("test_odd", id_)], [odd, *SOME])
    files = pages(site(report))
    assert dead_links(files) == []
    for name in files:
        assert posixpath.normpath(name) == name
        assert not name.startswith("..")
    assert files["requirements/index.html"].count("<h1>All requirements") == 1
    assert "i" not in Page(files["requirements/index.html"]).tags


# ---- areas --------------------------------------------------------------------------


def test_every_capability_is_in_one_area_and_has_words() -> None:
    known = [name for area in areas() for name in area.capabilities]
    assert len(known) == len(set(known))
    assert set(known) == set(load_catalogue().capabilities())
    for name in known:
        words = words_of(name)
        assert words.title
        assert words.means.endswith(".")
    assert len({area.slug for area in areas()}) == len(areas())


def test_an_unknown_capability_is_shown_all_the_same() -> None:
    assert area_of("newest") is OTHER
    odd = dataclasses.replace(requirement("NEW-01", "New"), capability="newest")
    files = pages(site(report_of([check("test_new", "NEW-01")], [odd])))
    assert "Other" in files["index.html"]
    assert "newest" in files["requirements/index.html"]

"""The pages of the board: a small static site that is read without scripts and without network.

`index.html` shows servers against areas, `servers/NAME.html` the versions of a server and what is
broken since when, `versions/SLUG.html` one version, `requirements/ID.html` a requirement with who
keeps it and the evidence, `requirements/index.html` all of them with search.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from conformance.report.board.overview_page import overview
from conformance.report.board.page_context import Context
from conformance.report.board.requirement_pages import all_requirements, requirement
from conformance.report.board.server_pages import badge, server, version
from conformance.report.board.site_model import Site
from conformance.report.export.badge import drawn
from conformance.report.run.wording import Requirements


def site_files(site: Site, requirements: Requirements) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file of the site."""
    yield "style.css", _template_text("style.css") + _template_text("board.css")
    yield "board.js", _template_text("board.js")
    context = Context(site, requirements)
    yield "index.html", overview(context)
    yield "requirements/index.html", all_requirements(context)
    for row in site.rows:
        yield f"requirements/{row.slug}.html", requirement(context, row)
    for each in site.servers:
        yield f"servers/{each.slug}.html", server(context, each)
        yield f"badges/{each.slug}.svg", drawn(badge(context, each))
        for judged in each.versions:
            yield f"versions/{judged.slug}.html", version(context, judged, each)
    for apart in site.apart:
        yield f"versions/{apart.judged.slug}.html", version(context, apart.judged, None, apart.why)


def _template_text(name: str) -> str:
    return (files("conformance.report") / "templates" / name).read_text(encoding="utf-8")

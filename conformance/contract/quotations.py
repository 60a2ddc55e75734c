"""What a requirement rests on, in the words of its sources: quotations and published facts.

A document is quoted by at most `MOST_WORDS` words, from `quotations.toml`; of a published OpenAPI
document, which is kept without its prose, the fact itself is told. Each has the public page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from conformance.contract.catalogue import Requirement
from conformance.contract.published import load_published
from conformance.contract.published_citations import citation, described, tags_of
from conformance.typed_data import read_toml, typed

#: The longest quotation, in words.
MOST_WORDS = 15
_FILE = Path(__file__).with_name("quotations.toml")
_API = "https://docs.langchain.com/langsmith/server-api-ref"
#: Pages of the API reference by the tag of an operation.
_API_PAGES = {
    "Threads": "https://docs.langchain.com/langsmith/agent-server-api/threads",
    "Thread Runs": "https://docs.langchain.com/langsmith/agent-server-api/thread-runs",
    "Stateless Runs": "https://docs.langchain.com/langsmith/agent-server-api/stateless-runs",
    "Crons": "https://docs.langchain.com/langsmith/agent-server-api/crons",
}
_SDK = "SDK reference: "
_SDK_PAGES = {
    "ThreadsClient": "https://reference.langchain.com/python/langgraph-sdk/_async/threads/ThreadsClient",
    "RunsClient": "https://reference.langchain.com/python/langgraph-sdk/_async/runs/RunsClient",
}
_SDK_HOME = "https://reference.langchain.com/python/langgraph-sdk"
_LINKED = re.compile(r"linked page: (?P<page>[^,]+)")
_LINKED_HOME = "https://langchain-ai.github.io/langgraph/"
#: What looks like code is not searched for on a page: it stands there in several parts.
_PROSE = re.compile(r"[A-Za-z][A-Za-z' .,`-]+")


@dataclass(frozen=True)
class Page:
    """The public page of a document."""

    document: str
    title: str
    url: str


@dataclass(frozen=True)
class Quotation:
    """Words of a source, for the requirements named, or for all that no other one names."""

    source: str
    words: str
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cited:
    """A source as a person reads it: `words` verbatim, or `facts`, and where they stand.

    `title` names the page at `url`, which is empty where none is known.
    """

    source: str
    title: str
    url: str
    words: str = ""
    facts: tuple[str, ...] = ()


def cited(requirement: Requirement) -> tuple[Cited, ...]:
    """Return the sources of a requirement in its order, those that are quoted first."""
    found = [_cited(requirement.id, source) for source in requirement.sources]
    return tuple(sorted(found, key=lambda each: not each.words))


@cache
def pages() -> dict[str, Page]:
    """Return the public pages by the file names of the documents."""
    found = typed(read_toml(_FILE)["page"], list[Page])
    return {each.document: each for each in found}


@cache
def quotations() -> tuple[Quotation, ...]:
    """Return all quotations, in the order of the file."""
    return typed(read_toml(_FILE)["quotation"], tuple[Quotation, ...])


def quotation(requirement_id: str, source: str) -> str:
    """Return the words of a source for a requirement; empty if none are quoted."""
    of_source = [each for each in quotations() if each.source == source]
    named = [each.words for each in of_source if requirement_id in each.requirements]
    others = [each.words for each in of_source if not each.requirements]
    return next(iter((*named, *others)), "")


def _cited(requirement_id: str, source: str) -> Cited:
    document, _, section = source.partition(": ")
    if page := pages().get(document):
        words = quotation(requirement_id, source)
        url = page.url
        if _PROSE.fullmatch(words):
            # A browser goes to these words; a hyphen has a meaning of its own there.
            searched = quote(words.replace("`", ""), safe="").replace("-", "%2D")
            url += f"#:~:text={searched}"
        return Cited(source, f"{page.title}: {section}", url, words)
    if found := citation(source):
        facts = load_published(found.release)
        told = tuple(described(facts, piece) for piece in found.pieces)
        tags = [tag for piece in found.pieces for tag in tags_of(facts, piece)]
        url = next((_API_PAGES[tag] for tag in tags if tag in _API_PAGES), _API)
        return Cited(source, f"API reference, langgraph-api {found.release}", url, facts=told)
    if source.startswith(_SDK):
        name = source.removeprefix(_SDK)
        return Cited(
            source,
            "SDK reference",
            _SDK_PAGES.get(name.partition(".")[0], _SDK_HOME),
            facts=(name,),
        )
    if linked := _LINKED.match(source):
        return Cited(source, source.partition(": ")[2], _LINKED_HOME + linked["page"])
    return Cited(source, source, "")

"""Every source that a requirement names exists: a section, an operation, a member."""

from __future__ import annotations

import pytest

from conformance.contract import published_citations
from conformance.contract.catalogue import load_catalogue
from conformance.contract.documented import load_fixtures, load_index
from conformance.contract.published import load_published

SOURCES = sorted(
    (requirement.id, source)
    for requirement in load_catalogue().requirements.values()
    for source in requirement.sources
)
#: Not kept as facts: the SDK by method only (tests/test_sdk_parameters.py), pages by their name.
SDK = "SDK reference"
LINKED = "linked page"
#: The pages that may be cited; CONTRIBUTING.md lists them.
LINKED_PAGES = {
    "cloud/how-tos",
    "concepts/threads",
    "concepts/auth",
    "tutorials/auth/getting_started",
    "tutorials/auth/resource_auth",
}
#: What the texts say before their first heading of a second level.
INTRODUCTION = "intro"
#: The document of code pieces has no headings: it is cited by what its pieces do.
PIECES = "004_4e718f7a4aeda1c5.txt"


@pytest.mark.parametrize(("requirement", "source"), SOURCES)
def test_a_source_exists(requirement: str, source: str) -> None:
    assert missing(source) == [], (
        f"{requirement}: the facts in fixtures/ do not hold this; how a source is written is in "
        "CONTRIBUTING.md, step 1"
    )


@pytest.mark.parametrize(
    ("source", "gone"),
    [
        ("003_a519280589421030.txt: Full thread, output", "Full thread"),
        ("004_4e718f7a4aeda1c5.txt: prune", "prune"),
        ("005_no.txt: intro", "005_no.txt"),
        ("published OpenAPI: POST /thread", "POST /thread"),
        ("published OpenAPI: GET /threads/{thread_id}/history, parameter after", "after"),
        ("published OpenAPI: Thread.name", "Thread.name"),
        ("published OpenAPI: Threat", "Threat"),
        ("published OpenAPI: ThreadSearchRequest.ids, default", "default"),
        ("published OpenAPI: ThreadSearchRequest.limit, multipleOf", "multipleOf"),
        ("published OpenAPI: ThreadCreate.strategy", "ThreadCreate.strategy"),
        ("published OpenAPI: ThreadCreate.object", "ThreadCreate.object"),
        ("published OpenAPI: ThreadCreate.ttl, minimum", "minimum"),
        ("published OpenAPI: POST /runs/wait, tag Runs", "tag Runs"),
        ("linked page: concepts/agents, Agents", "concepts/agents"),
        ("hearsay: a blog", "hearsay"),
    ],
)
def test_a_source_that_is_not_there_is_noticed(source: str, gone: str) -> None:
    assert missing(source) == [gone]


def test_a_member_of_a_member_can_be_cited() -> None:
    assert missing("published OpenAPI: ThreadCreate.ttl.strategy, default") == []


def missing(source: str) -> list[str]:
    """What a source names that does not exist."""
    kind, _, rest = source.partition(": ")
    if kind == SDK:
        return []
    if kind == LINKED:
        page = rest.partition(", ")[0]
        return [] if page in LINKED_PAGES else [page]
    if kind.endswith(".txt"):
        return _missing_section(kind, rest)
    cited = published_citations.citation(source)
    if cited is None:
        return [kind]
    facts = load_published(cited.release)
    return [gone for piece in cited.pieces for gone in published_citations.missing(facts, piece)]


def _missing_section(file: str, place: str) -> list[str]:
    documents = {document["file"]: document for document in load_index()["documents"]}
    if file not in documents:
        return [file]
    section = place.partition(",")[0]
    if file == PIECES:
        cases = {
            fixture["case"].replace("_", " ")
            for fixture in load_fixtures().values()
            if fixture["provenance"]["document"] == PIECES
        }
        known = any(case.startswith(section.replace(" a ", " ")) for case in cases)
    else:
        known = section == INTRODUCTION or any(
            entry["section"] == section
            for kind in ("blocks", "outputs", "sentences")
            for entry in documents[file][kind]
        )
    return [] if known else [section]

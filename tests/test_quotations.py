"""Quotations are short, belong to a source that is cited, and agree with what is kept of it."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.contract.documented import load_fixtures
from conformance.contract.published import load_published
from conformance.contract.published_citations import described
from conformance.contract.quotations import (
    MOST_WORDS,
    Quotation,
    cited,
    pages,
    quotation,
    quotations,
)

REQUIREMENTS = load_catalogue().requirements
CITATIONS = {(each.id, source) for each in REQUIREMENTS.values() for source in each.sources}
#: Where each document that is cited prints an output.
OUTPUTS = [each for each in quotations() if each.source.endswith(", output")]


def test_no_quotation_is_longer_than_it_may_be() -> None:
    assert MOST_WORDS == 15
    assert [each for each in quotations() if len(each.words.split()) > MOST_WORDS] == []


def test_every_quotation_is_used_and_none_is_written_twice() -> None:
    used = {(source, quotation(each, source)) for each, source in CITATIONS}
    written = [(each.source, each.words) for each in quotations()]
    assert set(written) <= used
    assert len(written) == len(set(written))


def test_a_quotation_names_requirements_that_cite_its_source() -> None:
    named = {(each, one.source) for one in quotations() for each in one.requirements}
    assert named <= CITATIONS


def test_every_requirement_that_cites_a_document_quotes_it() -> None:
    documents = [
        (each, source) for each, source in CITATIONS if source.partition(":")[0] in pages()
    ]
    assert len(documents) > 200
    assert [each for each in documents if not quotation(*each)] == []


@pytest.mark.parametrize("quoted", OUTPUTS, ids=lambda each: each.words[:40])
def test_what_is_quoted_of_an_output_is_in_the_output(quoted: Quotation) -> None:
    # The texts of the documents are not kept, their outputs are.
    source, words = quoted.source, quoted.words
    outputs = " ".join(
        json.dumps(each["output"])
        for each in load_fixtures().values()
        if "output" in each and source[:3] in json.dumps(each["provenance"])
    )
    shown = re.sub(r"\s", "", words.replace("'", '"'))
    assert shown in re.sub(r"\s", "", outputs)


def test_the_words_come_first_for_who_is_named() -> None:
    source = "003_a519280589421030.txt: Copy thread"
    assert quotation("COPY-03", source).startswith("an independent thread")
    assert quotation("COPY-19", source).endswith("at the time of the operation")
    assert quotation("COPY-19", "003_a519280589421030.txt: nowhere") == ""


def test_every_source_leads_to_a_public_page() -> None:
    for each in REQUIREMENTS.values():
        for one in cited(each):
            assert urlsplit(one.url).scheme == "https", (each.id, one.source)
            assert one.words or one.facts or one.source.startswith("linked page")


def test_prose_is_searched_for_on_its_page() -> None:
    (words, *_) = [each for each in cited(REQUIREMENTS["COPY-03"]) if each.words]
    assert words.url.endswith(
        "#:~:text=an%20independent%20thread%20whose%20history%20is%20identical"
        "%20to%20the%20original%20thread"
    )


@pytest.mark.parametrize(
    ("piece", "told"),
    [
        ("GET /threads/{thread_id}, declared statuses", " answers 200, 404, 422"),
        (
            "GET /threads/{thread_id}/history, limit",
            ', limit in the query: {"type": "integer", "default": 10}',
        ),
        (
            "ThreadSearchRequest.offset, default",
            'ThreadSearchRequest.offset: {"type": "integer", "default": 0, "minimum": 0}',
        ),
        ("no such thing", "no such thing"),
    ],
)
def test_a_published_fact_is_told_in_a_line(piece: str, told: str) -> None:
    assert described(load_published(), piece).endswith(told)

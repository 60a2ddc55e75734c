"""Flows and slips (mistakes) are as the documents show them, and flows become programs."""

from __future__ import annotations

import hashlib
import re

import pytest

from conformance.clients.flows import DocumentMistake, Flow, load_document_mistakes, load_flows
from conformance.contract.catalogue import DOCUMENTED_CLIENTS
from conformance.contract.documented import load_fixtures, load_index

LANGUAGES = {"python-sdk": "Python", "js-sdk": "Javascript", "curl": "CURL"}
FLOWS = [flow for by_client in load_flows().values() for flow in by_client.values()]
#: Every code block of the documents as the index accounts for it.
BLOCKS = {
    (document["file"], block["n"]): block
    for document in load_index()["documents"]
    for block in document["blocks"]
}
#: The text of every block that a flow holds whole.
TEXTS = {(flow.document, flow.block): flow.text for flow in FLOWS if not flow.part}
#: 004 shows the prepopulation of 003 again, cut into an import, the call and a print.
REPEATED = ("004_4e718f7a4aeda1c5.txt", 12)
TEXTS[REPEATED] = "\n".join(load_flows()["prepopulate"]["python-sdk"].text.splitlines()[2:-1])


def name_of(flow: Flow) -> str:
    return f"{flow.name}-{flow.client}"


def digest(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def test_the_documents_flows_are_all_there() -> None:
    assert list(load_flows()) == [
        "create_empty",
        "create_with_metadata",
        "copy",
        "verify_copy",
        "prepopulate",
        "search_by_status",
        "search_by_metadata",
        "get",
        "state",
        "state_at_checkpoint",
        "history",
    ]
    assert {tuple(by_client) for by_client in load_flows().values()} == {DOCUMENTED_CLIENTS}


@pytest.mark.parametrize("where", TEXTS, ids=lambda where: f"{where[0][:3]}-{where[1]}")
def test_a_text_is_the_documents(where: tuple[str, int]) -> None:
    assert digest(TEXTS[where]) == BLOCKS[where]["sha256"]


@pytest.mark.parametrize("flow", FLOWS, ids=name_of)
def test_a_flow_stands_where_it_says(flow: Flow) -> None:
    assert flow.text in TEXTS[flow.document, flow.block]
    assert BLOCKS[flow.document, flow.block]["language"] == LANGUAGES[flow.client]


@pytest.mark.parametrize("flow", FLOWS, ids=name_of)
def test_what_is_filled_in_stands_there_once(flow: Flow) -> None:
    assert [written for written, _ in flow.fill if flow.text.count(written) != 1] == []
    if flow.own_graph:
        mended = flow.program(verbatim=True)
        assert len(re.findall(flow.own_graph[0], mended, flags=re.DOTALL)) == 1


@pytest.mark.parametrize(
    "mistake",
    load_document_mistakes(),
    ids=lambda mistake: f"{mistake.document[:3]}-{mistake.block}",
)
def test_a_slip_stands_in_the_document_as_written(mistake: DocumentMistake) -> None:
    where = mistake.document, mistake.block
    assert [written for written, _ in mistake.mends if written not in TEXTS[where]] == []
    assert (mistake.section, mistake.language) == (
        BLOCKS[where]["section"],
        BLOCKS[where]["language"],
    )
    assert mistake.why
    assert all(written != mended for written, mended in mistake.mends)


def test_slips_that_the_fixtures_name_are_mended() -> None:
    named = {
        (fixture["provenance"]["document"], fixture["provenance"]["occurrence"])
        for fixture in load_fixtures().values()
        if fixture["provenance"].get("slips")
    }
    assert named
    assert (
        named - {(mistake.document, mistake.block) for mistake in load_document_mistakes()} == set()
    )


@pytest.mark.parametrize("flow", FLOWS, ids=name_of)
@pytest.mark.parametrize("verbatim", [True, False])
def test_a_program_has_no_placeholder_and_no_slip(flow: Flow, verbatim: bool) -> None:
    program = flow.program(verbatim=verbatim)
    assert re.findall(r"<[A-Z_]+>", program) == []
    for mistake in load_document_mistakes():
        if (mistake.document, mistake.block) == (flow.document, flow.block):
            for written, mended in mistake.mends:
                bare, without = re.sub(r"[<>]", "", mended), re.sub(r"[<>]", "", written)
                assert without not in program.replace(bare, "")


def test_to_the_letter_nothing_is_filled_in() -> None:
    search = load_flows()["search_by_status"]["curl"]
    assert "METADATA" in search.program()
    assert search.program(verbatim=True) == search.text.replace(
        "<DEPLOYMENT_URL>", '"$DEPLOYMENT_URL"'
    )


@pytest.mark.parametrize("client", DOCUMENTED_CLIENTS)
def test_an_own_graph_has_its_own_supersteps(client: str) -> None:
    program = load_flows()["prepopulate"][client].program(own_graph=True)
    assert "SUPERSTEPS" in program
    assert "call_model" not in program

"""What newer documents add is judged where the deployment's own document declares it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.contract.claims import Claim, declares
from conformance.contract.published import NEWER_VERSIONS
from conformance.contract.published_citations import citation
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.data import schemas_dir
from conformance.deployment.probe.identify import identify_deployment
from conformance.reference.app import new_store
from conformance.reference.newer_members import with_newer_members
from conformance.reference.wire import Wire, WireAnswer, WireRequest, json_answer
from conformance.report.record import Report
from conformance.runner.session import run_suite
from conformance.runner.settings import new_settings
from tests.conftest import served

SEARCH = Claim("POST", "/threads/search", "exclude_metadata")
NEWER = sorted(each.id for each in load_catalogue().requirements.values() if each.since)


def document(schema: Any, **rest: Any) -> dict[str, Any]:
    """Return an OpenAPI document whose search takes a body of this schema."""
    content = {"application/json": {"schema": schema}}
    operation = {"requestBody": {"content": content}, **rest}
    return {
        "paths": {"/threads/search": {"post": operation}},
        "components": {"schemas": {"Query": {"properties": {"exclude_metadata": {}}}}},
    }


QUERY = {"$ref": "#/components/schemas/Query"}


@pytest.mark.parametrize(
    "declared",
    [
        document({"properties": {"exclude_metadata": {"type": "object"}}}),
        document(QUERY),
        document({"anyOf": [{"type": "null"}, {"allOf": [QUERY]}]}),
        document({}, parameters=[{"name": "exclude_metadata", "in": "query"}]),
        document({}, parameters=[{"$ref": "#/components/parameters/E"}])
        | {"components": {"parameters": {"E": {"name": "exclude_metadata", "in": "query"}}}},
        document({}, responses={"200": {"content": {"application/json": {"schema": QUERY}}}}),
    ],
)
def test_a_parameter_or_a_member_is_declared(declared: Any) -> None:
    assert declares(declared, SEARCH)
    assert not declares(declared, Claim("POST", "/threads/search", "select"))
    assert not declares(declared, Claim("POST", "/threads/count", "exclude_metadata"))


@pytest.mark.parametrize(
    "declared",
    [
        None,
        [],
        {},
        {"paths": []},
        {"paths": {"/threads/search": None}},
        document([]),
        document({"properties": []}),
        document({"$ref": "#/components/schemas/None"}),
        document({"$ref": "elsewhere.json#/Query"}),
        document({}, parameters="exclude_metadata"),
        document({"anyOf": "exclude_metadata"}),
    ],
)
def test_what_is_no_proper_document_declares_nothing(declared: Any) -> None:
    assert not declares(declared, SEARCH)


def test_a_reference_in_a_circle_ends() -> None:
    circle = document({"$ref": "#/components/schemas/A"})
    # Many of them: followed one by one to any depth, they would never end.
    circle["components"]["schemas"] = {"A": {"anyOf": [{"$ref": "#/components/schemas/A"}] * 50}}
    assert not declares(circle, SEARCH)


def test_names_in_a_path_do_not_matter() -> None:
    select = {"name": "select", "in": "query"}
    declared = {"paths": {"/threads/{id}/history": {"get": {"parameters": [select]}}}}
    assert declares(declared, Claim("GET", "/threads/{thread_id}/history", "select"))


@pytest.mark.parametrize("by", ["enum", "items"])
def test_a_value_is_declared(by: str) -> None:
    values = {"enum": ["status", "cancel_reason"]}
    schema = values if by == "enum" else {"type": "array", "items": values}
    declared = document({"properties": {"select": schema}})
    assert declares(declared, Claim.parse("POST /threads/search: select=cancel_reason"))
    assert not declares(declared, Claim.parse("POST /threads/search: select=values"))
    assert declares(declared, Claim.parse("POST /threads/search: select"))


def test_a_claim_in_another_form_is_refused() -> None:
    assert Claim.parse("POST /threads/search: exclude_metadata") == SEARCH
    with pytest.raises(ValueError, match="write it like"):
        Claim.parse("exclude_metadata")


@pytest.mark.parametrize("requirement", NEWER)
def test_a_newer_requirement_cites_its_release_and_is_claimed_by_the_reference(
    requirement: str,
) -> None:
    found = load_catalogue().requirements[requirement]
    releases = {cited.release for each in found.sources if (cited := citation(each))}
    assert found.since in releases & set(NEWER_VERSIONS)
    claim = Claim.parse(found.claim)
    pinned = json.loads((schemas_dir() / "openapi.json").read_text(encoding="utf-8"))
    assert not declares(pinned, claim), "the pinned document has it: since and claim are not needed"
    assert declares(with_newer_members(pinned), claim)


def judged(directory: Path, status: int) -> Report:
    """Judge the newer requirements on a reference that answers its document by a status."""
    wire = Wire()

    @wire.before(when=lambda request: request.path.endswith("openapi.json"))
    def answer(_request: WireRequest) -> WireAnswer:
        return json_answer(status, {"detail": "no document"})

    def around(app: Any) -> Wire:
        wire.app = app
        return wire

    with pytest.MonkeyPatch.context() as patch, served(new_store(), around) as url:
        patch.setenv("XDG_STATE_HOME", str(directory))
        settings = new_settings(
            url,
            directory,
            profile="extended",
            requirements=tuple(NEWER),
            repeat_failures=0,
            backoff_s=0.001,
        )
        return run_suite(settings, identify_deployment(settings))


@pytest.mark.slow
def test_without_a_document_nothing_newer_is_judged(tmp_path: Path) -> None:
    report = judged(tmp_path, 404)
    assert {each.verdict for each in report.requirements} == {Verdict.UNSUPPORTED}
    assert report.verdict is RunVerdict.CONFORMANT


@pytest.mark.slow
def test_a_document_that_fails_decides_nothing(tmp_path: Path) -> None:
    report = judged(tmp_path, 500)
    assert {each.verdict for each in report.requirements} == {Verdict.BLOCKED}
    causes = {(each.operation, each.status) for one in report.checks for each in one.blocked_by}
    assert causes == {("openapi", 500)}
    assert report.verdict is RunVerdict.INCOMPLETE

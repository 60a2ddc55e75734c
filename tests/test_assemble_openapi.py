"""openapi.json describes every Threads operation and can be used to generate requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.generation import GenerationMode

from conformance.contract.operations import load_operations
from conformance.contract.published import load_published
from conformance.contract.schemas import violations
from conformance.data import schemas_dir

DOCUMENT: dict[str, Any] = json.loads((schemas_dir() / "openapi.json").read_text())
OPERATIONS = {
    operation["operationId"]: (path, method.upper(), operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
#: Of a hundred negated bodies some are JSON and wrong, whatever version generates them.
EXAMPLES = 40
GENERATE = settings(
    max_examples=10,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def loaded() -> Any:
    return schemathesis.openapi.from_dict(DOCUMENT)


def test_it_holds_every_threads_operation() -> None:
    assert list(OPERATIONS) == [
        "create_thread",
        "search_threads",
        "count_threads",
        "prune_threads",
        "get_thread",
        "update_thread",
        "delete_thread",
        "copy_thread",
        "get_state",
        "update_state",
        "get_state_at_checkpoint",
        "post_state_at_checkpoint",
        "get_history",
        "post_history",
    ]
    assert OPERATIONS.keys() == load_operations().keys()
    # Runs and the streams of threads are of the profile full.
    apart = ("/runs", "/stream", "/commands")
    published = {
        key for key in load_published()["operations"] if not any(each in key for each in apart)
    }
    assert {f"{method} {path}" for path, method, _ in OPERATIONS.values()} == published


def test_it_is_a_valid_openapi_document(loaded: Any) -> None:
    loaded.validate()
    assert DOCUMENT["openapi"] == "3.1.0"


def test_it_is_self_contained() -> None:
    components = DOCUMENT["components"]["schemas"]
    for name, schema in components.items():
        Draft202012Validator.check_schema(schema)
        assert "$defs" not in schema, name
    text = json.dumps(DOCUMENT)
    referred = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert referred == {f"#/components/schemas/{name}" for name in components}


def test_create_links_to_what_may_follow() -> None:
    links = OPERATIONS["create_thread"][2]["responses"]["2XX"]["links"]
    followers = {"get_thread", "get_state", "get_history", "copy_thread", "delete_thread"}
    assert followers <= links.keys()
    for link in links.values():
        placeholders = OPERATIONS[link["operationId"]][0].count("{")
        assert len(link["parameters"]) == placeholders


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_refusal_is_an_error(operation_id: str) -> None:
    refusal = OPERATIONS[operation_id][2]["responses"]["4XX"]["content"]["application/json"]
    assert refusal["schema"] == {"$ref": "#/components/schemas/error"}


@pytest.mark.slow
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_valid_requests_can_be_generated(operation_id: str, loaded: Any) -> None:
    path, method, _ = OPERATIONS[operation_id]
    request = load_operations()[operation_id].get("request")
    generated = []

    @GENERATE
    @given(loaded[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def generate(case: Any) -> None:
        generated.append(case)
        if request:
            assert violations(request, case.body) == []

    generate()
    assert generated


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation_id", [each for each in OPERATIONS if "requestBody" in OPERATIONS[each][2]]
)
def test_invalid_requests_can_be_generated(operation_id: str, loaded: Any) -> None:
    path, method, _ = OPERATIONS[operation_id]
    request = load_operations()[operation_id]["request"]
    invalid = []

    @settings(GENERATE, max_examples=EXAMPLES)
    @given(loaded[path][method].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def generate(case: Any) -> None:
        # A negated body may also be bytes that are no JSON, or none at all.
        if isinstance(case.body, dict | list):
            invalid.append(violations(request, case.body))

    generate()
    assert any(invalid)

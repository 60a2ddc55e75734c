"""Members and parameters of requests that newer releases publish, and one member of a run.

The reference offers them beyond the pinned document.
"""

from __future__ import annotations

import copy
from typing import Any

from jsonschema import Draft202012Validator

from conformance.contract.published import NEWER_VERSIONS, load_published
from conformance.model.errors import InvalidError
from conformance.model.ids_and_times import JsonObject

#: The release whose members are offered.
RELEASE = NEWER_VERSIONS[-1]
#: Schema of a request in `schemas/openapi.json`, published schema of the newer release, new member.
_MEMBERS = (
    ("thread_search", "ThreadSearchRequest", "exclude_metadata"),
    ("thread_count", "ThreadCountRequest", "exclude_metadata"),
    ("history_search", "ThreadStateSearch", "select"),
)
#: Path, method, published schema and new member of the operation that shows a run; the document
#: has no other operation on runs.
_RUN = ("/threads/{thread_id}/runs/{run_id}", "get", "Run", "cancel_reason")
_PARAMETERS = (
    ("GET /threads/{thread_id}/history", "query select"),
    ("GET /threads/{thread_id}/stream", "query stream_mode"),
    ("GET /threads/{thread_id}/runs", "query select"),
)


def newer_member(body: JsonObject, schema: str, member: str) -> Any:
    """Return a member of a body, or None if the body lacks it.

    InvalidError if the newer published schema does not allow its value.
    """
    value = body.get(member)
    if value is not None:
        declared = load_published(RELEASE)["schemas"][schema]["properties"][member]
        for wrong in Draft202012Validator(declared).iter_errors(value):
            raise InvalidError(f"{member}: {wrong.message}")
    return value


def with_newer_members(document: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document with the newer parameters and members declared."""
    facts = load_published(RELEASE)
    declared = copy.deepcopy(document)
    for own, published, member in _MEMBERS:
        properties = declared["components"]["schemas"][own]["properties"]
        properties[member] = facts["schemas"][published]["properties"][member]
    for operation, key in _PARAMETERS:
        method, path = operation.split(" ")
        place, name = key.split(" ")
        fact = facts["operations"][operation]["parameters"][key]
        shown = declared["paths"].setdefault(path, {}).setdefault(method.lower(), {"responses": {}})
        shown.setdefault("parameters", []).append({"name": name, "in": place, **fact})
    path, method, published, member = _RUN
    schema = {"properties": {member: facts["schemas"][published]["properties"][member]}}
    content = {"application/json": {"schema": schema}}
    declared["paths"][path] = {method: {"responses": {"2XX": {"content": content}}}}
    return declared

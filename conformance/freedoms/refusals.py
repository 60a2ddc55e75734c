"""Freedoms of refusals: which requests are refused, and how."""

from __future__ import annotations

from typing import Any

from conformance.contract.schemas import load_openapi, load_schema
from conformance.deployment.ownership.proof import is_uuid
from conformance.freedoms.kit import combine
from conformance.freedoms.registry import freedom
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import WireAnswer, WireRequest, json_answer

#: The schema of the body of each operation that has one.
BODIES = {
    "create": "thread_create",
    "search": "thread_search",
    "count": "thread_count",
    "prune": "thread_prune",
    "update": "thread_patch",
    "update_state": "state_update",
    "post_state_at_checkpoint": "state_checkpoint",
    "post_history": "history_search",
    "run_background": "run_create",
    "run_wait": "run_create",
    "run_stream": "run_create",
    "stateless_background": "run_create_stateless",
    "stateless_wait": "run_create_stateless",
    "stateless_stream": "run_create_stateless",
    "cron_create": "cron_create",
    "cron_update": "cron_patch",
    "cron_search": "cron_search",
}


def _undeclared(operation: str) -> Apply:
    declared = declared_members(load_schema(BODIES[operation]))

    def apply(altered: Altered) -> None:
        # The rule concerns every request, to show that no check sends an undeclared member.
        @altered.wire.before(operation)
        def refuse(request: WireRequest) -> WireAnswer | None:
            if others := request.members.keys() - declared:
                return json_answer(422, {"detail": f"not known: {', '.join(others)}"})
            return None

    return apply


def declared_members(schema: dict[str, Any]) -> set[str]:
    """Return the members that the schema of an object declares, including its `allOf` parts."""
    found = set(schema.get("properties", ()))
    for part in schema.get("allOf", ()):
        name = part.get("$ref", "").rpartition("/")[2]
        found |= declared_members(schema["$defs"][name] if name else part)
    return found


def _as_pinned(altered: Altered) -> None:
    """Publish the pinned OpenAPI document, without what newer releases add."""
    altered.wire.answers("openapi")(lambda _request, _document: load_openapi())


def _unpublished(altered: Altered) -> None:
    @altered.wire.before("openapi")
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(404, {"detail": "Not Found"})


def _prunes_only_what_is_there(altered: Altered) -> None:
    @altered.wire.before("prune")
    def refuse(request: WireRequest) -> WireAnswer | None:
        named = request.members.get("thread_ids")
        if not isinstance(named, list) or not all(is_uuid(str(each)) for each in named):
            return None
        ids = [str(each).lower() for each in named]
        if not set(ids) <= altered.store.records.threads_by_id.keys():
            return json_answer(404, {"detail": "a thread was not found"})
        if len(set(ids)) < len(ids):
            return json_answer(422, {"detail": "a thread is named twice"})
        return None


#: Requirements with a `claim`, judged only where the deployment's own OpenAPI document declares it.
CLAIMED = "EXCLUDE-* HISTORY-SELECT-* CANCEL-REASON-*"

freedom(
    "undeclared-members-are-refused",
    allowed_by="No source says that a member which the published schemas do not declare is "
    "ignored rather than refused.",
    may_block=CLAIMED,
    choice="openapi.json",
)(combine(*map(_undeclared, BODIES), _as_pinned))

freedom(
    "no-openapi-document-is-published",
    allowed_by="The documents show no such request, and no source says that a deployment must "
    "answer it; what is left undecided is what only newer documents state.",
    may_block=CLAIMED,
    choice="openapi.json",
    profile="extended",
)(_unpublished)

freedom(
    "prunes-of-threads-that-are-not-there-are-refused",
    allowed_by="Published is the number of the threads pruned, and 422; no source says that an id "
    "without a thread, or one that is named twice, is accepted.",
    profile="extended",
)(_prunes_only_what_is_there)


@freedom(
    "ttls-of-many-years-are-refused",
    allowed_by="Published is a number of minutes; no source says how large it may be.",
    profile="extended",
)
def ttls_of_many_years_are_refused(altered: Altered) -> None:
    def far(request: WireRequest) -> bool:
        ttl = request.members.get("ttl")
        minutes = ttl.get("ttl") if isinstance(ttl, dict) else None
        return isinstance(minutes, int | float) and minutes > 60 * 24 * 366 * 60

    @altered.wire.before("create", "update", when=far)
    def refuse(_request: WireRequest) -> WireAnswer:
        return json_answer(422, {"detail": "a ttl may be sixty years at most"})

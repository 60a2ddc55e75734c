"""Faults of refusing malformed requests: no JSON, wrong types, values out of range."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from conformance.faults.kit.http_changes import change_request, refusing, without
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, json_answer

#: The operations with a body, in the order of the requirements about them.
BODIED = (
    "create",
    "search",
    "count",
    "prune",
    "update",
    "update_state",
    "post_state_at_checkpoint",
    "post_history",
    "run_wait",
)
#: The body of a success, where it is no object.
_NOTHING: dict[str, Json] = {"search": [], "count": 0, "post_history": [], "history": []}


def accepting_bad(operation: str, when: When, status: int) -> Apply:
    """Answer with `status`, 200 or 500, requests that should be refused."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, when=when)
        def change_refusal(_request: WireRequest, answer: WireAnswer) -> None:
            if 400 <= answer.status < 500:
                shown = _NOTHING.get(operation, {}) if status < 300 else {"detail": "sorry"}
                other = json_answer(status, shown)
                answer.status, answer.raw = other.status, other.raw

    return apply


# Bodies that are no JSON


def _no_json(request: WireRequest) -> bool:
    try:
        json.loads(request.raw)
    except ValueError:
        return True
    except RecursionError:  # JSON, though nested too deeply
        return False
    return False


def _no_utf_8(request: WireRequest) -> bool:
    try:
        request.raw.decode()
    except UnicodeDecodeError:
        return True
    return False


fault("create-without-json-is-500", breaks=["ERROR-JSON-01", "ERROR-ANY-01"])(
    accepting_bad("create", _no_json, 500)
)
fault("search-without-json-finds-nothing", breaks=["ERROR-JSON-02", "ERROR-ANY-02"])(
    accepting_bad("search", _no_json, 200)
)
fault("count-without-json-is-zero", breaks=["ERROR-JSON-03"])(accepting_bad("count", _no_json, 200))
fault("prune-without-json-is-500", breaks=["ERROR-JSON-04"])(accepting_bad("prune", _no_json, 500))
fault("update-without-json-changes-nothing", breaks=["ERROR-JSON-05", "ERROR-ANY-04"])(
    accepting_bad("update", _no_json, 200)
)
fault("state-update-without-json-is-500", breaks=["ERROR-JSON-06"])(
    accepting_bad("update_state", _no_json, 500)
)
fault("post-state-without-json-is-empty", breaks=["ERROR-JSON-07"])(
    accepting_bad("post_state_at_checkpoint", _no_json, 200)
)
fault("post-history-without-json-is-empty", breaks=["ERROR-JSON-08", "ERROR-ANY-03"])(
    accepting_bad("post_history", _no_json, 200)
)
fault("run-without-json-is-500", breaks=["ERROR-JSON-09"])(accepting_bad("run_wait", _no_json, 500))


@fault(
    "bytes-that-are-no-utf-8-are-500",
    breaks=[
        *(f"ERROR-JSON-{number:02}" for number in range(1, len(BODIED) + 1)),
        *(f"ERROR-ANY-{number:02}" for number in range(1, 5)),
    ],
)
def no_utf_8_is_500(broken: FaultyDeployment) -> None:
    for operation in BODIED:
        accepting_bad(operation, _no_utf_8, 500)(broken)


# Wrong types


def leaving_out(operation: str, member: str, wrong: Callable[[Any], bool]) -> Apply:
    """Ignore a member with an invalid value."""
    return change_request(
        operation,
        to=lambda body: without(body, member),
        when=lambda request: member in request.members and wrong(request.members[member]),
    )


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


fault("create-ignores-metadata-in-a-list", breaks=["ERROR-TYPE-01", "ERROR-ANY-01"])(
    leaving_out("create", "metadata", _is(list))
)
fault("create-with-a-number-for-metadata-is-500", breaks=["ERROR-TYPE-01", "ERROR-ANY-01"])(
    accepting_bad("create", lambda request: isinstance(request.members.get("metadata"), int), 500)
)
fault("search-ignores-a-limit-in-words", breaks=["ERROR-TYPE-02", "ERROR-ANY-02"])(
    leaving_out("search", "limit", _is(str))
)
fault("search-cuts-a-broken-limit", breaks=["ERROR-TYPE-02", "ERROR-ANY-02"])(
    change_request(
        "search",
        to=lambda body: {**body, "limit": int(body["limit"])},
        when=lambda request: isinstance(request.members.get("limit"), float),
    )
)
fault("count-ignores-values-in-a-list", breaks=["ERROR-TYPE-03"])(
    leaving_out("count", "values", _is(list))
)
fault("prune-of-no-ids-prunes-nothing", breaks=["ERROR-TYPE-04"])(
    change_request(
        "prune",
        to=lambda body: {**body, "thread_ids": []},
        when=lambda request: "thread_ids" not in request.members,
    )
)


def _is_id(value: Any) -> bool:
    try:
        return bool(UUID(value))
    except (AttributeError, TypeError, ValueError):
        return False


def names_what_is_no_id(request: WireRequest) -> bool:
    """Return whether a pruning names something that is no UUID."""
    named = request.members.get("thread_ids")
    return isinstance(named, list) and not all(map(_is_id, named))


@fault("prune-skips-what-is-no-id", breaks=["ERROR-TYPE-04", "ERROR-RANGE-04", "ERROR-ANY-07"])
def prune_skips_what_is_no_id(broken: FaultyDeployment) -> None:
    @broken.wire.before("prune", when=names_what_is_no_id)
    def skip(request: WireRequest) -> None:
        named = list(filter(_is_id, request.members["thread_ids"]))
        request.body = {**request.members, "thread_ids": named}


fault("update-ignores-a-number-for-ttl", breaks=["ERROR-TYPE-05", "ERROR-ANY-04"])(
    leaving_out("update", "ttl", _is(int, float))
)
fault("state-update-as-a-number-is-500", breaks=["ERROR-TYPE-06"])(
    accepting_bad(
        "update_state", lambda request: isinstance(request.members.get("as_node"), int), 500
    )
)


@fault("post-state-without-checkpoint-is-the-newest", breaks=["ERROR-TYPE-07"])
def without_checkpoint_the_newest(broken: FaultyDeployment) -> None:
    @broken.wire.after(
        "post_state_at_checkpoint",
        when=lambda request: (
            isinstance(request.body, dict) and not request.members.get("checkpoint")
        ),
    )
    def newest(request: WireRequest, answer: WireAnswer) -> None:
        if answer.status == 422 and request.thread_id in broken.store.records.threads_by_id:
            found = json_answer(200, broken.store.states.state(request.thread_id))
            answer.status, answer.raw = found.status, found.raw


def _namespace_is_no_text(request: WireRequest) -> bool:
    checkpoint = request.members.get("checkpoint")
    namespace = checkpoint.get("checkpoint_ns", "") if isinstance(checkpoint, dict) else ""
    return not isinstance(namespace, str)


@fault("post-state-ignores-a-namespace-that-is-no-text", breaks=["ERROR-ANY-09"])
def namespace_is_ignored(broken: FaultyDeployment) -> None:
    @broken.wire.before("post_state_at_checkpoint", when=_namespace_is_no_text)
    def ignore(request: WireRequest) -> None:
        checkpoint = without(request.members["checkpoint"], "checkpoint_ns")
        request.body = {**request.members, "checkpoint": checkpoint}


fault("post-history-ignores-a-number-for-metadata", breaks=["ERROR-TYPE-08", "ERROR-ANY-03"])(
    leaving_out("post_history", "metadata", _is(int))
)
fault("run-with-a-list-for-a-body-is-500", breaks=["ERROR-TYPE-09"])(
    accepting_bad("run_wait", lambda request: isinstance(request.body, list), 500)
)


@fault("history-ignores-a-limit-in-words", breaks=["ERROR-TYPE-10"])
def history_limit_in_words(broken: FaultyDeployment) -> None:
    @broken.wire.before("history", when=lambda request: request.query.get("limit", "").isalpha())
    def leave_out(request: WireRequest) -> None:
        del request.query["limit"]


# Values out of range


def _zero(value: Any) -> bool:
    return type(value) is int and value == 0


fault("create-ignores-unknown-if-exists", breaks=["ERROR-RANGE-01", "ERROR-ANY-01"])(
    leaving_out("create", "if_exists", lambda value: value == "replace")
)
fault("create-ignores-an-unknown-ttl-strategy", breaks=["ERROR-RANGE-01", "ERROR-ANY-01"])(
    leaving_out("create", "ttl", lambda value: isinstance(value, dict) and "ttl" not in value)
)
fault("search-takes-limit-zero-for-ten", breaks=["ERROR-RANGE-02", "ERROR-ANY-02"])(
    leaving_out("search", "limit", _zero)
)
fault("search-caps-a-limit-beyond-the-largest", breaks=["ERROR-RANGE-02", "ERROR-ANY-02"])(
    change_request(
        "search",
        to=lambda body: {**body, "limit": 1000},
        when=lambda request: (
            isinstance(request.members.get("limit"), int) and request.members["limit"] > 1000
        ),
    )
)
fault("count-by-an-unknown-status-is-zero", breaks=["ERROR-RANGE-03", "ERROR-ANY-06"])(
    accepting_bad("count", lambda request: isinstance(request.members.get("status"), str), 200)
)
fault("prune-by-an-unknown-strategy-deletes", breaks=["ERROR-RANGE-04"])(
    leaving_out("prune", "strategy", lambda value: value not in ("delete", "keep_latest"))
)
fault("post-history-takes-limit-zero-for-one", breaks=["ERROR-RANGE-05", "ERROR-ANY-03"])(
    leaving_out("post_history", "limit", _zero)
)

# Valid requests

fault("search-refuses-sort-by-state-updated-at", breaks=["SORT-04"])(
    refusing("search", lambda request: request.members.get("sort_by") == "state_updated_at")
)


@fault(
    "search-for-threads-in-error-is-an-error",
    breaks=["SEARCH-01", "SEARCH-06", "ERROR-ANY-05", "STATUS-06", "FILTER-09"],
)
def threads_in_error_is_an_error(broken: FaultyDeployment) -> None:
    broken.wire.answers("search", when=lambda request: request.members.get("status") == "error")(
        lambda _request, _body: {"error": "no thread is in error"}
    )

"""Faults of refusing bodies of runs that do not match the published schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from conformance.faults.errors_malformed_requests import accepting_bad, leaving_out
from conformance.faults.kit.http_changes import change_request, without
from conformance.faults.kit.state import refusal_leaves_busy, refusal_moves_updated_at
from conformance.faults.registry import fault
from conformance.reference.wire import WireRequest


def _no_json(request: WireRequest) -> bool:
    try:
        json.loads(request.raw)
    except ValueError:
        return True
    return False


fault("background-run-without-json-is-500", breaks=["ERROR-JSON-10"])(
    accepting_bad("run_background", _no_json, 500)
)
fault("streamed-run-without-json-is-accepted", breaks=["ERROR-JSON-11"])(
    accepting_bad("run_stream", _no_json, 200)
)
fault("batch-without-json-begins-nothing", breaks=["ERROR-JSON-12"])(
    accepting_bad("stateless_batch", _no_json, 200)
)

# Wrong types

fault("background-run-with-a-list-for-a-body-is-500", breaks=["ERROR-TYPE-11"])(
    accepting_bad("run_background", lambda request: isinstance(request.body, list), 500)
)
fault("streamed-run-begins-soon", breaks=["ERROR-TYPE-12"])(
    leaving_out("run_stream", "after_seconds", lambda value: value == "soon")
)
fault("waited-run-ignores-a-number-for-interrupt-before", breaks=["ERROR-TYPE-09"])(
    leaving_out("run_wait", "interrupt_before", lambda value: isinstance(value, int))
)
fault("stateless-run-ignores-a-number-for-command", breaks=["ERROR-TYPE-13"])(
    leaving_out("stateless_stream", "command", lambda value: isinstance(value, int))
)
fault("batch-of-no-runs-is-accepted", breaks=["ERROR-TYPE-14"])(
    accepting_bad("stateless_batch", lambda request: request.body == [], 200)
)

# Values outside an enumeration


def _is(*words: Any) -> Callable[[Any], bool]:
    return lambda value: value in words


fault("waited-run-ignores-an-unknown-strategy", breaks=["ERROR-RANGE-06"])(
    leaving_out("run_wait", "multitask_strategy", _is("queue"))
)
fault("background-run-ignores-unknown-if-not-exists", breaks=["ERROR-RANGE-07"])(
    leaving_out("run_background", "if_not_exists", _is("ignore"))
)
fault("streamed-run-skips-an-unknown-mode", breaks=["ERROR-RANGE-08"])(
    leaving_out("run_stream", "stream_mode", _is(["values", "colour"]))
)
fault("streamed-run-with-unknown-durability-is-500", breaks=["ERROR-RANGE-08"])(
    accepting_bad("run_stream", lambda request: request.members.get("durability") == "never", 500)
)
fault("streamed-run-ignores-unknown-on-disconnect", breaks=["ERROR-RANGE-09"])(
    leaving_out("run_stream", "on_disconnect", _is("pause"))
)
fault("stateless-run-ignores-unknown-on-completion", breaks=["ERROR-RANGE-10"])(
    leaving_out("stateless_wait", "on_completion", _is("archive"))
)
fault("stateless-run-ignores-unknown-on-disconnect", breaks=["ERROR-RANGE-11"])(
    leaving_out("stateless_wait", "on_disconnect", _is("pause"))
)

# Invalid bodies of any kind


def _tag_is_no_text(request: WireRequest) -> bool:
    config = request.members.get("config")
    tags = config.get("tags") if isinstance(config, dict) else None
    return isinstance(tags, list) and not all(isinstance(each, str) for each in tags)


for _operation, _name, _requirement in (
    ("run_wait", "waited", "ERROR-ANY-14"),
    ("run_background", "background", "ERROR-ANY-15"),
    ("run_stream", "streamed", "ERROR-ANY-16"),
    ("stateless_background", "stateless", "ERROR-ANY-17"),
):
    fault(f"{_name}-run-ignores-a-tag-that-is-no-text", breaks=[_requirement])(
        change_request(_operation, to=lambda body: without(body, "config"), when=_tag_is_no_text)
    )

# Side effects of refusals

fault("refused-background-run-moves-updated-at", breaks=["ERROR-SAFE-09"])(
    refusal_moves_updated_at("run_background")
)
fault("refused-streamed-run-leaves-the-thread-busy", breaks=["ERROR-SAFE-10"])(
    refusal_leaves_busy("run_stream")
)

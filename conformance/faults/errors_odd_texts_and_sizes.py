"""Faults of unusual texts (NUL, lone surrogates) and of large bodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_request, mapped
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, json_answer

# Unusual texts


def _has(*escapes: bytes) -> When:
    """Select requests with one of these JSON escapes in the body, ignoring escaped backslashes."""
    return lambda request: any(each in request.raw.replace(rb"\\", b"") for each in escapes)


_NUL, _SURROGATE = b"\\u0000", b"\\ud800"


def _texts(operation: str, when: When, change: Callable[[str], str]) -> Apply:
    """Change every text in the body of requests that satisfy `when`."""

    def changed(body: dict[str, Any]) -> Json:
        return mapped(body, lambda leaf: change(leaf) if isinstance(leaf, str) else leaf)

    return change_request(operation, to=changed, when=when)


def _breaking(operation: str, when: When, refused_too: bool = False) -> Apply:
    """Answer requests with 500; those that are to be refused only if `refused_too`."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, when=when)
        def answer_500(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok or refused_too:
                sorry = json_answer(500, {"detail": "sorry"})
                answer.status, answer.raw = sorry.status, sorry.raw

    return apply


fault("create-drops-nul", breaks=["ERROR-ODD-01"])(
    _texts("create", _has(_NUL), lambda text: text.replace("\0", ""))
)
fault("create-with-a-surrogate-is-500", breaks=["ERROR-ODD-01"])(
    _breaking("create", _has(_SURROGATE))
)
fault("update-writes-a-question-mark-for-a-surrogate", breaks=["ERROR-ODD-02"])(
    _texts("update", _has(_SURROGATE), lambda text: text.replace("\ud800", "?"))
)
fault("search-with-nul-is-500", breaks=["ERROR-ODD-03"])(_breaking("search", _has(_NUL)))


def _with_metadata(when: When) -> When:
    return lambda request: when(request) and isinstance(request.members.get("metadata"), dict)


def _without_odd(members: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in members.items()
        if not isinstance(value, str) or not ("\0" in value or "\ud800" in value)
    }


fault("search-ignores-odd-texts", breaks=["ERROR-ODD-03"])(
    change_request(
        "search",
        to=lambda body: {**body, "metadata": _without_odd(body["metadata"])},
        when=_with_metadata(_has(_NUL, _SURROGATE)),
    )
)
fault("state-update-ends-at-nul", breaks=["ERROR-ODD-04"])(
    _texts("update_state", _has(_NUL), lambda text: text.split("\0")[0])
)

fault("run-drops-a-surrogate-of-its-input", breaks=["ERROR-ODD-05"])(
    _texts("run_wait", _has(_SURROGATE), lambda text: text.replace("\ud800", ""))
)


@fault("run-with-nul-in-its-input-is-marked-as-failed", breaks=["ERROR-ODD-05"])
def run_with_nul_is_marked(broken: FaultyDeployment) -> None:
    @broken.wire.after("run_wait", when=_has(_NUL))
    def mark(request: WireRequest, answer: WireAnswer) -> None:
        thread = stored_thread(broken, request.thread_id)
        if answer.ok and thread is not None:
            runs = tuple(replace(run, status="error") for run in thread.runs)
            broken.store.records.keep(replace(thread, runs=runs))


# Large bodies

_CUT = 65_535


def _large(request: WireRequest) -> bool:
    return len(request.raw) > 1_000_000


fault("create-with-a-large-body-is-500", breaks=["ERROR-BIG-01"])(_breaking("create", _large))
fault("update-cuts-a-large-text", breaks=["ERROR-BIG-02"])(
    _texts("update", _large, lambda text: text[:_CUT])
)
fault("search-with-a-deep-body-is-500", breaks=["ERROR-BIG-03"])(
    _breaking("search", _has(b"[" * 1000), refused_too=True)
)
fault("search-ignores-a-large-text", breaks=["ERROR-BIG-03"])(
    change_request(
        "search",
        to=lambda body: {
            **body,
            "metadata": {
                name: value for name, value in body["metadata"].items() if len(str(value)) <= _CUT
            },
        },
        when=_with_metadata(_large),
    )
)
fault("state-update-with-a-deep-body-is-500", breaks=["ERROR-BIG-04"])(
    _breaking("update_state", _has(b"[" * 1000), refused_too=True)
)
fault("state-update-cuts-a-large-text", breaks=["ERROR-BIG-04"])(
    _texts("update_state", _large, lambda text: text[:_CUT])
)

"""Faults of unusual texts and large bodies, and of the answers and side effects of refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.faults.kit.http_changes import change_request, mapped
from conformance.faults.kit.state import stored_thread
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.reference.wire import Json, When, WireAnswer, WireRequest, always, json_answer

# Unusual texts


def _has(*escapes: bytes) -> When:
    """Select requests with one of these escapes in their body; an escaped backslash is none."""
    return lambda request: any(each in request.raw.replace(rb"\\", b"") for each in escapes)


_NUL, _SURROGATE = b"\\u0000", b"\\ud800"


def _texts(operation: str, when: When, change: Callable[[str], str]) -> Apply:
    """Change every text in the body of such requests."""

    def changed(body: dict[str, Any]) -> Json:
        return mapped(body, lambda leaf: change(leaf) if isinstance(leaf, str) else leaf)

    return change_request(operation, to=changed, when=when)


def _breaking(operation: str, when: When, refused_too: bool = False) -> Apply:
    """Answer such requests with 500; those that are refused anyway only if `refused_too`."""

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

# Side effects of refusals


@fault("refused-creation-is-made", breaks=["ERROR-SAFE-01", "ERROR-SAFE-07"])
def refused_creation_is_made(broken: FaultyDeployment) -> None:
    @broken.wire.after("create", when=lambda request: "if_exists" in request.members)
    def make(request: WireRequest, answer: WireAnswer) -> None:
        own = request.members.get("thread_id")
        if (
            answer.status == 422
            and isinstance(own, str)
            and own not in broken.store.records.threads_by_id
        ):
            broken.store.threads.create(thread_id=own)


def leaving_behind(
    operation: str, when: When, change: Callable[[FaultyDeployment, Any], Any]
) -> Apply:
    """Store `change(broken, thread)` as the thread of a refused request."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, when=when)
        def leave(request: WireRequest, answer: WireAnswer) -> None:
            thread = stored_thread(broken, request.thread_id)
            if answer.status == 422 and thread is not None:
                broken.store.records.keep(change(broken, thread))

    return apply


fault("refused-update-moves-updated-at", breaks=["ERROR-SAFE-02", "ERROR-SAFE-05"])(
    leaving_behind(
        "update",
        lambda _: True,
        lambda broken, thread: replace(thread, updated_at=broken.store.records.now()),
    )
)
fault("refused-state-update-loses-the-newest-state", breaks=["ERROR-SAFE-03"])(
    leaving_behind(
        "update_state",
        lambda request: not isinstance(request.members.get("as_node", ""), str),
        lambda _, thread: replace(thread, checkpoints=thread.checkpoints[:-1]),
    )
)
fault("refused-run-leaves-the-thread-busy", breaks=["ERROR-SAFE-04"])(
    leaving_behind(
        "run_wait",
        lambda request: "assistant_id" not in request.members,
        lambda _, thread: replace(thread, status="busy"),
    )
)

# Bodies of refusals


def _saying(body: bytes, operation: str, when: When = always) -> Apply:
    """Replace the body of refusals."""

    def apply(broken: FaultyDeployment) -> None:
        @broken.wire.after(operation, when=when)
        def change_refusal(_request: WireRequest, answer: WireAnswer) -> None:
            if 400 <= answer.status < 500:
                answer.raw = body

    return apply


fault("refused-search-says-nothing", breaks=["ERROR-BODY-01", "ERROR-BODY-02"])(
    _saying(b"", "search")
)
fault("refused-copy-says-why-in-plain-text", breaks=["ERROR-BODY-01", "ERROR-BODY-02"])(
    _saying(b"Not Found", "copy")
)
fault("refused-history-says-error-for-detail", breaks=["ERROR-BODY-02"])(
    _saying(b'{"error": "wrong"}', "post_history")
)

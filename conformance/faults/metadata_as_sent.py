"""Faults of storing metadata as it was sent."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from conformance.faults.kit.http_changes import (
    altered_by,
    change_request,
    change_shown,
    mapped,
    refusing,
)
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.model.threads import Threads
from conformance.reference.wire import WireRequest


def keeping(change: Callable[[Any], Any]) -> Apply:
    """Store `change(metadata)` as the metadata of a new thread."""

    def changed(body: dict[str, Any]) -> dict[str, Any]:
        metadata = body.get("metadata")
        return {**body, "metadata": change(metadata)} if isinstance(metadata, dict) else body

    return change_request("create", to=changed, when=altered_by(changed))


def integers(change: Callable[[int], Any]) -> Apply:
    """Store `change(number)` for every integer of the metadata."""
    return keeping(lambda metadata: mapped(metadata, lambda leaf: _of(int, leaf, change)))


def texts(change: Callable[[str], Any]) -> Apply:
    """Store `change(text)` for every text of the metadata."""
    return keeping(lambda metadata: mapped(metadata, lambda leaf: _of(str, leaf, change)))


def _of(kind: type, leaf: Any, change: Callable[[Any], Any]) -> Any:
    return change(leaf) if type(leaf) is kind else leaf


def _cut(value: Any, levels: int) -> Any:
    if isinstance(value, dict):
        return {name: _cut(each, levels - 1) for name, each in value.items()} if levels else {}
    if isinstance(value, list):
        return [_cut(each, levels - 1) for each in value] if levels else []
    return value


def _keys_in_lower_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.lower(): _keys_in_lower_case(each) for name, each in value.items()}
    return [_keys_in_lower_case(each) for each in value] if isinstance(value, list) else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return value


def _without_nested_nulls(metadata: dict[str, Any]) -> Any:
    return {name: _without_nulls(each) for name, each in metadata.items()}


def _names(request: WireRequest) -> list[str]:
    metadata = request.members.get("metadata")
    return list(metadata) if isinstance(metadata, dict) else []


fault("metadata-is-cut-below-three-levels", breaks=["CREATE-13", "CREATE-19"])(
    keeping(lambda metadata: _cut(metadata, 3))
)
fault("metadata-keys-become-lower-case", breaks=["CREATE-13", "CREATE-14", "CREATE-19"])(
    keeping(_keys_in_lower_case)
)
fault("metadata-is-ascii-only", breaks=["CREATE-14", "CREATE-19", "ERROR-ODD-01"])(
    texts(lambda text: text.encode("ascii", "replace").decode())
)
fault("metadata-is-normalised", breaks=["CREATE-14", "CREATE-19"])(
    texts(lambda text: unicodedata.normalize("NFC", text))
)
fault("metadata-texts-are-stripped", breaks=["CREATE-14", "CREATE-19"])(texts(str.strip))
fault("metadata-nulls-are-dropped", breaks=["CREATE-15"])(keeping(_without_nulls))
fault("metadata-nested-nulls-are-dropped", breaks=["CREATE-15"])(keeping(_without_nested_nulls))
fault("metadata-integers-are-cut-to-32-bits", breaks=["CREATE-16", "CREATE-17", "CREATE-19"])(
    integers(lambda number: max(-(2**31), min(number, 2**31 - 1)))
)
fault("metadata-integers-lose-their-sign", breaks=["CREATE-16", "CREATE-17", "CREATE-19"])(
    integers(abs)
)
fault("metadata-large-integers-are-rounded", breaks=["CREATE-17"])(
    integers(lambda number: int(float(number)))
)
fault("metadata-beyond-64-bits-crashes", breaks=["CREATE-17"])(
    refusing("create", lambda request: b"00000000000000000000" in request.raw, status=500)
)
fault("more-than-ten-metadata-members-are-refused", breaks=["CREATE-19"])(
    refusing("create", lambda request: len(_names(request)) > 10)
)


# Names that look like paths

fault("creation-puts-underscores-for-dots-in-names", breaks=["CREATE-22", "CREATE-19"])(
    keeping(lambda metadata: {name.replace(".", "_"): each for name, each in metadata.items()})
)
fault("creation-refuses-names-that-begin-with-a-dollar", breaks=["CREATE-22", "CREATE-19"])(
    refusing("create", lambda request: any(name[:1] == "$" for name in _names(request)))
)


# Large integers, when they are stored


def _rounded(metadata: Any) -> Any:
    """Return metadata with all integers below 2**64 rounded to double precision."""
    return mapped(
        metadata,
        lambda leaf: int(float(leaf)) if type(leaf) is int and abs(leaf) < 2**64 else leaf,
    )


@fault("copies-hold-integers-in-double-precision", breaks=["CREATE-21"])
def copies_hold_integers_in_double_precision(broken: FaultyDeployment) -> None:
    @broken.override(Threads.copied_metadata)
    def copied_metadata(right: Any, source: Any) -> Any:
        return _rounded(right(source))


@fault("updates-merge-integers-in-double-precision", breaks=["CREATE-21"])
def updates_merge_integers_in_double_precision(broken: FaultyDeployment) -> None:
    @broken.override(Threads.merged)
    def merged(right: Any, metadata: Any, new: Any) -> Any:
        return right(_rounded(metadata), new)


fault("searches-show-integers-in-double-precision", breaks=["CREATE-21"])(
    change_shown(
        "search",
        to=lambda thread: (
            {**thread, "metadata": _rounded(thread["metadata"])} if "metadata" in thread else thread
        ),
    )
)

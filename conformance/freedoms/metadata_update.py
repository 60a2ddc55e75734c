"""Freedoms of updating metadata, and of null in it."""

from __future__ import annotations

from typing import Any

from conformance.freedoms.registry import freedom
from conformance.model.entities import Thread
from conformance.model.ids_and_times import JsonObject
from conformance.model.threads import Threads
from conformance.reference.altered import Altered

_MERGE = (
    "The SDK says that metadata is merged; no source says how deep, nor what null does in a merge."
)


def _merged(old: Any, new: Any) -> Any:
    """Merge by RFC 7396: objects are merged, null deletes, anything else replaces."""
    if not isinstance(new, dict):
        return new
    kept = dict(old) if isinstance(old, dict) else {}
    for name, value in new.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = _merged(kept.get(name), value)
    return kept


@freedom("metadata-is-merged-by-rfc-7396", allowed_by=_MERGE, choice="merge of metadata")
def metadata_is_merged_by_rfc_7396(altered: Altered) -> None:
    @altered.override(Threads.merged)
    def merged(_right: Any, metadata: JsonObject, new: JsonObject) -> Any:
        return _merged(metadata, new)


@freedom("null-in-an-update-removes-the-member", allowed_by=_MERGE, choice="merge of metadata")
def null_in_an_update_removes_the_member(altered: Altered) -> None:
    @altered.override(Threads.merged)
    def merged(right: Any, metadata: JsonObject, new: JsonObject) -> Any:
        changed = right(metadata, new)
        return {name: value for name, value in changed.items() if new.get(name, 0) is not None}


def _deep(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{name: _deep(old.get(name), value) for name, value in new.items()}}


@freedom("metadata-is-merged-in-depth", allowed_by=_MERGE, choice="merge of metadata")
def metadata_is_merged_in_depth(altered: Altered) -> None:
    @altered.override(Threads.merged)
    def merged(_right: Any, metadata: JsonObject, new: JsonObject) -> Any:
        return _deep(metadata, new)


def _without_null_items(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_null_items(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_null_items(each) for each in value if each is not None]
    return value


@freedom(
    "null-items-of-metadata-are-dropped",
    allowed_by="No source says what null means in metadata; CREATE-15 is about null members alone, "
    "and says that no MUST depends on a null.",
    choice="merge of metadata",
)
def null_items_of_metadata_are_dropped(altered: Altered) -> None:
    @altered.override(Threads.new_thread)
    def new_thread(right: Any, thread_id: str, metadata: JsonObject, ttl: Any = None) -> Thread:
        made: Thread = right(thread_id, _without_null_items(metadata), ttl)
        return made

    @altered.override(Threads.merged)
    def merged(right: Any, metadata: JsonObject, new: JsonObject) -> Any:
        return right(metadata, _without_null_items(new))

"""Faults of creating threads."""

from __future__ import annotations

from typing import Any

from conformance.reference.faults import Broken, fault
from conformance.reference.faulty.parts import each_shown, refusing

fault("create-refuses-an-empty-body", breaks=["CREATE-01"])(
    refusing("create", lambda request: request.body == {})
)


@fault("created-at-without-offset-on-create", breaks=["CREATE-05", "PREPOP-20"])
def created_at_without_offset(broken: Broken) -> None:
    each_shown(broken, "create")(
        lambda _, thread: {**thread, "created_at": thread["created_at"].replace("+00:00", "")}
    )


@fault("default-metadata-is-added", breaks=["CREATE-08"])
def default_metadata_is_added(broken: Broken) -> None:
    @broken.instead("create")
    def create(right: Any, *, metadata: Any = None, **members: Any) -> Any:
        return right(metadata=metadata or {"created_by": "system"}, **members)

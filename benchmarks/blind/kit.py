"""Look-ups that blind faults of several sets use."""

from __future__ import annotations

from conformance.model.entities import Thread
from conformance.model.errors import ModelError
from conformance.model.ids_and_times import canonical_id
from conformance.reference.altered import Altered
from conformance.reference.wire import WireRequest


def known_thread(deployment: Altered, thread_id: object) -> Thread | None:
    """Return the thread of an id in any notation; None if there is none, or it is no id."""
    try:
        return deployment.store.records.threads_by_id.get(canonical_id(thread_id, "id"))
    except ModelError:
        return None


def header(request: WireRequest, name: bytes) -> bytes | None:
    """Return a header of a request; None without it."""
    return dict(request.headers).get(name)

"""The time to live of a thread, as GET shows it on request."""

from __future__ import annotations

from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.expect import assert_that
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.views import Thread, id_of

#: A ttl, in minutes, so long that no thread expires during a run.
MINUTES = 600


def read_ttl(api: ThreadsApi, thread: Thread) -> dict[str, Any]:
    """Return the ttl of a thread; `PromiseBroken` if GET with include=ttl shows none."""
    ttl = shown_ttl(api, thread)
    assert_that(isinstance(ttl, dict), "a member ttl", ttl)
    return ttl if isinstance(ttl, dict) else {}


def shown_ttl(api: ThreadsApi, thread: Thread) -> Any:
    """Return what GET with include=ttl shows as the ttl of a thread; None if it shows none."""
    shown = api.ensure_success(api.client.get(id_of(thread), include="ttl"), thread).body
    return shown.get("ttl") if isinstance(shown, dict) else None


def require_ttl(given: ThreadsApi, thread: Thread) -> dict[str, Any]:
    """Return the ttl of a thread that was created with one; `Blocked` if none is shown."""
    try:
        return read_ttl(given, thread)
    except PromiseBroken as unseen:
        raise Blocked("GET shows no ttl of a thread created with one", by="TTL-01") from unseen

"""Access control before the reference: an API key gives access to its tenant's deployment.

Each tenant has a separate deployment, so that no tenant can find the ids of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.reference.answers import answer

KEY_HEADER = "x-api-key"
#: Paths that are served without a key.
OPEN_PATHS = ("/ok", "/info", "/openapi.json")


class TenantRouter:
    """An ASGI application that dispatches to one application per API key."""

    def __init__(self, by_key: Mapping[str, ASGIApp]) -> None:
        self._by_key = dict(by_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request by the application of its key; else answer 401."""
        app = self._by_key.get(Headers(scope=scope).get(KEY_HEADER, ""))
        if app is None and scope["path"] in OPEN_PATHS:
            app = next(iter(self._by_key.values()))
        await (app or _refusal)(scope, receive, send)


async def _refusal(scope: Scope, receive: Receive, send: Send) -> None:
    refused = answer({"detail": f"give a valid key in the header {KEY_HEADER}"}, 401)
    await refused(scope, receive, send)


def for_tenants(tenants: Mapping[str, str], make: Callable[[str], ASGIApp]) -> TenantRouter:
    """Return a router to one deployment per tenant, made by `make` from the tenant's name.

    `tenants` maps API keys to tenant names.
    """
    apps = {name: make(name) for name in dict.fromkeys(tenants.values())}
    return TenantRouter({key: apps[name] for key, name in tenants.items()})

"""A reference that can be restarted on the store of the process before it."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.model.store import ThreadStore
from conformance.reference.app import create_app


class RestartableApp:
    """An ASGI application over a store, with a simulated restart in the same process.

    `restart` loses what a restart of the process would lose: what is not in the store, such as
    the streams of runs. `speed` and `cron_minute_s` are as for `create_app`.
    """

    def __init__(
        self, store: ThreadStore, *, speed: float = 1.0, cron_minute_s: float = 60.0
    ) -> None:
        self._store, self._speed, self._cron_minute_s = store, speed, cron_minute_s
        self._app = self._create(continues=False)

    def restart(self) -> None:
        """Replace the application by a new one on what the store keeps over a restart.

        The caller must have ended all asyncio tasks of the old application.
        """
        self._store.persistence.restart()
        self._app = self._create(continues=True)

    def _create(self, *, continues: bool) -> ASGIApp:
        return create_app(
            self._store, speed=self._speed, cron_minute_s=self._cron_minute_s, continues=continues
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)

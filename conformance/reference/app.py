"""The reference deployment as a Starlette application."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.model.errors import ModelError
from conformance.model.store import ThreadStore
from conformance.model.thread_index import IndexedSearches
from conformance.reference.answers import answer_model_error, answer_not_routed, answer_server_error
from conformance.reference.crons import CronDriver, cron_routes
from conformance.reference.run_driver import RunDriver
from conformance.reference.runs import run_routes
from conformance.reference.stateless import stateless_routes
from conformance.reference.states import state_routes
from conformance.reference.system import system_routes
from conformance.reference.thread_protocol import thread_protocol_routes
from conformance.reference.thread_streams import thread_stream_routes
from conformance.reference.threads import thread_routes


def new_store(speed: float = 1.0, *, indexed: bool = False) -> ThreadStore:
    """Return an empty store with random ids; its clock runs `speed` times as fast as real time.

    With `indexed` searches by metadata take no longer beside many other threads. A fault or freedom
    may change what matches, so its store has no index.
    """
    begun = datetime.now(UTC)
    return ThreadStore(
        clock=lambda: begun + (datetime.now(UTC) - begun) * speed,
        ids=uuid.uuid4,
        parts=(IndexedSearches,) if indexed else (),
    )


def create_app(
    store: ThreadStore | None = None,
    *,
    speed: float = 1.0,
    cron_minute_s: float = 60.0,
    continues: bool = False,
) -> ASGIApp:
    """Return an application that serves `store`, an empty one by default.

    Durations of the steps of runs are in seconds of the store's clock, see `speed` of `new_store`.
    `cron_minute_s` is the number of real seconds that a minute of a cron's schedule lasts. With
    `continues` the active runs and the crons of a store that another application served before
    continue.
    """
    store = store if store is not None else new_store(speed, indexed=True)
    driver = RunDriver(store, speed)
    crons = CronDriver(store, driver, cron_minute_s)
    app = Starlette(
        routes=[
            *thread_routes(store, driver),
            *state_routes(store, driver),
            # Before the runs, since `crons` is not a run id.
            *cron_routes(store, crons),
            *run_routes(store, driver),
            *stateless_routes(store, driver),
            *thread_stream_routes(store, driver),
            *thread_protocol_routes(store, driver),
            *system_routes(store),
        ],
        exception_handlers={
            ModelError: answer_model_error,
            HTTPException: answer_not_routed,
            Exception: answer_server_error,
        },
    )
    app.router.redirect_slashes = False
    return _Continuing(app, store, driver, crons) if continues else app


class _Continuing:
    """An application that continues the active runs and the crons of its store.

    It does so at its first request, since only then an event loop runs.
    """

    def __init__(
        self, app: ASGIApp, store: ThreadStore, runs: RunDriver, crons: CronDriver
    ) -> None:
        self._app, self._store, self._runs, self._crons = app, store, runs, crons
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._begun:
            self._begun = True
            for thread_id in self._store.persistence.threads_with_active_runs():
                self._runs.continue_runs(thread_id)
            for cron_id in list(self._store.records.crons_by_id):
                self._crons.reschedule(cron_id)
        await self._app(scope, receive, send)

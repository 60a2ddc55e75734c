"""The reference deployment as a Starlette application."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from conformance.model.errors import ModelError
from conformance.model.store import ThreadStore
from conformance.reference.answers import answer_model_error, answer_not_routed, answer_server_error
from conformance.reference.crons import CronDriver, cron_routes
from conformance.reference.driver import RunDriver
from conformance.reference.runs import run_routes
from conformance.reference.stateless import stateless_routes
from conformance.reference.states import state_routes
from conformance.reference.system import system_routes
from conformance.reference.threads import thread_routes


def new_store(speed: float = 1.0) -> ThreadStore:
    """Return an empty store with random ids; its clock runs `speed` times as fast as real time."""
    begun = datetime.now(UTC)
    return ThreadStore(
        clock=lambda: begun + (datetime.now(UTC) - begun) * speed,
        ids=uuid.uuid4,
    )


def create_app(
    store: ThreadStore | None = None, *, speed: float = 1.0, cron_minute_s: float = 60.0
) -> Starlette:
    """Return an application that serves `store`, an empty one by default.

    Steps of runs last seconds of the store's clock, see `speed` of `new_store`; only
    `cron_minute_s` is in real time, the seconds that a minute of a cron's schedule lasts.
    """
    store = store if store is not None else new_store(speed)
    driver = RunDriver(store, speed)
    app = Starlette(
        routes=[
            *thread_routes(store, driver),
            *state_routes(store),
            # Before the runs, since `crons` is not a run id.
            *cron_routes(store, CronDriver(store, driver, cron_minute_s)),
            *run_routes(store, driver),
            *stateless_routes(store, driver),
            *system_routes(store),
        ],
        exception_handlers={
            ModelError: answer_model_error,
            HTTPException: answer_not_routed,
            Exception: answer_server_error,
        },
    )
    app.router.redirect_slashes = False
    return app

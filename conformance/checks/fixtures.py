"""The fixtures of the checks. All are made anew for every check and every attempt."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from uuid import uuid4

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.client_flows import Flows
from conformance.checks.context import CheckContext
from conformance.checks.crons import Crons
from conformance.checks.outcomes import NotRun
from conformance.checks.runs import Runs
from conformance.checks.visits import Visits
from conformance.clients.client import NotInstalledError
from conformance.clients.opened import Clients
from conformance.deployment.client import ThreadsClient
from conformance.deployment.connect import Connection
from conformance.deployment.journal import CHECK_TAG
from conformance.deployment.preflight import graph_missing
from conformance.deployment.settings import GraphSettings, Settings

#: Time limits of an answer that a documented flow may take: it may ask several times.
_PATIENCE = 3


class SuiteFixtures:
    """A pytest plugin that binds the fixtures to one connection."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._clients: Clients | None = None
        self.bind(settings, connection)

    def bind(self, settings: Settings, connection: Connection) -> None:
        """Give the checks these settings and this connection from now on."""
        self.pytest_unconfigure()
        self._settings = settings
        self._connection = connection
        # The documents' clients, each started when it is first asked for.
        self._clients = Clients(connection.client.forward, settings.timeout_s * _PATIENCE)
        # Asked at most once per worker and graph, and only if a check needs it.
        self._graph_missing = cache(lambda graph_id: graph_missing(connection.client, graph_id))

    def pytest_unconfigure(self) -> None:
        """End the clients that were started."""
        if self._clients:
            self._clients.close()

    @pytest.fixture
    def context(self, request: pytest.FixtureRequest) -> CheckContext:
        """The check at hand."""
        mark = request.node.get_closest_marker("requires")
        context = CheckContext(
            settings=self._settings,
            tag={CHECK_TAG: uuid4().hex[:16]},
            offers=mark.kwargs.get("offers", "") if mark else "",
            missing=self._graph_missing,
            forget=self._connection.recorder.forget,
        )
        request.node.stash[CONTEXT] = context
        return context

    @pytest.fixture
    def flows(self, request: pytest.FixtureRequest, given: ThreadsApi) -> Flows:
        """Does the documents' flows by the client of the check; without it, not run."""
        assert self._clients is not None
        try:
            client = self._clients.open(request.param)
        except NotInstalledError as missing:
            raise NotRun(f"{request.param}: {missing}") from missing
        given.context.note(client.version)
        return Flows(client, self._clients.gateway, given)

    @pytest.fixture
    def given(self, client: ThreadsClient, context: CheckContext) -> ThreadsApi:
        """Asks for what the check stands on: refused, it is blocked."""
        return ThreadsApi(client, context, arranging=True)

    @pytest.fixture
    def threads(self, client: ThreadsClient, context: CheckContext) -> ThreadsApi:
        """Asks for what the check is about: refused, the promise is broken."""
        return ThreadsApi(client, context, arranging=False)

    @pytest.fixture
    def runs(self, threads: ThreadsApi) -> Iterator[Runs]:
        """Asks for runs that the check is about; what still runs is cancelled in the end."""
        with Runs(threads) as runs:
            yield runs

    @pytest.fixture
    def given_runs(self, given: ThreadsApi) -> Iterator[Runs]:
        """Asks for runs that the check stands on; what still runs is cancelled in the end."""
        with Runs(given) as runs:
            yield runs

    @pytest.fixture
    def crons(self, threads: ThreadsApi) -> Iterator[Crons]:
        """Asks for crons that the check is about; all are deleted in the end."""
        with Crons(threads) as crons:
            yield crons

    @pytest.fixture
    def given_crons(self, given: ThreadsApi) -> Iterator[Crons]:
        """Asks for crons that the check stands on; all are deleted in the end."""
        with Crons(given) as crons:
            yield crons

    @pytest.fixture
    def client(self) -> ThreadsClient:
        """The plain client, which judges nothing."""
        return self._connection.client

    @pytest.fixture
    def visits(self, client: ThreadsClient, context: CheckContext) -> Visits:
        """Looks at the threads of others, in a read-only run."""
        return Visits(client, context)

    @pytest.fixture
    def connection(self) -> Connection:
        """The connection of the process, which can ask with other credentials too."""
        return self._connection

    @pytest.fixture
    def settings(self) -> Settings:
        """The settings of the run."""
        return self._settings

    @pytest.fixture
    def graph(self, context: CheckContext) -> GraphSettings:
        """The graph to use; blocks the check where the deployment has none."""
        return context.graph()


CONTEXT = pytest.StashKey[CheckContext]()

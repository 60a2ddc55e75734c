"""The fixtures of the checks. All are made anew for every check and every attempt.

They are registered by `conformance/suite/conftest.py`, so that they win over fixtures of the
same names in a user's conftest or in other plugins.
"""

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


class Bound:
    """The connection of this process and what the checks share of it."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.settings = settings
        self.connection = connection
        #: The documents' clients, each started when it is first asked for.
        self.clients = Clients(connection.client.forward, settings.timeout_s * _PATIENCE)
        #: Asked at most once per worker and graph, and only if a check needs it.
        self.graph_missing = cache(lambda graph_id: graph_missing(connection.client, graph_id))

    def close(self) -> None:
        """End the clients that were started."""
        self.clients.close()


#: What the checks of a pytest process are bound to.
BOUND = pytest.StashKey[Bound]()
#: The context of the check at hand, where the worker finds it.
CONTEXT = pytest.StashKey[CheckContext]()


@pytest.fixture
def bound(pytestconfig: pytest.Config) -> Bound:
    """What the checks of this process are bound to; fails where no deployment is named."""
    found = pytestconfig.stash.get(BOUND, None)
    if found is None:
        pytest.fail("no deployment is named: give --deployment-url URL", pytrace=False)
    return found


@pytest.fixture
def context(request: pytest.FixtureRequest, bound: Bound) -> CheckContext:
    """The check at hand."""
    mark = request.node.get_closest_marker("requires")
    context = CheckContext(
        settings=bound.settings,
        tag={CHECK_TAG: uuid4().hex[:16]},
        offers=mark.kwargs.get("offers", "") if mark else "",
        missing=bound.graph_missing,
        forget=bound.connection.recorder.forget,
    )
    request.node.stash[CONTEXT] = context
    return context


@pytest.fixture
def flows(request: pytest.FixtureRequest, bound: Bound, given: ThreadsApi) -> Flows:
    """Does the documents' flows by the client of the check; without it, not run."""
    try:
        client = bound.clients.open(request.param)
    except NotInstalledError as missing:
        raise NotRun(f"{request.param}: {missing}") from missing
    given.context.note(client.version)
    return Flows(client, bound.clients.gateway, given)


@pytest.fixture
def given(client: ThreadsClient, context: CheckContext) -> ThreadsApi:
    """Asks for what the check stands on: refused, it is blocked."""
    return ThreadsApi(client, context, arranging=True)


@pytest.fixture
def threads(client: ThreadsClient, context: CheckContext) -> ThreadsApi:
    """Asks for what the check is about: refused, the promise is broken."""
    return ThreadsApi(client, context, arranging=False)


@pytest.fixture
def runs(threads: ThreadsApi) -> Iterator[Runs]:
    """Asks for runs that the check is about; what still runs is cancelled in the end."""
    with Runs(threads) as runs:
        yield runs


@pytest.fixture
def given_runs(given: ThreadsApi) -> Iterator[Runs]:
    """Asks for runs that the check stands on; what still runs is cancelled in the end."""
    with Runs(given) as runs:
        yield runs


@pytest.fixture
def crons(threads: ThreadsApi) -> Iterator[Crons]:
    """Asks for crons that the check is about; all are deleted in the end."""
    with Crons(threads) as crons:
        yield crons


@pytest.fixture
def given_crons(given: ThreadsApi) -> Iterator[Crons]:
    """Asks for crons that the check stands on; all are deleted in the end."""
    with Crons(given) as crons:
        yield crons


@pytest.fixture
def client(bound: Bound) -> ThreadsClient:
    """The plain client, which judges nothing."""
    return bound.connection.client


@pytest.fixture
def visits(client: ThreadsClient, context: CheckContext) -> Visits:
    """Looks at the threads of others, in a read-only run."""
    return Visits(client, context)


@pytest.fixture
def connection(bound: Bound) -> Connection:
    """The connection of the process, which can ask with other credentials too."""
    return bound.connection


@pytest.fixture
def settings(bound: Bound) -> Settings:
    """The settings of the run."""
    return bound.settings


@pytest.fixture
def graph(context: CheckContext) -> GraphSettings:
    """The graph to use; blocks the check where the deployment has none."""
    return context.graph()

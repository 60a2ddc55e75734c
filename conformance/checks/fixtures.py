"""The pytest fixtures of the checks, created again for every check and every attempt.

`conformance/suite/conftest.py` registers them, so that they win over fixtures of the same names in
a user's conftest or in other plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from uuid import uuid4

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext, Patience
from conformance.checks.client_flows import Flows
from conformance.checks.crons import Crons
from conformance.checks.outcomes import NotRun, OptionNotGiven
from conformance.checks.require_declared import own_document, require_claim
from conformance.checks.restarts import NOT_RESTARTED, Restart
from conformance.checks.runs import Runs
from conformance.checks.scale import NOT_SCALED
from conformance.checks.thread_commands import ThreadCommands
from conformance.checks.thread_streams import ThreadStreams
from conformance.checks.visits import Visits
from conformance.clients.client import NotInstalledError
from conformance.clients.opened import Clients
from conformance.contract.catalogue import load_catalogue
from conformance.deployment.client import ThreadsClient
from conformance.deployment.connect import Connection
from conformance.deployment.ownership.created_by_check import CHECK_TAG
from conformance.deployment.probe.preflight import graph_missing
from conformance.deployment.restart import Restarter
from conformance.deployment.settings import GraphSettings, Settings

#: A flow may send several requests: its time limit is this many times that of one request.
_REQUESTS_PER_FLOW = 3


class WorkerResources:
    """The connection of this process, and what else its checks share."""

    def __init__(
        self, settings: Settings, connection: Connection, restarter: Restarter | None = None
    ) -> None:
        self.settings = settings
        self.connection = connection
        #: How long checks wait for what may become visible late.
        self.patience = Patience()
        #: Ends the deployment and starts it again; None unless an option of the run allows it.
        self.restarter = restarter
        #: The documents' clients, each started at its first use.
        self.clients = Clients(connection.client.forward, settings.timeout_s * _REQUESTS_PER_FLOW)
        #: Sends at most one request per worker and graph, and only if a check needs it.
        self.graph_missing = cache(lambda graph_id: graph_missing(connection.client, graph_id))
        #: The deployment's own OpenAPI document, requested once; None without one.
        self.own_document = cache(lambda: own_document(connection.client))

    def close(self) -> None:
        """Close the clients that were started."""
        self.clients.close()


#: The key, in the stash of the config, of what the checks of a pytest process share.
RESOURCES = pytest.StashKey[WorkerResources]()
#: The key, in the stash of the config, of what opens the deployment at a URL. It is there where the
#: deployment is named by a fixture of the user's.
OPENER = pytest.StashKey[Callable[[str], AbstractContextManager[None]]]()
#: The key, in the stash of a check's item, of its context, which the worker reads.
CONTEXT = pytest.StashKey[CheckContext]()


@pytest.fixture(scope="session")
def opened_deployment(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the deployment of the user's fixture open for the session, if one names it."""
    if opener := request.config.stash.get(OPENER, None):
        with opener(request.getfixturevalue("deployment_url")):
            yield
    else:
        yield


@pytest.fixture
def worker_resources(pytestconfig: pytest.Config, opened_deployment: None) -> WorkerResources:
    """Return what the checks of this process share; fail where pytest runs without our plugin."""
    found = pytestconfig.stash.get(RESOURCES, None)
    if found is None:
        pytest.fail(
            "no deployment is named: pytest runs without the plugin of threads-conformance",
            pytrace=False,
        )
    return found


@pytest.fixture(autouse=True)
def require_declared(request: pytest.FixtureRequest, worker_resources: WorkerResources) -> None:
    """End the check as unsupported unless the deployment declares what the check judges.

    Only requirements from OpenAPI documents newer than the pinned one are looked up.
    """
    mark = request.node.get_closest_marker("requires")
    catalogue = load_catalogue().requirements
    newer = [catalogue[each] for each in mark.args if catalogue[each].since] if mark else []
    if not newer:
        return
    document = worker_resources.own_document()
    # The request for the document is not part of this check's evidence.
    worker_resources.connection.recorder.forget()
    for each in newer:
        require_claim(document, each)


@pytest.fixture
def context(request: pytest.FixtureRequest, worker_resources: WorkerResources) -> CheckContext:
    """Return the context of the running check."""
    mark = request.node.get_closest_marker("requires")
    worker_resources.patience.begin_check(mark.args if mark else ())
    context = CheckContext(
        settings=worker_resources.settings,
        tag={CHECK_TAG: uuid4().hex[:16]},
        offers=mark.kwargs.get("offers", "") if mark else "",
        why_graph_missing=worker_resources.graph_missing,
        forget=worker_resources.connection.recorder.forget,
        round_trip_s=lambda: worker_resources.connection.recorder.round_trip_s,
        patience=worker_resources.patience,
    )
    request.node.stash[CONTEXT] = context
    return context


@pytest.fixture
def flows(
    request: pytest.FixtureRequest, worker_resources: WorkerResources, given: ThreadsApi
) -> Flows:
    """Return the documents' flows by the client of the check; `NotRun` without that client."""
    try:
        client = worker_resources.clients.open(request.param)
    except NotInstalledError as missing:
        raise NotRun(f"{request.param}: {missing}") from missing
    given.context.note(client.version)
    return Flows(client, worker_resources.clients.gateway, given)


@pytest.fixture
def given(client: ThreadsClient, context: CheckContext) -> ThreadsApi:
    """Return the API for prerequisites: a refusal blocks the check."""
    return ThreadsApi(client, context, arranging=True)


@pytest.fixture
def threads(client: ThreadsClient, context: CheckContext) -> ThreadsApi:
    """Return the API for what the check tests: a refusal breaks the promise."""
    return ThreadsApi(client, context, arranging=False)


@pytest.fixture
def runs(threads: ThreadsApi) -> Iterator[Runs]:
    """Yield the runs that the check tests; in the end, cancel those that have not ended."""
    with Runs(threads) as runs:
        yield runs


@pytest.fixture
def given_runs(given: ThreadsApi) -> Iterator[Runs]:
    """Yield runs that are prerequisites; in the end, cancel those that have not ended."""
    with Runs(given) as runs:
        yield runs


@pytest.fixture
def streams(threads: ThreadsApi) -> ThreadStreams:
    """Return the streams of threads that the check tests."""
    return ThreadStreams(threads)


@pytest.fixture
def given_streams(given: ThreadsApi) -> ThreadStreams:
    """Return the streams of threads that are prerequisites."""
    return ThreadStreams(given)


@pytest.fixture
def commands(threads: ThreadsApi, given_runs: Runs) -> ThreadCommands:
    """Return the commands of threads that the check tests."""
    return ThreadCommands(threads, given_runs)


@pytest.fixture
def given_commands(given: ThreadsApi, given_runs: Runs) -> ThreadCommands:
    """Return the commands of threads that are prerequisites."""
    return ThreadCommands(given, given_runs)


@pytest.fixture
def crons(threads: ThreadsApi) -> Iterator[Crons]:
    """Yield the crons that the check tests; in the end, delete them."""
    with Crons(threads) as crons:
        yield crons


@pytest.fixture
def given_crons(given: ThreadsApi) -> Iterator[Crons]:
    """Yield crons that are prerequisites; in the end, delete them."""
    with Crons(given) as crons:
        yield crons


@pytest.fixture
def restart(worker_resources: WorkerResources, given: ThreadsApi) -> Restart:
    """Return the function that ends the deployment and starts it again; `NotRun` unless allowed."""
    if worker_resources.restarter is None:
        raise OptionNotGiven(NOT_RESTARTED)
    worker_resources.restarter.require_there()
    return Restart(worker_resources.restarter, worker_resources.connection, given)


@pytest.fixture
def scale(settings: Settings) -> int:
    """Return how many states and how many threads to make; `NotRun` without the option."""
    if not settings.scale:
        raise OptionNotGiven(NOT_SCALED)
    return settings.scale


@pytest.fixture
def client(worker_resources: WorkerResources) -> ThreadsClient:
    """Return the plain client, which judges nothing."""
    return worker_resources.connection.client


@pytest.fixture
def visits(client: ThreadsClient, context: CheckContext) -> Visits:
    """Return the read access to other people's threads, for checks of a read-only run."""
    return Visits(client, context)


@pytest.fixture
def connection(worker_resources: WorkerResources) -> Connection:
    """Return the connection of the process, which can also use other credentials."""
    return worker_resources.connection


@pytest.fixture
def settings(worker_resources: WorkerResources) -> Settings:
    """Return the settings of the run."""
    return worker_resources.settings


@pytest.fixture
def graph(context: CheckContext) -> GraphSettings:
    """Return the graph to use; `Blocked` where the deployment does not have it."""
    return context.graph()

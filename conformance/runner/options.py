"""The `pytest11` entry point: options for running the checks under plain pytest.

    pytest --pyargs conformance.suite --deployment-url http://127.0.0.1:2024

It imports nothing of the suite until a URL is given.
"""

import pytest

from conformance.runner.pytest_names import CONTROLLER, DATA_KEY, MARKERS, WORKER


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options of the conformance checks."""
    group = parser.getgroup("threads-conformance")
    group.addoption("--deployment-url", help="check the LangGraph Server at this URL")
    group.addoption(
        "--deployment-profile",
        default="documented",
        choices=("documented", "extended", "full"),
        help="how much of the Threads API to check (default: documented)",
    )
    group.addoption(
        "--deployment-client",
        default="http",
        choices=("http", "python-sdk", "js-sdk", "curl", "all"),
        help="client that sends the requests (default: http)",
    )
    group.addoption(
        "--deployment-disposable",
        action="store_true",
        help="all data on the deployment may be lost: also send requests that a lenient server "
        "could apply to all threads",
    )
    group.addoption("--deployment-graph", default=None, help="graph id to use (default: agent)")
    group.addoption(
        "--deployment-header",
        action="append",
        default=[],
        metavar="'Name: value'",
        help="header to send with every request; may be repeated; also from "
        "THREADS_CONFORMANCE_HEADER, one per line, and THREADS_CONFORMANCE_API_KEY",
    )
    group.addoption(
        "--deployment-protected",
        action="store_true",
        help="the deployment requires credentials: check that every operation is refused without "
        "them",
    )
    group.addoption(
        "--deployment-other-header",
        action="append",
        default=[],
        metavar="'Name: value'",
        help="header of another tenant: check that neither sees the other's threads",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks and, where a deployment is named, the plugin that runs the checks."""
    # Before the modules that use the marks are imported: the user's pytest may be strict on marks.
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    in_worker = DATA_KEY in getattr(config, "workerinput", {})
    if not (in_worker or config.getoption("deployment_url", None)):
        return
    from conformance.runner import worker

    plugins = config.pluginmanager
    if plugins.is_registered(worker):
        return
    if not (in_worker or plugins.get_plugin(CONTROLLER)):
        from conformance.runner.embedding import EmbeddedController

        plugins.register(EmbeddedController(config), CONTROLLER)
    plugins.register(worker, WORKER)

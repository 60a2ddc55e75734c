"""The `pytest11` entry point: the checks under a user's own pytest.

    pytest --pyargs conformance.suite --deployment-url http://127.0.0.1:2024

pytest loads it wherever the package is installed, so it imports nothing of the suite, and
registers no mark, before a deployment is named or the suite is collected. Its own name is none that
a project has.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from threads_conformance.own_package import FOLDER, OtherPackageError, own_package

_SUITE = "conformance.suite"
#: The key of a worker's input under which the process of the user's command hands over settings.
HANDED_OVER = "threads_conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options of the conformance checks."""
    group = parser.getgroup("threads-conformance")
    group.addoption(
        "--deployment-url",
        help="check the LangGraph Server at this URL; without it, the one of the fixture "
        "deployment_url or deployment_app",
    )
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
    """Load the suite if a deployment is named, or if the command line names the suite."""
    named = config.getoption("deployment_url", None)
    if named or HANDED_OVER in getattr(config, "workerinput", {}):
        _embedding().configure(config)
    elif config.getoption("pyargs") and any(_names_suite(each) for each in config.args):
        # Before pytest looks for it, in case another package of that name comes first.
        _embedding().prepare(config)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> None:
    """Prepare for the checks before their folder is collected, however it was named."""
    if path.name == "suite" and path.resolve() == FOLDER / "suite":
        _embedding().prepare(parent.config)


@pytest.fixture(scope="session")
def deployment_app() -> Any:
    """Return the ASGI app to check; to be written in a conftest of your own.

    It is served on loopback while the checks run.
    """
    return None


@pytest.fixture(scope="session")
def deployment_url(pytestconfig: pytest.Config, deployment_app: Any) -> Iterator[str]:
    """Yield the URL of the deployment to check; may be written in a conftest of your own.

    By default that of `--deployment-url`, else the one at which `deployment_app` is served.
    """
    if named := pytestconfig.getoption("deployment_url"):
        yield named
        return
    if deployment_app is None:
        pytest.fail(
            "no deployment is named: give --deployment-url URL, or write a fixture deployment_url "
            'or deployment_app with scope="session" in the conftest.py of the root folder',
            pytrace=False,
        )
    with _embedding().serving(deployment_app) as url:
        yield url


def _names_suite(argument: str) -> bool:
    """Return whether an argument of pytest is the module of the checks, or one within it."""
    module = argument.partition("::")[0].partition("[")[0]
    return module == _SUITE or module.startswith(f"{_SUITE}.")


def _embedding() -> Any:
    """Return the module of the suite for a user's own pytest; a usage error where it cannot be."""
    try:
        own_package()
    except OtherPackageError as other:
        raise pytest.UsageError(str(other)) from other
    from conformance.runner import embedding

    return embedding

"""The checks under a user's own pytest: settings from its options, clean-up after its session."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from conformance.checks.fixtures import OPENER, RESOURCES, WorkerResources
from conformance.contract.catalogue import load_catalogue
from conformance.deployment.connect import connect
from conformance.deployment.credential_parsing import (
    Headers,
    parse_header,
    parse_headers,
    parse_key,
    with_key,
)
from conformance.deployment.launch import asgi
from conformance.deployment.launch.errors import NotStartedError
from conformance.deployment.settings import ENVIRONMENT, GraphSettings, Settings, SettingsError
from conformance.runner import worker
from conformance.runner.cleanup import clean_up
from conformance.runner.controller import Controller
from conformance.runner.pytest_names import (
    CONTROLLER,
    DATA_KEY,
    EMBEDDED,
    MARKERS,
    SELECTING_MARKERS,
    WORKER,
)
from conformance.runner.selection import is_check, requirements_of
from conformance.runner.settings import client_names, new_settings
from conformance.runner.worker import Checks

#: The option of plain pytest for a header.
HEADER_OPTION = "--deployment-header"
#: The name of the plugin that gives the checks the marks to select them by.
_MARKING = "threads-conformance-marks"
#: Stands for the URL until the fixtures of the user have told it; nothing is sent to it.
_NOT_KNOWN_YET = "http://deployment.invalid"


def configure(config: pytest.Config) -> None:
    """Register the plugins that make the checks on the deployment of the options.

    In a worker of the user's pytest-xdist the settings come from the process that the user started.
    """
    plugins = config.pluginmanager
    if plugins.has_plugin(WORKER):
        return
    _register_marks(config)
    if not (DATA_KEY in getattr(config, "workerinput", {}) or plugins.has_plugin(CONTROLLER)):
        plugins.register(EmbeddedController(config), CONTROLLER)
    plugins.register(worker, WORKER)


def prepare(config: pytest.Config) -> None:
    """Register the plugin that makes the checks on the deployment of the user's fixtures.

    Nothing is done where one is registered: the deployment is that of the options then. Each
    process of pytest-xdist opens the fixtures' deployment itself, and makes a run of its own.
    """
    if config.pluginmanager.has_plugin(WORKER) or config.pluginmanager.has_plugin(CONTROLLER):
        return
    _register_marks(config)
    checks = Checks(settings_of(config, _NOT_KNOWN_YET, Path()), None)
    config.pluginmanager.register(checks, WORKER)

    @contextmanager
    def open_deployment(url: str) -> Iterator[None]:
        with (
            TemporaryDirectory(prefix="threads-conformance-") as directory,
            _connected(config, checks, _settings_of_fixtures(config, url, Path(directory))),
        ):
            yield

    config.stash[OPENER] = open_deployment


def _settings_of_fixtures(config: pytest.Config, url: object, run_dir: Path) -> Settings:
    """Return the settings of a run on the URL of a fixture; fail if they cannot be used."""
    if not isinstance(url, str):
        pytest.fail(
            f"the fixture deployment_url gives a {type(url).__name__}, and must give a URL as text",
            pytrace=False,
        )
    try:
        return settings_of(config, url, run_dir)
    except pytest.UsageError as unusable:
        # Without the error that it follows from: its message says it all.
        raise pytest.fail.Exception(
            f"the fixture deployment_url: {unusable}", pytrace=False
        ) from None


@contextmanager
def _connected(config: pytest.Config, checks: Checks, settings: Settings) -> Iterator[None]:
    """Make the checks on a deployment while the block runs; then remove what they created."""
    try:
        with connect(settings, worker.worker_name()) as connection:
            resources = WorkerResources(settings, connection)
            config.stash[RESOURCES] = resources
            checks.connect(settings, connection)
            try:
                yield
            finally:
                checks.disconnect()
                del config.stash[RESOURCES]
                resources.close()
    finally:
        clean_up(settings)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI app of the user's for the session; fail, and say why, if it does not start."""
    try:
        with asgi.serving(app) as url:
            yield url
    except NotStartedError as failed:
        raise pytest.fail.Exception(f"deployment_app: {failed}", pytrace=False) from None


class EmbeddedController(Controller):
    """The controller under plain pytest: it also cleans up when the session ends."""

    def __init__(self, config: pytest.Config) -> None:
        self._directory = TemporaryDirectory(prefix="threads-conformance-")
        try:
            settings = settings_of(
                config, config.getoption("deployment_url"), Path(self._directory.name)
            )
        except pytest.UsageError as unusable:
            self._directory.cleanup()
            raise pytest.UsageError(f"--deployment-url: {unusable}") from unusable
        super().__init__(settings)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker that the pytest is the user's."""
        super().pytest_configure_node(node)
        node.workerinput[EMBEDDED] = True

    def pytest_internalerror(self, excrepr: Any) -> bool:
        """Let pytest show an internal error, since nothing of ours will."""
        return False

    def pytest_unconfigure(self) -> None:
        """Remove what the checks created."""
        clean_up(self.settings)
        self._directory.cleanup()


class _Marking:
    """The plugin that gives each check the marks by which `-m` selects it."""

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Add level, capability and id of each requirement that a check decides."""
        if not is_check(item):
            return
        known = load_catalogue().requirements
        found = [known[each] for each in requirements_of(item) if each in known]
        for level in dict.fromkeys(each.level for each in found):
            item.add_marker(pytest.mark.level(name=level))
        for capability in dict.fromkeys(each.capability for each in found):
            item.add_marker(pytest.mark.capability(name=capability))
        for each in found:
            item.add_marker(pytest.mark.requirement(id=each.id))


def _register_marks(config: pytest.Config) -> None:
    # Before the modules that use the marks are imported: the user's pytest may be strict on marks.
    for marker in (*MARKERS, *SELECTING_MARKERS):
        config.addinivalue_line("markers", marker)
    if not config.pluginmanager.has_plugin(_MARKING):
        config.pluginmanager.register(_Marking(), _MARKING)


def settings_of(config: pytest.Config, url: str, run_dir: Path) -> Settings:
    """Return the settings of a new run on `url` by the options of the user's pytest.

    Raises `pytest.UsageError` if they cannot be used.
    """
    headers = headers_of(config)
    other_headers = parse_header_options(
        config.getoption("deployment_other_header"), "--deployment-other-header"
    )
    graph = config.getoption("deployment_graph")
    try:
        return new_settings(
            url,
            run_dir=run_dir,
            profile=config.getoption("deployment_profile"),
            graph=GraphSettings(id=graph) if graph else GraphSettings(),
            headers=headers,
            clients=client_names(config.getoption("deployment_client")),
            disposable=config.getoption("deployment_disposable"),
            protected=config.getoption("deployment_protected"),
            other_headers=other_headers,
        )
    except SettingsError as unusable:
        raise pytest.UsageError(str(unusable)) from unusable


def parse_header_options(given: Iterable[str], option: str) -> Headers:
    """Parse each `Name: value`; raise `pytest.UsageError` for what a header cannot contain."""
    try:
        return tuple(parse_header(each, option) for each in given)
    except SettingsError as unusable:
        raise pytest.UsageError(str(unusable)) from unusable


def headers_of(config: pytest.Config) -> Headers:
    """Return the headers of the options, else of the environment, with the API key if any.

    Raises `pytest.UsageError` if they are unusable.
    """
    given = parse_header_options(config.getoption("deployment_header"), HEADER_OPTION)
    try:
        name = f"{ENVIRONMENT}_HEADER"
        headers = given or parse_headers(os.environ.get(name, ""), name)
        name = f"{ENVIRONMENT}_API_KEY"
        key = os.environ.get(name)
        return with_key(headers, parse_key(key, name) if key else None)
    except SettingsError as unusable:
        raise pytest.UsageError(str(unusable)) from unusable

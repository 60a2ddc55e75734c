"""The checks under a user's own pytest: settings from its options, clean-up after its session."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from conformance.deployment.credential_parsing import (
    Headers,
    parse_header,
    parse_headers,
    parse_key,
    with_key,
)
from conformance.deployment.settings import ENVIRONMENT, GraphSettings, SettingsError
from conformance.runner.cleanup import clean_up
from conformance.runner.controller import Controller
from conformance.runner.settings import client_names, new_settings

#: The option of plain pytest for a header.
HEADER_OPTION = "--deployment-header"


class EmbeddedController(Controller):
    """The controller under plain pytest: it also cleans up when the session ends."""

    def __init__(self, config: pytest.Config) -> None:
        url = config.getoption("deployment_url")
        headers = headers_of(config)
        other_headers = parse_header_options(
            config.getoption("deployment_other_header"), "--deployment-other-header"
        )
        self._directory = TemporaryDirectory(prefix="threads-conformance-")
        graph = config.getoption("deployment_graph")
        try:
            settings = new_settings(
                url,
                run_dir=Path(self._directory.name),
                profile=config.getoption("deployment_profile"),
                graph=GraphSettings(id=graph) if graph else GraphSettings(),
                headers=headers,
                clients=client_names(config.getoption("deployment_client")),
                disposable=config.getoption("deployment_disposable"),
                protected=config.getoption("deployment_protected"),
                other_headers=other_headers,
            )
        except SettingsError as unusable:
            self._directory.cleanup()
            raise pytest.UsageError(f"--deployment-url: {unusable}") from unusable
        super().__init__(settings)

    def pytest_unconfigure(self) -> None:
        """Remove what the checks created."""
        clean_up(self.settings)
        self._directory.cleanup()


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

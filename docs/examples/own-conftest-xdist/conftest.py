"""Fixtures of the project: a server for the session, and a name that the checks have as well."""

import subprocess
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def deployment_url() -> Iterator[str]:
    """Start a server and yield its URL; here the reference of the suite stands in for it."""
    command = [sys.executable, "-m", "conformance", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        yield line.split()[-1]
        server.terminate()


@pytest.fixture
def threads() -> list[str]:
    """Return what this project calls threads."""
    return ["warp", "weft"]

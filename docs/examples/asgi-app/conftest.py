"""The deployment to check is the app of this project."""

from typing import Any

import pytest
from app import app


@pytest.fixture(scope="session")
def deployment_app() -> Any:
    """Return the app; it is served on loopback for as long as the checks run."""
    return app

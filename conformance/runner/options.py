"""Another name of the `pytest11` entry point, for environments installed in place before it moved.

Their metadata names this module until `pip install -e .` is run again.
"""

from threads_conformance.pytest_plugin import (
    deployment_app,
    deployment_url,
    pytest_addoption,
    pytest_collect_directory,
    pytest_configure,
)

__all__ = [
    "deployment_app",
    "deployment_url",
    "pytest_addoption",
    "pytest_collect_directory",
    "pytest_configure",
]

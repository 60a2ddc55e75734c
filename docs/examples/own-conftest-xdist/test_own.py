"""A test of the project itself."""

import pytest


@pytest.mark.requires("a loom")
def test_threads_are_the_projects_own(threads: list[str]) -> None:
    assert threads == ["warp", "weft"]

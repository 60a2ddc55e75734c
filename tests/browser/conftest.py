"""Debian's chromium, driven by playwright: pages are opened as a person opens them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# The extra may be missing where this folder is left out.
if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.pages import Pages

#: Without these, chromium asks hosts of its own for updates at every start.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Colours of a picture.
_COLOURS = 64
_PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave out this folder unless it is requested: its tests need the extra `browser`."""
    return None if config.option.browser else True


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield a browser that the tests of a process share; each page has a profile of its own."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.fail("there is no chromium: install Debian's package chromium", pytrace=False)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def pages(browser: Browser) -> Iterator[Pages]:
    """Yield what opens pages; the test fails where one asked the network, or said an error."""
    from tests.browser.pages import Pages

    opened = Pages(browser)
    yield opened
    opened.close()
    assert opened.complaints == []


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[str, bytes], None]:
    """Return a function that keeps a picture in docs/pictures, by name, with --update-pictures.

    Without that option it only looks whether there is one: pictures depend on the fonts of a
    machine, so that they are compared by people.
    """

    def keep(name: str, png: bytes) -> None:
        file = _PICTURES / f"{name}.png"
        if request.config.option.update_pictures:
            from PIL import Image

            file.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(BytesIO(png)) as image:
                # So few colours take a third of the bytes, and a page has no more.
                image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(
                    file, optimize=True
                )
        assert file.exists(), f"no {file.name}: make it by `pytest --browser --update-pictures`"

    return keep

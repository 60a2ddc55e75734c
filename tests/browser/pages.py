"""Pages in a browser: opened from disk, measured, and examined by axe-core."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request

#: Widths in CSS pixels: a telephone, a tablet, a screen.
WIDTHS = (360, 768, 1600)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: Milliseconds after which a page that does not become as it should is given up.
_PATIENCE_MS = 10_000


class Pages:
    """Opens pages from disk, and collects what none of them may do.

    `complaints` are requests for anything but files, errors of scripts and of the console (such as
    what the content security policy of a page refused), and dialogs, which only a script opens.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def open(
        self,
        file: Path,
        *,
        width: int = 1280,
        height: int = 800,
        scheme: Literal["light", "dark"] = "light",
        scripts: bool = True,
        fragment: str = "",
    ) -> Page:
        """Open a file, at `#fragment` if there is one, in a window of that size in CSS pixels."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(_PATIENCE_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        self._contexts.append(context)
        page = context.new_page()
        page.on("request", self._asked)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", self._opened)
        page.goto(file.as_uri() + (f"#{fragment}" if fragment else ""))
        return page

    def close(self) -> None:
        """Close all pages."""
        for each in self._contexts:
            each.close()

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"request: {request.method} {request.url}")

    def _opened(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")


def sideways(page: Page) -> int:
    """Return by how many CSS pixels the page is wider than its window."""
    found: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return found


def axe_findings(page: Page) -> list[str]:
    """Return what axe-core finds wrong: the rule, and the first places of each."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    result: dict[str, list[dict[str, Any]]] = page.evaluate(
        "axe.run(document, {resultTypes: ['violations'], preload: false})"
    )
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: "
        + "; ".join(str(node["target"]) for node in rule["nodes"][:5])
        for rule in result["violations"]
    ]

"""The interface of a documented client, whatever its language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from conformance.clients.flows import Flow
from conformance.safe_text import excerpt


class NotInstalledError(Exception):
    """The client is not installed and cannot be; the message says what to install."""


class FlowFailedError(Exception):
    """The client failed in a flow; the message is its error."""


class Client(Protocol):
    """A client that runs documented flows against one URL; `version` is that of its own package."""

    name: str
    version: str

    def run(self, flow: Flow, program: str, names: Mapping[str, Any]) -> Any:
        """Run a program that `flow.program()` made; return its result as plain JSON.

        `names` are the program's variables, `DEPLOYMENT_URL` among them. Raises
        `FlowFailedError` if the program fails.
        """

    def close(self) -> None:
        """Release what the client keeps open."""


def error_excerpt(text: str, width: int = 500) -> str:
    """Return the end of a program's output, which contains the error."""
    return excerpt(text.strip(), width, end=True)

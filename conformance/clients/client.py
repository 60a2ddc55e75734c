"""What a documented client is, whatever its language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from conformance.clients.flows import Flow
from conformance.excerpt import excerpt


class NotInstalledError(Exception):
    """The client is not here and cannot be had; the message says what to install."""


class FlowFailedError(Exception):
    """The client gave up on a flow; the message is what it said."""


class Client(Protocol):
    """Does documented flows against one URL. `version` is that of the client's own package."""

    name: str
    version: str

    def run(self, flow: Flow, program: str, names: Mapping[str, Any]) -> Any:
        """Run a program of `flow.program()`: what it gave, as plain JSON.

        `names` are the program's variables, `DEPLOYMENT_URL` among them.
        `FlowFailedError` where it ended otherwise.
        """

    def close(self) -> None:
        """End what the client keeps open."""


def short(text: str, width: int = 500) -> str:
    """The end of what a program said, where its error stands."""
    return excerpt(text.strip(), width, end=True)

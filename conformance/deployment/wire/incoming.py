"""A response while it is received."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Incoming:
    """Status and headers of a response, as received, and its body, still to be read.

    `pieces` raises what breaks or ends the connection before the body has ended. `extensions` are
    those of `httpx.Response`.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    extensions: dict[str, Any]
    pieces: Iterable[bytes]


class PartialResponse:
    """What has been received of one response, by a connection that goes on receiving it."""

    def __init__(self) -> None:
        #: What has come of the body and was not taken yet.
        self.pieces: list[bytes] = []
        self.is_complete = False
        self.broken: httpx.RemoteProtocolError | None = None

    def body(self, receive: Callable[[], None]) -> Iterator[bytes]:
        """Yield the pieces of the body as they come, to its end; `receive` receives more."""
        while True:
            pieces, self.pieces = self.pieces, []
            yield from pieces
            if self.broken:
                raise self.broken
            if self.is_complete:
                return
            receive()

"""A response while it is received."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


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

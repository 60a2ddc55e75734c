"""What connections have in common that are kept for further requests."""

from __future__ import annotations

import httpcore


class KeptConnection:
    """A connection over `stream`, for one request after another."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._is_free = True

    @property
    def is_free(self) -> bool:
        """Whether the last response was read to its end, and the server keeps the connection."""
        return self._is_free

    @property
    def has_news(self) -> bool:
        """Whether the server has sent something since then, which may be its end."""
        return bool(self._stream.get_extra_info("is_readable"))

    def close(self) -> None:
        """Close the connection."""
        self._is_free = False
        self._stream.close()

"""Reading of a stream that does not end by itself, until enough of it has been received."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

import httpx

from conformance.deployment.wire.deadline_connections import CutError

#: Key of `request.extensions` for the `Reader` of an answer.
READER = "threads_conformance_reader"


def never_enough(_body: bytes) -> bool:
    """Return False: the stream is read until another thread leaves it."""
    return False


def always_enough(_body: bytes) -> bool:
    """Return True: the stream is left as soon as its headers have been received."""
    return True


def is_event_stream(content_type: str) -> bool:
    """Return whether a content type is that of server-sent events."""
    return content_type.strip().lower().startswith("text/event-stream")


class Reader:
    """The body of one answer, received piece by piece until `enough` of it has been received.

    Other threads may read `body` meanwhile, and may `leave`, so that the client disconnects. What
    was received by then, or by the time limit of the request, is the body of the answer; before its
    headers there is no answer. One that is not an event stream, such as a refusal, is read to its
    end whatever `enough` returns.
    """

    def __init__(self, enough: Callable[[bytes], bool] = never_enough) -> None:
        self._enough = enough
        self._body = bytearray()
        self._lock = threading.Lock()
        self._left = threading.Event()
        #: Whether the headers have been received.
        self.opened = False
        #: Whether the time limit of the request was over before the body had ended.
        self.late = False
        self._streams = False

    def open(self, content_type: str) -> None:
        """Begin a body of that type, whose headers have been received.

        What an earlier try has read is dropped.
        """
        with self._lock:
            self._body.clear()
        self._streams = is_event_stream(content_type)
        self.opened = True
        self._leave_if_enough()

    def add(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        with self._lock:
            self._body += piece
        self._leave_if_enough()

    def _leave_if_enough(self) -> None:
        if self._streams and self._enough(self.body):
            self.leave()

    @property
    def body(self) -> bytes:
        """What has been received so far."""
        with self._lock:
            return bytes(self._body)

    def leave(self) -> None:
        """Leave the stream: the client disconnects."""
        self._left.set()

    def is_set(self) -> bool:
        """Return whether the client is to disconnect, so that a reader can be a `Switch`."""
        return self._left.is_set()

    def read(self, pieces: Iterable[bytes], content_type: str) -> Iterator[bytes]:
        """Yield the pieces of a body until it ends, is left, or the time is over."""
        self.open(content_type)
        if self.is_set():
            return
        try:
            for piece in pieces:
                self.add(piece)
                yield piece
                if self.is_set():
                    return
        except CutError:
            return
        except httpx.ReadTimeout:
            self.late = True

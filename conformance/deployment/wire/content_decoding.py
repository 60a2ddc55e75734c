"""Decoding of the body of a response: complete, and never larger than a cap."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable

import httpx

#: The value of `Accept-Encoding`: the encodings that are decoded here.
ACCEPTED = "gzip, deflate"

_GZIP = ("gzip", "x-gzip")
#: Bytes that are decompressed at once, at most.
_STEP = 2**20
_GZIP_MAGIC = b"\x1f"
#: zlib's `wbits` for gzip, for zlib (RFC 1950) and for raw deflate (RFC 1951).
_OF_GZIP, _OF_ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class AnswerTooLargeError(httpx.TransportError):
    """The body of a response is larger than the cap."""


class EncodingRefusedError(httpx.RemoteProtocolError):
    """The body of a response has a content encoding that was not requested."""


class BrokenEncodingError(httpx.RemoteProtocolError):
    """The body of a response is truncated, or not in its declared content encoding."""


def read_body(chunks: Iterable[bytes], encoding: str, cap: int) -> bytes:
    """Read and decode the whole body, of at most `cap` bytes.

    `encoding` is the value of the header content-encoding, empty where there is none.
    Raises `AnswerTooLargeError`, `EncodingRefusedError` or `BrokenEncodingError`.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names:
        return _join(chunks, cap)
    if len(names) > 1 or names[0] not in (*_GZIP, "deflate"):
        raise EncodingRefusedError(
            f"the answer is encoded as {encoding[:80]!r}, and one of {ACCEPTED} was asked for"
        )
    try:
        return _inflate(chunks, names[0], cap)
    except zlib.error as broken:
        raise BrokenEncodingError(f"the answer is not {names[0]}: {broken}") from broken


def too_large_error(cap: int) -> AnswerTooLargeError:
    """Return the error of a response of more than `cap` bytes."""
    return AnswerTooLargeError(
        f"the answer is larger than {cap / 2**20:g} MiB and was cut off: "
        "where it may be, raise the limit with --max-body"
    )


def _join(chunks: Iterable[bytes], cap: int) -> bytes:
    body = io.BytesIO()
    for chunk in chunks:
        if body.tell() + len(chunk) > cap:
            raise too_large_error(cap)
        body.write(chunk)
    return body.getvalue()


def _inflate(chunks: Iterable[bytes], name: str, cap: int) -> bytes:
    body = io.BytesIO()
    received = 0
    inflate = None
    for chunk in chunks:
        received += len(chunk)
        # What is received is limited too: empty gzip members could come without end.
        if received > cap:
            raise too_large_error(cap)
        if inflate is not None and inflate.eof:
            # Padding, or another gzip member: zlib would keep all of it, again with each chunk.
            if not (name in _GZIP and chunk.startswith(_GZIP_MAGIC)):
                continue
            inflate = None
        data = chunk
        while data:
            if inflate is None:
                inflate = zlib.decompressobj(_window_bits(name, data))
            body.write(inflate.decompress(data, min(_STEP, cap - body.tell() + 1)))
            if body.tell() > cap:
                raise too_large_error(cap)
            data = inflate.unconsumed_tail
            if inflate.eof:
                # gzip may come in several members, each a stream of its own.
                if not (name in _GZIP and inflate.unused_data.startswith(_GZIP_MAGIC)):
                    break
                data, inflate = inflate.unused_data, None
    if inflate is not None and not inflate.eof:
        raise BrokenEncodingError(f"the answer ends within its {name} stream")
    return body.getvalue()


def _window_bits(name: str, data: bytes) -> int:
    if name in _GZIP:
        return _OF_GZIP
    # "deflate" means zlib or raw deflate; the first byte shows which.
    return _OF_ZLIB if data[0] & 0x0F == zlib.DEFLATED and data[0] >> 4 <= 7 else _RAW

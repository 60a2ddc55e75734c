"""The proxy of the benchmark of distance: what is sent arrives whole, in order, and later."""

from __future__ import annotations

import asyncio
import hashlib
import os

import pytest

from benchmarks.delay_proxy import serving


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_bytes_and_their_end_arrive_in_order_both_ways(size: int) -> None:
    sent = os.urandom(size)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The end of what a client sends must arrive before this is answered.
        received = await reader.read()
        writer.write(hashlib.sha256(received).digest() + received)
        writer.write_eof()
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        far = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with far, serving("127.0.0.1", far.sockets[0].getsockname()[1], 0.1) as port:
            began = loop.time()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            # In two writes, as HTTP clients send a head and a body.
            writer.write(sent[:1])
            writer.write(sent[1:])
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer, loop.time() - began

    answer, took_s = asyncio.run(main())
    assert answer == hashlib.sha256(sent).digest() + sent
    # A round trip for the connection, and one for the request: no deadline, but a lower bound.
    assert took_s >= 0.2


def test_a_connection_that_is_refused_ends() -> None:
    async def main() -> bytes:
        closed = await asyncio.start_server(lambda *_streams: None, "127.0.0.1", 0)
        port = closed.sockets[0].getsockname()[1]
        closed.close()
        async with serving("127.0.0.1", port, 0.01) as own_port:
            reader, writer = await asyncio.open_connection("127.0.0.1", own_port)
            try:
                return await reader.read()
            finally:
                writer.close()

    assert asyncio.run(main()) == b""

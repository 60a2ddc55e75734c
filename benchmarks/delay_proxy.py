"""A TCP proxy on loopback that stands for a way of many kilometres: it delays every byte.

    python -m benchmarks.delay_proxy --to 127.0.0.1:2024 --round-trip 0.1

What one end sends, its end of file included, arrives at the other half a round trip later and
in the same order. Nothing that a client sends leaves within the first round trip of its
connection, which is what the handshake of TCP takes.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from weakref import WeakSet

#: Bytes that may wait to be written to one end before no more are read from the other.
_BUFFERED = 2**20


class _End(asyncio.Protocol):
    """One end of a connection: what it receives is written to the other end, later."""

    def __init__(self, one_way_s: float, opens_at: float = 0.0) -> None:
        self._one_way_s, self._opens_at = one_way_s, opens_at
        self._transport: asyncio.Transport | None = None
        self._pending: list[Callable[[asyncio.Transport], None]] = []
        self._on_the_way: deque[Callable[[asyncio.Transport], None]] = deque()
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(_BUFFERED)
        self._transport = transport
        for act in self._pending:
            act(transport)
        self._pending.clear()

    def data_received(self, data: bytes) -> None:
        self._later(lambda transport: transport.write(data))

    def eof_received(self) -> bool:
        self._later(lambda transport: transport.write_eof() if transport.can_write_eof() else None)
        return True  # The other direction stays open.

    def connection_lost(self, exc: Exception | None) -> None:
        self._later(lambda transport: transport.abort() if exc else transport.close())

    def pause_writing(self) -> None:
        if self.other and self.other._transport:
            self.other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other._transport:
            self.other._transport.resume_reading()

    def act(self, act: Callable[[asyncio.Transport], None]) -> None:
        """Act on this end's connection, once there is one."""
        if self._transport is None:
            self._pending.append(act)
        elif not self._transport.is_closing():
            with suppress(OSError):  # This end may be gone already.
                act(self._transport)

    def _later(self, act: Callable[[asyncio.Transport], None]) -> None:
        """Act on the other end half a round trip after it was possible to send."""
        assert self.other is not None
        # In a queue, since timers of the same moment are called in any order.
        self._on_the_way.append(act)
        loop = asyncio.get_running_loop()
        loop.call_at(max(loop.time(), self._opens_at) + self._one_way_s, self._arrive)

    def _arrive(self) -> None:
        assert self.other is not None
        self.other.act(self._on_the_way.popleft())


@asynccontextmanager
async def serving(host: str, port: int, round_trip_s: float) -> AsyncIterator[int]:
    """Pass connections to a free port of loopback, which is yielded, on to `host` and `port`."""
    loop = asyncio.get_running_loop()
    connecting: set[asyncio.Task[None]] = set()
    ends: WeakSet[_End] = WeakSet()

    def accepted() -> _End:
        near = _End(round_trip_s / 2, loop.time() + round_trip_s)
        far = near.other = _End(round_trip_s / 2)
        far.other = near
        ends.update((near, far))

        async def connect() -> None:
            try:
                await loop.create_connection(lambda: far, host, port)
            except OSError:
                near.act(lambda transport: transport.abort())

        task = loop.create_task(connect())
        connecting.add(task)
        task.add_done_callback(connecting.discard)
        return near

    server = await loop.create_server(accepted, "127.0.0.1", 0, backlog=1024)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for each in ends:
        each.act(lambda transport: transport.abort())
    await asyncio.sleep(0)  # in which the connections are closed


@contextmanager
def delay_proxy(to: str, round_trip_s: float) -> Iterator[str]:
    """Run the proxy in a process of its own while the block runs; yield its `host:port`."""
    command = [sys.executable, "-m", "benchmarks.delay_proxy", "--to", to]
    process = subprocess.Popen(
        [*command, "--round-trip", str(round_trip_s)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


async def _main(host: str, port: int, round_trip_s: float) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    async with serving(host, port, round_trip_s) as own_port:
        print(f"127.0.0.1:{own_port}", flush=True)
        await stop.wait()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--to", metavar="HOST:PORT", required=True)
    options.add_argument("--round-trip", type=float, default=0.1, metavar="SECONDS")
    chosen = options.parse_args()
    host, _, port = chosen.to.rpartition(":")
    asyncio.run(_main(host, int(port), chosen.round_trip))


if __name__ == "__main__":
    main()

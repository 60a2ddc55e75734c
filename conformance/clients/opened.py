"""The clients of one process, each started once, when it is first needed."""

from __future__ import annotations

from collections.abc import Callable

from conformance.clients.client import Client, NotInstalledError
from conformance.clients.curl import Curl
from conformance.clients.gateway import Forward, Gateway
from conformance.clients.js_sdk import JsSdk
from conformance.clients.python_sdk import PythonSdk

#: Clients by name; each takes the time limit of a flow, in seconds.
KNOWN: dict[str, Callable[[float], Client]] = {each.name: each for each in (PythonSdk, JsSdk, Curl)}


class Clients:
    """The clients by name, each opened once. If one cannot be installed, it is not tried again."""

    def __init__(self, forward: Forward, deadline_s: float) -> None:
        self._forward = forward
        self._deadline_s = deadline_s
        self._opened: dict[str, Client] = {}
        self._missing: dict[str, str] = {}
        self._gateway: Gateway | None = None

    def open(self, name: str) -> Client:
        """Return the client of that name; raise `NotInstalledError`, which says what to install."""
        if name in self._missing:
            raise NotInstalledError(self._missing[name])
        if name not in self._opened:
            try:
                self._opened[name] = KNOWN[name](self._deadline_s)
            except NotInstalledError as missing:
                self._missing[name] = str(missing)
                raise
        return self._opened[name]

    @property
    def gateway(self) -> Gateway:
        """The gateway that all clients use."""
        if self._gateway is None:
            self._gateway = Gateway(self._forward)
        return self._gateway

    def close(self) -> None:
        """Close every client, and then the gateway."""
        for client in self._opened.values():
            client.close()
        if self._gateway:
            self._gateway.close()

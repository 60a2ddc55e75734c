"""The proxy that the environment names for a deployment, if any."""

from __future__ import annotations

import ipaddress
import urllib.request
from dataclasses import dataclass

import httpx

from conformance.deployment.settings import SettingsError


@dataclass(frozen=True)
class Proxy:
    """The URL of a proxy, which may hold a password."""

    url: httpx.URL

    @property
    def address(self) -> str:
        """Host and port, without credentials."""
        port = self.url.port or {"http": 80, "https": 443}[self.url.scheme]
        return f"{self.url.host}:{port}"


def proxy_for(url: httpx.URL) -> Proxy | None:
    """Return the proxy of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or None.

    None also for this machine and for hosts that NO_PROXY excludes. Raises `SettingsError`
    for a value that is not the URL of a proxy.
    """
    if is_loopback(url.host) or urllib.request.proxy_bypass(url.host):
        return None
    named = urllib.request.getproxies()
    given = named.get(url.scheme) or named.get("all")
    if not given:
        return None
    # By convention a proxy without a scheme is reached over http.
    try:
        parsed = httpx.URL(given if "://" in given else f"http://{given}")
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SettingsError(
            f"the proxy that the environment names for {url.scheme} cannot be used: set "
            f"{url.scheme.upper()}_PROXY to a URL like http://127.0.0.1:3128, or unset it"
        )
    return Proxy(parsed)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified

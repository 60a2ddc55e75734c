"""The certificates that are trusted."""

from __future__ import annotations

import ssl
from functools import cache

import httpx

from conformance.deployment.settings import SettingsError


@cache
def tls_context(ca_bundle: str | None = None, insecure: bool = False) -> ssl.SSLContext:
    """Return a TLS context that trusts the usual certificates, those of a PEM file, or any.

    Raises `SettingsError` for a file that cannot be used.
    """
    if insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if not ca_bundle:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ValueError) as unusable:
        raise SettingsError(
            f"--ca-bundle {ca_bundle} cannot be used: give a file that can be read, with "
            "certificates in PEM format"
        ) from unusable

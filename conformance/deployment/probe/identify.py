"""Identification of the server at a URL."""

from __future__ import annotations

from conformance.deployment.connect import connect, sends_credentials
from conformance.deployment.probe.preflight import ServerInfo, probe_server
from conformance.deployment.settings import Settings


def identify_deployment(settings: Settings) -> ServerInfo:
    """Return name and version of the server; raise `UnreachableError` without a Threads API."""
    with connect(settings, "preflight", record=False, first_contact=True) as connection:
        redactor = connection.recorder.redactor
        return probe_server(
            connection.client, settings.url, redactor, credentials=sends_credentials(settings)
        )

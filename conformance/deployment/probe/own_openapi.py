"""The OpenAPI document that a deployment publishes about itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import httpx

from conformance.deployment.client import UndigestedAnswerError
from conformance.deployment.connect import connect, redactor_of
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.record.redaction import (
    Redactor,
    bare_url,
    query_secrets,
    user_info_secrets,
)
from conformance.deployment.settings import Settings, SettingsError

#: The value of `--schema-url` for the deployment's own document.
AUTO = "auto"
#: Where a deployment publishes its own document.
OWN_PATH = "/openapi.json"
#: Longest document that is accepted, in characters.
LARGEST = 16 * 1024 * 1024
_INSTEAD = "name another document with --schema-url URL, or leave the option out"


@dataclass(frozen=True)
class Published:
    """An OpenAPI document and its URL, secrets replaced."""

    url: str
    document: dict[str, Any]


def document_url(settings: Settings, schema_url: str) -> httpx.URL:
    """Return the URL of the document; raise `SettingsError` if `schema_url` is not a URL."""
    if schema_url == AUTO:
        base = settings.address
        return base.copy_with(path=f"{base.path.rstrip('/')}{OWN_PATH}")
    try:
        parsed = httpx.URL(schema_url.strip())
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SettingsError(
            f"--schema-url {bare_url(schema_url)!r} is not a URL: write it like "
            "http://127.0.0.1:2024/openapi.json, or give none for the deployment's own"
        )
    return parsed


def read_own_openapi(settings: Settings, schema_url: str) -> Published:
    """Fetch the document.

    Raises `SettingsError` if there is no usable document, `UnreachableError` without an
    answer. The user's headers are sent to the deployment's own origin only.
    """
    url = document_url(settings, schema_url)
    origin = url.copy_with(path="/", query=None, fragment=None)
    same = _origin(url) == _origin(settings.address)
    headers = settings.headers if same else ()
    asked = dataclasses.replace(settings, url=str(origin), headers=headers)
    redactor = redactor_of(settings)
    shown = redactor.url(url.copy_with(query=None, fragment=None))
    # The URL of a document may carry credentials of its own.
    own = Redactor(secrets=(*user_info_secrets(url), *query_secrets(url)))
    path = url.raw_path.decode("ascii")
    try:
        with connect(asked, "schema", record=False, first_contact=True) as connection:
            answer = connection.client.send("openapi", "GET", path)
            is_json = answer.is_json
    except UndigestedAnswerError as beyond:
        raise SettingsError(f"the document at {shown} is not read ({beyond}); {_INSTEAD}") from None
    except httpx.HTTPError as broken:
        raise UnreachableError(
            f"no answer from {shown} ({type(broken).__name__}): {_INSTEAD}"
        ) from broken
    if not answer.ok:
        raise SettingsError(
            f"no OpenAPI document at {shown}: it answers {answer.status}; {_INSTEAD}"
        )
    if len(answer.text) > LARGEST:
        raise SettingsError(
            f"the document at {shown} is longer than {LARGEST // 2**20} MiB; {_INSTEAD}"
        )
    if not is_json:
        raise SettingsError(f"what {shown} answers is not JSON; {_INSTEAD}")
    if not isinstance(answer.body, dict) or not isinstance(answer.body.get("paths"), dict):
        raise SettingsError(f"what {shown} answers is no OpenAPI document: no paths; {_INSTEAD}")
    return Published(shown, redactor.json(own.json(answer.body)))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or default

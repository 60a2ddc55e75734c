"""Checks before a run: whether a Threads server is at the URL, and which one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.probe.is_threads_server import Recognition
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.wire.content_decoding import BrokenEncodingError, EncodingRefusedError
from conformance.deployment.wire.deadline_connections import (
    NameNotFoundError,
    NoTlsError,
    UntrustedCertificateError,
    speaks_tls,
)
from conformance.safe_text import excerpt, safe_name

#: The project with the graphs that the checks use.
GRAPH_PROJECT = "fixtures/deployments/langgraph-python"

_PROBE = "POST /threads/search"
_REFUSALS = (401, 403)
_GATEWAY_STATUSES = (502, 503, 504)
_LOGIN = re.compile(r"log[ _-]?[io]n|sign[ _-]?in|oauth|\bsso\b|type=[\"']?password", re.IGNORECASE)
_GIVE_KEY = "--api-key KEY, or a header with -H 'Name: value'"
#: Time limit of a TLS handshake with a server that does not speak HTTP, in seconds.
_TLS_PROBE_S = 2.0


class UnreachableError(Exception):
    """The deployment cannot be judged; the message says what the user can do."""


@dataclass(frozen=True)
class ServerInfo:
    """Name and version that a deployment reports; None where it does not."""

    name: str | None
    version: str | None


def probe_server(
    client: ThreadsClient, url: str, redactor: Redactor, *, credentials: bool = False
) -> ServerInfo:
    """Return name and version of a server; raise `UnreachableError` without a Threads API.

    One answer that only a Threads server gives is enough, so that a broken operation counts as a
    finding and not as a wrong address. `credentials` says whether any are sent.
    """
    shown = redactor.url(url)
    found = Recognition(client)
    try:
        _check_intermediaries(found, shown, redactor, credentials)
        if not found.is_threads_server():
            raise UnreachableError(_no_server_problem(found, url, shown))
        described = found.info
    except httpx.HTTPError as broken:
        raise UnreachableError(
            _connection_problem(broken, httpx.URL(url), shown, redactor)
        ) from broken
    return ServerInfo(_name(described), _text(described.get("version")))


def graph_missing(client: ThreadsClient, graph_id: str) -> str | None:
    """Return a sentence if the deployment reports that it lacks the graph; else None.

    A deployment that does not list its graphs is assumed to have it.
    """
    listed = client.assistants({"graph_id": graph_id, "limit": 1})
    if listed.ok and isinstance(listed.digested, list) and listed.digested:
        return None
    if not listed.ok and not client.assistants({"limit": 1}).ok:
        return None
    return f"the deployment has no graph {graph_id!r}: deploy the graph project of {GRAPH_PROJECT}"


def _check_intermediaries(
    found: Recognition, shown: str, redactor: Redactor, credentials: bool
) -> None:
    """Raise `UnreachableError` if something in front of the server answers in its place.

    Two operations must agree: one alone may be broken in the server itself.
    """
    try:
        search = found.search
    except (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError) as unanswered:
        try:
            _ = found.thread
        except httpx.HTTPError:
            raise unanswered from None
        return
    for problem_of in (_credentials_problem, _redirect_problem, _login_problem, _gateway_problem):
        if sentence := problem_of(search, shown, redactor, credentials):
            if any(
                problem_of(each, shown, redactor, credentials) for each in found.further_answers()
            ):
                raise UnreachableError(sentence)
            return


def _credentials_problem(answer: Answer, shown: str, _redactor: Redactor, credentials: bool) -> str:
    if answer.status not in _REFUSALS:
        return ""
    if credentials:
        return (
            f"the key is refused: {shown} answers {answer.status} to {_PROBE} with the "
            f"credentials that were given; give others with {_GIVE_KEY}"
        )
    return (
        f"{shown} answers {answer.status} to {_PROBE}: it requires credentials; give them with "
        f"{_GIVE_KEY}"
    )


def _redirect_problem(answer: Answer, shown: str, redactor: Redactor, _credentials: bool) -> str:
    if not httpx.codes.is_redirect(answer.status):
        return ""
    try:
        target = httpx.URL(shown).join(answer.headers.get("location", ""))
    except httpx.InvalidURL:
        target = httpx.URL(shown)
    bare = target.copy_with(query=None, fragment=None)
    leads = f"{shown} redirects {_PROBE} to {excerpt(redactor.url(bare), 200)}"
    if _LOGIN.search(str(target)):
        return (
            f"{leads}, a login page: give credentials that need no login with {_GIVE_KEY}, or a "
            "URL that needs none"
        )
    return f"{leads}: give the base URL that answers /threads without a redirect"


def _login_problem(answer: Answer, shown: str, _redactor: Redactor, _credentials: bool) -> str:
    if "html" not in answer.headers.get("content-type", "") or not _LOGIN.search(answer.text):
        return ""
    return (
        f"{shown} answers {_PROBE} with a login page: give credentials that need no login with "
        f"{_GIVE_KEY}, or a URL that needs none"
    )


def _gateway_problem(answer: Answer, shown: str, _redactor: Redactor, _credentials: bool) -> str:
    if answer.status not in _GATEWAY_STATUSES:
        return ""
    return (
        f"{shown} answers {answer.status} to {_PROBE}, as a gateway does if its server is down or "
        "starting: start the server, or try again later"
    )


def _no_server_problem(found: Recognition, url: str, shown: str) -> str:
    search = found.search
    parsed = httpx.URL(url)
    if parsed.scheme == "http" and search.status == 400 and _speaks_tls_at(parsed):
        return _write_https(shown)
    kind = excerpt(search.headers.get("content-type", "no content type"), 100)
    prefix = parsed.path.rstrip("/")
    doubt = f"is {prefix} right?" if prefix else f"is a prefix missing, as in {shown}/api?"
    if prefix.endswith("/threads"):
        doubt = f"write {shown.rstrip('/').removesuffix('/threads')}"
    return (
        f"no LangGraph Server at {shown}: {_PROBE} answers {search.status} ({kind}), where a "
        f"server answers a JSON list of threads. Give the base URL of /threads: {doubt}"
    )


def _connection_problem(
    broken: httpx.HTTPError, url: httpx.URL, shown: str, redactor: Redactor
) -> str:
    """Return why the deployment cannot be reached and what the user can do."""
    why = excerpt(str(broken)) or type(broken).__name__
    match broken:
        case httpx.ProxyError() if "407" in why:
            return (
                f"the proxy on the way to {shown} requires credentials (407): write them into "
                f"{url.scheme.upper()}_PROXY, as in http://user:password@host:port"
            )
        case httpx.ProxyError():
            return (
                f"cannot connect to {shown} through the proxy ({why}): correct "
                f"{url.scheme.upper()}_PROXY, or bypass the proxy with NO_PROXY={url.host}"
            )
        case NameNotFoundError():
            return f"cannot connect to {shown} ({why}): correct the host name in the URL"
        case UntrustedCertificateError():
            return (
                f"the certificate of {shown} is not trusted ({why}): give the certificate of its "
                "CA with --ca-bundle FILE, or trust any certificate with --insecure"
            )
        case NoTlsError():
            return (
                f"the server at {url.host}:{url.port or 443} does not speak TLS ({why}): "
                f"write {_with_scheme(shown, 'http')} if it serves plain HTTP"
            )
        case httpx.ConnectTimeout():
            return (
                f"cannot connect to {shown} in time ({why}): check that the host is up, and that "
                f"the port and the scheme {url.scheme} are right"
            )
        case httpx.TimeoutException():
            return (
                f"{shown} does not answer in time ({why}): check its load, or give it more time "
                "with --timeout"
            )
        case httpx.ConnectError():
            return f"cannot connect to {shown} ({why}): is the server running? Check the URL"
        case EncodingRefusedError() | BrokenEncodingError():
            return _unreadable(shown, why)
        case httpx.NetworkError() | httpx.RemoteProtocolError() if (
            url.scheme == "http" and _speaks_tls_at(url)
        ):
            return _write_https(shown)
        case httpx.NetworkError() | httpx.RemoteProtocolError():
            return (
                f"{shown} breaks the connection ({why}): check that an HTTP server is there, and "
                "whether the URL must begin with http or https"
            )
        case _:
            return _unreadable(shown, why)


def _unreadable(shown: str, why: str) -> str:
    return f"the answer of {shown} cannot be read ({why}): check that a LangGraph Server is there"


def _speaks_tls_at(url: httpx.URL) -> bool:
    return speaks_tls(url.host, url.port or 80, _TLS_PROBE_S)


def _write_https(shown: str) -> str:
    return f"{shown} speaks https, not http: write {_with_scheme(shown, 'https')}"


def _with_scheme(shown: str, scheme: str) -> str:
    return f"{scheme}://{shown.partition('://')[2]}"


def _name(described: dict[str, Any]) -> str | None:
    # Not from members such as `langgraph_py_version`: compatible servers report those as well.
    return _text(described.get("name"))


def _text(value: Any) -> str | None:
    return safe_name(value) if isinstance(value, str) and value else None

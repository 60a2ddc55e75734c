"""Before a run: is there such a server at the URL, and who is it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.redaction import Redactor
from conformance.excerpt import excerpt, safe_name

#: Where the graphs are that the checks use.
GRAPH_PROJECT = "fixtures/deployments/langgraph-python"


class UnreachableError(Exception):
    """Nothing can be said of the deployment; the message says what to do."""


@dataclass(frozen=True)
class ServerInfo:
    """What a deployment says of itself; None where it does not say."""

    name: str | None
    version: str | None


def look(client: ThreadsClient, url: str, redactor: Redactor) -> ServerInfo:
    """Ask a deployment who it is; `UnreachableError` unless it is a Threads server.

    It is taken for one if anything that only such a server says is said: one broken
    operation is a finding, not a wrong address.
    """
    shown = redactor.url(url)
    try:
        search = client.search({"metadata": client.tag, "limit": 1})
        if search.status in (401, 403):
            raise UnreachableError(
                f"{shown} answers {search.status} to POST /threads/search: "
                "give its key with --api-key KEY, or a header with -H 'Name: value'"
            )
        info = client.info()
        described = info.body if info.ok and isinstance(info.body, dict) else {}
        version = _text(described.get("version"))
        if not (_lists(search) or version or _knows_threads(client)):
            raise UnreachableError(
                f"no LangGraph Server at {shown}: POST /threads/search answers "
                f"{search.status} ({_content_type(search)}), "
                "where a server answers a JSON list. Give the URL under which /threads stands"
            )
    except httpx.TimeoutException as slow:
        raise UnreachableError(
            f"{shown} does not answer in time ({excerpt(str(slow))}): is it overloaded?"
        ) from slow
    except httpx.ConnectError as refused:
        raise UnreachableError(
            f"cannot connect to {shown} ({excerpt(str(refused))}): "
            "start the server, or mend the URL"
        ) from refused
    except httpx.HTTPError as broken:
        raise UnreachableError(
            f"{shown} breaks the connection "
            f"({excerpt(str(broken)) or type(broken).__name__}): "
            "is it an HTTP server, and http or https as the URL says?"
        ) from broken
    return ServerInfo(_name(described), version)


def graph_missing(client: ThreadsClient, graph_id: str) -> str | None:
    """A sentence, if the deployment says that it has no such graph; else None.

    A deployment that does not list its graphs is given the benefit of the doubt.
    """
    listed = client.assistants({"graph_id": graph_id, "limit": 1})
    if listed.ok and isinstance(listed.body, list) and listed.body:
        return None
    if not listed.ok and not client.assistants({"limit": 1}).ok:
        return None
    return f"the deployment has no graph {graph_id!r}: deploy the graph project of {GRAPH_PROJECT}"


def _lists(search: Answer) -> bool:
    return search.ok and isinstance(search.body, list)


def _knows_threads(client: ThreadsClient) -> bool:
    """Whether an unknown thread is answered as only a server of threads would."""
    unknown = client.get(client.ownership.absent_id())
    return (
        unknown.status in (404, 422) and isinstance(unknown.body, dict) and "hread" in unknown.text
    )


def _name(described: dict[str, Any]) -> str | None:
    if name := _text(described.get("name")):
        return name
    if "langgraph_py_version" in described:
        return "langgraph-api"
    if "langgraph_js_version" in described:
        return "langgraph-js"
    return None


def _text(value: Any) -> str | None:
    return safe_name(value) if isinstance(value, str) and value else None


def _content_type(answer: Answer) -> str:
    return excerpt(answer.headers.get("content-type", "no content type"), 100)

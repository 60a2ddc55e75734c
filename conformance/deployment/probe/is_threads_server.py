"""Recognition of a Threads server by answers that only such a server gives.

Each piece of evidence depends on one operation, so that a broken operation counts as a finding
and not as a wrong address. Each answer is compared with the answer to a path that no server has:
a framework that answers both alike has no operations on threads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx

from conformance.deployment.client import Answer, ThreadsClient

#: Members of /info that identify a LangGraph server.
_LANGGRAPH_MEMBERS = ("langgraph_py_version", "langgraph_js_version")


class Recognition:
    """The answers of a deployment to harmless requests, each sent once and when needed.

    A request without an answer raises its `httpx.HTTPError` each time that the answer is
    read.
    """

    def __init__(self, client: ThreadsClient) -> None:
        self._client = client
        self._no_thread = client.ownership.absent_id()
        # The path contains `threads`, so that a server that echoes it is not taken to know threads.
        self._unknown_path = f"/nothreads-{uuid4().hex[:12]}/{self._no_thread}"
        self._answers: dict[str, Answer | httpx.HTTPError] = {}

    @property
    def search(self) -> Answer:
        """POST /threads/search for a tag that no thread has."""
        body = {"metadata": self._client.tag, "limit": 1}
        return self._answer("search", lambda: self._client.search(body))

    @property
    def thread(self) -> Answer:
        """GET of a thread that does not exist."""
        return self._answer("thread", lambda: self._client.get(self._no_thread))

    @property
    def state(self) -> Answer:
        """GET of the state of a thread that does not exist."""
        return self._answer("state", lambda: self._client.state(self._no_thread))

    @property
    def history(self) -> Answer:
        """GET of the history of a thread that does not exist."""
        return self._answer("history", lambda: self._client.history(self._no_thread))

    @property
    def count(self) -> Answer:
        """POST /threads/count for a tag that no thread has."""
        return self._answer("count", lambda: self._client.count({"metadata": self._client.tag}))

    @property
    def assistants(self) -> Answer:
        """POST /assistants/search without a filter."""
        return self._answer("assistants", lambda: self._client.assistants({"limit": 1}))

    @property
    def info(self) -> dict[str, Any]:
        """The JSON object of GET /info; empty for any other answer, or none."""
        try:
            answer = self._answer("info", self._client.info)
        except httpx.HTTPError:
            return {}
        return _object(answer) if answer.ok else {}

    @property
    def unknown_path(self) -> Answer:
        """GET of a path that no server has."""
        return self._answer("nowhere", lambda: self._client.send("info", "GET", self._unknown_path))

    def further_answers(self) -> Iterator[Answer]:
        """Yield further answers; each is requested only when the iteration reaches it."""
        yield self.thread
        yield self.count
        yield self.assistants

    def is_threads_server(self) -> bool:
        """Return whether any answer is evidence of a Threads server; a missing answer is none."""
        evidence = (
            lambda: _lists(self.search, "thread_id") and not _lists(self.unknown_path),
            self._knows_threads,
            self._is_langgraph,
            self._has_histories,
            self._counts,
            lambda: _lists(self.assistants, "assistant_id", least=1),
            self._publishes_openapi,
        )
        return any(map(_holds, evidence))

    def _answer(self, name: str, ask: Callable[[], Answer]) -> Answer:
        if name not in self._answers:
            try:
                self._answers[name] = ask()
            except httpx.HTTPError as unanswered:
                self._answers[name] = unanswered
        answer = self._answers[name]
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer

    def _knows_threads(self) -> bool:
        """Return whether two operations distinguish an unknown thread from an unknown path.

        One is not enough: forum software has threads too, but no states or histories of
        them.
        """
        if "thread" in _text_without_path(self.unknown_path, self._unknown_path):
            return False
        asked = (
            (lambda: self.thread, ""),
            (lambda: self.state, "/state"),
            (lambda: self.history, "/history"),
        )
        path = f"/threads/{self._no_thread}"
        denials = [_holds(partial(_denies_thread, ask, path + below)) for ask, below in asked]
        return sum(denials) > 1

    def _is_langgraph(self) -> bool:
        named = any(name in self.info for name in _LANGGRAPH_MEMBERS) or any(
            isinstance(each, str) and "langgraph" in each.lower() for each in self.info.values()
        )
        return named and not (self.unknown_path.ok and _object(self.unknown_path) == self.info)

    def _counts(self) -> bool:
        number = _json(self.count)
        counted = isinstance(number, int) and not isinstance(number, bool)
        return self.count.ok and counted and not self.unknown_path.ok

    def _has_histories(self) -> bool:
        return _lists(self.history) and not _lists(self.unknown_path)

    def _publishes_openapi(self) -> bool:
        answer = self._client.send("info", "GET", "/openapi.json")
        paths = _object(answer).get("paths") if answer.ok else None
        return isinstance(paths, dict) and any(
            str(path).endswith("/threads/{thread_id}/history") for path in paths
        )


def _holds(evidence: Callable[[], bool]) -> bool:
    try:
        return evidence()
    except httpx.HTTPError:
        return False


def _json(answer: Answer) -> Any:
    """Return the parsed body; None if it is not JSON or exceeds the limits."""
    try:
        return answer.body
    except httpx.DecodingError:
        return None


def _object(answer: Answer) -> dict[str, Any]:
    body = _json(answer)
    return body if isinstance(body, dict) else {}


def _lists(answer: Answer, member: str = "", least: int = 0) -> bool:
    """Return whether the answer is a list of at least `least` objects that have the member."""
    body = _json(answer)
    return (
        answer.ok
        and isinstance(body, list)
        and len(body) >= least
        and all(isinstance(each, dict) and (not member or member in each) for each in body)
    )


def _denies_thread(ask: Callable[[], Answer], path: str) -> bool:
    """Return whether the answer says, in the server's own words, that there is no such thread."""
    answer = ask()
    if answer.status not in (404, 410, 422) or "html" in answer.headers.get("content-type", ""):
        return False
    return "thread" in _text_without_path(answer, path)


def _text_without_path(answer: Answer, path: str) -> str:
    """Return the text of an answer without the requested path, however that is echoed."""
    text = json.dumps(_object(answer), ensure_ascii=False) if _object(answer) else answer.text
    text = unquote(text).lower().replace("\\/", "/")
    return text.replace(path.strip("/"), "")

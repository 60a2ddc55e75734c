"""Runs as a check uses them: on a thread, or without one."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from conformance.checks.api import ThreadsApi
from conformance.checks.events import Event, known_events
from conformance.checks.outcomes import Blocked
from conformance.checks.views import State, Thread, checkpoint_id_of, id_of
from conformance.deployment.client import Answer
from conformance.deployment.guard import NotOursRefusal

#: Statuses of a run that goes on, or is to begin.
UNDER_WAY = ("pending", "running")
#: A slow run of so many seconds is still under way when a check comes to stop it.
LONG_S = 12.0


@dataclass(frozen=True)
class Run:
    """A run on a thread."""

    thread_id: str
    run_id: str


class Runs:
    """Starts runs of the graphs that the profile full needs, and looks at runs.

    `graph` is interrupter, failing, slow or nested, or agent for that of the settings.
    What is still under way when the check ends is cancelled, for a deployment may work
    off one run at a time.
    """

    def __init__(self, api: ThreadsApi) -> None:
        self._asker = api
        self._client = api.client
        self._case = api.context
        self._started: list[Run] = []

    def __enter__(self) -> Runs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for run in self._started:
            try:
                shown = self._client.runs.get(run.thread_id, run.run_id)
                if shown.ok and _status(shown) in UNDER_WAY:
                    self._client.runs.cancel(run.thread_id, run.run_id)
            except (httpx.HTTPError, NotOursRefusal):
                continue

    # Starting

    def body(self, graph: str, text: str = "go on", **members: Any) -> dict[str, Any]:
        """The body of a run whose input is one message; `seconds` go to a slow run."""
        if graph == "agent":
            return self._asker.run_body(**members)
        given: dict[str, Any] = {"messages": [{"type": "human", "content": text}]}
        if "seconds" in members:
            given["seconds"] = members.pop("seconds")
        return {"assistant_id": self._case.other_graph(graph), "input": given, **members}

    def ended(self, thread: Thread, graph: str, text: str = "go on", **members: Any) -> Any:
        """What a run that was waited for answers, however it ended.

        That of a graph that raises may be refused, once it is among the runs of the thread.
        """
        body = self.body(graph, text, **members)
        if graph != "failing":
            return self._waited(thread, body)
        answer = self._client.run_wait(id_of(thread), body)
        if not answer.ok and self._client.runs.list(id_of(thread)).body:
            return answer.body
        return self._asker.granted(answer, thread).body

    def resumed(self, thread: Thread, graph: str, answer: Any, **members: Any) -> Any:
        """What the run answers that resumes an interrupted thread."""
        command = {"resume": answer, **members}
        body = {"assistant_id": self._case.other_graph(graph), "command": command}
        return self._waited(thread, body)

    def started(self, thread: Thread, graph: str, text: str = "go on", **members: Any) -> Run:
        """A run in the background, just begun."""
        # By its tag a run is proved to be this run's, before it is cancelled or deleted.
        members["metadata"] = {**self._client.tag, **members.get("metadata", {})}
        answer = self._client.run_background(id_of(thread), self.body(graph, text, **members))
        run = Run(id_of(thread), self._text_in(answer, thread, "run_id"))
        self._started.append(run)
        return run

    def halfway(self, thread: Thread, text: str = "go on") -> Run:
        """A long run under way, whose first states are in the history."""
        before = self._newest(thread)
        run = self.started(thread, "slow", text, seconds=LONG_S)
        # By their ids: a page may hold fewer states than there are.
        fresh = self._case.eventually(
            lambda: self._newest(thread) - before,
            lambda fresh: len(fresh) > 1,
            self._case.settings.run_timeout_s,
        )
        if len(fresh) < 2 or self.status(run) != "running":
            raise Blocked("a slow run does not show its first states while it is under way")
        return run

    def streamed(self, thread: Thread, graph: str, text: str = "go on", **members: Any) -> Answer:
        """The answer of a run that is streamed to its end."""
        body = self.body(graph, text, **members)
        return self._asker.granted(self._client.run_stream(id_of(thread), body), thread)

    def events(
        self, thread: Thread, graph: str, text: str = "go on", **members: Any
    ) -> list[Event]:
        """The events of a run that is streamed to its end."""
        return known_events(self.streamed(thread, graph, text, **members).text)

    # Looking

    def shown(self, run: Run) -> dict[str, Any]:
        """The run as GET shows it."""
        answer = self._client.runs.get(run.thread_id, run.run_id)
        return self._asker.object_of(answer, _thread(run))

    def status(self, run: Run) -> Any:
        """The status of the run."""
        return self.shown(run).get("status")

    def end_of(self, run: Run, within_s: float | None = None) -> Any:
        """The status of a run that has ended: it may be shown a little later than the end."""
        return self._case.eventually(
            lambda: self.status(run), lambda status: status not in UNDER_WAY, within_s
        )

    def listed(self, thread: Thread, **params: Any) -> list[dict[str, Any]]:
        """The runs of a thread."""
        return self._asker.list_of(self._client.runs.list(id_of(thread), **params), thread)

    def only(self, thread: Thread) -> Run:
        """The one run that the thread has."""
        answer = self._client.runs.list(id_of(thread))
        listed = self._asker.list_of(answer, thread)
        if len(listed) != 1 or not isinstance(listed[0].get("run_id"), str):
            raise self._asker.refusal("one run on the thread", answer, "one run")
        return Run(id_of(thread), listed[0]["run_id"])

    def joined(self, run: Run) -> Any:
        """What join answers once the run has ended."""
        answer = self._client.run_join(run.thread_id, run.run_id)
        body = self._asker.granted(answer, _thread(run)).body
        if self._asker.arranging and (shown := self.end_of(run)) in UNDER_WAY:
            raise Blocked(f"join answers while the run is {shown}", by="RUN-CONTROL-09")
        return body

    def followed(self, run: Run, last_event_id: str | None = None, **params: Any) -> list[Event]:
        """The events that joining the run's stream gives."""
        answer = self._client.runs.join_stream(run.thread_id, run.run_id, last_event_id, **params)
        return known_events(self._asker.granted(answer, _thread(run)).text)

    # Stopping

    def cancelled(self, run: Run, action: str, wait: bool = True) -> None:
        """Cancel the run, and wait for its end."""
        answer = self._client.runs.cancel(
            run.thread_id, run.run_id, action=action, wait=str(wait).lower()
        )
        self._asker.granted(answer, _thread(run))

    def deleted(self, run: Run) -> None:
        """Delete the run."""
        self._asker.granted(self._client.runs.delete(run.thread_id, run.run_id), _thread(run))

    def _waited(self, thread: Thread, body: dict[str, Any]) -> Any:
        return self._asker.granted(self._client.run_wait(id_of(thread), body), thread).body

    def _newest(self, thread: Thread) -> set[str]:
        """The newest checkpoints of a thread, as many as one page holds."""
        return {checkpoint_id_of(state) for state in self._asker.page(thread, limit=1000)}

    def _text_in(self, answer: Answer, thread: Thread, name: str) -> str:
        value = self._asker.object_of(answer, thread).get(name)
        if not isinstance(value, str):
            raise self._asker.refusal(f"a run with {name}", answer, name)
        return value


def contents(holder: dict[str, Any] | State) -> list[Any]:
    """The contents of the messages in the values of a thread or state, oldest first."""
    values = holder.get("values")
    messages = values.get("messages") if isinstance(values, dict) else None
    return [each.get("content") for each in messages or [] if isinstance(each, dict)]


def run_of(value: Any) -> Run | None:
    """The run that a JSON value is."""
    names = value if isinstance(value, dict) else {}
    thread_id, run_id = names.get("thread_id"), names.get("run_id")
    if isinstance(thread_id, str) and isinstance(run_id, str):
        return Run(thread_id, run_id)
    return None


def run_in(answer: Answer) -> Run | None:
    """The run that an answer names: in its body, else in its Content-Location."""
    path = answer.headers.get("content-location", "").strip("/").split("/")
    located = Run(path[1], path[3]) if len(path) > 3 and path[0] == "threads" else None
    return run_of(answer.body) or located


def _thread(run: Run) -> Thread:
    return {"thread_id": run.thread_id}


def _status(answer: Answer) -> Any:
    return answer.body.get("status") if isinstance(answer.body, dict) else None

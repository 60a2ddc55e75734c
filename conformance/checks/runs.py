"""Access to runs for checks: how to start, read and stop them."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from conformance.checks.api import ThreadsApi
from conformance.checks.events import Event, events_or_blocked
from conformance.checks.outcomes import Blocked
from conformance.checks.views import State, Thread, checkpoint_id_of, id_of
from conformance.deployment.client import Answer
from conformance.deployment.ownership.guard import NotOursRefusal
from conformance.deployment.wire.deadline_connections import CutError
from conformance.parallel import start, wait_for

#: The ways to run a graph on a thread to its end.
WAYS = ("wait", "stream", "background")
#: The requirement that a run leaves states in the history, by the way in which it is made.
STATES_REQUIREMENT_BY_WAY = {"wait": "RUN-01", "stream": "RUN-02", "background": "RUN-03"}
#: Statuses of a run that has not ended.
NOT_ENDED = ("pending", "running")
#: The duration, in seconds, of a slow run that must still be running when a check stops it.
LONG_S = 12.0


@dataclass(frozen=True)
class Run:
    """A run on a thread."""

    thread_id: str
    run_id: str


class Runs:
    """The runs of a check, of the graphs that the profile `full` needs.

    `graph` is interrupter, failing, slow or nested, or agent for the graph of the settings. Runs
    that have not ended when the check ends are cancelled, since a deployment may execute only one
    run at a time.
    """

    def __init__(self, api: ThreadsApi) -> None:
        self._api = api
        self._client = api.client
        self._context = api.context
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
                if shown.ok and _status(shown) in NOT_ENDED:
                    self._client.runs.cancel(run.thread_id, run.run_id)
            except (httpx.HTTPError, NotOursRefusal):
                continue

    # Starting

    def body(self, graph: str, text: str = "go on", **members: Any) -> dict[str, Any]:
        """Return the body of a run with a message as input; `seconds` is how long `slow` takes."""
        if graph == "agent":
            return self._api.run_body(**members)
        given: dict[str, Any] = {"messages": [{"type": "human", "content": text}]}
        if "seconds" in members:
            given["seconds"] = members.pop("seconds")
        return {"assistant_id": self._context.other_graph(graph), "input": given, **members}

    def run_to_end(self, thread: Thread, graph: str, text: str = "go on", **members: Any) -> Any:
        """Run a graph, wait for its end, and return the body that is answered, however it ended.

        A run of `failing` may be answered by an error, if the thread then lists a run.
        """
        body = self.body(graph, text, **members)
        if graph != "failing":
            return self._run_and_wait(thread, body)
        answer = self._client.run_wait(id_of(thread), body)
        if not answer.ok and self._client.runs.list(id_of(thread)).body:
            return answer.body
        return self._api.ensure_success(answer, thread).body

    def without_input(self, graph: str, **members: Any) -> dict[str, Any]:
        """Return the body of a run without input, which continues from the thread's state."""
        return {"assistant_id": self._context.other_graph(graph), **members}

    def run_by(self, way: str, thread: Thread, body: dict[str, Any]) -> None:
        """Run to the end by wait, by stream, or in the background and joined."""
        if way == "wait":
            self._run_and_wait(thread, body)
        elif way == "stream":
            self._api.ensure_success(self._client.run_stream(id_of(thread), body), thread)
        else:
            self.join(self._start(thread, body))

    def resume(self, thread: Thread, graph: str, answer: Any, **members: Any) -> Any:
        """Resume an interrupted thread with `answer`, and return the body that is answered."""
        command = {"resume": answer, **members}
        body = {"assistant_id": self._context.other_graph(graph), "command": command}
        return self._run_and_wait(thread, body)

    def start(self, thread: Thread, graph: str, text: str = "go on", **members: Any) -> Run:
        """Start a run in the background and return it."""
        return self._start(thread, self.body(graph, text, **members))

    def _start(self, thread: Thread, body: dict[str, Any]) -> Run:
        # The tag proves that the run is ours, before it is cancelled or deleted.
        body = {**body, "metadata": {**self._client.tag, **body.get("metadata", {})}}
        answer = self._client.run_background(id_of(thread), body)
        run = Run(id_of(thread), self._text_in(answer, thread, "run_id"))
        self._started.append(run)
        return run

    def enqueue(self, thread: Thread, graph: str, text: str = "go on", **members: Any) -> Run:
        """Start a run in the background that begins once those before it have ended.

        The strategy is sent, since a deployment may by default refuse a run on a busy thread.
        """
        return self.start(thread, graph, text, multitask_strategy="enqueue", **members)

    def enqueue_behind(
        self, thread: Thread, graph: str, text: str = "go on", **members: Any
    ) -> Run:
        """Start a run behind the running one, and return it; `Blocked` unless it is pending."""
        run = self.enqueue(thread, graph, text, **members)
        if (status := self.status(run)) != "pending":
            raise Blocked(f"a run behind another is {status}", by="MULTITASK-03")
        return run

    def start_long(self, thread: Thread, text: str = "go on") -> Run:
        """Start a long run and return it once its first states are in the history.

        `Blocked` if they are not shown while the run is running.
        """
        before = self._newest_ids(thread)
        run = self.start(thread, "slow", text, seconds=LONG_S)
        # Compared by id, not by number: a page may hold fewer states than there are.
        fresh = self._context.eventually(
            lambda: self._newest_ids(thread) - before,
            lambda fresh: len(fresh) > 1,
            self._context.settings.run_timeout_s,
        )
        if len(fresh) < 2 or self.status(run) != "running":
            raise Blocked("a slow run does not show its first states while it is under way")
        return run

    def start_and_disconnect(self, thread: Thread, way: str, seconds: float, **members: Any) -> Run:
        """Start a slow run by `wait` or `stream`, disconnect once it is running, and return it.

        `Blocked` if the run is answered before the client disconnects, or if it is not listed.
        """
        members["metadata"] = {**self._client.tag, **members.get("metadata", {})}
        body = self.body("slow", seconds=seconds, **members)
        send = {"wait": self._client.run_wait, "stream": self._client.run_stream}[way]
        cut = threading.Event()
        pending_answer = start(lambda: send(id_of(thread), body, cut=cut))
        try:
            shown = self._context.eventually(
                lambda: self.list_runs(thread),
                lambda shown: (
                    pending_answer.done() or [run.get("status") for run in shown] == ["running"]
                ),
                self._context.settings.run_timeout_s,
            )
        finally:
            cut.set()
            wait_for([pending_answer])
        with contextlib.suppress(CutError):
            self._api.ensure_success(pending_answer.result(), thread)
            raise Blocked("a slow run is answered before its client leaves")
        run = run_of(shown[0]) if shown else None
        if run is None:
            raise Blocked("a slow run is not listed while it is under way", by="RUN-CONTROL-02")
        self._started.append(run)
        return run

    def stream(self, thread: Thread, graph: str, text: str = "go on", **members: Any) -> Answer:
        """Run a graph by stream, and return the answer with the whole stream."""
        body = self.body(graph, text, **members)
        return self._api.ensure_success(self._client.run_stream(id_of(thread), body), thread)

    def events(
        self, thread: Thread, graph: str, text: str = "go on", **members: Any
    ) -> list[Event]:
        """Run a graph by stream, and return the events of the whole stream."""
        return events_or_blocked(self.stream(thread, graph, text, **members).text)

    def events_of(self, thread: Thread, body: dict[str, Any]) -> list[Event]:
        """Stream a run of that body, and return the events of the whole stream."""
        answer = self._client.run_stream(id_of(thread), body)
        return events_or_blocked(self._api.ensure_success(answer, thread).text)

    # Reading

    def get(self, run: Run) -> dict[str, Any]:
        """Return the run as GET shows it."""
        answer = self._client.runs.get(run.thread_id, run.run_id)
        return self._api.object_of(answer, _thread(run))

    def status(self, run: Run) -> Any:
        """Return the status of the run."""
        status = self.get(run).get("status")
        self._note_end(run, status)
        return status

    def _note_end(self, run: Run, status: Any) -> None:
        """Forget a run that has ended: it need not be cancelled at the end of the check."""
        if status not in NOT_ENDED and run in self._started:
            self._started.remove(run)

    def status_once_ended(self, run: Run, within_s: float | None = None) -> Any:
        """Wait until the run has ended, up to `within_s` seconds, and return its status."""
        return self._context.eventually(
            lambda: self.status(run), lambda status: status not in NOT_ENDED, within_s
        )

    def status_once_ended_or_deleted(self, run: Run, within_s: float | None = None) -> Any:
        """Wait until the run has ended and return its status, or None if it is deleted by then.

        The deadline is `within_s` seconds, and at most that of a run, which is the default: a
        pending run begins only after others.
        """
        longest = self._context.settings.run_timeout_s

        def read() -> Any:
            answer = self._client.runs.get(run.thread_id, run.run_id)
            if answer.status in (404, 410):
                return None
            status = self._api.object_of(answer, _thread(run)).get("status")
            self._note_end(run, status)
            return status

        return self._context.eventually(
            read,
            lambda status: status not in NOT_ENDED,
            longest if within_s is None else min(within_s, longest),
        )

    def wait_for_begin(self, run: Run) -> Any:
        """Wait until the run is no longer pending, and return its status."""
        return self._context.eventually(
            lambda: self.status(run),
            lambda status: status != "pending",
            self._context.settings.run_timeout_s,
        )

    def list_runs(self, thread: Thread, **params: Any) -> list[dict[str, Any]]:
        """Return the runs of a thread."""
        return self._api.list_of(self._client.runs.list(id_of(thread), **params), thread)

    def only_run(self, thread: Thread) -> Run:
        """Return the only run of the thread; none or several end the check."""
        answer = self._client.runs.list(id_of(thread))
        listed = self._api.list_of(answer, thread)
        if len(listed) != 1 or not isinstance(listed[0].get("run_id"), str):
            raise self._api.refusal("one run on the thread", answer, "one run")
        return Run(id_of(thread), listed[0]["run_id"])

    def join(self, run: Run) -> Any:
        """Join the run and return the body that is answered at its end.

        `Blocked` if a prerequisite run has not ended by then.
        """
        answer = self._client.run_join(run.thread_id, run.run_id)
        body = self._api.ensure_success(answer, _thread(run)).body
        if self._api.arranging and (shown := self.status_once_ended(run)) in NOT_ENDED:
            raise Blocked(f"join answers while the run is {shown}", by="RUN-CONTROL-09")
        return body

    def join_stream(self, run: Run, last_event_id: str | None = None, **params: Any) -> list[Event]:
        """Join the stream of the run and return its events, those after `last_event_id` if set."""
        answer = self._client.runs.join_stream(run.thread_id, run.run_id, last_event_id, **params)
        return events_or_blocked(self._api.ensure_success(answer, _thread(run)).text)

    # Stopping

    def cancel(self, run: Run, action: str, wait: bool = True) -> None:
        """Cancel the run and, unless `wait` is false, wait for its end."""
        answer = self._client.runs.cancel(
            run.thread_id, run.run_id, action=action, wait=str(wait).lower()
        )
        self._api.ensure_success(answer, _thread(run))

    def delete(self, run: Run) -> None:
        """Delete the run."""
        self._api.ensure_success(self._client.runs.delete(run.thread_id, run.run_id), _thread(run))

    def _run_and_wait(self, thread: Thread, body: dict[str, Any]) -> Any:
        return self._api.ensure_success(self._client.run_wait(id_of(thread), body), thread).body

    def _newest_ids(self, thread: Thread) -> set[str]:
        """Return the newest checkpoint ids of a thread, as many as one page holds."""
        return {checkpoint_id_of(state) for state in self._api.page(thread, limit=1000)}

    def _text_in(self, answer: Answer, thread: Thread, name: str) -> str:
        value = self._api.object_of(answer, thread).get(name)
        if not isinstance(value, str):
            raise self._api.refusal(f"a run with {name}", answer, name)
        return value


def run_by_way(
    way: str, given_runs: Runs, runs: Runs, thread: Thread, body: dict[str, Any]
) -> None:
    """Run the graph to its end by wait, by stream or in the background, as `way` says.

    A refusal breaks the promise of the check. In the background it blocks the check instead, since
    RUN-03 judges whether such a run can be followed.
    """
    (given_runs if way == "background" else runs).run_by(way, thread, body)


def run_error(answer: Answer) -> Any:
    """Return the error of its graph that a waited run is answered with, if there is one."""
    return answer.body.get("__error__") if isinstance(answer.body, dict) else None


def message_contents(holder: dict[str, Any] | State) -> list[Any]:
    """Return the contents of the messages in the values of a thread or state, oldest first."""
    values = holder.get("values")
    messages = values.get("messages") if isinstance(values, dict) else None
    return [each.get("content") for each in messages or [] if isinstance(each, dict)]


def run_of(value: Any) -> Run | None:
    """Return the run that a JSON value represents, or None."""
    names = value if isinstance(value, dict) else {}
    thread_id, run_id = names.get("thread_id"), names.get("run_id")
    if isinstance(thread_id, str) and isinstance(run_id, str):
        return Run(thread_id, run_id)
    return None


def run_in(answer: Answer) -> Run | None:
    """Return the run that an answer names, in its body or else in Content-Location, or None."""
    path = answer.headers.get("content-location", "").strip("/").split("/")
    located = Run(path[1], path[3]) if len(path) > 3 and path[0] == "threads" else None
    return run_of(answer.body) or located


def _thread(run: Run) -> Thread:
    return {"thread_id": run.thread_id}


def _status(answer: Answer) -> Any:
    return answer.body.get("status") if isinstance(answer.body, dict) else None

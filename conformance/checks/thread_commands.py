"""Commands of a thread, by which runs are started and resumed."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked
from conformance.checks.runs import Run, Runs, run_of
from conformance.checks.views import Thread, id_of
from conformance.contract.api_constants import DEFAULT_LIST_OF_RUNS


class ThreadCommands:
    """The commands that a check sends to threads, and the wait for the runs that they start."""

    def __init__(self, api: ThreadsApi, runs: Runs) -> None:
        self._api, self._runs = api, runs
        self._ids = count(1)
        #: How many runs were started, by the id of their thread.
        self._started: Counter[str] = Counter()

    def send(self, thread: Thread, method: str, **params: Any) -> dict[str, Any]:
        """Send a command, and return the answer if it is a success with the command's id."""
        command_id = next(self._ids)
        body = {"id": command_id, "method": method, "params": params}
        answer = self._api.client.thread_command(id_of(thread), body)
        shown = self._api.object_of(answer, thread)
        if shown.get("type") != "success" or not isinstance(shown.get("result"), dict):
            raise self._api.refusal("a ProtocolSuccess", answer, "success")
        if shown.get("id") != command_id:
            raise self._api.refusal(f"the id {command_id} of the command", answer, "id")
        return shown

    def start(self, thread: Thread, graph: str, text: str = "go on") -> dict[str, Any]:
        """Send run.start, and return its result."""
        members = {"seconds": 0} if graph == "slow" else {}
        body = self._runs.body(graph, text, **members)
        tag = {"metadata": self._api.client.tag}
        result: dict[str, Any] = self.send(thread, "run.start", **body, **tag)["result"]
        self._started[id_of(thread)] += 1
        return result

    def run_to_end(self, thread: Thread, graph: str, text: str = "go on") -> None:
        """Send run.start, and wait for the end of all runs of the thread; `Blocked` without any."""
        self.start(thread, graph, text)
        if not self.wait_for_end(thread):
            raise Blocked("run.start starts no run on the thread", by="THREAD-STREAM-19")

    def wait_for_end(self, thread: Thread) -> list[Run]:
        """Wait for the end of all runs of the thread, and return those of its list.

        A command may be answered before its run is listed.
        """
        started = min(self._started[id_of(thread)], DEFAULT_LIST_OF_RUNS)
        listed = self._api.context.eventually(
            lambda: self._runs.list_runs(thread), lambda shown: len(shown) >= started
        )
        runs = [run for each in listed if (run := run_of(each)) is not None]
        for run in runs:
            self._runs.status_once_ended(run, self._api.context.settings.run_timeout_s)
        return runs

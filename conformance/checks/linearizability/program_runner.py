"""The sending of the requests of programs, and their recording with the answers as histories."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.concurrency import run_together
from conformance.checks.linearizability.history import Operation
from conformance.checks.linearizability.numbered_messages import Appended
from conformance.checks.linearizability.programs import KEYS, Program, Step
from conformance.checks.linearizability.threads import (
    Outcome,
    Request,
    Shown,
    ThreadOperation,
    metadata_of,
)
from conformance.checks.outcomes import Blocked
from conformance.checks.views import id_of
from conformance.deployment.client import Answer


class ProgramRunner:
    """The sender of programs of requests for some threads, and the recorder of their histories.

    An error of the connection ends the program. `appended` is needed for state updates, states and
    copies.
    """

    def __init__(
        self, given: ThreadsApi, thread_ids: Sequence[str], appended: Appended | None = None
    ) -> None:
        self._given, self._client = given, given.client
        self._thread_ids = thread_ids
        self._appended = appended
        self._events = count()
        #: The history of each thread, as far as it was recorded.
        self.histories: list[list[ThreadOperation]] = [[] for _ in thread_ids]

    def run(self, program: Program, reading: str) -> None:
        """Run a program; whenever no request is pending, read each thread by `reading`.

        `reading` is the name of an operation that reads, such as `get`.
        """
        if program.in_step:
            for steps in zip(*program.clients, strict=True):
                run_together(*(partial(self.send, *each) for each in enumerate(steps, 1)))
                self._read_all(program, reading)
        else:
            run_together(
                *(partial(self._send_all, *each) for each in enumerate(program.clients, 1))
            )
            self._read_all(program, reading)

    def _read_all(self, program: Program, reading: str) -> None:
        for thread in range(program.threads):
            self.send(1, Step(thread, Request(reading)))

    def send(self, client: int, step: Step) -> tuple[ThreadOperation, Answer]:
        """Send one request of a client; return the recorded operation, and the answer.

        A request answered by 5xx is recorded without an outcome: whether it took effect is unknown.
        """
        called = next(self._events)
        answer = self._send_unrecorded(step)
        returned = next(self._events)
        operation = Operation[Request, Outcome](client, called, step.request)
        if answer.status < 500:
            outcome = Outcome(answer.status, self._shown(step.request, answer))
            operation = Operation(client, called, step.request, returned, outcome)
        self.histories[step.thread].append(operation)
        return operation, answer

    def _send_all(self, client: int, steps: Sequence[Step]) -> None:
        for step in steps:
            self.send(client, step)

    def _send_unrecorded(self, step: Step) -> Answer:
        client, thread_id = self._client, self._thread_ids[step.thread]
        request = step.request
        metadata: dict[str, Any] = dict(request.metadata)
        match request.operation:
            case "create":
                tags = {**client.tag, **self._given.context.tag}
                body = {"thread_id": thread_id, "metadata": {**tags, **metadata}}
                if request.if_exists != "raise":
                    body["if_exists"] = request.if_exists
                return client.create(body)
            case "update":
                return client.update(thread_id, {"metadata": metadata})
            case "update_state":
                return client.update_state(thread_id, self._of_states().update(request.message))
            case "delete":
                return client.delete(thread_id)
            case "get":
                return client.get(thread_id)
            case "state":
                return client.state(thread_id)
            case _:
                return client.copy(thread_id)

    def _shown(self, request: Request, answer: Answer) -> Shown:
        """Return what a read shows; for a copy, the messages in its state, which is read for that.

        The read of that state is not recorded, since no other client knows the copy.
        """
        if not answer.ok:
            return ()
        body = answer.body if isinstance(answer.body, dict) else {}
        match request.operation:
            case "get":
                metadata = body.get("metadata")
                members = metadata if isinstance(metadata, dict) else {}
                return metadata_of({key: members[key] for key in KEYS if key in members})
            case "state":
                return self._of_states().numbers_in(body)
            case "copy":
                if not isinstance(body.get("thread_id"), str):
                    raise Blocked("what copying answers is no thread", by="COPY-01")
                copy = self._client.state(id_of(body))
                if not copy.ok or not isinstance(copy.body, dict):
                    raise Blocked("the copy has no state to look at", by="COPY-09")
                return self._of_states().numbers_in(copy.body)
            case _:
                return ()

    def _of_states(self) -> Appended:
        assert self._appended is not None
        return self._appended

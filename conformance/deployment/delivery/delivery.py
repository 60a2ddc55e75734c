"""Delivery of requests through network trouble: repeated where that is safe.

Reads may be repeated, and so may requests that were surely not executed. A creation under
an id of this run is repeated once no thread exists under that id. It is unknown whether any
other request was executed, so it is not repeated: the whole check is.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx
import tenacity

from conformance.contract.operations import Operation, Scope
from conformance.deployment.delivery.circuit_breaker import CircuitBreaker
from conformance.deployment.delivery.trouble import (
    Execution,
    Trouble,
    TroubleError,
    trouble_of_answer,
    trouble_of_error,
)
from conformance.deployment.ownership.creations import Creation
from conformance.deployment.wire.deadline_connections import CutError
from conformance.waiting import pause

#: How often one request is sent, at most.
TRIES = 5
#: Fewer at first contact, so that a missing deployment is reported soon.
TRIES_AT_FIRST_CONTACT = 3
#: How often an answer that may come from a proxy must repeat to count as the deployment's.
TRIES_OF_AN_ANSWER = 3
#: The same once the repetition of a request has replaced such an answer by another: the network
#: disturbs answers by chance then, and may do so several times in a row.
TRIES_OF_AN_ANSWER_INTERMITTENT = 9
#: How often a GET is tried to find out whether a request was executed.
_STATUS_TRIES = 4
_LONGEST_WAIT_S = 2.0
_GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)


@dataclass(frozen=True)
class Probes:
    """The requests that a delivery sends in addition to the one at hand.

    `send` sends a request once. `is_well` says whether the deployment still answers: it
    repeats a request that succeeded before, with the credentials of the given one. `status_of` and
    `remove` read and delete a thread by its id: they return the status of the answer, or None
    without one.
    """

    send: Callable[[httpx.Request], httpx.Response]
    is_well: Callable[[httpx.Request], bool]
    status_of: Callable[[str], int | None]
    remove: Callable[[str], int | None]


class Delivery:
    """The delivery of requests, and reports of the network trouble that they meet.

    `backoff_s` is the approximate length of the first wait, in seconds. `on_trouble` is
    called with each trouble; `on_answers_accepted` is called with troubles that turned out to
    be the deployment's own answers, and with whether that is certain, which it is only if the
    answer was repeated. At `first_contact` no earlier answer is known to compare with, so any
    answer counts as the deployment's.
    """

    def __init__(
        self,
        probes: Probes,
        breaker: CircuitBreaker,
        on_trouble: Callable[[Trouble], None],
        on_answers_accepted: Callable[[list[Trouble], bool], None],
        backoff_s: float,
        *,
        first_contact: bool = False,
    ) -> None:
        self._probes = probes
        self._breaker = breaker
        self._on_trouble = on_trouble
        self._on_answers_accepted = on_answers_accepted
        self._backoff_s = backoff_s
        self._first_contact = first_contact
        self._random = random.Random(0)
        #: Whether an answer that may come from a proxy was followed by another when repeated.
        self._intermittent = False

    def deliver(
        self, request: httpx.Request, operation: Operation | None, creation: Creation | None
    ) -> httpx.Response:
        """Send a request until it is answered.

        Raises `CutError` where the check disconnects before the answer; `TroubleError` where the
        trouble persists, or it is unknown whether the request was executed; `GivenUpError` once
        the deployment does not answer any more.
        """
        name = operation.name if operation else "other"
        seen: list[Trouble] = []

        def once() -> httpx.Response:
            self._breaker.check()
            outcome: httpx.Response | httpx.HTTPError
            trouble: Trouble | None
            try:
                outcome = self._probes.send(request)
                trouble = trouble_of_answer(name, outcome) or _delivered_twice(creation, outcome)
            except CutError:
                raise  # the check itself disconnected
            except httpx.HTTPError as error:
                outcome, trouble = error, trouble_of_error(name, error)
            if isinstance(outcome, httpx.Response) and (
                trouble is None or (self._first_contact and trouble.execution is Execution.ANSWERED)
            ):
                self._breaker.record_answer(name)
                self._intermittent |= any(each.execution is Execution.ANSWERED for each in seen)
                return outcome
            assert trouble is not None
            seen.append(trouble)
            self._on_trouble(trouble)
            if trouble.execution is Execution.ANSWERED or trouble.retry_after_s is not None:
                self._breaker.record_answer(name)
            elif not self._first_contact:
                self._breaker.record_no_answer(request, trouble)
            return self._judge(request, operation, creation, seen, outcome)

        try:
            try:
                response = once()
            except _AgainError as again:
                # Few requests are sent again, and to prepare for it takes time.
                response = self._send_again(once, again)
        except TroubleError as troubled:
            if not self._first_contact:
                self._breaker.record_persisting_trouble(request, troubled.trouble)
            raise
        self._breaker.record_good_answer()
        return response

    def _send_again(
        self, once: Callable[[], httpx.Response], failed: _AgainError
    ) -> httpx.Response:
        """Send a request until it is answered, after a first try that failed."""
        tries = iter((failed,))

        def first_or_once() -> httpx.Response:
            for first in tries:
                raise first
            return once()

        trying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_AgainError),
            stop=self._stops,
            wait=self._pause,
            sleep=pause,
            retry_error_callback=self._give_up,
        )
        return trying(first_or_once)

    @property
    def _tries_of_an_answer(self) -> int:
        return TRIES_OF_AN_ANSWER_INTERMITTENT if self._intermittent else TRIES_OF_AN_ANSWER

    def _stops(self, state: tenacity.RetryCallState) -> bool:
        """Return whether a request has been tried as often as it may be."""
        if self._first_contact:
            return state.attempt_number >= TRIES_AT_FIRST_CONTACT
        error = state.outcome.exception() if state.outcome else None
        is_answer = isinstance(error, _AgainError) and error.trouble.execution is Execution.ANSWERED
        return state.attempt_number >= (
            max(TRIES, self._tries_of_an_answer) if is_answer else TRIES
        )

    def _judge(
        self,
        request: httpx.Request,
        operation: Operation | None,
        creation: Creation | None,
        seen: list[Trouble],
        outcome: httpx.Response | httpx.HTTPError,
    ) -> httpx.Response:
        """Return the answer if it is the deployment's own; raise `_AgainError` to send again."""
        trouble = seen[-1]
        hangs = trouble.timed_out and (
            self._first_contact or self._breaker.hangs(trouble.operation)
        )
        if hangs:
            self._on_trouble(replace(trouble, hangs=True))
        safe = not hangs and self._may_be_sent_again(operation, creation, trouble)
        answered = sum(each.execution is Execution.ANSWERED for each in seen)
        if trouble.execution is Execution.ANSWERED and isinstance(outcome, httpx.Response):
            if safe and answered < self._tries_of_an_answer:
                raise _AgainError(trouble, outcome)
            if self._probes.is_well(request):
                # Other requests are answered as before, so this is the deployment's own answer.
                answers = [each for each in seen if each.execution is Execution.ANSWERED]
                self._on_answers_accepted(answers, answered >= self._tries_of_an_answer)
                return outcome
            raise TroubleError(trouble)
        if safe:
            raise _AgainError(trouble, outcome)
        raise outcome if isinstance(outcome, httpx.HTTPError) else TroubleError(trouble)

    def _may_be_sent_again(
        self, operation: Operation | None, creation: Creation | None, trouble: Trouble
    ) -> bool:
        if operation is None or not operation.writes or trouble.execution is Execution.NOT_DONE:
            return True
        if operation.scope is Scope.NEW_THREAD and creation and creation.own_id:
            return creation.is_fresh and self._ensure_absent(creation.own_id)
        if operation.name == "update":
            # Merging the same members twice is idempotent.
            return True
        if operation.name == "delete" and creation and creation.own_id:
            status = self._status_of(creation.own_id)
            return status is not None and 200 <= status < 300
        return False

    def _ensure_absent(self, own_id: str) -> bool:
        """Delete any thread under an id of this run; return whether none exists now."""
        status = self._status_of(own_id)
        if status is not None and 200 <= status < 300:
            self._probes.remove(own_id)
            status = self._status_of(own_id)
        return status in (*_GONE, httpx.codes.UNPROCESSABLE_ENTITY)

    def _status_of(self, thread_id: str) -> int | None:
        """Return the status of a GET of a thread, retried during trouble; None without one."""
        for number in range(_STATUS_TRIES):
            if (status := self._probes.status_of(thread_id)) is not None:
                return status
            pause(self._backoff_s * number)
        return None

    def _give_up(self, state: tenacity.RetryCallState) -> httpx.Response:
        """Give up one request: raise its error, or return its answer at first contact."""
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, _AgainError)
        if isinstance(error.outcome, httpx.HTTPError):
            raise error.outcome
        if self._first_contact:
            return error.outcome
        raise TroubleError(error.trouble)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds to wait: as `Retry-After` says, else longer each time."""
        error = state.outcome.exception() if state.outcome else None
        demanded_s = error.trouble.retry_after_s if isinstance(error, _AgainError) else None
        if demanded_s is not None and self._backoff_s:
            return demanded_s
        longest = min(self._backoff_s * 2 ** (state.attempt_number - 1), _LONGEST_WAIT_S)
        return float(longest * (0.5 + self._random.random() / 2))


class _AgainError(Exception):
    """The request is to be sent again; carries the outcome so far."""

    def __init__(self, trouble: Trouble, outcome: httpx.Response | httpx.HTTPError) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble
        self.outcome = outcome


def _delivered_twice(creation: Creation | None, response: httpx.Response) -> Trouble | None:
    """Return the trouble that a 409 on a newly generated id shows: a request delivered twice."""
    if (
        response.status_code == httpx.codes.CONFLICT
        and creation is not None
        and creation.operation == "create"
        and creation.is_fresh
    ):
        what = "a fresh id is taken: the request came in twice"
        return Trouble(creation.operation, what, Execution.ANSWERED)
    return None

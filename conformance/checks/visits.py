"""Read access to other people's threads, which may change at any time; only facts are reported.

A check of a read-only run reports no content and no id of these threads: see `facts` of
`PromiseBroken`. If a thread changes between two reads, what they show proves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from conformance.checks.check_context import CheckContext
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported
from conformance.checks.views import State, Thread, is_integer
from conformance.contract.causes import MISSING, NOT_GRANTED, Cause
from conformance.contract.operations import BY_NAME
from conformance.deployment.client import Answer, ThreadsClient
from conformance.json_differences import same_json
from conformance.waiting import pause

_T = TypeVar("_T")
_S = TypeVar("_S")

#: The limits of a search and of a page of history: a guest does not read everything.
PAGE = 10
STATES = 20
_MISSING = (404, 405, 501)
#: How often something may change between two reads before the check gives up.
_MOST_CHANGES = 3
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.5


@dataclass(frozen=True)
class Visited:
    """A thread to read, and the name by which it is reported instead of its id."""

    id: str
    name: str


def undecided(why: str, *, by: Cause | tuple[Cause, ...] = ()) -> Blocked:
    """Build the outcome of a check that cannot decide; `why` holds nothing of a thread."""
    return Blocked(why, by=by, facts=why)


def promise_broken(facts: str, *, cause: Cause | None = None) -> PromiseBroken:
    """Build the outcome of a broken promise; `facts` says how, and holds nothing of a thread."""
    return PromiseBroken("the promise to hold", facts, facts=facts, cause=cause)


def expect_fact(holds: bool, facts: str) -> None:
    """Assert that a condition holds; `facts` says what was seen instead."""
    if not holds:
        raise promise_broken(facts)


class VisitReader:
    """Read access to threads and states; a refusal blocks the check, or breaks its promise."""

    def __init__(self, client: ThreadsClient, *, blocks: bool) -> None:
        self.client = client
        self._blocks = blocks

    def get(self, thread: Visited) -> Thread:
        """Return the thread as GET shows it."""
        return self._object(self.client.get(thread.id), thread)

    def state(self, thread: Visited) -> State:
        """Return the newest state."""
        return self._object(self.client.state(thread.id), thread)

    def state_at(self, thread: Visited, checkpoint_id: str) -> State:
        """Return the state at a checkpoint, read by GET."""
        return self._object(self.client.state_at_checkpoint(thread.id, checkpoint_id), thread)

    def post_state_at(self, thread: Visited, checkpoint_id: str) -> State:
        """Return the state at a checkpoint, read by POST."""
        body = {"checkpoint": {"checkpoint_id": checkpoint_id, "checkpoint_ns": ""}}
        return self._object(self.client.post_state_at_checkpoint(thread.id, body), thread)

    def page(self, thread: Visited, **params: Any) -> list[State]:
        """Return one page of the history, read by GET."""
        return self._list(self.client.history(thread.id, **params), thread)

    def post_page(self, thread: Visited, **body: Any) -> list[State]:
        """Return one page of the history, read by POST."""
        return self._list(self.client.post_history(thread.id, body), thread)

    def search(self, **body: Any) -> list[Thread]:
        """Return the threads that a search finds, whoever made them."""
        return self._list(self.client.search(body, private=True))

    def count(self, **body: Any) -> int:
        """Return how many threads a count finds, whoever made them."""
        answer = self.ensure_success(self.client.count(body))
        if not is_integer(answer.body):
            raise self._refusal(answer, "without a whole number", "integer")
        return int(answer.body)

    def ensure_success(self, answer: Answer, thread: Visited | None = None) -> Answer:
        """Return the answer if it is a success; else raise the outcome that ends the check."""
        if answer.ok:
            return answer
        if answer.status in _MISSING:
            if thread and answer.status == _MISSING[0] and not self.client.get(thread.id).ok:
                raise undecided("the thread is not there any more: name one that stays")
            if BY_NAME[answer.operation].profile != "documented":
                missing = Cause.refused(answer.operation, answer.status, MISSING)
                raise Unsupported(f"{_line(answer)}: the deployment does not offer it", by=missing)
        raise self._refusal(answer, "", NOT_GRANTED)

    def _object(self, answer: Answer, thread: Visited | None = None) -> dict[str, Any]:
        self.ensure_success(answer, thread)
        if not isinstance(answer.body, dict):
            raise self._refusal(answer, "without a JSON object", "object")
        return answer.body

    def _list(self, answer: Answer, thread: Visited | None = None) -> list[dict[str, Any]]:
        self.ensure_success(answer, thread)
        if not isinstance(answer.body, list) or not all(
            isinstance(each, dict) for each in answer.body
        ):
            raise self._refusal(answer, "without a JSON list of objects", "list")
        return answer.body

    def _refusal(self, answer: Answer, without: str, how: str) -> Exception:
        facts = f"{_line(answer)} {without}".strip()
        cause = Cause.refused(answer.operation, answer.status, how)
        return undecided(facts, by=cause) if self._blocks else promise_broken(facts, cause=cause)


class Visits(VisitReader):
    """The threads that a read-only run judges, and how a check reads them.

    Its own methods read the prerequisites; those of `must` read what the check tests.
    """

    def __init__(self, client: ThreadsClient, context: CheckContext) -> None:
        super().__init__(client, blocks=True)
        self.must = VisitReader(client, blocks=False)
        self._context = context
        ids = context.settings.thread_ids
        self.threads = tuple(
            Visited(each, f"thread {number} of {len(ids)}") for number, each in enumerate(ids, 1)
        )

    def judge_each(self, judge: Callable[[Visited], None]) -> None:
        """Judge every thread; blocked if none could be judged.

        If only some could not, a note says so.
        """
        self.require_threads()
        reasons = []
        for thread in self.threads:
            # A failure reports the requests on its own thread only.
            self._context.forget()
            try:
                judge(thread)
            except PromiseBroken as failed:
                raise promise_broken(f"{thread.name}: {failed.facts}") from failed
            except Blocked as undecidable:
                reasons.append(undecidable.facts)
        if len(reasons) == len(self.threads):
            raise undecided("; ".join(dict.fromkeys(reasons)))
        if reasons:
            told = "; ".join(dict.fromkeys(reasons))
            judged = len(self.threads) - len(reasons)
            self._context.note(f"judged on {judged} of {len(self.threads)} threads: {told}")

    def first_usable(self, usable: Callable[[Visited], object]) -> Visited:
        """Return the first thread on which a prerequisite is granted."""
        self.require_threads()
        reasons = []
        for thread in self.threads:
            self._context.forget()
            try:
                usable(thread)
            except Blocked as refused:
                reasons.append(refused.facts)
                continue
            return thread
        raise undecided("; ".join(dict.fromkeys(reasons)))

    def states(self, thread: Visited, least: int = 1) -> list[State]:
        """Return the newest states of the thread; blocked if there are fewer than `least`."""
        states = self.page(thread, limit=STATES)
        if len(states) < least:
            raise undecided(
                f"the history of the thread holds {len(states)} of the {least} states that it "
                "takes: name one with a longer history by --thread ID"
            )
        return states

    def judge_stable(
        self, around: Callable[[], _T], read: Callable[[_T], _S], judge: Callable[[_T, _S], None]
    ) -> None:
        """Judge what `read` returns between two equal results of `around`, until it is accepted.

        `PromiseBroken` if it is not accepted by the declared deadline although `around` returns the
        same. `Blocked` if `around` returns something else again and again.
        """
        first: tuple[_T, float] | None = None
        changes, wait = 0, _FIRST_WAIT_S
        while changes <= _MOST_CHANGES:
            # A failure reports the last reads only.
            self._context.forget()
            before = around()
            seen = read(before)
            if not same_json(before, around()):
                changes += 1
            else:
                try:
                    return judge(before, seen)
                except PromiseBroken:
                    now = time.monotonic()
                    if first is None or not same_json(first[0], before):
                        changes += first is not None
                        first = (before, now)
                    if now - first[1] >= self._context.settings.visible_within_s:
                        raise
            pause(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)
        raise undecided("what is looked at changes all the time: name a thread that rests")

    def judge_eventually(self, read: Callable[[], _S], judge: Callable[[_S], None]) -> None:
        """Judge what is seen, again until the promise holds or the declared deadline passes."""
        self.judge_stable(lambda: None, lambda _: read(), lambda _, seen: judge(seen))

    def require_threads(self) -> None:
        """Block the check if there is no thread to read."""
        if not self.threads:
            raise undecided("no search shows a thread to look at: name one with --thread ID")


def require_checkpoint_id(state: State) -> str:
    """Return the checkpoint id of a state; blocked if it shows none."""
    checkpoint = state.get("checkpoint")
    inner = checkpoint.get("checkpoint_id") if isinstance(checkpoint, dict) else None
    found = state.get("checkpoint_id") or inner
    if not isinstance(found, str):
        raise undecided("a state of the history shows no checkpoint_id")
    return found


def _line(answer: Answer) -> str:
    operation = BY_NAME[answer.operation]
    return f"{operation.method} {operation.path} answers {answer.status}"

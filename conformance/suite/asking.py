"""Asking a deployment on behalf of a check.

Two askers share one vocabulary. What `given` asks for is what the check stands on:
if it is not granted, the check is blocked. What `threads` asks for is what the check
is about: if it is not granted, the promise is broken.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from conformance.contract.operations import BY_NAME
from conformance.deployment.client import ABSENT, Answer, ThreadsClient
from conformance.deployment.settings import GraphSettings, Settings, numbered
from conformance.model.history import mask_thread_id, same_json
from conformance.suite.outcomes import Blocked, PromiseBroken, Unsupported

Thread = dict[str, Any]
State = dict[str, Any]
_T = TypeVar("_T")

#: Key of a thread's metadata that tells the threads of one check from all others.
CHECK_TAG = "threads_conformance_check"
#: As many states as a page of history may be asked for.
LONGEST_PAGE = 1000
#: As many threads as a search is asked for, where its limit is not the question: more than
#: a check makes. That a search takes the published largest limit is a requirement of its own.
ENOUGH_THREADS = 100

_MISSING = (404, 405, 501)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.25


@dataclass(frozen=True)
class History:
    """All states of one thread, newest first."""

    thread_id: str
    states: list[State]

    def masked(self) -> list[State]:
        """The states with the thread's own id masked wherever it stands."""
        masked: list[State] = mask_thread_id(self.states, self.thread_id)
        return masked

    def checkpoint_ids(self) -> list[str]:
        """The checkpoint ids, newest first; `PromiseBroken` where one is missing."""
        return [checkpoint_id_of(state) for state in self.states]

    def __len__(self) -> int:
        return len(self.states)

    def __iter__(self) -> Iterator[State]:
        return iter(self.states)


@dataclass
class Case:
    """The check at hand: its settings, its tag, what it wants to have said.

    `offers` are the documented operations whose presence the check itself decides.
    `missing` says in a sentence why the graph of an id cannot be used, if it cannot.
    What was granted once is in `granted`: if it is refused later, it is not missing.
    `forget` drops the requests made so far, of which a failure is not to tell.
    """

    settings: Settings
    tag: dict[str, str]
    offers: str = ""
    missing: Callable[[str], str | None] = lambda graph_id: None
    notes: list[str] = field(default_factory=list)
    granted: set[str] = field(default_factory=set)
    forget: Callable[[], None] = lambda: None

    def graph(self) -> GraphSettings:
        """The graph to use; the check is blocked where the deployment has none."""
        if sentence := self.graph_missing():
            raise Blocked(
                f"{sentence}, or name a graph of its own with --graph and describe it in the "
                "[graph] table of threads-conformance.toml"
            )
        return self.settings.graph

    def graph_missing(self) -> str | None:
        """A sentence, if the deployment has no graph to use."""
        return self.missing(self.settings.graph.id)

    def other_graph(self, name: str) -> str:
        """The id of `interrupter`, `failing`, `slow` or `nested`; blocked if it is not there."""
        graph_id: str = getattr(self.settings.graphs, name)
        if sentence := self.missing(graph_id):
            raise Blocked(
                f"{sentence}, or name a graph that does the same as {name} in the [graphs] "
                "table of threads-conformance.toml"
            )
        return graph_id

    def note(self, text: str) -> None:
        """Say something in the report beside the verdict."""
        self.notes.append(text)

    def eventually(
        self, look: Callable[[], _T], holds: Callable[[_T], bool], within_s: float | None = None
    ) -> _T:
        """Look again until it holds, up to `within_s` or the declared deadline; the last look.

        How long it took is noted, where it did not hold at once.
        """
        deadline = self.settings.visible_within_s if within_s is None else within_s
        started = time.monotonic()
        wait = _FIRST_WAIT_S
        while True:
            seen = look()
            waited = time.monotonic() - started
            if holds(seen) or waited > deadline:
                if wait > _FIRST_WAIT_S:
                    self.note(f"waited {waited * 1000:.0f} ms")
                return seen
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)


class Asker:
    """The operations as a check uses them: a 2xx gives the parsed body."""

    def __init__(self, client: ThreadsClient, case: Case, *, arranging: bool) -> None:
        self.client = client
        self.case = case
        self.arranging = arranging

    # Making threads

    def empty(self, **members: Any) -> Thread:
        """A new empty thread. `members` join the request; metadata joins the tags.

        What a check stands on has the metadata sent, whatever the deployment adds to it:
        whether it is kept is another's question.
        """
        body = self._body(members)
        made = self.created(body)
        kept = made.get("metadata")
        if self.arranging and not (
            isinstance(kept, dict)
            and all(
                name in kept and same_json(kept[name], sent)
                for name, sent in body["metadata"].items()
            )
        ):
            raise Blocked(f"expected the metadata sent, got {kept!r:.200}")
        return made

    def prepopulated(self, supersteps: Any = None, **members: Any) -> Thread:
        """A new thread made from supersteps, by default those of the settings."""
        graph = self.case.graph()
        steps = (
            [numbered(each, 1) for each in graph.supersteps] if supersteps is None else supersteps
        )
        metadata = {"graph_id": graph.id, **members.pop("metadata", {})}
        made = self.created(self._body({"metadata": metadata, "supersteps": steps, **members}))
        # What stands on states must not be judged by a thread that was given none.
        if self.arranging and not made.get("values") and steps and not self.page(made, limit=1):
            raise Blocked("the thread has no state: the deployment applies no supersteps")
        return made

    def long(self, states: int, **members: Any) -> Thread:
        """A new thread whose history holds `states` states, made in one request."""
        graph = self.case.graph()
        steps = [numbered(each, 1) for each in graph.supersteps]
        steps += [
            {"updates": [numbered(graph.append, number)]}
            for number in range(2, states - len(steps) + 2)
        ]
        return self.prepopulated(steps, **members)

    def created(self, body: dict[str, Any]) -> Thread:
        """The thread that POST /threads answers to exactly this body."""
        return self._thread(self.client.create(body))

    def copy(self, thread: Thread) -> Thread:
        """A copy of the thread."""
        return self._thread(self.client.copy(id_of(thread)), thread)

    # Looking at threads

    def get(self, thread: Thread) -> Thread:
        """The thread as GET shows it."""
        return self._thread(self.client.get(id_of(thread)), thread)

    def state(self, thread: Thread, **params: Any) -> State:
        """The state of the thread; where a check stands on it, one with values."""
        state = self.object_of(self.client.state(id_of(thread), **params), thread)
        if self.arranging and not isinstance(state.get("values"), dict):
            raise Blocked(f"the state of {id_of(thread)} shows no values")
        return state

    def state_at(self, thread: Thread, checkpoint_id: str) -> State:
        """The state of the thread at a checkpoint."""
        return self.object_of(self.client.state_at_checkpoint(id_of(thread), checkpoint_id), thread)

    def page(self, thread: Thread, **params: Any) -> list[State]:
        """One page of the history, by GET."""
        return self.list_of(self.client.history(id_of(thread), **params), thread)

    def post_page(self, thread: Thread, **body: Any) -> list[State]:
        """One page of the history, by POST."""
        return self.list_of(self.client.post_history(id_of(thread), body), thread)

    def history(self, thread: Thread, made: int | None = None) -> History:
        """The whole history: pages until one is empty or holds nothing new.

        Where `before` does not work, a page counts as whole that ends with a state without
        a parent, or holds as many states as the check made; else the check is blocked.
        So is one that stands on a history that is not newest first.
        """
        states = self.page(thread, limit=LONGEST_PAGE)
        known = {str(state.get("checkpoint_id")) for state in states}
        while states and (oldest := states[-1].get("checkpoint_id")):
            answer = self.client.history(id_of(thread), limit=LONGEST_PAGE, before=oldest)
            if not answer.ok or not isinstance(answer.body, list):
                has_begun = "parent_checkpoint" in states[-1] and not parent_id_of(states[-1])
                if has_begun or (made is not None and len(states) >= made):
                    break
                raise Blocked(
                    f"the history of {id_of(thread)} cannot be read whole: "
                    f"GET history?before answers {answer.status}"
                )
            fresh = [each for each in answer.body if str(each.get("checkpoint_id")) not in known]
            if not fresh:
                break
            states += fresh
            known |= {str(state.get("checkpoint_id")) for state in fresh}
        if self.arranging and not _newest_first(states):
            raise Blocked(f"the history of {id_of(thread)} is not ordered newest first")
        return History(id_of(thread), states)

    def search(self, **filters: Any) -> list[Thread]:
        """The threads of this check that the filters find: at most `limit`, or 100."""
        body = {"limit": ENOUGH_THREADS, **filters}
        body["metadata"] = {**self.case.tag, **filters.get("metadata", {})}
        return self.list_of(self.client.search(body))

    def found(self, **filters: Any) -> list[str]:
        """The ids of the threads that `search` gives."""
        return [id_of(each) for each in self.search(**filters)]

    def count(self, **filters: Any) -> int:
        """The number of threads of this check that the filters count."""
        body = {**filters, "metadata": {**self.case.tag, **filters.get("metadata", {})}}
        answer = self.client.count(body)
        self._granted(answer, None)
        if not isinstance(answer.body, int) or isinstance(answer.body, bool):
            raise self.refusal("a whole number", _told(answer))
        return answer.body

    def history_by_post(self, thread: Thread, made: int) -> list[State]:
        """The `made` states of the history as one page by POST; else the check is blocked."""
        states = self.post_page(thread, limit=LONGEST_PAGE)
        if len(states) < made or not _newest_first(states):
            raise Blocked(f"POST gives no page with all {made} states, newest first")
        return states

    # Changing threads

    def update(self, thread: Thread, **body: Any) -> Thread:
        """The thread after PATCH, or whatever else that answers."""
        return self.object_of(self.client.update(id_of(thread), body), thread)

    def delete(self, thread: Thread) -> None:
        """Delete the thread."""
        self._granted(self.client.delete(id_of(thread)), thread)

    def prune(self, *threads: Thread, **body: Any) -> dict[str, Any]:
        """What POST /threads/prune answers for these threads."""
        ids = [id_of(each) for each in threads]
        return self.object_of(self.client.prune({"thread_ids": ids, **body}), None)

    def update_state(self, thread: Thread, **body: Any) -> dict[str, Any]:
        """What POST state answers: a checkpoint."""
        return self.object_of(self.client.update_state(id_of(thread), body), thread)

    def appended(self, thread: Thread, number: int, **body: Any) -> dict[str, Any]:
        """One more update of the settings' template applied to the thread."""
        return self.update_state(thread, **{**numbered(self.case.graph().append, number), **body})

    def run(self, thread: Thread, number: int = 1, **body: Any) -> Any:
        """Run the graph on the thread and wait; the final output."""
        answer = self.client.run_wait(id_of(thread), self.run_body(number, **body))
        self._granted(answer, thread)
        if isinstance(answer.body, dict) and "__error__" in answer.body:
            raise self.refusal("the run to end well", _told(answer))
        return answer.body

    def run_body(self, number: int = 1, **body: Any) -> dict[str, Any]:
        """The body of a run: the graph of the settings, and its input."""
        graph = self.case.graph()
        return {"assistant_id": graph.id, "input": numbered(graph.run_input, number), **body}

    # What is not granted

    def granted(self, answer: Answer, thread: Thread | None = None) -> Answer:
        """The answer, if it is a success; else the check ends here."""
        self._granted(answer, thread)
        return answer

    def _body(self, members: dict[str, Any]) -> dict[str, Any]:
        metadata = {**self.client.tag, **self.case.tag, **members.pop("metadata", {})}
        members.setdefault("thread_id", self.client.ownership.new_id())
        return {**members, "metadata": metadata}

    def _granted(self, answer: Answer, thread: Thread | None) -> None:
        if answer.ok:
            self.case.granted.add(answer.operation)
            return
        if answer.status in _MISSING and self._missing(answer, thread):
            operation = BY_NAME[answer.operation]
            line = f"{operation.method} {operation.path} answers {answer.status}"
            if operation.profile != "documented":
                raise Unsupported(f"{line}: the deployment does not offer it")
            if self.arranging or operation.name not in self.case.offers.split():
                raise Blocked(f"{line}: the operation is missing")
        raise self.refusal("success", _told(answer))

    def _missing(self, answer: Answer, thread: Thread | None) -> bool:
        """Whether the operation is not there, rather than the thread."""
        if answer.operation in self.case.granted:
            return False
        if answer.status != _MISSING[0] or thread is None:
            return True
        return answer.operation != "get" and self.client.get(id_of(thread)).ok

    def refusal(self, expected: str, actual: str) -> Exception:
        """What ends the check where something else came than was expected."""
        if self.arranging:
            return Blocked(f"expected {expected}, got {actual}")
        return PromiseBroken(expected, actual)

    def _thread(self, answer: Answer, of: Thread | None = None) -> Thread:
        made = self.object_of(answer, of)
        if not isinstance(made.get("thread_id"), str):
            raise self.refusal("a thread", _told(answer))
        return made

    def object_of(self, answer: Answer, of: Thread | None = None) -> dict[str, Any]:
        """The JSON object that an answer holds."""
        self._granted(answer, of)
        if not isinstance(answer.body, dict):
            raise self.refusal("a JSON object", _told(answer))
        return answer.body

    def list_of(self, answer: Answer, of: Thread | None = None) -> list[dict[str, Any]]:
        """The JSON list of objects that an answer holds."""
        self._granted(answer, of)
        if not isinstance(answer.body, list) or not all(
            isinstance(each, dict) for each in answer.body
        ):
            raise self.refusal("a JSON list of objects", _told(answer))
        return answer.body


def id_of(thread: Thread) -> str:
    """The id of a thread, by which it is asked about."""
    thread_id = thread.get("thread_id")
    if not isinstance(thread_id, str):
        raise PromiseBroken("a thread with thread_id", repr(thread)[:200])
    return thread_id


def checkpoint_id_of(state: State) -> str:
    """The id of the checkpoint that a state shows, at its top or in `checkpoint`."""
    checkpoint = state.get("checkpoint")
    found = state.get("checkpoint_id") or (
        checkpoint.get("checkpoint_id") if isinstance(checkpoint, dict) else None
    )
    if not isinstance(found, str):
        raise PromiseBroken("a state with checkpoint_id", json.dumps(state)[:200])
    return found


def parent_id_of(state: State) -> str | None:
    """The id of the checkpoint before, shown at the top of the state or in `parent_checkpoint`."""
    parent = state.get("parent_checkpoint")
    inner = parent.get("checkpoint_id") if isinstance(parent, dict) else None
    found: str | None = state.get("parent_checkpoint_id") or inner
    return found


def messages_of(holder: dict[str, Any], graph: GraphSettings) -> list[dict[str, Any]]:
    """The messages in the values of a thread or state: of all appending keys."""
    values = holder.get("values")
    if not isinstance(values, dict):
        return []
    return [
        message
        for key in graph.appending
        for message in (values.get(key) or [])
        if isinstance(message, dict)
    ]


def _newest_first(states: list[State]) -> bool:
    """Whether `created_at` falls; moments that cannot be read are another check's question."""
    try:
        moments = [datetime.fromisoformat(state["created_at"]) for state in states]
        return moments == sorted(moments, reverse=True)
    except (KeyError, TypeError, ValueError):
        return True


def _told(answer: Answer) -> str:
    text = answer.text if len(answer.text) <= 300 else f"{answer.text[:300]}…"
    return f"{answer.status} {text}".strip()


__all__ = ["ABSENT", "Asker", "Case", "History", "State", "Thread"]

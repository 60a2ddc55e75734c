"""Typed access to the operations of a deployment, for checks.

The fixtures `given` and `threads` are both a `ThreadsApi`. `given` makes the prerequisites of a
check: a refusal ends the check as blocked. `threads` calls what the check tests: there a refusal
breaks the promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.checks.check_context import CheckContext
from conformance.checks.history_pages import HistoryPages
from conformance.checks.messages import server_generates_message_ids
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported
from conformance.checks.views import (
    History,
    State,
    Thread,
    has_data,
    id_of,
    is_integer,
    is_newest_first,
)
from conformance.contract.causes import MISSING, NOT_GRANTED, Cause
from conformance.contract.operations import BY_NAME
from conformance.deployment.client import ABSENT, Answer, ThreadsClient
from conformance.deployment.settings import numbered
from conformance.json_differences import same_json
from conformance.json_text import as_json
from conformance.safe_text import excerpt

#: A history with more characters is not read as a whole: see `HistoryPages`.
MOST_CHARACTERS = 64 * 2**20
#: The limit of a search whose limit is not tested: more threads than a check makes. The
#: published maximum has a requirement of its own.
ENOUGH_THREADS = 100

_MISSING = (404, 405, 501)


class ThreadsApi:
    """The operations of the Threads API; each returns the parsed body of a 2xx answer.

    Any other answer raises `Blocked` if `arranging`, else `PromiseBroken`; a missing operation that
    no document shows raises `Unsupported`.
    """

    def __init__(self, client: ThreadsClient, context: CheckContext, *, arranging: bool) -> None:
        self.client = client
        self.context = context
        self.arranging = arranging
        #: Whether the check is about supersteps, so that no run may stand in for them.
        self.insists_on_supersteps = False

    # Making threads

    def empty(self, **members: Any) -> Thread:
        """Create and return an empty thread; `members` are added to the body and to its metadata.

        A prerequisite thread must show the metadata that was sent, else `Blocked`; metadata that
        the deployment adds is allowed.
        """
        body = self._tagged_body(members)
        made = self.create(body)
        kept = made.get("metadata")
        if self.arranging and not (
            isinstance(kept, dict)
            and all(
                name in kept and same_json(kept[name], sent)
                for name, sent in body["metadata"].items()
            )
        ):
            raise Blocked(f"expected the metadata sent, got {excerpt(as_json(kept), 200)}")
        return made

    def prepopulated(
        self, supersteps: Any = None, *, more: Sequence[Any] = (), **members: Any
    ) -> Thread:
        """Create and return a thread with a history, from `supersteps` or those of the settings.

        `more` are updates that follow the settings' supersteps, one superstep each. If the
        deployment applies no supersteps, a prerequisite thread gets as many states by a run and
        state updates; `Blocked` if the check passed supersteps of its own or insists on them.
        """
        steps = supersteps
        if supersteps is None:
            steps = [numbered(each, 1) for each in self.context.graph().supersteps]
            steps += [{"updates": [each]} for each in more]
        metadata = {"graph_id": self.context.graph().id, **members.pop("metadata", {})}
        made = self.create(
            self._tagged_body({"metadata": metadata, "supersteps": steps, **members})
        )
        # A check that needs states must not be judged by a thread without any.
        if not self.arranging or not steps or made.get("values") or self.page(made, limit=1):
            return made
        if self.insists_on_supersteps or supersteps is not None:
            raise Blocked("the thread has no state: the deployment applies no supersteps")
        return self._run_and_update(made, len(steps), more)

    def with_state(self, **members: Any) -> Thread:
        """Create and return a thread that has a state, from supersteps or else by a run.

        For checks that do not depend on the number of states: the history is not read.
        """
        steps = [numbered(each, 1) for each in self.context.graph().supersteps]
        metadata = {"graph_id": self.context.graph().id, **members.pop("metadata", {})}
        made = self.create(
            self._tagged_body({"metadata": metadata, "supersteps": steps, **members})
        )
        if has_data(made.get("values")):
            return made
        state = self.client.state(id_of(made))
        if state.ok and isinstance(state.body, dict) and has_data(state.body.get("values")):
            return made
        self.run(made)
        self.context.note("state made by a run: the deployment applies no supersteps")
        return {**made, **self.get_settled(made)}

    def with_other_values(self, **members: Any) -> Thread:
        """Create and return a thread with values that no thread of `with_state` has.

        If the settings' supersteps send no message without an id, the threads of `with_state` all
        have the same values, which the values of this thread would contain: then it is empty.
        """
        if not server_generates_message_ids(self.context.graph()):
            return self.empty(**members)
        made = self.with_state(**members)
        self.append(made, 5)
        return made

    def fullest(self, **members: Any) -> Thread:
        """Create and return a thread with a state, or an empty one where no state can be made."""
        try:
            return self.with_state(**members)
        except (Blocked, Unsupported) as refused:
            self.context.note(f"judged on an empty thread: {refused}")
            # A thread may exist by now under the id that was passed.
            return self.empty(**{**members, "thread_id": self.client.ownership.new_id()})

    def initial_values(self) -> Any:
        """Return the values in the state of a new thread of the graph of the settings, or None."""
        made = self.empty(metadata={"graph_id": self.context.settings.graph.id})
        answer = self.client.state(id_of(made))
        return answer.body.get("values") if answer.ok and isinstance(answer.body, dict) else None

    def unfinished(self) -> list[Thread]:
        """Create a thread whose graph has a next node; return it in a list, empty if that fails."""
        try:
            steps = [numbered(each, 1) for each in self.context.graph().supersteps]
            return [self.prepopulated(steps[:-1])]
        except (Blocked, Unsupported) as refused:
            self.context.note(f"judged on empty threads alone: {refused}")
            return []

    def long(self, states: int, **members: Any) -> Thread:
        """Create and return a thread whose history holds `states` states."""
        graph = self.context.graph()
        beyond = states - len(graph.supersteps)
        more = [numbered(graph.append, number) for number in range(2, beyond + 2)]
        return self.prepopulated(more=more, **members)

    def _run_and_update(self, made: Thread, states: int, updates: Sequence[Any]) -> Thread:
        """Give a thread so many states, by a run and then these updates, and return it."""
        self.run(made)
        has = len(self.page(made, limit=states + 1))
        wanted = states - len(updates)
        if not 0 < has <= wanted:
            raise Blocked(
                "the deployment applies no supersteps, and a run makes "
                f"{has or 'no'} states where {wanted} are wanted"
            )
        for number in range(wanted - has):
            self.append(made, number)
        for update in updates:
            self.update_state(made, **update)
        self.context.note("history made by a run: the deployment applies no supersteps")
        return {**made, **self.get(made)}

    def create_documented(self, body: dict[str, Any], *, without_metadata: bool = False) -> Thread:
        """Create a thread by a body copied from the documents, which has no id and no tag.

        A disposable deployment is sent exactly this body. Elsewhere the run's tag is added to the
        metadata or, with `without_metadata`, a `thread_id` to the body: a thread without either
        could not be told from other people's.
        """
        if self.client.ownership.disposable:
            return self.create(body)
        if without_metadata:
            return self.create({**body, "thread_id": self.generate_id()})
        tags = {**self.client.tag, **self.context.tag}
        return self.create({**body, "metadata": {**body.get("metadata", {}), **tags}})

    def generate_id(self) -> str:
        """Generate and return an id for a thread that the check will look up by it.

        `Blocked` on a deployment that assigns thread ids itself.
        """
        ownership = self.client.ownership
        if ownership.ids_are_kept is None:
            self.empty()
        if not ownership.ids_are_kept:
            raise Blocked("the deployment chooses the ids of threads itself", by="IDENTITY-01")
        return ownership.new_id()

    def create(self, body: dict[str, Any]) -> Thread:
        """POST exactly this body to /threads and return the thread that is answered."""
        return self._thread(self.client.create(body))

    def copy(self, thread: Thread) -> Thread:
        """Copy the thread and return the copy."""
        return self._thread(self.client.copy(id_of(thread)), thread)

    # Reading threads

    def get(self, thread: Thread) -> Thread:
        """Return the thread as GET shows it."""
        return self._thread(self.client.get(id_of(thread)), thread)

    def get_settled(self, thread: Thread) -> Thread:
        """Return the thread once GET no longer shows it as busy, as it may shortly after a run."""
        return self.context.eventually(
            lambda: self.get(thread), lambda shown: shown.get("status") != "busy"
        )

    def state(self, thread: Thread, **params: Any) -> State:
        """Return the newest state; `Blocked` if a prerequisite state shows no values."""
        state = self.object_of(self.client.state(id_of(thread), **params), thread)
        if self.arranging and not isinstance(state.get("values"), dict | list):
            raise Blocked(f"the state of {id_of(thread)} shows no values")
        return state

    def state_at(self, thread: Thread, checkpoint_id: str, **params: Any) -> State:
        """Return the state of the thread at a checkpoint, read by GET."""
        answer = self.client.state_at_checkpoint(id_of(thread), checkpoint_id, **params)
        return self.object_of(answer, thread)

    def page(self, thread: Thread, **params: Any) -> list[State]:
        """Return one page of the history, read by GET."""
        return self.list_of(self.client.history(id_of(thread), **params), thread)

    def post_page(self, thread: Thread, **body: Any) -> list[State]:
        """Return one page of the history, read by POST."""
        return self.list_of(self.client.post_history(id_of(thread), body), thread)

    def history(self, thread: Thread, made: int | None = None) -> History:
        """Read the whole history, page by page until a page is empty or holds no new state.

        Where `before` is refused, the pages read so far count as whole if their last state has no
        parent, or if they hold `made` states, as many as the check made; else `Blocked`. Also
        `Blocked` if a prerequisite history is not ordered newest first.
        """
        states: list[State] = []
        read = HistoryPages(self, thread, made)
        for page in read.unordered_pages():
            states += page
            if read.characters > MOST_CHARACTERS:
                raise Blocked(f"the history of {id_of(thread)} is too long: {len(states)} states")
        if self.arranging and not is_newest_first(states):
            raise Blocked(f"the history of {id_of(thread)} is not ordered newest first")
        return History(id_of(thread), states)

    def search(self, **filters: Any) -> list[Thread]:
        """Return the threads of this check that match the filters; `limit` is 100 unless given."""
        body = {"limit": ENOUGH_THREADS, **filters}
        body["metadata"] = {**self.context.tag, **filters.get("metadata", {})}
        return self.list_of(self.client.search(body))

    def search_ids(self, **filters: Any) -> list[str]:
        """Return the ids of the threads that `search` returns."""
        return [id_of(each) for each in self.search(**filters)]

    def count(self, **filters: Any) -> int:
        """Return the number of this check's threads that match the filters, as count answers it."""
        body = {**filters, "metadata": {**self.context.tag, **filters.get("metadata", {})}}
        answer = self.client.count(body)
        self._ensure_success(answer, None)
        if not is_integer(answer.body):
            raise self.refusal("a whole number", answer, "integer")
        return int(answer.body)

    def update(self, thread: Thread, **body: Any) -> Thread:
        """PATCH the thread and return the object that is answered."""
        return self.object_of(self.client.update(id_of(thread), body), thread)

    def delete(self, thread: Thread) -> None:
        """Delete the thread."""
        self._ensure_success(self.client.delete(id_of(thread)), thread)

    def prune(self, *threads: Thread, **body: Any) -> dict[str, Any]:
        """POST /threads/prune for these threads and return the object that is answered."""
        ids = [id_of(each) for each in threads]
        return self.object_of(self.client.prune({"thread_ids": ids, **body}), None)

    def update_state(self, thread: Thread, **body: Any) -> dict[str, Any]:
        """POST a state update and return the object that is answered, a checkpoint."""
        return self.object_of(self.client.update_state(id_of(thread), body), thread)

    def append(self, thread: Thread, number: int, **body: Any) -> dict[str, Any]:
        """Send the settings' `append` update with this number, and return its answer."""
        return self.update_state(
            thread, **{**numbered(self.context.graph().append, number), **body}
        )

    def run(self, thread: Thread, number: int = 1, **body: Any) -> Any:
        """Run the graph on the thread, wait for its end, and return the final output."""
        answer = self.client.run_wait(id_of(thread), self.run_body(number, **body))
        self._ensure_success(answer, thread)
        if isinstance(answer.body, dict) and "__error__" in answer.body:
            raise self.refusal("the run to succeed", answer, "run")
        return answer.body

    def run_body(self, number: int = 1, **body: Any) -> dict[str, Any]:
        """Return the body of a run: the graph of the settings, and its input with this number."""
        graph = self.context.graph()
        return {"assistant_id": graph.id, "input": numbered(graph.run_input, number), **body}

    # Answers that are no success

    def ensure_success(self, answer: Answer, thread: Thread | None = None) -> Answer:
        """Return the answer if it is a success; else raise the outcome that ends the check."""
        self._ensure_success(answer, thread)
        return answer

    def _tagged_body(self, members: dict[str, Any]) -> dict[str, Any]:
        metadata = {**self.client.tag, **self.context.tag, **members.pop("metadata", {})}
        members.setdefault("thread_id", self.client.ownership.new_id())
        return {**members, "metadata": metadata}

    def _ensure_success(self, answer: Answer, thread: Thread | None) -> None:
        if answer.ok:
            self.context.granted.add(answer.operation)
            return
        if answer.status in _MISSING and self._is_missing(answer, thread):
            operation = BY_NAME[answer.operation]
            line = f"{operation.method} {operation.path} answers {answer.status}"
            missing = Cause.refused(answer.operation, answer.status, MISSING)
            if operation.profile != "documented":
                raise Unsupported(f"{line}: the deployment does not offer it", by=missing)
            if self.arranging or operation.name not in self.context.offers.split():
                raise Blocked(f"{line}: the operation is missing", by=missing)
            raise PromiseBroken("success", _describe(answer), cause=missing)
        raise self.refusal("success", answer, NOT_GRANTED)

    def lacks(self, answer: Answer, thread: Thread) -> bool:
        """Return whether an answer shows that its operation is missing while the thread exists."""
        return answer.status in _MISSING and self._is_missing(answer, thread)

    def _is_missing(self, answer: Answer, thread: Thread | None) -> bool:
        """Return whether a 404, 405 or 501 means that the operation is missing, not the thread."""
        if answer.operation in self.context.granted:
            return False
        if answer.status != _MISSING[0] or thread is None:
            return True
        return answer.operation != "get" and self.client.get(id_of(thread)).ok

    def refusal(self, expected: str, answer: Answer, how: str) -> Exception:
        """Build the outcome that ends the check on an unexpected answer.

        `how` is a short name of the defect and part of the cause; `expected` is for people.
        """
        cause = Cause.refused(answer.operation, answer.status, how)
        if self.arranging:
            return Blocked(f"expected {expected}, got {_describe(answer)}", by=cause)
        return PromiseBroken(expected, _describe(answer), cause=cause)

    def _thread(self, answer: Answer, of: Thread | None = None) -> Thread:
        made = self.object_of(answer, of)
        if not isinstance(made.get("thread_id"), str):
            raise self.refusal("a thread", answer, "thread")
        return made

    def object_of(self, answer: Answer, of: Thread | None = None) -> dict[str, Any]:
        """Return the JSON object of a successful answer."""
        self._ensure_success(answer, of)
        if not isinstance(answer.body, dict):
            raise self.refusal("a JSON object", answer, "object")
        return answer.body

    def list_of(self, answer: Answer, of: Thread | None = None) -> list[dict[str, Any]]:
        """Return the JSON list of objects of a successful answer."""
        self._ensure_success(answer, of)
        if not isinstance(answer.body, list) or not all(
            isinstance(each, dict) for each in answer.body
        ):
            raise self.refusal("a JSON list of objects", answer, "list")
        return answer.body


def _describe(answer: Answer) -> str:
    return f"{answer.status} {excerpt(answer.text, 301)}".strip()


__all__ = ["ABSENT", "CheckContext", "History", "State", "Thread", "ThreadsApi"]

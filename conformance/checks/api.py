"""Asking a deployment on behalf of a check.

Two askers share one vocabulary. What `given` asks for is what the check stands on:
if it is not granted, the check is blocked. What `threads` asks for is what the check
is about: if it is not granted, the promise is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.checks.context import CheckContext
from conformance.checks.outcomes import Blocked, PromiseBroken, Unsupported
from conformance.checks.views import (
    History,
    State,
    Thread,
    id_of,
    newest_first,
    parent_id_of,
    says_something,
)
from conformance.contract.causes import MISSING, NOT_GRANTED, Cause
from conformance.contract.operations import BY_NAME
from conformance.deployment.client import ABSENT, Answer, ThreadsClient
from conformance.deployment.settings import numbered
from conformance.excerpt import excerpt
from conformance.model.history import same_json

#: As many states as a page of history may be asked for.
LONGEST_PAGE = 1000
#: A history of more pages, or whose pages are longer together, is not read to its end.
MOST_PAGES, MOST_CHARACTERS = 1000, 64 * 2**20
#: As many threads as a search is asked for, where its limit is not the question: more than
#: a check makes. That a search takes the published largest limit is a requirement of its own.
ENOUGH_THREADS = 100

_MISSING = (404, 405, 501)


class ThreadsApi:
    """The operations as a check uses them: a 2xx gives the parsed body."""

    def __init__(self, client: ThreadsClient, context: CheckContext, *, arranging: bool) -> None:
        self.client = client
        self.context = context
        self.arranging = arranging
        #: Whether a history must have been made from supersteps, since the check is about them.
        self.insists_on_supersteps = False

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
            raise Blocked(f"expected the metadata sent, got {excerpt(repr(kept), 200)}")
        return made

    def prepopulated(
        self, supersteps: Any = None, *, more: Sequence[Any] = (), **members: Any
    ) -> Thread:
        """A new thread made from these supersteps, or else from those of the settings.

        After those of the settings come the updates `more`, a superstep each. Where the
        deployment applies no supersteps, what a check stands on is then made by a run and
        updates, of as many states; unless supersteps are what it asks about.
        """
        steps = supersteps
        if supersteps is None:
            steps = [numbered(each, 1) for each in self.context.graph().supersteps]
            steps += [{"updates": [each]} for each in more]
        metadata = {"graph_id": self.context.graph().id, **members.pop("metadata", {})}
        made = self.created(self._body({"metadata": metadata, "supersteps": steps, **members}))
        # What stands on states must not be judged by a thread that was given none.
        if not self.arranging or not steps or made.get("values") or self.page(made, limit=1):
            return made
        if self.insists_on_supersteps or supersteps is not None:
            raise Blocked("the thread has no state: the deployment applies no supersteps")
        return self._ran(made, len(steps), more)

    def with_state(self, **members: Any) -> Thread:
        """A new thread that has a state, from supersteps or by a run; no history is looked at.

        For checks that ask nothing of how many states there are.
        """
        steps = [numbered(each, 1) for each in self.context.graph().supersteps]
        metadata = {"graph_id": self.context.graph().id, **members.pop("metadata", {})}
        made = self.created(self._body({"metadata": metadata, "supersteps": steps, **members}))
        if says_something(made.get("values")):
            return made
        state = self.client.state(id_of(made))
        if state.ok and isinstance(state.body, dict) and says_something(state.body.get("values")):
            return made
        self.run(made)
        self.context.note("state made by a run: the deployment applies no supersteps")
        return {**made, **self.settled(made)}

    def fullest(self, **members: Any) -> Thread:
        """A new thread that shows as much as can be made: one with a state, else an empty one."""
        try:
            return self.with_state(**members)
        except (Blocked, Unsupported) as refused:
            self.context.note(f"judged on an empty thread: {refused}")
            # Under the id that was asked for there may be a thread by now.
            return self.empty(**{**members, "thread_id": self.client.ownership.new_id()})

    def unfinished(self) -> list[Thread]:
        """A new thread whose graph has still something to do, where one can be made."""
        try:
            steps = [numbered(each, 1) for each in self.context.graph().supersteps]
            return [self.prepopulated(steps[:-1])]
        except (Blocked, Unsupported) as refused:
            self.context.note(f"judged on empty threads alone: {refused}")
            return []

    def long(self, states: int, **members: Any) -> Thread:
        """A new thread whose history holds `states` states."""
        graph = self.context.graph()
        beyond = states - len(graph.supersteps)
        more = [numbered(graph.append, number) for number in range(2, beyond + 2)]
        return self.prepopulated(more=more, **members)

    def _ran(self, made: Thread, states: int, updates: Sequence[Any]) -> Thread:
        """The thread after a run and these updates, with so many states in its history."""
        self.run(made)
        has = len(self.page(made, limit=states + 1))
        wanted = states - len(updates)
        if not 0 < has <= wanted:
            raise Blocked(
                "the deployment applies no supersteps, and a run makes "
                f"{has or 'no'} states where {wanted} are wanted"
            )
        for number in range(wanted - has):
            self.appended(made, number)
        for update in updates:
            self.update_state(made, **update)
        self.context.note("history made by a run: the deployment applies no supersteps")
        return {**made, **self.get(made)}

    def documented(self, body: dict[str, Any], *, without_metadata: bool = False) -> Thread:
        """Create by a body of the documents, which names no id and has no tag.

        It is sent to the letter where the deployment is disposable. Elsewhere the run's tag
        joins its metadata, or, where it is to be `without_metadata`, an id of the run's
        joins the body: a thread without either could not be told from other people's.
        """
        if self.client.ownership.disposable:
            return self.created(body)
        if without_metadata:
            return self.created({**body, "thread_id": self.chosen_id()})
        tags = {**self.client.tag, **self.context.tag}
        return self.created({**body, "metadata": {**body.get("metadata", {}), **tags}})

    def chosen_id(self) -> str:
        """Draw an id for a thread that is looked for under it later.

        The check is blocked on a deployment that gives threads ids of its own.
        """
        ownership = self.client.ownership
        if ownership.ids_are_kept is None:
            self.empty()
        if not ownership.ids_are_kept:
            raise Blocked("the deployment chooses the ids of threads itself", by="IDENTITY-01")
        return ownership.new_id()

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

    def settled(self, thread: Thread) -> Thread:
        """The thread as GET shows it once it is not busy, which may be a little after a run."""
        return self.context.eventually(
            lambda: self.get(thread), lambda shown: shown.get("status") != "busy"
        )

    def state(self, thread: Thread, **params: Any) -> State:
        """The state of the thread; where a check stands on it, one with values."""
        state = self.object_of(self.client.state(id_of(thread), **params), thread)
        if self.arranging and not isinstance(state.get("values"), dict | list):
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
        pages, characters = 1, 0
        known = {str(state.get("checkpoint_id")) for state in states}
        while states and (oldest := states[-1].get("checkpoint_id")):
            answer = self.client.history(id_of(thread), limit=LONGEST_PAGE, before=oldest)
            if not answer.ok or not isinstance(answer.body, list):
                has_begun = "parent_checkpoint" in states[-1] and not parent_id_of(states[-1])
                if has_begun or (made is not None and len(states) >= made):
                    break
                raise Blocked(
                    f"the history of {id_of(thread)} cannot be read whole: "
                    f"GET history?before answers {answer.status}",
                    by=Cause.refused(answer.operation, answer.status, NOT_GRANTED),
                )
            fresh = [each for each in answer.body if str(each.get("checkpoint_id")) not in known]
            if not fresh:
                break
            states += fresh
            pages, characters = pages + 1, characters + len(answer.text)
            if pages > MOST_PAGES or characters > MOST_CHARACTERS:
                raise Blocked(f"the history of {id_of(thread)} does not end: {len(states)} states")
            known |= {str(state.get("checkpoint_id")) for state in fresh}
        if self.arranging and not newest_first(states):
            raise Blocked(f"the history of {id_of(thread)} is not ordered newest first")
        return History(id_of(thread), states)

    def search(self, **filters: Any) -> list[Thread]:
        """The threads of this check that the filters find: at most `limit`, or 100."""
        body = {"limit": ENOUGH_THREADS, **filters}
        body["metadata"] = {**self.context.tag, **filters.get("metadata", {})}
        return self.list_of(self.client.search(body))

    def found(self, **filters: Any) -> list[str]:
        """The ids of the threads that `search` gives."""
        return [id_of(each) for each in self.search(**filters)]

    def count(self, **filters: Any) -> int:
        """The number of threads of this check that the filters count."""
        body = {**filters, "metadata": {**self.context.tag, **filters.get("metadata", {})}}
        answer = self.client.count(body)
        self._granted(answer, None)
        if not isinstance(answer.body, int) or isinstance(answer.body, bool):
            raise self.refusal("a whole number", answer, "integer")
        return answer.body

    def history_by_post(self, thread: Thread, made: int) -> list[State]:
        """The `made` states of the history as one page by POST; else the check is blocked."""
        states = self.post_page(thread, limit=LONGEST_PAGE)
        if len(states) < made or not newest_first(states):
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
        return self.update_state(
            thread, **{**numbered(self.context.graph().append, number), **body}
        )

    def run(self, thread: Thread, number: int = 1, **body: Any) -> Any:
        """Run the graph on the thread and wait; the final output."""
        answer = self.client.run_wait(id_of(thread), self.run_body(number, **body))
        self._granted(answer, thread)
        if isinstance(answer.body, dict) and "__error__" in answer.body:
            raise self.refusal("the run to succeed", answer, "run")
        return answer.body

    def run_body(self, number: int = 1, **body: Any) -> dict[str, Any]:
        """The body of a run: the graph of the settings, and its input."""
        graph = self.context.graph()
        return {"assistant_id": graph.id, "input": numbered(graph.run_input, number), **body}

    # What is not granted

    def granted(self, answer: Answer, thread: Thread | None = None) -> Answer:
        """The answer, if it is a success; else the check ends here."""
        self._granted(answer, thread)
        return answer

    def _body(self, members: dict[str, Any]) -> dict[str, Any]:
        metadata = {**self.client.tag, **self.context.tag, **members.pop("metadata", {})}
        members.setdefault("thread_id", self.client.ownership.new_id())
        return {**members, "metadata": metadata}

    def _granted(self, answer: Answer, thread: Thread | None) -> None:
        if answer.ok:
            self.context.granted.add(answer.operation)
            return
        if answer.status in _MISSING and self._missing(answer, thread):
            operation = BY_NAME[answer.operation]
            line = f"{operation.method} {operation.path} answers {answer.status}"
            missing = Cause.refused(answer.operation, answer.status, MISSING)
            if operation.profile != "documented":
                raise Unsupported(f"{line}: the deployment does not offer it", by=missing)
            if self.arranging or operation.name not in self.context.offers.split():
                raise Blocked(f"{line}: the operation is missing", by=missing)
            raise PromiseBroken("success", _told(answer), cause=missing)
        raise self.refusal("success", answer, NOT_GRANTED)

    def lacks(self, answer: Answer, thread: Thread) -> bool:
        """Whether an answer tells that its operation is not there, though the thread is."""
        return answer.status in _MISSING and self._missing(answer, thread)

    def _missing(self, answer: Answer, thread: Thread | None) -> bool:
        """Whether the operation is not there, rather than the thread."""
        if answer.operation in self.context.granted:
            return False
        if answer.status != _MISSING[0] or thread is None:
            return True
        return answer.operation != "get" and self.client.get(id_of(thread)).ok

    def refusal(self, expected: str, answer: Answer, how: str) -> Exception:
        """What ends the check where an answer is not what was expected.

        `how` is a short name of what it lacks: part of the cause, where `expected` is a
        sentence for people.
        """
        cause = Cause.refused(answer.operation, answer.status, how)
        if self.arranging:
            return Blocked(f"expected {expected}, got {_told(answer)}", by=cause)
        return PromiseBroken(expected, _told(answer), cause=cause)

    def _thread(self, answer: Answer, of: Thread | None = None) -> Thread:
        made = self.object_of(answer, of)
        if not isinstance(made.get("thread_id"), str):
            raise self.refusal("a thread", answer, "thread")
        return made

    def object_of(self, answer: Answer, of: Thread | None = None) -> dict[str, Any]:
        """The JSON object that an answer holds."""
        self._granted(answer, of)
        if not isinstance(answer.body, dict):
            raise self.refusal("a JSON object", answer, "object")
        return answer.body

    def list_of(self, answer: Answer, of: Thread | None = None) -> list[dict[str, Any]]:
        """The JSON list of objects that an answer holds."""
        self._granted(answer, of)
        if not isinstance(answer.body, list) or not all(
            isinstance(each, dict) for each in answer.body
        ):
            raise self.refusal("a JSON list of objects", answer, "list")
        return answer.body


def _told(answer: Answer) -> str:
    return f"{answer.status} {excerpt(answer.text, 301)}".strip()


__all__ = ["ABSENT", "CheckContext", "History", "State", "Thread", "ThreadsApi"]

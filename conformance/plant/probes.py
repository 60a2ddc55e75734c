"""The questions about a plant, which are the same at planting and at every verification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.api_constants import LONGEST_PAGE, THREAD_STATUSES
from conformance.deployment.cleanup.lost_threads import PLANT_TAG
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.ownership.proof import canonical
from conformance.deployment.record.redaction import Redactor
from conformance.plant.scenarios import KIND, PlantedThread, carries_tag

#: A history of more pages is not read to its end.
_MOST_PAGES = 10_000
#: The limit of a search: more threads than a plant and copies of it have. Some servers return
#: no more than this.
MOST_THREADS = 100
#: How many states are read by their checkpoints, at most.
CHECKPOINTS = 12


@dataclass(frozen=True)
class ReadRequest:
    """One request about a plant: about the thread of one `kind`, or about all threads (None).

    `filters` are the members of a search or count besides the plant's own tag.
    """

    operation: str
    kind: str | None = None
    checkpoint_id: str | None = None
    filters: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        at = f" {self.checkpoint_id}" if self.checkpoint_id else ""
        by = f" {self.filters_text}" if self.filters_text else ""
        return f"{self.operation.replace('_', ' ')}{at}{by}"

    @property
    def filters_text(self) -> str:
        """The filters of a search or count in words; else empty."""
        if self.filters is None:
            return ""
        named = [
            f"{name} {value[KIND] if name == 'metadata' else value}"
            for name, value in self.filters.items()
        ]
        return f"by {', '.join(named) or 'the tag of the plant'}"


@dataclass(frozen=True)
class RecordedAnswer:
    """A question with its answer.

    `answer` is the body with secrets replaced, or None if the status is no success. For a history
    it is the list of all states, newest first; for a search it is `{"threads": {id: thread},
    "strangers": number of threads without the tag}`. Threads that carry the tag and are not of the
    plant are copies that someone made: searches and counts leave them out.
    """

    question: ReadRequest
    status: int
    answer: Any

    @property
    def ok(self) -> bool:
        """Whether the deployment answered with a success."""
        return 200 <= self.status < 300


class Prober:
    """The sender of the questions about the threads of one plant."""

    def __init__(
        self,
        client: ThreadsClient,
        redactor: Redactor,
        plant_id: str,
        threads: Sequence[PlantedThread],
    ) -> None:
        self._client = client
        self._redactor = redactor
        self._tag = {PLANT_TAG: plant_id}
        self._ids = {each.kind: each.thread_id for each in threads}
        self._own = set(map(canonical, self._ids.values()))
        #: Copies that the last search with these filters found.
        self._copies: dict[str, int] = {}

    def send(self, question: ReadRequest) -> RecordedAnswer:
        """Send the question and return its answer; raise `httpx.HTTPError` if there is none."""
        match question.operation:
            case "search":
                return self._record(question, *self._search(question))
            case "count":
                return self._record(question, *self._count(question))
            case "history":
                return self._record(question, *self._read_history(self._thread_id(question)))
        answer = self._read(question)
        return self._record(question, answer.status, answer.body)

    def questions(self, histories: Mapping[str, Any]) -> Iterator[ReadRequest]:
        """Yield all questions except those of `histories`, the states by kind of thread."""
        for kind in self._ids:
            for operation in ("get", "state", "run_list"):
                yield ReadRequest(operation, kind)
            for checkpoint_id in _spread(_checkpoint_ids(histories.get(kind))):
                yield ReadRequest("state_at_checkpoint", kind, checkpoint_id)
        searched: list[dict[str, Any]] = [
            {},
            *({"status": each} for each in THREAD_STATUSES),
            *({"metadata": {KIND: each}} for each in self._ids),
        ]
        for filters in searched:
            yield ReadRequest("search", filters=filters)
            yield ReadRequest("count", filters=filters)

    def _thread_id(self, question: ReadRequest) -> str:
        return self._ids[str(question.kind)]

    def _filters(self, question: ReadRequest) -> dict[str, Any]:
        filters = dict(question.filters or {})
        return {**filters, "metadata": {**filters.get("metadata", {}), **self._tag}}

    def _read(self, question: ReadRequest) -> Answer:
        thread_id = self._thread_id(question)
        match question.operation:
            case "get":
                return self._client.get(thread_id)
            case "state":
                return self._client.state(thread_id)
            case "state_at_checkpoint":
                return self._client.state_at_checkpoint(thread_id, str(question.checkpoint_id))
        return self._client.runs.list(thread_id)

    def _search(self, question: ReadRequest) -> tuple[int, Any]:
        body = {**self._filters(question), "limit": MOST_THREADS}
        answer = self._client.search(body, private=True)
        # A success whose body is not a list counts as a search without hits.
        listed = answer.body if isinstance(answer.body, list) else []
        found = {
            canonical(str(each.get("thread_id"))): each for each in listed if isinstance(each, dict)
        }
        own = {each: thread for each, thread in found.items() if each in self._own}
        copies = sum(
            carries_tag(thread, self._tag[PLANT_TAG])
            for each, thread in found.items()
            if each not in self._own
        )
        self._copies[str(question)] = copies
        return answer.status, {
            "threads": own,
            "strangers": len(listed) - len(own) - copies,
        }

    def _count(self, question: ReadRequest) -> tuple[int, Any]:
        answer = self._client.count(self._filters(question))
        counted = answer.body
        if isinstance(counted, int):
            # Each count follows the search with the same filters.
            counted -= self._copies.get(str(replace(question, operation="search")), 0)
        return answer.status, counted

    def _read_history(self, thread_id: str) -> tuple[int, Any]:
        """Read all states, page by page until a page is refused, is empty, or holds nothing new."""
        answer = self._client.history(thread_id, limit=LONGEST_PAGE)
        if not answer.ok or not isinstance(answer.body, list):
            return answer.status, answer.body
        states, page = list(answer.body), answer.body
        known = set(_checkpoint_ids(states))
        for _ in range(_MOST_PAGES):
            if not (ids := _checkpoint_ids(page)):
                break
            older = self._client.history(thread_id, limit=LONGEST_PAGE, before=ids[-1])
            page = older.body if older.ok and isinstance(older.body, list) else []
            page = [each for each in page if not known.issuperset(_checkpoint_ids([each]))]
            states += page
            known.update(_checkpoint_ids(page))
        return answer.status, states

    def _record(self, question: ReadRequest, status: int, answer: Any) -> RecordedAnswer:
        ok = 200 <= status < 300
        return RecordedAnswer(question, status, self._redactor.json(answer) if ok else None)


def checkpoint_id_in(state: Any) -> str | None:
    """Return the checkpoint id of a state, at its top or in `checkpoint`, or None."""
    shown = state if isinstance(state, dict) else {}
    checkpoint = shown.get("checkpoint")
    below = checkpoint.get("checkpoint_id") if isinstance(checkpoint, dict) else None
    found = shown.get("checkpoint_id") or below
    return found if isinstance(found, str) else None


def _checkpoint_ids(states: Any) -> list[str]:
    listed = states if isinstance(states, list) else []
    return [found for each in listed if (found := checkpoint_id_in(each))]


def _spread(ids: Sequence[str]) -> list[str]:
    """Return at most `CHECKPOINTS` ids, evenly spread, with the first and the last."""
    if len(ids) <= CHECKPOINTS:
        return list(ids)
    return [ids[round(n * (len(ids) - 1) / (CHECKPOINTS - 1))] for n in range(CHECKPOINTS)]

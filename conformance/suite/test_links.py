"""Stories along the links of our OpenAPI document: a request uses ids from an earlier answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import masked_state
from conformance.checks.expect import assert_equal, assert_refused, kept_metadata
from conformance.checks.generators.links import for_all_stories
from conformance.checks.generators.schema_bodies import is_portable
from conformance.checks.lenient_validation import without_nulls
from conformance.checks.outcomes import requires
from conformance.checks.valid_requests import require_offered, tags
from conformance.checks.views import checkpoint_id_of, id_of
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.settings import Settings

_WITHOUT = {
    "thread_create": ("thread_id", "if_exists", "ttl", "supersteps"),
    "thread_patch": ("ttl",),
}


@requires("LINK-01")
def test_what_an_answer_names_can_be_asked_for(
    given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient, settings: Settings
) -> None:
    # Every story begins with supersteps.
    require_offered(given, given.prepopulated(list(given.context.graph().supersteps)), "update")
    given.delete(given.copy(given.empty()))
    for_all_stories(lambda: Story(given, threads, client).send_and_judge, _WITHOUT, settings)


@dataclass
class Known:
    """What is known of a thread that exists: its metadata, and what was answered about it."""

    metadata: dict[str, Any]
    copied_from: str | None = None
    seen: dict[str, Any] = field(default_factory=dict)
    checkpoints: set[str] = field(default_factory=set)


class Story:
    """The sender of the requests of one story, which judges each answer by those before it."""

    def __init__(self, given: ThreadsApi, threads: ThreadsApi, client: ThreadsClient) -> None:
        self._given = given
        self._threads = threads
        self._client = client
        self._known: dict[str, Known] = {}
        self._steps = 0

    def send_and_judge(self, operation_id: str, ids: dict[str, Any], body: Any) -> Answer:
        """Send one request of the story, judge its answer, and return it."""
        self._steps += 1
        # Generated metadata is often empty: the step number makes every update visible.
        metadata = {**_metadata(body), "step": self._steps}
        if operation_id == "create_thread":
            return self._create(metadata)
        thread_id = str(ids["thread_id"])
        if thread_id not in self._known and not self._client.ownership.is_ours(thread_id):
            # A generated id, or one from an answer, may be a stranger's: send an absent id instead.
            thread_id = self._client.ownership.absent_id()
        answer = self._send(operation_id, thread_id, ids, metadata)
        known = self._known.get(thread_id)
        checkpoint_id = ids.get("checkpoint_id")
        if known is None:
            assert_refused(answer)
        elif checkpoint_id is None or checkpoint_id in known.checkpoints:
            # Requests for unknown checkpoints have requirements of their own.
            self._judge(operation_id, thread_id, known, answer, metadata)
        return answer

    def _create(self, metadata: dict[str, Any]) -> Answer:
        supersteps = list(self._given.context.graph().supersteps)
        graph = {"graph_id": self._given.context.graph().id}
        sent = {**metadata, **graph, **tags(self._given)}
        chosen = self._client.ownership.new_id()
        body = {"thread_id": chosen, "metadata": sent, "supersteps": supersteps}
        answer = self._client.create(body)
        # Whether the deployment uses the id that was sent is judged by IDENTITY-01.
        self._known[id_of(self._threads.object_of(answer))] = Known(sent)
        return answer

    def _send(
        self, operation_id: str, thread_id: str, ids: dict[str, Any], metadata: dict[str, Any]
    ) -> Answer:
        match operation_id:
            case "get_thread":
                return self._client.get(thread_id)
            case "update_thread":
                return self._client.update(thread_id, {"metadata": metadata})
            case "delete_thread":
                return self._client.delete(thread_id)
            case "copy_thread":
                return self._client.copy(thread_id)
            case "get_state":
                return self._client.state(thread_id)
            case "get_history":
                return self._client.history(thread_id, limit=1000)
            case "get_state_at_checkpoint":
                return self._client.state_at_checkpoint(thread_id, str(ids["checkpoint_id"]))
        raise NotImplementedError(f"a link leads to {operation_id}: say here how it is sent")

    def _judge(
        self,
        operation_id: str,
        thread_id: str,
        known: Known,
        answer: Answer,
        metadata: dict[str, Any],
    ) -> None:
        self._threads.ensure_success(answer)
        if operation_id == "delete_thread":
            del self._known[thread_id]
            return
        is_list = operation_id == "get_history"
        shown: Any = self._given.list_of(answer) if is_list else self._given.object_of(answer)
        # Whether the answer has the right shape is judged by the checks of its operation.
        match operation_id:
            case "update_thread":
                known.metadata |= metadata
                assert_equal(
                    kept_metadata(shown, known.metadata), known.metadata, "the metadata sent"
                )
            case "get_thread":
                assert_equal(
                    kept_metadata(shown, known.metadata), known.metadata, "the metadata sent"
                )
            case "copy_thread":
                seen = {name: known.seen[name] for name in known.seen if name in _SAME_FOR_A_COPY}
                self._known[id_of(shown)] = Known(shown.get("metadata") or {}, thread_id, seen)
            case "get_state":
                known.checkpoints.add(checkpoint_id_of(shown))
                self._assert_as_before(operation_id, thread_id, known, shown)
            case "get_history":
                self._assert_as_before(operation_id, thread_id, known, shown)
            case _:
                named = checkpoint_id_of(shown)
                assert_equal(named in known.checkpoints, True, "whether it is that checkpoint")

    def _assert_as_before(
        self, operation_id: str, thread_id: str, known: Known, shown: Any
    ) -> None:
        """Assert that states are as first shown, since no request of a story changes a state."""
        states = shown if isinstance(shown, list) else [shown]
        masked = [masked_state(each, thread_id, known.copied_from) for each in states]
        assert_equal(masked, known.seen.setdefault(operation_id, masked), operation_id)


#: Operations that answer the same for a copy and its source, each thread's own id masked.
_SAME_FOR_A_COPY = ("get_history",)


def _metadata(body: Any) -> dict[str, Any]:
    """Return generated metadata that every JSON reader keeps."""
    generated = body.get("metadata", {}) if isinstance(body, dict) else {}
    # No source says what null means in metadata, or how nested objects are merged.
    plain = {
        name: each for name, each in without_nulls(generated).items() if type(each) is not dict
    }
    return plain if is_portable(plain) else {}

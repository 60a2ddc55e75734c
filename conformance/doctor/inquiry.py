"""The doctor's requests to a deployment, recorded in words together with the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.ownership.guard import NotOursRefusal
from conformance.safe_text import excerpt

_WIDTH = 200


@dataclass(frozen=True)
class DescribedExchange:
    """One request in words, and the status of its answer with the relevant part of the body."""

    request: str
    answer: str


@dataclass
class Inquiry:
    """The requests about one graph, which are recorded in words with their answers."""

    client: ThreadsClient
    graph_id: str
    described_exchanges: list[DescribedExchange] = field(default_factory=list)

    def send(
        self,
        what: str,
        request: Callable[[], Answer],
        render: Callable[[Any], str] = lambda body: "",
    ) -> Answer | None:
        """Send a request and return its answer; None if it was not sent, or not answered.

        `what` describes the request; `render` returns the relevant part of a body in words.
        """
        try:
            answer = request()
        except httpx.HTTPError as broken:
            self.described_exchanges.append(
                DescribedExchange(what, f"no answer ({type(broken).__name__})")
            )
            return None
        except NotOursRefusal:
            # A deployment may answer a creation with an id that is somebody else's.
            self.described_exchanges.append(
                DescribedExchange(what, "not sent: the thread is not proved to be ours")
            )
            return None
        text = render(answer.body) if answer.ok else excerpt(answer.text, _WIDTH)
        self.described_exchanges.append(DescribedExchange(what, f"{answer.status} {text}".strip()))
        return answer

    def create(self, what: str, **members: Any) -> Answer | None:
        """Create a thread of this run for the graph; `members` are added to the body."""
        body = {
            "thread_id": self.client.ownership.new_id(),
            "metadata": {**self.client.tag, "graph_id": self.graph_id},
            **members,
        }
        return self.send(f"POST /threads {what}", lambda: self.client.create(body), keys_text)

    def run(self, thread_id: str, run_input: Any) -> Answer | None:
        """Run the graph on the thread, and wait for its end."""
        body = {"assistant_id": self.graph_id, "input": run_input}
        what = "POST /threads/{thread_id}/runs/wait with run_input"
        return self.send(what, lambda: self.client.run_wait(thread_id, body), _key_names)

    def update(self, thread_id: str, update: Mapping[str, Any]) -> Answer | None:
        """Send a state update."""
        what = f"POST /threads/{{thread_id}}/state as {update.get('as_node')!r}"
        return self.send(what, lambda: self.client.update_state(thread_id, dict(update)))

    def state(self, thread_id: str) -> dict[str, Any]:
        """Return the values of the thread's state; empty if it shows none."""
        what = "GET /threads/{thread_id}/state"
        return values_in(self.send(what, lambda: self.client.state(thread_id), keys_text))


def values_in(answer: Answer | None) -> dict[str, Any]:
    """Return the values of a thread or state that an answer shows; empty if it shows none."""
    body = answer.body if answer is not None and answer.ok else None
    values = body.get("values") if isinstance(body, dict) else None
    return values if isinstance(values, dict) else {}


def thread_id_in(answer: Answer | None) -> str | None:
    """Return the id of the thread that an answer shows, or None."""
    body = answer.body if answer is not None and answer.ok else None
    found = body.get("thread_id") if isinstance(body, dict) else None
    return found if isinstance(found, str) else None


def keys_text(body: Any) -> str:
    """Return in words which keys the values of a thread or state have."""
    values = body.get("values") if isinstance(body, dict) else None
    return f"values: {_key_names(values)}" if isinstance(values, dict) else "no values"


def _key_names(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    return excerpt(", ".join(map(str, value)) or "none", _WIDTH)

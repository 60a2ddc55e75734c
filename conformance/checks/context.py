"""The check at hand: what it is given, what it may wait for, what it has to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from conformance.checks.outcomes import Blocked
from conformance.deployment.settings import GraphSettings, Settings

_T = TypeVar("_T")

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.25


@dataclass
class CheckContext:
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

        That is one which began after the deadline: what was there by then is seen, however
        long a look takes. How long it took is noted, where it did not hold at once.
        """
        deadline = self.settings.visible_within_s if within_s is None else within_s
        started = time.monotonic()
        wait = _FIRST_WAIT_S
        while True:
            began = time.monotonic() - started
            seen = look()
            if holds(seen) or began > deadline:
                waited = time.monotonic() - started
                if wait > _FIRST_WAIT_S:
                    self.note(f"waited {waited * 1000:.0f} ms")
                return seen
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

"""Trials of the settings of a graph, on threads of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conformance.checks.channels import predicted_values, values_of
from conformance.checks.messages import is_message, items_in, message_keys, type_and_content
from conformance.deployment.client import Answer
from conformance.deployment.settings import GraphSettings, numbered
from conformance.doctor.findings import Finding, Kind
from conformance.doctor.graph_description import Described
from conformance.doctor.inquiry import Inquiry, thread_id_in, values_in
from conformance.doctor.published_keys import check_keys
from conformance.json_differences import same_json
from conformance.safe_text import excerpt

Steps = list[dict[str, Any]]

_ALL = "whatever needs a state: copy, state, history, prepopulate, runs and what stands on them"
_OF_SUPERSTEPS = (
    "prepopulate; other checks make their histories by runs and state updates, where those work"
)
_OF_RUNS = "runs, streams and what is copied after a run"
_OF_UPDATES = "state_update, and the forks of copy, history and sequences"
_MISSING = (404, 405, 501)
_SHOWN = 100


def try_settings(inquiry: Inquiry, graph: GraphSettings, known: Described) -> list[Finding]:
    """Return findings on what the settings get wrong, or what the deployment does not offer."""
    if known.graphs and graph.id not in known.graphs:
        others = ", ".join(known.graphs)
        return [
            Finding(
                Kind.WRONG,
                f"the deployment has no graph {graph.id!r}: write one of {others} as id of "
                "[graph], or deploy it",
                _ALL,
            )
        ]
    trial = _Trial(inquiry, graph, known)
    return [
        *check_keys(graph, known),
        *trial.try_supersteps(),
        *trial.try_run(),
        *trial.try_update(),
    ]


@dataclass
class _Trial:
    inquiry: Inquiry
    graph: GraphSettings
    known: Described
    #: The id of a thread with a state, once there is one.
    thread_id: str | None = None

    def try_supersteps(self) -> list[Finding]:
        """Prepopulate a thread by the supersteps and one `append` more, and return the findings."""
        steps = [numbered(each, 1) for each in self.graph.supersteps]
        steps.append({"updates": [numbered(self.graph.append, 2)]})
        answer = self.inquiry.create("with supersteps and append", supersteps=steps)
        if answer is not None and answer.ok:
            self.thread_id = thread_id_in(answer)
            values = values_in(answer)
            if not values and self.thread_id:
                values = self.inquiry.state(self.thread_id)
            if not values:
                self.thread_id = None
                return [
                    Finding(
                        Kind.ABSENT,
                        "the deployment takes supersteps but applies none",
                        _OF_SUPERSTEPS,
                    )
                ]
            return self._compare(values, steps)
        empty = self.inquiry.create("without supersteps")
        if empty is None or not empty.ok:
            return [_not_answered("POST /threads", empty, _ALL)]
        if answer is None or answer.status >= 500:
            return [_not_answered("POST /threads with supersteps", answer, _OF_SUPERSTEPS)]
        return [self._first_refused(steps)]

    def _first_refused(self, steps: Steps) -> Finding:
        """Return a finding on the first superstep that is refused, and why."""
        for count in range(1, len(steps) + 1):
            answer = self.inquiry.create(
                f"with {count} of the supersteps", supersteps=steps[:count]
            )
            if answer is None or not answer.ok:
                break
        else:
            return Finding(Kind.SERVER, "supersteps are refused once and then taken", "prepopulate")
        setting = "append" if count == len(steps) else f"superstep {count}"
        nodes = [str(update.get("as_node")) for update in steps[count - 1]["updates"]]
        why = excerpt(answer.text, _SHOWN) if answer is not None else "no answer"
        status = answer.status if answer is not None else ""
        prefix = f"{setting} of [graph], as node {', '.join(nodes)}, is refused ({status} {why})"
        unknown = [
            each for each in nodes if self.known.nodes and each not in (*self.known.nodes, _INPUT)
        ]
        if unknown:
            return Finding(
                Kind.WRONG,
                f"{prefix}: graph {self.graph.id!r} has no node {', '.join(unknown)}: write one of "
                f"{', '.join(self.known.nodes)} as its as_node",
                _OF_SUPERSTEPS,
            )
        return Finding(
            Kind.WRONG,
            f"{prefix}: correct its as_node or its values; if the deployment takes no supersteps "
            "at all, the settings are right",
            _OF_SUPERSTEPS,
        )

    def _compare(self, values: dict[str, Any], steps: Steps) -> list[Finding]:
        """Return findings on keys whose values are not those that the settings predict."""
        graph = self.graph
        updates = [update for step in steps for update in step["updates"]]
        found = []
        for key, wanted in predicted_values(updates, graph, {}).items():
            of_key = (values_of(each) for each in updates)
            written = [each[key] for each in of_key if key in each]
            if not same_json(_comparable_value(values.get(key)), _comparable_value(wanted)):
                found.append(Finding(Kind.WRONG, self._mismatch_text(key, values, wanted, written)))
        for key in graph.appending:
            if not any(key in values_of(each) for each in updates):
                found.append(
                    Finding(
                        Kind.WRONG,
                        f"appending of [graph] names {key}, to which no superstep and no append "
                        "adds: nothing of it is compared; write items to it, or leave it out",
                    )
                )
        if not predicted_values(updates, graph, {}):
            found.append(
                Finding(
                    Kind.ABSENT,
                    "the settings name no key of the state in appending, adding or replacing whose "
                    "value is foretold: name one that append writes",
                    "what compares values with what was sent, as in prepopulate and state",
                )
            )
        elif not message_keys(graph):
            found.append(
                Finding(
                    Kind.ABSENT,
                    "no key of appending holds messages",
                    "PREPOP-03, PREPOP-12 and STATE-15, which are about messages",
                )
            )
        return found

    def _mismatch_text(
        self, key: str, values: dict[str, Any], wanted: Any, written: list[Any]
    ) -> str:
        """Return a sentence on what a key holds instead of what its setting predicts."""
        setting = next(
            name
            for name in ("appending", "adding", "replacing")
            if key in getattr(self.graph, name)
        )
        prefix = f"{setting} of [graph] names {key}"
        if key not in values:
            return (
                f"{prefix}, which the state does not show once it was written: is it a key of the "
                f"state? It shows {', '.join(values)}"
            )
        shown = values[key]
        replaces = "put it into replacing, or leave it out of all three"
        if setting == "appending":
            if not isinstance(shown, list):
                kind = type(shown).__name__
                return f"{prefix}, but it holds no list ({kind}): put it into adding or replacing"
            if _are_messages(shown) and not _are_messages(items_in({key: wanted}, key)):
                return (
                    f"{prefix}, whose items are messages, and others were sent: write each as "
                    '{ type = "human", content = "…" }'
                )
            if not _are_messages(shown) and _are_messages(wanted):
                return (
                    f"{prefix}, whose items are no messages, though messages were sent: write "
                    "items as the state holds them"
                )
        if (
            setting != "replacing"
            and written
            and same_json(_comparable_value(shown), _comparable_value(written[-1]))
        ):
            return f"{prefix}, but an update replaces what was there: {replaces}"
        was, came = (
            excerpt(repr(each), _SHOWN)
            for each in (_comparable_value(wanted), _comparable_value(shown))
        )
        instead = "leave it out of all three" if setting == "replacing" else replaces
        return f"{prefix}, by which it would hold {was}, but it holds {came}: {instead}"

    def try_run(self) -> list[Finding]:
        """Run the graph with the settings' input on an empty thread, and return the findings."""
        made = thread_id_in(self.inquiry.create("for a run"))
        if made is None:
            return []
        answer = self.inquiry.run(made, numbered(self.graph.run_input, 1))
        if answer is None or answer.status >= 500:
            return [_not_answered("a run", answer, _OF_RUNS)]
        keys = ", ".join(self.known.input)
        hint = f"its published input has {keys}" if keys else "write what the graph takes"
        if not answer.ok:
            if answer.status in (405, 501):
                return [Finding(Kind.ABSENT, f"runs are answered {answer.status}", _OF_RUNS)]
            return [
                Finding(
                    Kind.WRONG,
                    f"run_input of [graph] is refused ({answer.status} "
                    f"{excerpt(answer.text, _SHOWN)}): {hint}",
                    _OF_RUNS,
                )
            ]
        if isinstance(answer.body, dict) and "__error__" in answer.body:
            return [
                Finding(
                    Kind.WRONG,
                    f"a run with run_input of [graph] fails ({excerpt(answer.text, _SHOWN)}): "
                    f"{hint}, and what the graph needs to run",
                    _OF_RUNS,
                )
            ]
        self.thread_id = self.thread_id or made
        return []

    def try_update(self) -> list[Finding]:
        """Update the state by `append` on a thread that has one, and return the findings."""
        if self.thread_id is None:
            return []
        answer = self.inquiry.update(self.thread_id, numbered(self.graph.append, 3))
        if answer is None or answer.status >= 500:
            return [_not_answered("a state update", answer, _OF_UPDATES)]
        if answer.status in _MISSING:
            return [
                Finding(Kind.ABSENT, f"state updates are answered {answer.status}", _OF_UPDATES)
            ]
        if not answer.ok:
            return [
                Finding(
                    Kind.WRONG,
                    f"append of [graph] is refused as a state update ({answer.status} "
                    f"{excerpt(answer.text, _SHOWN)}): correct its as_node or its values",
                    _OF_UPDATES,
                )
            ]
        return []


_INPUT = "__input__"


def _not_answered(what: str, answer: Answer | None, undecided: str) -> Finding:
    """Build the finding of a server error or a missing answer, which no setting can cause."""
    how = f"answered {answer.status}" if answer is not None else "not answered"
    return Finding(Kind.SERVER, f"{what} is {how}: see the log of the server", undecided)


def _comparable_value(value: Any) -> Any:
    return type_and_content(value) if isinstance(value, list) else value


def _are_messages(items: list[Any]) -> bool:
    return bool(items) and all(map(is_message, items))

"""A deployment whose graph is not ours: described in the settings, or missing."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.model.errors import InvalidError
from conformance.model.graphs import AGENT, MESSAGES, START, Channel, Graph, Node, keep_last
from conformance.model.ids_and_times import JsonObject
from conformance.model.messages import add_messages
from conformance.model.store import ThreadStore
from tests.conftest import served, written_report

pytestmark = pytest.mark.slow

NOTEBOOK = Graph(
    graph_id="notebook",
    channels={"notes": Channel(default=[], reduce=add_messages)},
    nodes={
        START: Node(run=lambda given: given, then=("read",)),
        "read": Node(run=lambda values: {}, then=("write",)),
        "write": Node(run=lambda values: {"notes": [{"type": "ai", "content": "noted"}]}),
    },
)
CONFIGURATION = """
profile = "extended"
effort = "quick"

[graph]
id = "notebook"
appending = ["notes"]
run_input = { notes = [{ type = "human", content = "note {n}" }] }
append = { as_node = "write", values = { notes = [{ type = "ai", content = "written {n}" }] } }
supersteps = [
  { updates = [{ as_node = "__input__", values = {} }] },
  { updates = [{ as_node = "__start__", values.notes = [{ type = "human", content = "a" }] }] },
  { updates = [{ as_node = "read", values.notes = [{ type = "ai", content = "b" }] }] },
  { updates = [{ as_node = "write", values.notes = [{ type = "ai", content = "c" }] }] },
]
"""

#: A graph without messages: a list of texts that grows, a counter, a nested object.
LEDGER = Graph(
    graph_id="ledger",
    channels={
        "log": Channel(default=[], reduce=lambda current, update, _: [*current, *update]),
        "count": Channel(default=0, reduce=lambda current, update, _: current + update),
        "about": Channel(default={}, reduce=keep_last),
    },
    nodes={
        START: Node(run=lambda given: given, then=("write",)),
        "write": Node(run=lambda values: {"log": [f"after {len(values['log'])}"], "count": 1}),
    },
)
LEDGER_CONFIGURATION = """
profile = "extended"
effort = "quick"

[graph]
id = "ledger"
appending = ["log"]
adding = ["count"]
replacing = ["about"]
channels = { count = 3, about = { of = ["{n}", { more = true }] } }
run_input = { log = ["asked {n}"], count = 1 }
append = { as_node = "write", values = { log = ["written {n}"], count = 2 } }
supersteps = [
  { updates = [{ as_node = "__input__", values = {} }] },
  { updates = [{ as_node = "__start__", values = { log = ["a"], about.of.all = [1, "b"] } }] },
  { updates = [{ as_node = "write", values = { log = ["c", "d"], count = 5 } }] },
]
"""
#: What says something of messages alone.
OF_MESSAGES = {"PREPOP-03", "PREPOP-12", "STATE-15", "STATE-UPDATE-21"}


#: Capabilities of which no check asks for anything of a graph.
OF_NO_GRAPH = {"errors", "create", "count", "sort", "page", "delete", "prune", "update"}
OF_A_GRAPH = tuple(
    part
    for each in dict.fromkeys(each.capability for each in load_catalogue().in_profile("extended"))
    if each not in OF_NO_GRAPH
    for part in ("--capability", each)
)


def run(url: str, folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    ended = subprocess.run(
        [sys.executable, "-m", "conformance", "run", "--url", url, "--disposable", *arguments],
        cwd=folder,
        env={**_environment(), "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    report = written_report(folder)
    return ended.returncode, json.loads(report.read_text()), ended.stdout


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


@pytest.fixture(scope="module")
def notebook() -> ThreadStore:
    return ThreadStore(lambda: datetime.now(UTC), uuid.uuid4, {NOTEBOOK.graph_id: NOTEBOOK})


def test_a_graph_described_in_the_settings_is_judged(notebook: ThreadStore, tmp_path: Path) -> None:
    (tmp_path / "threads-conformance.toml").write_text(CONFIGURATION)
    with served(notebook) as url:
        status, report, output = run(url, tmp_path, *OF_A_GRAPH)
    assert status == 0, output
    assert report["deployment"]["graph_id"] == "notebook"
    assert report["totals"]["MUST"]["blocked"] == 0


def test_without_a_graph_the_checks_that_need_none_still_run(
    notebook: ThreadStore, tmp_path: Path
) -> None:
    with served(notebook) as url:
        status, report, output = run(url, tmp_path, "--effort", "quick")
    assert status == 3, output
    blocked = [check for check in report["checks"] if check["verdict"] == "blocked"]
    assert blocked
    for check in blocked:
        assert "has no graph 'agent'" in check["reason"], check
        assert "fixtures/deployments/langgraph-python" in check["reason"]
    by_capability = {
        each["capability"]: each["verdict"]
        for each in report["requirements"]
        if each["level"] == "MUST"
    }
    assert by_capability["create"] == "pass"
    assert not [check for check in report["checks"] if check["verdict"] in ("fail", "error")]


@pytest.fixture(scope="module")
def ledger() -> ThreadStore:
    return ThreadStore(lambda: datetime.now(UTC), uuid.uuid4, {LEDGER.graph_id: LEDGER})


def test_a_state_without_messages_is_judged(ledger: ThreadStore, tmp_path: Path) -> None:
    (tmp_path / "threads-conformance.toml").write_text(LEDGER_CONFIGURATION)
    with served(ledger) as url:
        _, report, output = run(url, tmp_path, *OF_A_GRAPH)
    other_than_pass = {
        each["id"]: each["verdict"]
        for each in report["requirements"]
        if each["level"] != "MAY" and each["verdict"] not in ("pass", "not_run")
    }
    assert other_than_pass == dict.fromkeys(OF_MESSAGES, "blocked"), output


class Strict(Graph):
    """A graph that refuses what is no key of its state."""

    def applied(self, values: JsonObject, update: Any, new_id: Callable[[], str]) -> JsonObject:
        if isinstance(update, dict) and update.keys() - self.channels.keys():
            raise InvalidError("unknown keys")
        return super().applied(values, update, new_id)


@pytest.mark.parametrize("kind", [Graph, Strict], ids=["leaves-out", "refuses"])
def test_an_agent_without_the_other_channels_is_judged_by_its_messages(
    kind: type[Graph], tmp_path: Path
) -> None:
    agent = kind("agent", MESSAGES, AGENT.nodes)
    store = ThreadStore(lambda: datetime.now(UTC), uuid.uuid4, {"agent": agent})
    capabilities = ("prepopulate", "copy", "state", "history", "checkpoint", "state_update")
    chosen = [each for name in capabilities for each in ("--capability", name)]
    with served(store) as url:
        status, report, output = run(
            url, tmp_path, "--profile", "extended", "--effort", "quick", *chosen
        )
    assert status == 0, output
    others = {
        each["id"]: each["verdict"]
        for each in report["requirements"]
        if each["level"] != "MAY" and each["verdict"] != "pass"
    }
    # An object can be put into none of its channels.
    assert others == {"PREPOP-29": "unsupported", "STATE-UPDATE-22": "unsupported"}, output

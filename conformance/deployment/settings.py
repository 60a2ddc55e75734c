"""What a run is asked to do, and where that may be written down.

Options come from the command line, else from `THREADS_CONFORMANCE_*`, else from
`threads-conformance.toml`, else from `[tool.threads-conformance]` in pyproject.toml.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import EFFORTS, HTTP, PROFILES
from conformance.data import fixtures_dir

DEFAULT_SEED = 20250512
CONFIG_FILE = "threads-conformance.toml"
#: The settings of a graph that are keys of its state.
_KEYS = ("appending", "adding", "replacing")
#: The settings of which one at least is given where a graph is not that of the documents.
_DESCRIBES = frozenset({"run_input", "supersteps", "append", "appending"})
#: Stands for a number in the graph's input and updates, so that texts differ.
NUMBER = "{n}"


class SettingsError(Exception):
    """A setting that cannot be used; the message says which and what to write."""


@dataclass(frozen=True)
class GraphSettings:
    """How to use the graph that the deployment offers: the documents' by default.

    `supersteps` prepopulate a thread to its end; `append` is one more update that may
    be applied to it any number of times; `run_input` is the input of a run. In every
    text `{n}` is replaced by a number. `channels` are values of further keys of the state,
    written together with `append` where all that a state holds is the question; what is
    no key of the graph's state may stand there.

    What an update does to a key: to a list of `appending` (of messages, or of anything
    else) it adds items, to a number of `adding` it is added, what is of `replacing` it
    replaces. Of keys that are in none of the three nothing is foretold. The first of
    `appending` is the list that most checks follow.
    """

    id: str = "agent"
    run_input: Any = field(
        default_factory=lambda: {"messages": [{"type": "human", "content": "question {n}"}]}
    )
    supersteps: tuple[dict[str, Any], ...] = field(default_factory=lambda: documented_supersteps())
    append: dict[str, Any] = field(
        default_factory=lambda: {
            "values": {"messages": [{"type": "ai", "content": "answer {n}"}]},
            "as_node": "call_model",
        }
    )
    appending: tuple[str, ...] = ("messages",)
    channels: dict[str, Any] = field(
        default_factory=lambda: {
            "turns": 2,
            "profile": {"name": "name {n}", "of": {"tags": ["a", 1, None], "seen": False}},
            "plan": ["step {n}", "then the end"],
        }
    )
    adding: tuple[str, ...] = ("turns",)
    replacing: tuple[str, ...] = ("profile", "plan")


@dataclass(frozen=True)
class OtherGraphs:
    """The ids of the graphs that the profile full needs beside the one of `[graph]`.

    All take and keep `messages`. `interrupter` asks once, by an interrupt, and adds a
    message that holds the answer; `failing` raises; `slow` takes the `seconds` of its
    input, and adds a message in each of at least two steps; `nested` has `interrupter`
    as a subgraph.
    """

    interrupter: str = "interrupter"
    failing: str = "failing"
    slow: str = "slow"
    nested: str = "nested"


@dataclass(frozen=True)
class Settings:
    """One run. Times in seconds; `headers` are (name, value) pairs, all of them secret.

    `protected` says that the deployment answers nobody without credentials;
    `other_headers` are the credentials of another tenant, secret as well.

    `visible_within_s` is the declared deadline by which search and count show a change;
    a cron that is due every minute has made its run within `cron_within_s`. `clients` are
    those by which the deployment is asked. With `shrink` what breaks a property is told
    in its smallest form. On a `disposable` deployment nothing matters; one that was
    `launched` ends with the run, and all that is on it. Outages are waited
    out for `outage_within_s` in all; waits between tries of a request begin at `backoff_s`.
    With `read_only` nothing is written, and of all threads only those of `thread_ids` are
    looked at; they are other people's. An answer of more than `max_body_mib` is not read;
    `ca_bundle` is the PEM file of the certificates that are trusted, and with `insecure`
    any is.
    """

    url: str
    run_id: str
    started_at: str
    run_dir: str
    profile: str = "documented"
    effort: str = "standard"
    seed: int = DEFAULT_SEED
    headers: tuple[tuple[str, str], ...] = ()
    graph: GraphSettings = field(default_factory=GraphSettings)
    graphs: OtherGraphs = field(default_factory=OtherGraphs)
    requirements: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    visible_within_s: float = 5.0
    timeout_s: float = 30.0
    run_timeout_s: float = 60.0
    cron_within_s: float = 100.0
    repeat_failures: int = 2
    shrink: bool = True
    clients: tuple[str, ...] = (HTTP,)
    disposable: bool = False
    launched: bool = False
    outage_within_s: float = 30.0
    backoff_s: float = 0.2
    read_only: bool = False
    thread_ids: tuple[str, ...] = ()
    protected: bool = False
    other_headers: tuple[tuple[str, str], ...] = ()
    max_body_mib: int = 64
    ca_bundle: str | None = None
    insecure: bool = False

    def to_json(self) -> str:
        """The settings as text, to be handed to a worker."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        graph, graphs = data.pop("graph"), data.pop("graphs")
        for name in ("requirements", "capabilities", "clients", "thread_ids"):
            data[name] = tuple(data[name])
        for name in ("headers", "other_headers"):
            data[name] = tuple((header, value) for header, value in data[name])
        return cls(graph=graph_settings(graph), graphs=other_graphs(graphs), **data)

    def includes(self, profile: str) -> bool:
        """Whether requirements of `profile` are asked for."""
        return PROFILES.index(profile) <= PROFILES.index(self.profile)

    def affords(self, effort: str) -> bool:
        """Whether what needs `effort` is checked."""
        return EFFORTS.index(effort) <= EFFORTS.index(self.effort)


def documented_supersteps() -> tuple[dict[str, Any], ...]:
    """The supersteps of the documented prepopulation."""
    return tuple(documented_prepopulation()["supersteps"])


def documented_prepopulation() -> dict[str, Any]:
    """The body of the documented create request with supersteps, as cURL sends it."""
    file = fixtures_dir() / "documented" / "prepopulate" / "003-block09-curl.json"
    body: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["request"]["body"]
    return body


def other_graphs(table: dict[str, Any]) -> OtherGraphs:
    """Read the `[graphs]` table; `SettingsError` names what cannot be used."""
    _check_names(table, "graphs", OtherGraphs)
    for name, graph_id in table.items():
        if not isinstance(graph_id, str):
            raise SettingsError(f"[graphs] {name} must be a text, the id of a graph")
    return OtherGraphs(**table)


def graph_settings(table: dict[str, Any]) -> GraphSettings:
    """Read the `[graph]` table; `SettingsError` names what cannot be used."""
    _check_names(table, "graph", GraphSettings)
    _check(table, "id", str, "a text, the id of a graph")
    _check(table, "supersteps", list, "a list of tables with `updates`")
    _check(table, "append", dict, "a table with `values` and `as_node`")
    for name in _KEYS:
        _check(table, name, list, "a list of keys of the state")
    _check(table, "channels", dict, "a table of values, by keys of the state")
    for superstep in table.get("supersteps", ()):
        if not isinstance(superstep, dict) or not isinstance(superstep.get("updates"), list):
            raise SettingsError("[graph] supersteps: each is a table with a list `updates`")
    read = dict(table)
    if _DESCRIBES & table.keys():
        # Another graph than that of the documents: only what is said of it is known.
        read = {"channels": {}, "adding": (), "replacing": (), **read}
    for name in ("supersteps", *_KEYS):
        if name in read:
            read[name] = tuple(read[name])
    return GraphSettings(**read)


def _check_names(table: dict[str, Any], title: str, settings: type) -> None:
    known = {each.name for each in fields(settings)}
    if unknown := table.keys() - known:
        names = ", ".join(sorted(unknown))
        raise SettingsError(f"[{title}] has no setting {names}: use {', '.join(sorted(known))}")


def _check(table: dict[str, Any], name: str, kind: type, what: str) -> None:
    # What went through JSON on its way to a worker has lists for tuples.
    if name in table and not isinstance(table[name], (kind, tuple) if kind is list else kind):
        raise SettingsError(f"[graph] {name} must be {what}")


def read_config(directory: Path) -> dict[str, Any]:
    """The options written in `directory`; `SettingsError` if the file is not TOML."""
    own = directory / CONFIG_FILE
    if own.is_file():
        return _toml(own)
    project = directory / "pyproject.toml"
    if project.is_file():
        table = _toml(project).get("tool", {}).get("threads-conformance", {})
        if not isinstance(table, dict):
            raise SettingsError(f"{project}: [tool.threads-conformance] must be a table")
        return table
    return {}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise SettingsError(f"{file} is not TOML: {broken}") from broken


def numbered(value: Any, number: int) -> Any:
    """A copy of `value` in which `{n}` is replaced in every text."""
    if isinstance(value, str):
        return value.replace(NUMBER, str(number))
    if isinstance(value, list | tuple):
        return [numbered(each, number) for each in value]
    if isinstance(value, dict):
        return {key: numbered(each, number) for key, each in value.items()}
    return value

"""The settings of a run, and the files in which they can be written.

Options come from the command line, else from `THREADS_CONFORMANCE_*`, else from
`threads-conformance.toml`, else from `[tool.threads-conformance]` in pyproject.toml.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from conformance.contract.catalogue import EFFORTS, HTTP, PROFILES
from conformance.data import fixtures_dir
from conformance.typed_data import DataError, UnreadableError, check_keys, read_toml, typed

if TYPE_CHECKING:
    import httpx

_T = TypeVar("_T")

DEFAULT_SEED = 20250512
#: The prefix of the names of all environment variables.
ENVIRONMENT = "THREADS_CONFORMANCE"
_URL_FORM = "write it like http://127.0.0.1:2024"
#: Largest body that is read by default, in MiB after decompression.
MAX_BODY_MIB = 64
CONFIG_FILE = "threads-conformance.toml"
#: If any of these settings is given, the graph is not that of the documents.
_DESCRIBES = frozenset({"run_input", "supersteps", "append", "appending"})
#: Placeholder of a number in the graph's input and updates, so that texts differ.
NUMBER = "{n}"


class SettingsError(Exception):
    """A setting that cannot be used; the message says which one and what to write."""


@dataclass(frozen=True)
class GraphSettings:
    """How to use the graph that the deployment offers; by default that of the documents.

    `supersteps` prepopulate a thread to the end of the graph; `append` is one more update that
    can be applied any number of times; `run_input` is the input of a run. In every text `{n}` is
    replaced by a number. `channels` are values of further keys of the state, written
    together with `append` by checks of a whole state; every name in it must be a key of the
    state.

    The reducers: an update adds items to a list of `appending` (messages or anything else),
    adds to a number of `adding`, and replaces a value of `replacing`. Nothing is predicted
    about other keys. Most checks use the first list of `appending`.
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
    """The ids of the further graphs that the profile `full` needs besides that of `[graph]`.

    All take and keep `messages`. `interrupter` interrupts once, and adds a message that
    holds the answer; `failing` raises; `slow` takes the `seconds` of its input, and adds a
    message in each of at least two steps; `nested` has `interrupter` as a subgraph.
    """

    interrupter: str = "interrupter"
    failing: str = "failing"
    slow: str = "slow"
    nested: str = "nested"


@dataclass(frozen=True)
class Settings:
    """The settings of one run. Times are in seconds; `headers` are secret (name, value) pairs.

    `protected` says that the deployment answers nobody without credentials; `other_headers`
    are the credentials of another tenant, secret as well.

    `visible_within_s` is the declared deadline by which search and count show a change; a
    cron that is due every minute has started its run within `cron_within_s`. `clients` are
    the clients that the checks use. `shrink` minimises counterexamples of properties. On a
    `disposable` deployment requests that could mean all threads may be sent; one that was
    `launched` ends with the run, together with all its data. Outages are waited out for
    `outage_within_s` in total; the waits between retries begin at `backoff_s`. With
    `read_only` nothing is written, and only the threads of `thread_ids`, which are other
    people's, are read. `restart` is how checks may end the deployment before they start it again,
    `stop` or `kill`; empty: not at all. `shard` is the part of the checks that this run makes, such
    as `2/5`; empty: all. While the checks run, `load_users` users send requests as well, from
    `load_processes` processes, each with a pause of `load_pause_s` between two requests on average.
    `scale` is the number of states in one thread, and of threads, that the checks of scale make;
    0: none are made. `max_body_mib` is the cap of a response body; `ca_bundle` is a PEM file of
    trusted certificates, and `insecure` trusts any. With `timings` it is counted where the
    time of each process goes.
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
    restart: str = ""
    shard: str = ""
    load_users: int = 0
    load_processes: int = 1
    load_pause_s: float = 0.5
    scale: int = 0
    max_body_mib: int = MAX_BODY_MIB
    ca_bundle: str | None = None
    insecure: bool = False
    timings: bool = False

    @cached_property
    def address(self) -> httpx.URL:
        """The parsed URL; raises `SettingsError`, without secrets, if the URL is unusable."""
        # Imported here, so that commands that send no requests start fast.
        import httpx

        from conformance.deployment.record.redaction import bare_url

        shown = bare_url(self.url)
        try:
            parsed = httpx.URL(self.url.strip())
        except (httpx.InvalidURL, TypeError) as broken:
            raise SettingsError(f"{shown!r} is not a URL: {_URL_FORM}") from broken
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise SettingsError(f"{shown!r} is not the URL of a deployment: {_URL_FORM}")
        if parsed.query or parsed.fragment:
            raise SettingsError(f"{shown!r}: the URL of a deployment ends before ? and #")
        return parsed

    def to_json(self) -> str:
        """Serialise the settings, to be passed to a worker."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Parse what `to_json` wrote."""
        return typed(json.loads(text), cls)

    def includes(self, profile: str) -> bool:
        """Return whether requirements of `profile` are judged."""
        return PROFILES.index(profile) <= PROFILES.index(self.profile)

    def allows_effort(self, effort: str) -> bool:
        """Return whether checks that need `effort` are made."""
        return EFFORTS.index(effort) <= EFFORTS.index(self.effort)


def documented_supersteps() -> tuple[dict[str, Any], ...]:
    """Return the supersteps of the documented prepopulation."""
    return tuple(documented_prepopulation()["supersteps"])


def documented_prepopulation() -> dict[str, Any]:
    """Return the body of the documented create request with supersteps, as sent by cURL."""
    file = fixtures_dir() / "documented" / "prepopulate" / "003-block09-curl.json"
    body: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["request"]["body"]
    return body


def other_graphs(table: dict[str, Any]) -> OtherGraphs:
    """Read the `[graphs]` table; raise `SettingsError` for what cannot be used."""
    return _typed_table(table, OtherGraphs, "graphs")


def graph_settings(table: dict[str, Any]) -> GraphSettings:
    """Read the `[graph]` table; raise `SettingsError` for what cannot be used."""
    if _DESCRIBES & table.keys():
        # Not the documents' graph: the defaults that describe that one do not apply.
        table = {"channels": {}, "adding": (), "replacing": (), **table}
    graph = _typed_table(table, GraphSettings, "graph")
    for superstep in graph.supersteps:
        if not isinstance(superstep.get("updates"), list):
            raise SettingsError("[graph] supersteps: each is a table with a list `updates`")
    return graph


def _typed_table(table: dict[str, Any], kind: type[_T], title: str) -> _T:
    try:
        check_keys(table, kind)
        return typed(table, kind)
    except DataError as wrong:
        raise SettingsError(f"[{title}] {wrong}") from wrong


def read_config(directory: Path) -> dict[str, Any]:
    """Return the options written in `directory`; raise `SettingsError` if the file is not TOML."""
    own, project = directory / CONFIG_FILE, directory / "pyproject.toml"
    try:
        if own.is_file():
            return read_toml(own)
        if not project.is_file():
            return {}
        table = read_toml(project).get("tool", {}).get("threads-conformance", {})
    except UnreadableError as unreadable:
        raise SettingsError(str(unreadable)) from unreadable
    if not isinstance(table, dict):
        raise SettingsError(f"{project}: [tool.threads-conformance] must be a table")
    return table


def numbered(value: Any, number: int) -> Any:
    """Return a copy of `value` in which `{n}` is replaced by `number` in every text."""
    if isinstance(value, str):
        return value.replace(NUMBER, str(number))
    if isinstance(value, list | tuple):
        return [numbered(each, number) for each in value]
    if isinstance(value, dict):
        return {key: numbered(each, number) for key, each in value.items()}
    return value

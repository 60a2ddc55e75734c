"""The report of a run as frozen dataclasses that mirror `report.json`.

`Report.to_json` and `Report.from_json` convert; the JSON Schema of the file is
`schemas/report.json`.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.contract.causes import Cause
from conformance.contract.verdicts import RunVerdict, Stability, Verdict
from conformance.safe_text import excerpt, safe_name
from conformance.typed_data import DataError, typed

FORMAT = "threads-conformance-report/1"
#: Largest report that is read, in bytes after decompression.
LARGEST_REPORT = 256 * 2**20
#: Characters of each value in `Failure.symptom`.
_SYMPTOM_PART = 400
_GZIP = b"\x1f\x8b"


class ReportError(Exception):
    """A report cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class Failure:
    """Why a check did not pass, with the evidence and a command that reproduces it.

    `diff` holds the smallest differences, each a line that starts with a JSON path.
    `exchanges` are the requests of the check with their answers, oldest first, in the
    form of `Exchange.summary()`. `fingerprint` is equal for failures of one kind.
    """

    message: str
    expected: str
    actual: str
    diff: tuple[str, ...]
    fingerprint: str
    curl: str
    exchanges: tuple[dict[str, Any], ...] = ()

    @property
    def symptom(self) -> str:
        """What was expected and what came, each cut to its beginning."""
        expected, actual = (excerpt(each, _SYMPTOM_PART) for each in (self.expected, self.actual))
        return f"expected {expected}; got {actual}"


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. `duration_s` is in seconds, repetitions included.

    `blocked_by` holds the causes of a blocked or unsupported check as data; `reason` gives
    them as a sentence for people. `given_up`: the check was aborted, or not started,
    because the deployment had stopped answering. `requests` is how many it sent, repetitions and
    the suite's own questions included.
    """

    id: str
    requirements: tuple[str, ...]
    verdict: Verdict
    capability: str
    stability: Stability = Stability.STABLE
    client: str = "http"
    duration_s: float = 0.0
    reason: str = ""
    failure: Failure | None = None
    blocked_by: tuple[Cause, ...] = ()
    given_up: bool = False
    requests: int = 0


@dataclass(frozen=True)
class RequirementResult:
    """The result of one requirement; `verdict` is the worst of its checks.

    `requests` is how many its checks sent; a check of several requirements counts for each.
    """

    id: str
    title: str
    level: str
    profile: str
    capability: str
    verdict: Verdict
    baselined: bool
    checks: tuple[str, ...]
    requests: int = 0


@dataclass(frozen=True)
class Deployment:
    """The deployment under test. `server_name` and `server_version` may be unknown."""

    url: str
    server_name: str | None
    server_version: str | None
    graph_id: str


@dataclass(frozen=True)
class RunInfo:
    """The settings of a run. `started_at` is RFC 3339; `duration_s` is in seconds.

    `disposable`: the data on the deployment did not matter. `interrupted`: Ctrl-C or
    SIGTERM ended the run early. `given_up`: the run ended early because the deployment
    stopped answering for longer than an outage is waited out. Both make it `partial`.
    `read_only`: nothing was written, and existing threads were examined instead. `narrowed`:
    options chose some of the checks. `shard` is the part of them that this run made, such as
    `2/5`; empty: all. Both make it `partial` too. `divided` is a digest of all the checks that were
    divided into shards. `load_users` is the number of users of `--load`.
    """

    id: str
    started_at: str
    duration_s: float
    seed: int
    profile: str
    effort: str
    requests: int
    partial: bool
    disposable: bool = False
    interrupted: bool = False
    read_only: bool = False
    given_up: bool = False
    narrowed: bool = False
    shard: str = ""
    divided: str = ""
    load_users: int = 0


@dataclass(frozen=True)
class LeftThreads:
    """How many threads are left, or possibly left, for one reason; their ids are not given."""

    threads: int
    reason: str


@dataclass(frozen=True)
class Cleanup:
    """How many threads the run created and removed; `left` are the ids that remain.

    `reasons` say why they are left. `possibly_left` counts further threads that may exist,
    with the reasons why they were not removed.
    """

    created: int = 0
    removed: int = 0
    left: tuple[str, ...] = ()
    reasons: tuple[LeftThreads, ...] = ()
    possibly_left: tuple[LeftThreads, ...] = ()


@dataclass(frozen=True)
class OperationTiming:
    """Durations of one operation: 50th and 95th percentile in milliseconds."""

    requests: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class LoadTiming:
    """Durations of one operation of the load.

    `alone` was measured by one user before the checks, `under_load` with all users while the checks
    ran. None: it was not asked then.
    """

    alone: OperationTiming | None = None
    under_load: OperationTiming | None = None


@dataclass(frozen=True)
class Load:
    """The load that the deployment was under while the checks ran.

    `users` were driven by so many `processes`, each waiting `pause_s` seconds between two requests
    on average, for `duration_s` seconds. `requests` are theirs in that time, which are not among
    those of the run. `failures` counts those that were not answered by 2xx, by status or `no
    answer`. `problem` is why the load broke off, or was not there; empty: it lasted.
    """

    users: int
    processes: int
    pause_s: float
    duration_s: float = 0.0
    requests: int = 0
    requests_per_s: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)
    operations: dict[str, LoadTiming] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Report:
    """The whole report of one run.

    `timings` are the seconds of every process of the run by activity; empty unless asked for.
    `suite_digest` is that of the code that judged (`suite_digest.py`); empty in older reports.
    """

    suite_version: str
    catalogue_digest: str
    deployment: Deployment
    run: RunInfo
    verdict: RunVerdict
    totals: dict[str, dict[Verdict, int]]
    cleanup: Cleanup
    operations: dict[str, OperationTiming] = field(default_factory=dict)
    requirements: tuple[RequirementResult, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    load: Load | None = None
    timings: dict[str, dict[str, float]] = field(default_factory=dict)
    suite_digest: str = ""

    def check(self, check_id: str) -> CheckResult:
        """Return the check with that id; raise `KeyError` if there is none."""
        for result in self.checks:
            if result.id == check_id:
                return result
        raise KeyError(check_id)

    def to_json(self) -> dict[str, Any]:
        """Return the report in the form of `report.json`."""
        timings = {"timings": self.timings} if self.timings else {}
        return {
            "format": FORMAT,
            "suite": {
                "version": self.suite_version,
                "catalogue_digest": self.catalogue_digest,
                **({"digest": self.suite_digest} if self.suite_digest else {}),
            },
            "deployment": {
                "url": self.deployment.url,
                "server": {
                    "name": self.deployment.server_name,
                    "version": self.deployment.server_version,
                },
                "graph_id": self.deployment.graph_id,
            },
            "run": dataclasses.asdict(self.run),
            "verdict": str(self.verdict),
            "totals": {
                level: {str(verdict): count for verdict, count in counts.items()}
                for level, counts in self.totals.items()
            },
            "cleanup": dataclasses.asdict(self.cleanup),
            "operations": {
                name: dataclasses.asdict(timing) for name, timing in self.operations.items()
            },
            "requirements": [dataclasses.asdict(result) for result in self.requirements],
            "checks": [dataclasses.asdict(result) for result in self.checks],
            **({"load": dataclasses.asdict(self.load)} if self.load else {}),
            **timings,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Report:
        """Read the output of `to_json`; raise `ReportError` for anything else."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ReportError(
                f"not a report of format {FORMAT!r}: "
                "give a report.json written by `threads-conformance run`"
            )
        try:
            deployment, server = data["deployment"], data["deployment"]["server"]
            return cls(
                suite_version=data["suite"]["version"],
                catalogue_digest=data["suite"]["catalogue_digest"],
                suite_digest=typed(data["suite"].get("digest", ""), str, within="suite.digest"),
                deployment=Deployment(
                    url=deployment["url"],
                    server_name=_name(server["name"]),
                    server_version=_name(server["version"]),
                    graph_id=deployment["graph_id"],
                ),
                load=typed(data["load"], Load, within="load") if data.get("load") else None,
                **{name: typed(data[name], kind, within=name) for name, kind in _PARTS.items()},
                timings=typed(
                    data.get("timings", {}), dict[str, dict[str, float]], within="timings"
                ),
            )
        except (DataError, KeyError, TypeError) as broken:
            raise ReportError(
                f"the report is damaged ({broken}): create it again with `threads-conformance run`"
            ) from broken


#: The members of a report that are read as they are written, with their types.
_PARTS: dict[str, Any] = {
    "run": RunInfo,
    "verdict": RunVerdict,
    "totals": dict[str, dict[Verdict, int]],
    "cleanup": Cleanup,
    "operations": dict[str, OperationTiming],
    "requirements": tuple[RequirementResult, ...],
    "checks": tuple[CheckResult, ...],
}


def _name(value: Any) -> str | None:
    """Return a server name or version made safe to show, since a report may be from others."""
    return safe_name(value) if isinstance(value, str) else value


def report_file(path: Path) -> Path:
    """Return the report in a folder, `report.json` or `report.json.gz`; else the path itself."""
    if not path.is_dir():
        return path
    compressed = path / "report.json.gz"
    plain = path / "report.json"
    return compressed if compressed.exists() and not plain.exists() else plain


def load_report(path: Path) -> Report:
    """Read a report from a file, which may be compressed by gzip, or from a folder.

    Raise `ReportError` if it cannot be used.
    """
    path = report_file(path)
    try:
        raw = path.read_bytes()
        if raw.startswith(_GZIP):
            with gzip.open(io.BytesIO(raw)) as file:
                raw = file.read(LARGEST_REPORT + 1)
        if len(raw) > LARGEST_REPORT:
            raise ReportError(f"{path} is larger than any report: {LARGEST_REPORT} bytes at most")
        data = json.loads(raw.decode("utf-8"))
    except FileNotFoundError as missing:
        raise ReportError(f"no report at {path}: run `threads-conformance run` first") from missing
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as unreadable:
        raise ReportError(f"cannot read {path}: {unreadable}") from unreadable
    except json.JSONDecodeError as broken:
        raise ReportError(
            f"{path} is not JSON ({broken}): create it again with `threads-conformance run`"
        ) from broken
    return Report.from_json(data)

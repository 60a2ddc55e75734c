"""Runs the checks: pytest is the engine, not the host.

`run_suite` starts pytest in this process with the suite's own configuration and no
plugin but those named here, collects what the workers report, removes what the run
made, and gives a `Report`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from uuid import uuid4

import pytest

from conformance import __version__
from conformance.contract.catalogue import ALL_CLIENTS, HTTP, load_catalogue
from conformance.defects import Defects, SuiteDefectError
from conformance.deployment.cleanup import Left
from conformance.deployment.connect import connect, has_key, parse_url, redactor_for
from conformance.deployment.credentials import (
    ENVIRONMENT,
    Headers,
    parse_header,
    parse_headers,
    parse_key,
    with_key,
)
from conformance.deployment.exchange import Exchange
from conformance.deployment.interruption import signals_as_interrupt
from conformance.deployment.ledger import claim, ledgers_dir, read_ledger, remove_ledger
from conformance.deployment.preflight import ServerInfo, look
from conformance.deployment.removal import remove_as_each
from conformance.deployment.settings import GraphSettings, Settings, SettingsError
from conformance.excerpt import excerpt
from conformance.plugin import CARRIED, CONTROLLER, selected_requirements
from conformance.report.record import (
    CheckResult,
    Cleanup,
    Deployment,
    LeftFor,
    OperationTiming,
    Report,
    RunInfo,
    check_from_json,
)
from conformance.report.score import requirement_results, run_verdict, totals

#: The option of plain pytest by which a header is given.
HEADER_OPTION = "--deployment-header"
_SUITE = Path(__file__).parent / "suite"
#: Time limit of an answer in the clean-up of a run that was interrupted, in seconds.
HURRIED_TIMEOUT_S = 3.0

_PLUGINS = ("no:terminal", "no:cacheprovider", "no:junitxml", "xdist.plugin")


class NothingSelectedError(Exception):
    """No check was left by the options; the message says which to change."""


class View(Protocol):
    """What is told of a run while it goes on."""

    def start(self, deployment: Deployment, run: RunInfo, total_checks: int) -> None:
        """So many checks begin."""

    def check_finished(self, result: CheckResult) -> None:
        """A check ended."""

    def stop(self) -> None:
        """No more checks will be made."""

    def interrupted(self) -> None:
        """The user wants to stop: the clean-up begins."""


class Controller:
    """The pytest plugin of the process that the user started: it collects results."""

    def __init__(self, settings: Settings, started: Callable[[int], None] | None = None) -> None:
        self.settings = settings
        self.results: list[CheckResult] = []
        #: Requirements by check id, of all checks that were to run.
        self.planned: dict[str, tuple[str, ...]] = {}
        self.interrupted = False
        self.defects = Defects()
        self.view: View | None = None
        self._started = started

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand the settings to a worker, in memory: they may hold secrets."""
        node.workerinput[CARRIED] = self.settings.to_json()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """A worker knows how many checks there are."""
        self._count(len(ids))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """This process knows how many checks there are."""
        self._count(len(session.items))

    def _count(self, checks: int) -> None:
        if self._started and checks:
            self._started(checks)
            self._started = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the result that the report carries."""
        for name, value in report.user_properties:
            if name == CARRIED:
                result = check_from_json(json.loads(str(value)))
                self.results.append(result)
                if self.view:
                    self.view.check_finished(result)

    def pytest_keyboard_interrupt(self) -> None:
        """The user wants to stop."""
        self.interrupted = True
        if self.view:
            self.view.interrupted()

    def pytest_internalerror(self, excrepr: Any) -> bool:
        """Something broke that is no check, here or in a worker; pytest prints nothing of it."""
        self.defects.add(str(excrepr))
        return True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file of checks could not be loaded."""
        if report.failed:
            self.defects.add(report.longreprtext)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker has ended; with an error if it died."""
        if error and not self.interrupted:
            self.defects.add(f"WorkerDied: {node.gateway.id} ended while it ran checks ({error})")


class EmbeddedController(Controller):
    """The controller under plain pytest: it also cleans up when the session ends."""

    def __init__(self, config: pytest.Config) -> None:
        url = config.getoption("deployment_url")
        try:
            parse_url(url)
        except SettingsError as unusable:
            raise pytest.UsageError(f"--deployment-url: {unusable}") from unusable
        headers = headers_of(config)
        self._directory = TemporaryDirectory(prefix="threads-conformance-")
        graph = config.getoption("deployment_graph")
        super().__init__(
            new_settings(
                url,
                run_dir=Path(self._directory.name),
                profile=config.getoption("deployment_profile"),
                graph=GraphSettings(id=graph) if graph else GraphSettings(),
                headers=headers,
                clients=clients_named(config.getoption("deployment_client")),
                disposable=config.getoption("deployment_disposable"),
                protected=config.getoption("deployment_protected"),
                other_headers=parsed_headers(
                    config.getoption("deployment_other_header"), "--deployment-other-header"
                ),
            )
        )

    def pytest_unconfigure(self) -> None:
        """Remove what the checks made."""
        clean_up(self.settings)
        self._directory.cleanup()


def parsed_headers(given: Iterable[str], option: str) -> Headers:
    """Each `Name: value` as a pair; `pytest.UsageError` for what no header can carry."""
    try:
        return tuple(parse_header(each, option) for each in given)
    except SettingsError as unusable:
        raise pytest.UsageError(str(unusable)) from unusable


def headers_of(config: pytest.Config) -> Headers:
    """The headers of the options, else of the environment; `pytest.UsageError` if unusable."""
    given = parsed_headers(config.getoption("deployment_header"), HEADER_OPTION)
    try:
        name = f"{ENVIRONMENT}_HEADER"
        headers = given or parse_headers(os.environ.get(name, ""), name)
        name = f"{ENVIRONMENT}_API_KEY"
        key = os.environ.get(name)
        return with_key(headers, parse_key(key, name) if key else None)
    except SettingsError as unusable:
        raise pytest.UsageError(str(unusable)) from unusable


def clients_named(name: str) -> tuple[str, ...]:
    """The clients that an option names: one of them, or all."""
    return ALL_CLIENTS if name == "all" else (name,)


def new_settings(url: str, run_dir: Path, **options: Any) -> Settings:
    """The settings of a new run, with a run id of its own."""
    return Settings(
        url=url,
        run_id=str(uuid4()),
        started_at=datetime.now(UTC).isoformat(),
        run_dir=str(run_dir),
        **options,
    )


def identify_deployment(settings: Settings) -> ServerInfo:
    """Who answers at the URL; `UnreachableError` if no such server does."""
    with connect(settings, "preflight", record=False, first_contact=True) as connection:
        redactor = connection.recorder.redactor
        return look(connection.client, settings.url, redactor, credentials=has_key(settings))


def collect_checks(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The checks of a run by id, each with the requirements that it decides."""
    with own_pytest():
        return _collected(settings, pytest_arguments()).planned


def run_suite(
    settings: Settings,
    server: ServerInfo,
    view: View | None = None,
    *,
    workers: str = "0",
    keyword: str = "",
    keep: bool = False,
    pytest_args: Iterable[str] = (),
) -> Report:
    """Check one deployment and report. `keep` leaves the threads where they are.

    `workers` is what pytest-xdist's `-n` takes; `keyword` what pytest's `-k` takes.
    `SuiteDefectError`, with the report of what is known, where the suite itself broke.
    """
    started = time.perf_counter()
    deployment = Deployment(
        url=_shown_url(settings),
        server_name=server.name,
        server_version=server.version,
        graph_id=settings.graph.id,
    )
    partial = bool(
        keyword
        or settings.requirements
        or settings.capabilities
        or HTTP not in settings.clients
        or settings.read_only
    )
    run = RunInfo(
        id=settings.run_id,
        started_at=settings.started_at,
        duration_s=0.0,
        seed=settings.seed,
        profile=settings.profile,
        effort=settings.effort,
        requests=0,
        partial=partial,
        disposable=settings.disposable,
        read_only=settings.read_only,
    )
    controller = Controller(
        settings, (lambda total: view.start(deployment, run, total)) if view else None
    )
    controller.view = view
    arguments = [*pytest_arguments(keyword), *pytest_args]
    with nullcontext() if settings.read_only else claim(ledgers_dir() / settings.run_id):
        with own_pytest(), signals_as_interrupt():
            if workers == "0":
                _pytest_main(arguments, controller)
            else:
                # Only workers collect: ask beforehand which checks there are to be.
                planning = _collected(settings, arguments)
                controller.planned = planning.planned
                controller.interrupted = planning.interrupted
                controller.defects = planning.defects
                if controller.planned and not controller.interrupted:
                    _pytest_main([*arguments, "-n", workers], controller)
        defects = controller.defects
        with defects.watched():
            if view:
                view.stop()
        cleanup = Cleanup()
        # Of a read-only run nothing is left: there is nothing to ask about.
        if not settings.read_only:
            with defects.watched():
                cleanup = _kept(settings)
                cleanup = cleanup if keep else clean_up(settings, hurried=controller.interrupted)
    if not (controller.planned or controller.interrupted or defects.found):
        raise NothingSelectedError(
            "no check is left by these options: loosen -k, --requirement, --capability, --profile "
            "or --client"
        )
    catalogue = load_catalogue()
    checks_of = _by_requirement(controller.planned)
    judged = [
        each
        for each in catalogue.requirements.values()
        # With -k, and where only looking can decide, what was picked counts alone.
        if each.id
        in (
            checks_of
            if keyword or settings.read_only
            else selected_requirements(settings, catalogue)
        )
    ]
    checks = tuple(sorted(controller.results, key=lambda each: each.id))
    results = requirement_results(checks, judged, checks_of)
    exchanges = list(_timings(settings))
    given_up = any(each.given_up for each in checks)
    report = Report(
        suite_version=__version__,
        catalogue_digest=catalogue.digest,
        deployment=deployment,
        run=dataclasses.replace(
            run,
            duration_s=round(time.perf_counter() - started, 3),
            requests=len(exchanges),
            partial=partial or controller.interrupted or given_up,
            interrupted=controller.interrupted,
            given_up=given_up,
        ),
        verdict=run_verdict(results),
        totals=totals(results),
        cleanup=cleanup,
        operations=_operations(exchanges),
        requirements=results,
        checks=checks,
    )
    if defects.found:
        raise SuiteDefectError(defects.found, report)
    return report


def clean_up(settings: Settings, *, hurried: bool = False) -> Cleanup:
    """Remove what the run made; the ledger is kept while anything is left, or may be.

    `hurried`: the user has asked to stop, and waits.
    """
    if hurried:
        settings = dataclasses.replace(
            settings, timeout_s=min(settings.timeout_s, HURRIED_TIMEOUT_S), outage_within_s=0.0
        )
    directory = ledgers_dir() / settings.run_id
    ledger = read_ledger(directory)
    if ledger.is_empty:
        remove_ledger(directory)
        return Cleanup()
    with connect(settings, "cleanup", record=False, ledger=ledger) as connection:
        removal = remove_as_each(connection, settings, ledger)
        if removal.is_whole:
            remove_ledger(directory)
        return Cleanup(
            created=removal.created,
            removed=removal.removed,
            left=tuple(sorted(excerpt(each.thread_id) for each in removal.left)),
            reasons=_counted_reasons(removal.left),
            possibly_left=_counted_reasons(removal.possible),
        )


def _counted_reasons(left: Iterable[Left]) -> tuple[LeftFor, ...]:
    """Each reason with the number of threads that it stands for."""
    counts = Counter(excerpt(each.reason) for each in left)
    return tuple(LeftFor(threads, reason) for reason, threads in sorted(counts.items()))


def _kept(settings: Settings) -> Cleanup:
    """What a run that keeps its threads left: those under its own ids, and a number of others."""
    ledger = read_ledger(ledgers_dir() / settings.run_id)
    named = LeftFor(len(ledger.named), "an answer named it, as a copy, say; kept")
    return Cleanup(
        created=len(ledger.created),
        left=tuple(map(excerpt, sorted(ledger.created))),
        possibly_left=(named,) if ledger.named else (),
    )


def all_exchanges(settings: Settings) -> Iterator[str]:
    """The recorded exchanges of all workers, a line each."""
    for file in sorted(Path(settings.run_dir).glob("exchanges-*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            yield from lines


class _Named:
    """Registers the controller under its name before the suite's plugin asks for it."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._controller, CONTROLLER)


def _pytest_main(arguments: Sequence[str], controller: Controller) -> None:
    ended = pytest.main(list(arguments), plugins=[_Named(controller)])
    broken = (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)
    if ended in broken and not controller.defects.found:
        controller.defects.add(f"pytest ended with {ended!r}")


def _collected(settings: Settings, arguments: Sequence[str]) -> Controller:
    planning = Controller(settings)
    _pytest_main([*arguments, "--collect-only"], planning)
    return planning


def _by_requirement(planned: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    checks_of: dict[str, list[str]] = defaultdict(list)
    for check, requirements in planned.items():
        for requirement in requirements:
            checks_of[requirement].append(check)
    return dict(checks_of)


def pytest_arguments(
    keyword: str = "", plugins: Sequence[str] = ("conformance.plugin",)
) -> list[str]:
    """What pytest is called with to run the suite, and nothing of the user's."""
    arguments = ["-c", str(_SUITE / "pytest.ini"), "--rootdir", str(_SUITE), "--noconftest"]
    for plugin in (*_PLUGINS, *plugins):
        arguments += ["-p", plugin]
    if keyword:
        arguments += ["-k", keyword]
    return [*arguments, str(_SUITE)]


@contextmanager
def own_pytest() -> Iterator[None]:
    """Keep the user's pytest settings out of ours, here and in the workers."""
    ours = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _shown_url(settings: Settings) -> str:
    return redactor_for(settings.url, settings.headers).url(settings.url)


def _timings(settings: Settings) -> Iterator[tuple[str, float]]:
    for line in all_exchanges(settings):
        try:
            exchange = Exchange.from_json(line)
        except ValueError:
            # A worker that was killed left a line cut short.
            continue
        yield exchange.operation, exchange.elapsed_ms


def _operations(timings: Iterable[tuple[str, float]]) -> dict[str, OperationTiming]:
    by_operation: dict[str, list[float]] = defaultdict(list)
    for operation, elapsed_ms in timings:
        by_operation[operation].append(elapsed_ms)
    return {
        operation: OperationTiming(
            requests=len(elapsed),
            p50_ms=round(statistics.median(elapsed), 2),
            p95_ms=round(_percentile(elapsed, 0.95), 2),
        )
        for operation, elapsed in sorted(by_operation.items())
    }


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]

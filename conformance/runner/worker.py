"""The pytest plugin that judges: it selects checks, runs each, and repeats failures.

It works in every process that runs checks: the workers of pytest-xdist, or the only
process. Each opens one connection. Results go to the controller, see `transfer`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import cast

import pytest
from _pytest.runner import call_and_report, runtestprotocol

from conformance.checks import comparison_count
from conformance.checks.fixtures import CONTEXT, RESOURCES, WorkerResources
from conformance.checks.generators.hypothesis_setup import set_up_hypothesis
from conformance.checks.outcomes import OptionNotGiven
from conformance.contract.catalogue import PROFILES, CatalogueError, load_catalogue
from conformance.contract.causes import Cause
from conformance.contract.verdicts import Stability, Verdict, worst
from conformance.deployment.cleanup.background import BackgroundRemoval
from conformance.deployment.connect import Connection, connect
from conformance.deployment.delivery.circuit_breaker import GivenUpError
from conformance.deployment.delivery.interruption import install_handlers
from conformance.deployment.ownership.guard import DisposableOnlyRefusal
from conformance.deployment.ownership.ledger import LedgerState
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.settings import Settings
from conformance.deployment.trouble_traces import traces_of_trouble
from conformance.exception_frames import release_frames
from conformance.garbage_collection import collect_rarely
from conformance.report.record import CheckResult
from conformance.runner.check_durations import dealt
from conformance.runner.controller import Controller
from conformance.runner.elsewhere import WorkerElsewhere, is_elsewhere
from conformance.runner.failure_builder import FailureBuilder, summary_of
from conformance.runner.judging import causes_of, private_facts, verdict_of, worst_failure
from conformance.runner.pytest_names import (
    CONTROLLER,
    DATA_KEY,
    EMBEDDED,
    FILES,
    PART,
    REMOVAL_ERRORS,
    REMOVES,
    TIMES,
)
from conformance.runner.selection import (
    Part,
    check_id,
    client_of,
    is_check,
    is_made_alone,
    is_selected,
    requirements_of,
    restarts,
    selected_requirements,
)
from conformance.runner.server_errors import (
    CLEAN_UP,
    INTERNAL_ERROR,
    ServerError,
    errors_in_passed_check,
    server_error,
)
from conformance.runner.shards import parse_shard
from conformance.runner.transfer import attach, attach_server_errors
from conformance.safe_text import harmless
from conformance.time_account import Activity, current_account, open_account, spend

#: How often a check is made, at most, during network trouble.
TRIES_IN_TROUBLE = 6
#: The number of attempts with traces of trouble after which their traces are compared.
TRIES_IN_DOUBT = 4

_RESULT = pytest.StashKey[CheckResult]()
_EXCHANGES = pytest.StashKey[list[Exchange]]()
_COMPARISONS = pytest.StashKey[comparison_count.ComparisonCount]()


def pytest_configure(config: pytest.Config) -> None:
    """Open the connection of this process, if checks run in it."""
    settings = _settings_of(config)
    if settings is None:
        return
    if not _is_the_users(config):
        # Nobody reads pytest's own tracebacks, and a long one takes more time than the check.
        config.option.tbstyle = "native"
    runs_checks = hasattr(config, "workerinput") or config.getoption("dist", "no") == "no"
    if not runs_checks:
        return
    if hasattr(config, "workerinput"):
        # Workers receive the signals too; the process that the user started has handlers already.
        install_handlers()
        if settings.timings:
            open_account()
    stack = ExitStack()
    elsewhere: WorkerElsewhere | None = None
    if is_elsewhere(settings):
        elsewhere = stack.enter_context(WorkerElsewhere(settings, worker_name()))
        settings = elsewhere.settings
    connection = stack.enter_context(connect(settings, worker_name()))
    config.add_cleanup(stack.close)
    checks = Checks(settings, connection)
    checks.elsewhere = elsewhere
    config.pluginmanager.register(checks)
    controller = config.pluginmanager.get_plugin(CONTROLLER)
    if _removes(config, controller):
        checks.removal = stack.enter_context(background_removal(settings, connection))
    restarter = controller.restarter if isinstance(controller, Controller) else None
    config.stash[RESOURCES] = worker_resources = WorkerResources(settings, connection, restarter)
    config.add_cleanup(worker_resources.close)


def _settings_of(config: pytest.Config) -> Settings | None:
    """Return the run's settings: from a worker's input, or the controller in this process."""
    if handed := getattr(config, "workerinput", {}).get(DATA_KEY):
        return Settings.from_json(handed)
    controller = config.pluginmanager.get_plugin(CONTROLLER)
    return controller.settings if isinstance(controller, Controller) else None


def _removes(config: pytest.Config, controller: object) -> bool:
    """Return whether this process removes the threads of ended checks while others run."""
    if isinstance(controller, Controller):
        # On a disposable deployment the clean-up removes many by one request. Beside the checks
        # of the same process that saves more than using the time in which they wait.
        return controller.removes_meanwhile and not controller.settings.disposable
    return bool(getattr(config, "workerinput", {}).get(REMOVES))


def _part_of(config: pytest.Config) -> Part:
    """Return the part of the checks that this process makes."""
    if handed := getattr(config, "workerinput", {}).get(PART):
        return Part(handed)
    controller = config.pluginmanager.get_plugin(CONTROLLER)
    return controller.part if isinstance(controller, Controller) else Part.ALL


@contextmanager
def background_removal(settings: Settings, connection: Connection) -> Iterator[BackgroundRemoval]:
    """Remove what ended checks of this process created, over a connection of its own."""
    assert connection.ledger is not None
    with (
        connect(
            dataclasses.replace(settings, outage_within_s=0.0),
            "removal",
            record=False,
            ledger=LedgerState(settings.run_id, settings.url),
            ownership=connection.client.ownership,
        ) as own,
        closing(BackgroundRemoval(own, connection.ledger, connection.take_ended)) as removal,
    ):
        yield removal


def _is_the_users(config: pytest.Config) -> bool:
    """Return whether the pytest is the user's, with output and tests of the user's own."""
    handed = getattr(config, "workerinput", {})
    return EMBEDDED in handed or config.pluginmanager.hasplugin("terminal")


def worker_name() -> str:
    """Return the name of this process among those that run checks."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@contextmanager
def _repetition(item: pytest.Item) -> Iterator[None]:
    """Let a check take no longer than it needs to tell whether it fails again.

    Properties fail by the first counterexample, since nobody reads it.
    """
    resources = item.config.stash.get(RESOURCES, None)
    if resources is None:
        yield
        return
    before = resources.settings
    resources.settings = dataclasses.replace(before, shrink=False)
    resources.patience.repeats = True
    try:
        yield
    finally:
        resources.settings = before
        resources.patience.repeats = False


def _the_session(item: pytest.Item) -> pytest.Item:
    """Return what stands for the next item where all but the session is to be torn down."""
    # pytest asks the next item for the nodes above it only, which a session has as well.
    return cast(pytest.Item, item.session)


def _end_session(item: pytest.Item) -> pytest.TestReport:
    """Tear down what is left of the session after its last check; return the report of that."""
    # What breaks now is none of the check's doing.
    if _RESULT in item.stash:
        del item.stash[_RESULT]
    # pytest itself does so at the end of a session, where an error would be an internal one.
    state = item.session._setupstate  # noqa: SLF001 - there is no public name
    call = pytest.CallInfo.from_call(lambda: state.teardown_exact(None), when="teardown")
    report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
    return report


class Checks:
    """The checks of one process: how they are selected, run and judged."""

    def __init__(self, settings: Settings, connection: Connection | None) -> None:
        """Make the checks over this connection, or over that of the first `connect` to come.

        Without a connection, the fixtures of the first check are to call `connect`.
        """
        self._catalogue = load_catalogue()
        #: The answers by 500 in the last attempt, if the check passed nevertheless.
        self.server_errors: tuple[ServerError, ...] = ()
        #: The ids of the checks that were divided into shards.
        self._undivided: tuple[str, ...] = ()
        #: Removes the threads of checks that have ended; None where the clean-up removes all.
        self.removal: BackgroundRemoval | None = None
        #: Hands the files of this process over; None where the run's own process sees them.
        self.elsewhere: WorkerElsewhere | None = None
        self._times = current_account()
        #: The check whose fixtures could not open the deployment.
        self._not_opened = ""
        self._select(settings)
        self._open: Connection | None = None
        self._by_fixtures = connection is None
        if connection is not None:
            self.connect(settings, connection)

    def _select(self, settings: Settings) -> None:
        self._settings = settings
        self._wanted = selected_requirements(settings, self._catalogue)

    @property
    def _connection(self) -> Connection:
        assert self._open is not None
        return self._open

    def connect(self, settings: Settings, connection: Connection) -> None:
        """Run the checks with these settings over this connection from now on."""
        self._select(settings)
        self._open = connection
        self._base = connection.recorder.redactor.url(settings.address)
        self._failures = FailureBuilder(self._catalogue, self._redact, self._strangers, self._base)

    def disconnect(self) -> None:
        """Forget the connection, which is about to be closed."""
        self._open = None

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the checks of the selected requirements; other tests stay where they are."""
        checks = [item for item in items if is_check(item)]
        for item in checks:
            for each in requirements_of(item):
                if each not in self._catalogue.requirements:
                    raise CatalogueError(f"{check_id(item)} names the unknown requirement {each}")
        kept = [item for item in checks if is_selected(item, self._settings, self._wanted)]
        if self._settings.shard:
            self._undivided = tuple(sorted(map(check_id, kept)))
            own = parse_shard(self._settings.shard).of(self._undivided)
            kept = [item for item in kept if check_id(item) in own]
        part = _part_of(config)
        kept = [item for item in kept if part.has(item)]
        dropped = [item for item in checks if item not in set(kept)]
        if dropped:
            config.hook.pytest_deselected(items=dropped)
        if workers := getattr(config, "workerinput", {}).get("workercount"):
            kept = dealt(kept, workers, check_id)
        if self._settings.restart:
            kept.sort(key=restarts)
        left, in_order = {*items} - {*dropped}, iter(kept)
        items[:] = [next(in_order) if is_check(item) else item for item in items if item in left]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Give the controller, if it is in this process, the list of the checks that will run."""
        if not (self._by_fixtures or _is_the_users(session.config)):
            session.config.add_cleanup(collect_rarely())
        if self._times is not None:
            self._times.has_started()
        controller = session.config.pluginmanager.get_plugin(CONTROLLER)
        if controller is not None:
            controller.planned = {
                check_id(item): self._judged_requirements(item)
                for item in session.items
                if is_check(item)
            }
            controller.undivided = self._undivided
            controller.alone = tuple(
                check_id(item) for item in session.items if is_check(item) and is_made_alone(item)
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, None, None]:
        """Count the time of the check itself as judging."""
        with spend(Activity.JUDGING):
            yield

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the controller how a worker spent its time, and what its removal was answered."""
        if self.removal:
            self.removal.close()
        removal_errors = [
            server_error(CLEAN_UP, each)
            for each in (self.removal.server_errors if self.removal else ())
        ]
        handed_over = getattr(session.config, "workeroutput", None)
        if handed_over is None:
            controller = session.config.pluginmanager.get_plugin(CONTROLLER)
            if isinstance(controller, Controller):
                controller.server_errors += removal_errors
            return
        if self._times is not None:
            handed_over[TIMES] = self._times.seconds()
        handed_over[REMOVAL_ERRORS] = json.dumps(list(map(dataclasses.asdict, removal_errors)))
        if self.elsewhere:
            handed_over[FILES] = json.dumps(self.elsewhere.hand_over())

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Run a check, repeat a failure, and report the check once."""
        if not is_check(item):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        if self._open is not None or self._open_by_fixtures(item):
            # The deployment of the fixtures is to last until the check needs no repetition.
            self._run_and_report(item, _the_session(item) if self._by_fixtures else nextitem)
        if self._by_fixtures and nextitem is None:
            self._report_failure(item, _end_session(item))
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if self.removal:
            self.removal.check_ended()
        return True

    def _open_by_fixtures(self, item: pytest.Item) -> bool:
        """Set a check up once, so that the fixtures of its session open the deployment.

        Return whether they did; if not, the check is reported as an error.
        """
        report = call_and_report(item, "setup", log=False)
        ended = call_and_report(item, "teardown", log=False, nextitem=_the_session(item))
        if self._open is not None:
            return True
        if self._not_opened:
            report.longrepr = f"no deployment: see the error of {self._not_opened}"
        self._not_opened = self._not_opened or item.nodeid
        self._report_failure(item, report)
        self._report_failure(item, ended)
        return False

    def _report_failure(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Report a phase of a check that is none of an attempt, unless it passed."""
        if not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)

    def _run_and_report(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Run a check, repeat a failure, and report its phases."""
        started, recorder = time.perf_counter(), self._connection.recorder
        sent_before = recorder.requests
        reports, result = self._attempt_through_trouble(item, nextitem)
        if result.verdict is Verdict.FAIL:
            with _repetition(item):
                reports, result = self._repeat(item, nextitem, reports, result)
            resources = item.config.stash.get(RESOURCES, None)
            if resources and (result.verdict, result.stability) == (Verdict.FAIL, Stability.STABLE):
                resources.patience.check_failed()
        if result.verdict is Verdict.PASS:
            attach_server_errors(self._recurring(item, nextitem), reports[-1])
        result = dataclasses.replace(
            result,
            duration_s=round(time.perf_counter() - started, 4),
            requests=recorder.requests - sent_before,
        )
        attach(result, reports[-1])
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)

    def _repeat(
        self,
        item: pytest.Item,
        nextitem: pytest.Item | None,
        reports: list[pytest.TestReport],
        result: CheckResult,
    ) -> tuple[list[pytest.TestReport], CheckResult]:
        """Repeat a failed check until it is clear whether it is stable; return what it ends as."""
        accepted = list(map(str, self._connection.recorder.accepted))
        for _ in range(self._settings.repeat_failures):
            again = self._attempt_through_trouble(item, nextitem)[1].verdict
            if accepted and again is not Verdict.FAIL:
                # The failure may be due to a proxy's answer that by chance came often enough
                # to be accepted as the deployment's.
                return self._error_for_trouble(reports, result, accepted)
            # An error in a repetition says nothing about the failure.
            if again not in (Verdict.FAIL, Verdict.ERROR):
                return reports, dataclasses.replace(result, stability=Stability.FLAKY)
        return reports, result

    def _recurring(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> tuple[ServerError, ...]:
        """Return the answers by 500 in the last attempt, each with whether it recurs.

        If there are any, the check, which has passed, is repeated to find that out.
        """
        found = self.server_errors
        recurring = {each.operation for each in found}
        for _ in range(self._settings.repeat_failures if found else 0):
            self._attempt_through_trouble(item, nextitem)
            again = self._connection.recorder.server_errors
            recurring &= {each.operation for each in again}
        return tuple(
            dataclasses.replace(each, recurs=each.operation in recurring) for each in found
        )

    def _attempt_through_trouble(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> tuple[list[pytest.TestReport], CheckResult]:
        """Run a check, and repeat it while there is network trouble.

        A check with network trouble cannot end as a failure: if the trouble persists, it is
        an error.
        """
        recorder = self._connection.recorder
        traces: list[tuple[str, ...]] = []
        seen: list[str] = []
        blocked = 0
        for _ in range(TRIES_IN_TROUBLE):
            reports, result = self.attempt(item, nextitem)
            if result.verdict in (Verdict.PASS, Verdict.UNSUPPORTED, Verdict.NOT_RUN):
                return reports, result
            if recorder.troubles:
                seen += map(str, recorder.troubles)
                if any(each.hangs for each in recorder.troubles):
                    break
                continue
            found = self._traces()
            blocked += result.verdict is Verdict.BLOCKED
            if result.verdict is Verdict.BLOCKED and recorder.accepted and blocked < TRIES_IN_DOUBT:
                # A proxy's answer may have blocked it. Failures are repeated later in any case.
                seen += found
                traces.append(found)
                continue
            if not found:
                return reports, result
            seen += found
            traces.append(found)
            if len(traces) >= TRIES_IN_DOUBT:
                if len(set(traces)) == 1:
                    # The traces are the same each time: they are the deployment's own behaviour.
                    return reports, result
                break
        return self._error_for_trouble(reports, result, seen)

    def _traces(self) -> tuple[str, ...]:
        """Return evidence that a request of the last attempt was lost or delivered twice."""
        recorder = self._connection.recorder
        doubts = tuple(sorted(set(map(str, recorder.doubts))))
        if self._settings.read_only:
            return doubts
        return doubts + traces_of_trouble(self._connection.client, recorder.created_by_check)

    def _error_for_trouble(
        self, reports: list[pytest.TestReport], result: CheckResult, troubles: list[str]
    ) -> tuple[list[pytest.TestReport], CheckResult]:
        """Return reports and result of a check that network trouble prevented."""
        counts = Counter(troubles)
        listed = "; ".join(f"{each} ({count} times)" for each, count in counts.most_common(3))
        reason = self._redact(f"trouble on the way to the deployment, each time: {listed}")
        for report in reports:
            if report.failed:
                report.longrepr = reason
        return reports, dataclasses.replace(
            result, verdict=Verdict.ERROR, reason=reason, failure=None
        )

    def attempt(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> tuple[list[pytest.TestReport], CheckResult]:
        """Run a check once; return the reports of its phases, and its result."""
        item.stash[_RESULT] = CheckResult(
            id=check_id(item),
            requirements=self._judged_requirements(item),
            verdict=Verdict.PASS,
            capability=self._catalogue.requirements[requirements_of(item)[0]].capability,
            client=client_of(item),
        )
        with (
            set_up_hypothesis(),
            self._connection.recorder.check(check_id(item)) as exchanges,
        ):
            item.stash[_EXCHANGES] = exchanges
            item.stash[_COMPARISONS] = comparison_count.begin()
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        result = item.stash[_RESULT]
        wanted = INTERNAL_ERROR in self._wanted and not self._settings.read_only
        recorder = self._connection.recorder
        self.server_errors = (
            errors_in_passed_check(result, recorder, exchanges, self._base) if wanted else ()
        )
        return reports, result

    def _judged_requirements(self, item: pytest.Item) -> tuple[str, ...]:
        return tuple(each for each in requirements_of(item) if each in self._wanted)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Set the result of the check, and the outcome of the report, after each phase."""
        report = yield
        if _RESULT not in item.stash:
            return report
        result = item.stash[_RESULT]
        if call.excinfo is not None:
            try:
                found = self._judge(item, result, call.excinfo.value)
            except Exception as broken:
                # If the result cannot be made, only this check ends as an error.
                found = dataclasses.replace(
                    result, verdict=Verdict.ERROR, reason=f"not told: {type(broken).__name__}"
                )
            release_frames(call.excinfo.value)
            if worst((found.verdict, result.verdict)) is found.verdict:
                item.stash[_RESULT] = result = found
            if found.failure:
                report.longrepr = found.failure.message
            if (
                found.verdict is Verdict.UNSUPPORTED
                or isinstance(call.excinfo.value, OptionNotGiven | DisposableOnlyRefusal)
                or self._is_optional(found)
            ):
                report.outcome = "skipped"
                report.longrepr = (str(item.path), item.location[1] or 0, self._skip_reason(found))
            elif found.verdict is Verdict.NOT_RUN:
                report.longrepr = found.reason
            if found.verdict in (Verdict.ERROR, Verdict.BLOCKED):
                report.longrepr = self._redact(str(report.longrepr))
        elif call.when == "call" and item.stash[_COMPARISONS].saw_nothing:
            item.stash[_RESULT] = dataclasses.replace(
                result,
                verdict=Verdict.BLOCKED,
                reason="all that was compared was empty: nothing was shown to be judged",
                blocked_by=(Cause.at("looking"),),
            )
            report.outcome, report.longrepr = "failed", item.stash[_RESULT].reason
        elif call.when == "call" and (context := item.stash.get(CONTEXT, None)) and context.notes:
            item.stash[_RESULT] = dataclasses.replace(
                result, reason=self._redact("; ".join(context.notes))
            )
        return report

    def _judge(self, item: pytest.Item, result: CheckResult, ended: BaseException) -> CheckResult:
        """Return the result that an exception means."""
        redact = self._redact
        exchanges: list[Exchange] = item.stash[_EXCHANGES]
        verdict = verdict_of(ended)
        ended = worst_failure(ended)
        result = dataclasses.replace(result, given_up=isinstance(ended, GivenUpError))
        if self._settings.read_only:
            return self._judge_privately(result, verdict, ended, exchanges)
        if verdict is Verdict.UNSUPPORTED and self._is_documented(result):
            # A documented requirement is never unsupported, whatever it depends on.
            verdict = Verdict.BLOCKED
        if verdict is Verdict.FAIL:
            failure = self._failures.build(result.requirements, ended, exchanges)
            return dataclasses.replace(
                result, verdict=verdict, reason=summary_of(failure), failure=failure
            )
        reason = redact(str(ended) or type(ended).__name__)
        if strangers := self._strangers():
            reason = f"not told, for it may hold what is other people's: {strangers}"
        if verdict is Verdict.ERROR:
            reason = f"{type(ended).__name__}: {reason}"
        return dataclasses.replace(
            result,
            verdict=verdict,
            reason=reason,
            blocked_by=causes_of(ended),
        )

    def _judge_privately(
        self,
        result: CheckResult,
        verdict: Verdict,
        ended: BaseException,
        exchanges: list[Exchange],
    ) -> CheckResult:
        """Return the result of a read-only check: only facts, no content of threads."""
        facts = self._redact(private_facts(ended))
        if verdict is not Verdict.FAIL:
            return dataclasses.replace(
                result, verdict=verdict, reason=facts, blocked_by=causes_of(ended)
            )
        failure = self._failures.private_failure(result.requirements, ended, facts, exchanges)
        return dataclasses.replace(result, verdict=verdict, reason=facts, failure=failure)

    def _strangers(self) -> str:
        """Return what the current check saw of other people's threads, without content, or ""."""
        return "; ".join(dict.fromkeys(self._connection.recorder.strangers))

    def _redact(self, text: str) -> str:
        """Return the text without secrets, terminal control characters and CI commands."""
        return harmless(self._connection.recorder.redactor.text(text))

    def _is_optional(self, result: CheckResult) -> bool:
        """Return whether a check decides only MAY requirements."""
        return {self._catalogue.requirements[each].level for each in result.requirements} == {"MAY"}

    def _skip_reason(self, result: CheckResult) -> str:
        if not self._is_optional(result):
            return result.reason
        return f"{', '.join(result.requirements)} (MAY) not found: {result.reason}"

    def _is_documented(self, result: CheckResult) -> bool:
        profiles = {self._catalogue.requirements[each].profile for each in result.requirements}
        return PROFILES[0] in profiles

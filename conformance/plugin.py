"""The pytest plugin that ties suite to report.

In every process that runs checks (a worker of pytest-xdist, or the only process) it
opens one connection, selects the checks, runs each, repeats what failed, and puts the
result as plain data into the `user_properties` of the test's report, which is all
that travels between processes. The process that the user started collects them.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from _pytest.runner import runtestprotocol
from hypothesis.configuration import set_hypothesis_home_dir

from conformance.contract.catalogue import HTTP, PROFILES, Catalogue, load_catalogue
from conformance.contract.verdicts import Stability, Verdict, worst
from conformance.deployment.connect import Connection, connect
from conformance.deployment.exchange import Exchange
from conformance.deployment.repro import reproduction, story
from conformance.deployment.settings import Settings
from conformance.releasing import release_frames
from conformance.report.grouping import fingerprint
from conformance.report.record import CheckResult, Failure
from conformance.suite.fixtures import CASE, SuiteFixtures
from conformance.suite.outcomes import (
    Blocked,
    NotRun,
    PromiseBroken,
    SequenceBroken,
    Unsupported,
)

NAME = "threads-conformance"
#: The plugin that owns the run, in the process that the user started.
CONTROLLER = "threads-conformance-controller"
#: Under this name a report carries a check's result, and a worker gets its settings.
CARRIED = "threads_conformance"
MARKER = "requires(*ids, offers): the requirements of a check"
CLIENT_MARKER = "client(name): the documented client that a check is made with"
#: Exchanges quoted with a failure: enough for a story, few enough to read.
QUOTED_EXCHANGES = 20

_SETTINGS = pytest.StashKey[Settings]()
_RESULT = pytest.StashKey[CheckResult]()


def pytest_configure(config: pytest.Config) -> None:
    """Open the connection of this process, if checks run in it."""
    for marker in (MARKER, CLIENT_MARKER):
        config.addinivalue_line("markers", marker)
    settings = _settings_of(config)
    if settings is None:
        return
    config.stash[_SETTINGS] = settings
    runs_checks = hasattr(config, "workerinput") or config.getoption("dist", "no") == "no"
    if not runs_checks:
        return
    stack = ExitStack()
    connection = stack.enter_context(connect(settings, _worker()))
    config.add_cleanup(stack.close)
    config.pluginmanager.register(Checks(settings, connection))
    config.pluginmanager.register(SuiteFixtures(settings, connection))


def _settings_of(config: pytest.Config) -> Settings | None:
    """The run's settings: handed down by the controller, or made from the options."""
    if handed := getattr(config, "workerinput", {}).get(CARRIED):
        return Settings.from_json(handed)
    controller = config.pluginmanager.get_plugin(CONTROLLER)
    if controller is None:
        from conformance.engine import EmbeddedController

        controller = EmbeddedController(config)
        config.pluginmanager.register(controller, CONTROLLER)
    settings: Settings = controller.settings
    return settings


def _worker() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


class Checks:
    """Selects, runs and judges the checks of one process."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._catalogue = load_catalogue()

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the checks of the requirements that are asked for."""
        wanted = selected_requirements(self._settings, self._catalogue)
        checks = [item for item in items if item.get_closest_marker("requires")]
        kept = [
            item
            for item in checks
            if wanted.intersection(requirements_of(item))
            and client_of(item) in self._settings.clients
        ]
        dropped = [item for item in checks if item not in set(kept)]
        if dropped:
            config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in set(dropped)]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell the controller, where it is in this process, what is to run."""
        controller = session.config.pluginmanager.get_plugin(CONTROLLER)
        if controller is not None:
            controller.planned = {
                check_id(item): self._judged_requirements(item)
                for item in session.items
                if item.get_closest_marker("requires")
            }

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Run a check, and again what failed; report it once."""
        if not item.get_closest_marker("requires"):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        started = time.perf_counter()
        reports, result = self.attempt(item, nextitem)
        if result.verdict is Verdict.FAIL:
            again = []
            for _ in range(self._settings.repeat_failures):
                again.append(self.attempt(item, nextitem)[1].verdict)
            if any(verdict is not Verdict.FAIL for verdict in again):
                result = dataclasses.replace(result, stability=Stability.FLAKY)
        result = dataclasses.replace(result, duration_s=round(time.perf_counter() - started, 4))
        # As text in ASCII: execnet carries neither enums nor lone surrogates.
        reports[-1].user_properties.append((CARRIED, json.dumps(dataclasses.asdict(result))))
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def attempt(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> tuple[list[pytest.TestReport], CheckResult]:
        """Run a check once: the reports of its phases, and its result."""
        item.stash[_RESULT] = CheckResult(
            id=check_id(item),
            requirements=self._judged_requirements(item),
            verdict=Verdict.PASS,
            capability=self._catalogue.requirements[requirements_of(item)[0]].capability,
            client=client_of(item),
        )
        with (
            _hypothesis_writes_to(self._settings.run_dir),
            self._connection.recorder.check(check_id(item)) as exchanges,
        ):
            item.stash[_EXCHANGES] = exchanges
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        return reports, item.stash[_RESULT]

    def _judged_requirements(self, item: pytest.Item) -> tuple[str, ...]:
        wanted = selected_requirements(self._settings, self._catalogue)
        return tuple(each for each in requirements_of(item) if each in wanted)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Read the verdict off what ended the phase."""
        report = yield
        if _RESULT not in item.stash:
            return report
        result = item.stash[_RESULT]
        if call.excinfo is not None:
            try:
                found = self._judge(item, result, call.excinfo.value)
            except Exception as broken:
                # What cannot be told of a check is its own error: the others go on.
                found = dataclasses.replace(
                    result, verdict=Verdict.ERROR, reason=f"not told: {type(broken).__name__}"
                )
            release_frames(call.excinfo.value)
            if worst((found.verdict, result.verdict)) is found.verdict:
                item.stash[_RESULT] = result = found
            if found.failure:
                report.longrepr = found.failure.message
            if found.verdict is Verdict.UNSUPPORTED:
                report.outcome = "skipped"
                report.longrepr = (str(item.path), item.location[1] or 0, found.reason)
            if found.verdict is Verdict.NOT_RUN:
                report.longrepr = found.reason
        elif call.when == "call" and (case := item.stash.get(CASE, None)) and case.notes:
            item.stash[_RESULT] = dataclasses.replace(result, reason="; ".join(case.notes))
        return report

    def _judge(self, item: pytest.Item, result: CheckResult, ended: BaseException) -> CheckResult:
        """The result that an exception means."""
        redact = self._shown
        exchanges: list[Exchange] = item.stash[_EXCHANGES]
        verdict = verdict_of(ended)
        if verdict is Verdict.UNSUPPORTED and self._documented(result):
            # What the documents promise cannot be unsupported, whatever it stands on.
            verdict = Verdict.BLOCKED
        if verdict is Verdict.FAIL:
            failure = self._failure(result, ended, exchanges)
            return dataclasses.replace(
                result, verdict=verdict, reason=redact(_line(ended)), failure=failure
            )
        reason = redact(str(ended) or type(ended).__name__)
        if verdict is Verdict.ERROR:
            reason = f"{type(ended).__name__}: {reason}"
        return dataclasses.replace(result, verdict=verdict, reason=reason)

    def _failure(
        self, result: CheckResult, ended: BaseException, exchanges: list[Exchange]
    ) -> Failure:
        redact = self._shown
        broken = ended if isinstance(ended, PromiseBroken) else None
        expected = redact(broken.expected) if broken else "the check to hold"
        actual = redact(broken.actual) if broken else redact(_line(ended))
        diff = tuple(map(redact, broken.diff)) if broken else ()
        whole = isinstance(ended, SequenceBroken)
        curl = f"\n{story(exchanges)}" if whole else reproduction(exchanges)
        message = "\n".join(
            [
                *self._promises(result),
                f"expected: {expected}",
                f"got: {actual}",
                *(f"difference: {line}" for line in diff),
                f"reproduce: {curl}",
                *self._written(result),
            ]
        )
        last = exchanges[-1].operation if exchanges else ""
        return Failure(
            message=message,
            expected=expected,
            actual=actual,
            diff=diff,
            fingerprint=fingerprint(last, "\n".join([expected, actual, *diff])),
            curl=curl.strip(),
            exchanges=tuple(
                each.summary() for each in (exchanges if whole else exchanges[-QUOTED_EXCHANGES:])
            ),
        )

    def _shown(self, text: str) -> str:
        """The text without secrets, and without lone surrogates, which no file takes."""
        redacted = self._connection.recorder.redactor.text(text)
        return redacted.encode("utf-8", "backslashreplace").decode()

    def _documented(self, result: CheckResult) -> bool:
        profiles = {self._catalogue.requirements[each].profile for each in result.requirements}
        return PROFILES[0] in profiles

    def _promises(self, result: CheckResult) -> list[str]:
        found = [self._catalogue.requirements[each] for each in result.requirements]
        return [f"{each.id}: {each.statement}" for each in found]

    def _written(self, result: CheckResult) -> list[str]:
        found = [self._catalogue.requirements[each] for each in result.requirements]
        return [f"written in: {source}" for each in found for source in each.sources]


_EXCHANGES = pytest.StashKey[list[Exchange]]()


@contextmanager
def _hypothesis_writes_to(directory: str) -> Iterator[None]:
    """Keep what hypothesis stores out of the folder in which the user stands."""
    set_hypothesis_home_dir(directory)
    try:
        yield
    finally:
        set_hypothesis_home_dir(None)


def check_id(item: pytest.Item) -> str:
    """`test_copy.py::test_a_copy_is_answered`: the module, the function, the parameters."""
    # pytest escapes an id once more each time that it collects in the same process.
    name = re.sub(r"\\+", r"\\", item.nodeid.partition("::")[2])
    return f"{item.path.name}::{name}"


def requirements_of(item: pytest.Item) -> tuple[str, ...]:
    """The ids that a check names in its decorator, and in its parameters."""
    return tuple(
        dict.fromkeys(each for mark in item.iter_markers("requires") for each in mark.args)
    )


def client_of(item: pytest.Item) -> str:
    """The client that a check is made with: our own, or one of the documents'."""
    mark = item.get_closest_marker("client")
    return str(mark.args[0]) if mark else HTTP


def selected_requirements(settings: Settings, catalogue: Catalogue) -> frozenset[str]:
    """The ids that a run judges: of its profile, effort and clients, and of what was picked.

    What is picked by its id is judged at any effort.
    """
    return frozenset(
        each.id
        for each in catalogue.in_profile(settings.profile, settings.clients)
        if (
            each.id in settings.requirements
            if settings.requirements
            else settings.affords(each.effort)
        )
        and (not settings.capabilities or each.capability in settings.capabilities)
    )


def verdict_of(ended: BaseException) -> Verdict:
    """What an exception that ended a check says of the promise."""
    match ended:
        case Blocked():
            return Verdict.BLOCKED
        case Unsupported():
            return Verdict.UNSUPPORTED
        case NotRun():
            return Verdict.NOT_RUN
        case httpx.HTTPError():
            return Verdict.ERROR
        case AssertionError():
            return Verdict.FAIL
        case BaseExceptionGroup():
            # Hypothesis raises several distinct failures of one property together.
            return worst(verdict_of(each) for each in ended.exceptions)
        case _:
            return Verdict.ERROR


def _line(ended: BaseException) -> str:
    return (str(ended) or type(ended).__name__).splitlines()[0]

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
import traceback
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import ExitStack

import httpx
import pytest
from _pytest.runner import runtestprotocol

from conformance.contract.catalogue import HTTP, PROFILES, Catalogue, load_catalogue
from conformance.contract.causes import Cause, fingerprint
from conformance.contract.verdicts import Stability, Verdict, worst
from conformance.deployment.audit import traces_of_trouble
from conformance.deployment.connect import Connection, connect
from conformance.deployment.exchange import Exchange
from conformance.deployment.guard import DisposableOnlyRefusal, NotOursRefusal
from conformance.deployment.interruption import install_handlers
from conformance.deployment.outage import GivenUpError
from conformance.deployment.private import with_variables
from conformance.deployment.repro import reproduction, story
from conformance.deployment.settings import Settings
from conformance.excerpt import harmless
from conformance.releasing import release_frames
from conformance.report.record import CheckResult, Failure
from conformance.suite import looking
from conformance.suite.examples import set_up_hypothesis
from conformance.suite.fixtures import CASE, SuiteFixtures
from conformance.suite.outcomes import (
    Blocked,
    NotAskedFor,
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
READ_ONLY_MARKER = "reads_only: made in a read-only run, and in no other"
#: Exchanges quoted with a failure: enough for a story, few enough to read.
QUOTED_EXCHANGES = 20
#: How often a check is made, at the most, while the way to the deployment is in trouble.
TRIES_IN_TROUBLE = 6
#: After so many tries that show traces of trouble, these are compared with each other.
TRIES_IN_DOUBT = 4

#: Where checks are written, and what of it only helps them to ask and to judge.
_JUDGING = ("conformance.suite.", "conformance.clients.")
_HELPING = frozenset({"conformance.suite.asking", "conformance.suite.expect"})

_SETTINGS = pytest.StashKey[Settings]()
_RESULT = pytest.StashKey[CheckResult]()


def pytest_configure(config: pytest.Config) -> None:
    """Open the connection of this process, if checks run in it."""
    for marker in (MARKER, CLIENT_MARKER, READ_ONLY_MARKER):
        config.addinivalue_line("markers", marker)
    settings = _settings_of(config)
    if settings is None:
        return
    config.stash[_SETTINGS] = settings
    if not config.pluginmanager.hasplugin("terminal"):
        # Nobody reads pytest's own account of a failure; a pretty one takes longer than the check.
        config.option.tbstyle = "native"
    runs_checks = hasattr(config, "workerinput") or config.getoption("dist", "no") == "no"
    if not runs_checks:
        return
    if hasattr(config, "workerinput"):
        # The process that the user started has its own; a worker hears the signal as well.
        install_handlers()
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
        self._wanted = selected_requirements(settings, self._catalogue)

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the checks of the requirements that are asked for."""
        checks = [item for item in items if item.get_closest_marker("requires")]
        kept = [
            item
            for item in checks
            if self._wanted.intersection(requirements_of(item))
            and client_of(item) in self._settings.clients
            and reads_only(item) is self._settings.read_only
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
        reports, result = self._through_trouble(item, nextitem)
        if result.verdict is Verdict.FAIL:
            again = []
            for _ in range(self._settings.repeat_failures):
                again.append(self._through_trouble(item, nextitem)[1].verdict)
            # What could not be asked again says nothing of the failure.
            if any(verdict not in (Verdict.FAIL, Verdict.ERROR) for verdict in again):
                result = dataclasses.replace(result, stability=Stability.FLAKY)
        result = dataclasses.replace(result, duration_s=round(time.perf_counter() - started, 4))
        # As text in ASCII: execnet carries neither enums nor lone surrogates.
        reports[-1].user_properties.append((CARRIED, json.dumps(dataclasses.asdict(result))))
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _through_trouble(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> tuple[list[pytest.TestReport], CheckResult]:
        """Run a check, and anew while the way to the deployment was in trouble.

        A check in which it was cannot end as a failure: if the trouble stays, it is an error.
        """
        recorder = self._connection.recorder
        traces: list[tuple[str, ...]] = []
        seen: list[str] = []
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
            if not found:
                return reports, result
            seen += found
            traces.append(found)
            if len(traces) == TRIES_IN_DOUBT:
                if len(set(traces)) == 1:
                    # The same each time: that is how the deployment is.
                    return reports, result
                break
        return self._in_trouble(reports, result, seen)

    def _traces(self) -> tuple[str, ...]:
        """What tells that the requests of the last attempt did not arrive once each."""
        recorder = self._connection.recorder
        doubts = tuple(sorted(set(map(str, recorder.doubts))))
        if self._settings.read_only:
            return doubts
        return doubts + traces_of_trouble(self._connection.client, recorder.journal)

    def _in_trouble(
        self, reports: list[pytest.TestReport], result: CheckResult, troubles: list[str]
    ) -> tuple[list[pytest.TestReport], CheckResult]:
        """The result of a check that could not be made for trouble on the way."""
        counts = Counter(troubles)
        told = "; ".join(f"{each} ({count} times)" for each, count in counts.most_common(3))
        reason = self._shown(f"trouble on the way to the deployment, each time: {told}")
        for report in reports:
            if report.failed:
                report.longrepr = reason
        return reports, dataclasses.replace(
            result, verdict=Verdict.ERROR, reason=reason, failure=None
        )

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
            set_up_hypothesis(),
            self._connection.recorder.check(check_id(item)) as exchanges,
        ):
            item.stash[_EXCHANGES] = exchanges
            item.stash[_LOOKS] = looking.begin()
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        return reports, item.stash[_RESULT]

    def _judged_requirements(self, item: pytest.Item) -> tuple[str, ...]:
        return tuple(each for each in requirements_of(item) if each in self._wanted)

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
            if (
                found.verdict is Verdict.UNSUPPORTED
                or isinstance(call.excinfo.value, NotAskedFor | DisposableOnlyRefusal)
                or self._optional(found)
            ):
                report.outcome = "skipped"
                report.longrepr = (str(item.path), item.location[1] or 0, self._skipped(found))
            elif found.verdict is Verdict.NOT_RUN:
                report.longrepr = found.reason
            if found.verdict in (Verdict.ERROR, Verdict.BLOCKED):
                report.longrepr = self._shown(str(report.longrepr))
        elif call.when == "call" and item.stash[_LOOKS].saw_nothing:
            item.stash[_RESULT] = dataclasses.replace(
                result,
                verdict=Verdict.BLOCKED,
                reason="all that was compared was empty: nothing was shown to be judged",
                blocked_by=(Cause.at("looking"),),
            )
            report.outcome, report.longrepr = "failed", item.stash[_RESULT].reason
        elif call.when == "call" and (case := item.stash.get(CASE, None)) and case.notes:
            item.stash[_RESULT] = dataclasses.replace(
                result, reason=self._shown("; ".join(case.notes))
            )
        return report

    def _judge(self, item: pytest.Item, result: CheckResult, ended: BaseException) -> CheckResult:
        """The result that an exception means."""
        redact = self._shown
        exchanges: list[Exchange] = item.stash[_EXCHANGES]
        verdict = verdict_of(ended)
        ended = decisive(ended)
        result = dataclasses.replace(result, given_up=isinstance(ended, GivenUpError))
        if self._settings.read_only:
            return self._judge_privately(result, verdict, ended, exchanges)
        if verdict is Verdict.UNSUPPORTED and self._documented(result):
            # What the documents promise cannot be unsupported, whatever it stands on.
            verdict = Verdict.BLOCKED
        if verdict is Verdict.FAIL:
            failure = self._failure(result, ended, exchanges)
            return dataclasses.replace(
                result, verdict=verdict, reason=_reason(failure), failure=failure
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
        """The result where the content of threads may not be told, but only facts.

        The exchanges are private already: see `PrivateRecorder`.
        """
        facts = self._shown(private_facts(ended))
        if verdict is not Verdict.FAIL:
            return dataclasses.replace(
                result, verdict=verdict, reason=facts, blocked_by=causes_of(ended)
            )
        curl = with_variables(reproduction(exchanges))
        return dataclasses.replace(
            result,
            verdict=verdict,
            reason=facts,
            failure=Failure(
                message="\n".join(
                    [
                        *self._promises(result),
                        f"got: {facts}",
                        f"reproduce: {curl}",
                        *self._written(result),
                    ]
                ),
                expected="the promise to hold of every thread that was looked at",
                actual=facts,
                diff=(),
                fingerprint=fingerprint_of(ended, exchanges),
                curl=curl,
                exchanges=tuple(
                    {**summary, "curl": with_variables(summary["curl"])}
                    for summary in (each.summary() for each in exchanges[-QUOTED_EXCHANGES:])
                ),
            ),
        )

    def _failure(
        self, result: CheckResult, ended: BaseException, exchanges: list[Exchange]
    ) -> Failure:
        redact = self._shown
        broken = ended if isinstance(ended, PromiseBroken) else None
        expected = redact(broken.expected) if broken else "the check to hold"
        actual = redact(broken.actual) if broken else redact(_line(ended))
        diff = tuple(map(redact, broken.diff)) if broken else ()
        if strangers := self._strangers():
            # No value of an answer may be told, for it may be somebody's.
            expected, diff = "what the promise says", ()
            actual = redact(broken.facts if broken and broken.facts else strangers)
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
        return Failure(
            message=message,
            expected=expected,
            actual=actual,
            diff=diff,
            fingerprint=fingerprint_of(ended, exchanges),
            curl=curl.strip(),
            exchanges=tuple(
                each.summary() for each in (exchanges if whole else exchanges[-QUOTED_EXCHANGES:])
            ),
        )

    def _strangers(self) -> str:
        """What the check at hand saw of other people's, without content; empty if nothing."""
        return "; ".join(dict.fromkeys(self._connection.recorder.strangers))

    def _shown(self, text: str) -> str:
        """The text without secrets, and without what a terminal or a CI system obeys."""
        return harmless(self._connection.recorder.redactor.text(text))

    def _optional(self, result: CheckResult) -> bool:
        """Whether a check decides nothing but what is optional or disputed."""
        return {self._catalogue.requirements[each].level for each in result.requirements} == {"MAY"}

    def _skipped(self, result: CheckResult) -> str:
        if not self._optional(result):
            return result.reason
        return f"{', '.join(result.requirements)} (MAY) not found: {result.reason}"

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
_LOOKS = pytest.StashKey[looking.Looks]()


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


def reads_only(item: pytest.Item) -> bool:
    """Whether a check is one of a read-only run."""
    return item.get_closest_marker("reads_only") is not None


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
        case NotRun() | DisposableOnlyRefusal():
            return Verdict.NOT_RUN
        case NotOursRefusal():
            return Verdict.BLOCKED
        case httpx.HTTPError():
            return Verdict.ERROR
        case AssertionError():
            return Verdict.FAIL
        case BaseExceptionGroup():
            # Hypothesis raises several distinct failures of one property together.
            return worst(verdict_of(each) for each in ended.exceptions)
        case _:
            return Verdict.ERROR


def decisive(ended: BaseException) -> BaseException:
    """Of several failures of one property, which hypothesis raises together, the worst."""
    if not isinstance(ended, BaseExceptionGroup):
        return ended
    verdict = verdict_of(ended)
    return decisive(next(each for each in ended.exceptions if verdict_of(each) is verdict))


def causes_of(ended: BaseException) -> tuple[Cause, ...]:
    """Why nothing can be said, as data: what the exception names, else where it was raised."""
    match verdict_of(ended):
        case Verdict.BLOCKED | Verdict.UNSUPPORTED:
            named: tuple[Cause, ...] = getattr(ended, "by", ())
            return named or (Cause.at(place_of(ended)),)
        case _:
            return ()


def fingerprint_of(ended: BaseException, exchanges: Sequence[Exchange]) -> str:
    """The fingerprint of a failure, made of no sentence.

    It is that of the refusal by which the promise fell; else it is made of the last
    operation, its status, and the places that differ, or the function that judged.
    """
    broken = ended if isinstance(ended, PromiseBroken) else None
    if broken and broken.cause:
        return broken.cause.fingerprint
    last = exchanges[-1] if exchanges else None
    asked = (last.operation, last.status) if last else ("", None)
    kinds = broken.kinds if broken else ()
    return fingerprint("failed", *asked, *(kinds or (place_of(ended),)))


def place_of(ended: BaseException) -> str:
    """The name of the function of the suite that ended a check: what judged, not what helped."""
    place = type(ended).__name__
    for frame, _ in traceback.walk_tb(ended.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(_JUDGING) and module not in _HELPING:
            place = f"{module.rpartition('.')[2]}.{frame.f_code.co_qualname}"
    return place


def _reason(failure: Failure) -> str:
    return f"expected {failure.expected}; got {failure.actual}".splitlines()[0]


def private_facts(ended: BaseException) -> str:
    """What an exception may tell of other people's threads: no content, and no id."""
    if isinstance(ended, PromiseBroken | Blocked) and ended.facts:
        return ended.facts
    if isinstance(ended, Unsupported):
        return str(ended)
    return f"{type(ended).__name__}; no more is told, as it may hold other people's content"


def _line(ended: BaseException) -> str:
    return (str(ended) or type(ended).__name__).splitlines()[0]

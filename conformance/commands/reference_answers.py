"""What the embedded reference answers to the requests of each failure of a report.

Asked when a page is made, in a bounded time; a report holds none of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from conformance import target
from conformance.deployment.run_folder import run_folder
from conformance.deployment.settings import Settings, SettingsError
from conformance.reference.process import ReferenceNotStartedError
from conformance.report.record import CheckResult, Report
from conformance.report.run.grouping import failure_groups, told_failures
from conformance.report.run.json_view import parse_difference
from conformance.report.run.reference_answers import ReferenceAnswer, ReferenceAnswers
from conformance.runner.replay import NotRepeatableError, ReplayedStep, repeated_positions, replay
from conformance.runner.settings import new_settings

#: The reference answers at once, so that nothing is asked twice.
_VISIBLE_WITHIN_S = 0.0
#: A request of a story may wait for a run; those of the reference end within this.
_TIMEOUT_S = 10.0


def ask_reference(
    report: Report, within_s: float, notify: Callable[[str], None] = lambda _: None
) -> dict[str, ReferenceAnswers]:
    """Return by check what the reference answers to the requests of the failures of a report.

    They are those of one check of each cause, which pages show. What could not be asked within
    `within_s` seconds, or after Ctrl-C, is told as left out; of 0 seconds nothing is asked. Nothing
    is sent to the deployment of the report. `notify` is called with what takes a while.
    """
    told = told_failures(failure_groups(report), report)
    checks = [each.check for each in told if each.check.failure]
    if not (checks and within_s):
        return {}
    notify(f"Sending what failed to the reference, for report.html (at most {within_s:g} s)")
    found: dict[str, ReferenceAnswers] = {}
    give_up = time.monotonic() + within_s
    problem = f"the {within_s:g} seconds for it were used up"
    try:
        with (
            target.opened(None, None, (), lambda _: None) as deployment,
            run_folder() as folder,
        ):
            for number, check in enumerate(checks):
                if time.monotonic() > give_up:
                    break
                directory = folder / str(number)
                directory.mkdir()
                settings = new_settings(
                    deployment.url,
                    directory,
                    disposable=True,
                    launched=True,
                    timeout_s=_TIMEOUT_S,
                    visible_within_s=_VISIBLE_WITHIN_S,
                )
                found[check.id] = _answers(
                    check, report, settings, lambda: time.monotonic() < give_up, problem
                )
    except KeyboardInterrupt:
        problem = "it was interrupted"
    except (ReferenceNotStartedError, SettingsError) as failed:
        problem = str(failed)
    left_out = ReferenceAnswers(problem=problem)
    return {each.id: found.get(each.id, left_out) for each in checks}


def _answers(
    check: CheckResult,
    report: Report,
    settings: Settings,
    go_on: Callable[[], bool],
    too_late: str,
) -> ReferenceAnswers:
    try:
        steps = replay(check, report, settings, go_on).steps
    except NotRepeatableError as left_out:
        return ReferenceAnswers(problem=str(left_out).partition(":")[0])
    positions = repeated_positions(check)
    problem = ""
    if steps and steps[-1].refused:
        problem = steps[-1].now[1]
    elif len(steps) < len(positions):
        problem = too_late
    return ReferenceAnswers(
        {
            position: _answer(step)
            for position, step in zip(positions, steps, strict=False)
            if not step.refused
        },
        problem,
    )


def _answer(step: ReplayedStep) -> ReferenceAnswer:
    status, body = step.now
    paths = (parse_difference(each).path for each in step.differences)
    return ReferenceAnswer(status, body, step.same, tuple(filter(None, paths)))

"""`explain --replay`: what a failure needs is sent again, and each answer is compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import click

from conformance.commands.server_options import open_target
from conformance.deployment.connect import redactor_of
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.run_folder import run_folder
from conformance.deployment.settings import SettingsError
from conformance.report.plain_text import cut, one_line
from conformance.report.record import CheckResult, Report
from conformance.runner.replay import NotRepeatableError, Replay, ReplayedStep, replay
from conformance.runner.settings import SettingsOptions, new_settings
from conformance.safe_text import harmless, printable

_ANSWER_LIMIT = 160
_DIFFERENCES = 3


class CannotReplayError(click.ClickException):
    """The requests of the failure cannot be repeated; the message says what to do instead."""

    exit_code = 2


class NotReachedError(click.ClickException):
    """The deployment cannot be reached."""

    exit_code = 3


def replay_check(
    check: CheckResult,
    report: Report,
    url: str | None,
    server: str | None,
    launcher_files: tuple[Path, ...],
    headers: tuple[tuple[str, str], ...],
    **options: Unpack[SettingsOptions],
) -> str:
    """Send the requests of a failure again, and return what was answered, as text.

    Without `url` and `server` they are sent to the embedded reference. Raises click's errors.
    """
    try:
        with (
            open_target(url, server, launcher_files) as deployment,
            run_folder() as directory,
        ):
            options["disposable"] = options.get("disposable", False) or deployment.disposable
            options["launched"] = deployment.disposable
            # A request of the story may wait for a run.
            options["timeout_s"] = max(options["timeout_s"], options["run_timeout_s"])
            settings = new_settings(deployment.url, directory, headers=headers, **options)
            identify_deployment(settings)
            shown = redactor_of(settings).url(settings.url)
            where = shown if url or server else f"the embedded reference at {shown}"
            return _text(check, replay(check, report, settings), where)
    except SettingsError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    except NotRepeatableError as left_out:
        raise CannotReplayError(f"{check.id}: {left_out}") from left_out
    except UnreachableError as unreachable:
        raise NotReachedError(str(unreachable)) from unreachable


def _text(check: CheckResult, found: Replay, where: str) -> str:
    lines = [f"{check.id}: sent again to {where}", ""]
    for number, step in enumerate(found.steps, start=1):
        lines += _step_lines(number, step)
    lines += ["", *_conclusion(check, found)]
    cleanup = found.cleanup
    lines.append(f"Threads: created {cleanup.created}, removed {cleanup.removed}")
    lines += [f"  still there: {each}" for each in cleanup.left]
    return printable(harmless("\n".join(lines)))


def _step_lines(number: int, step: ReplayedStep) -> Iterator[str]:
    yield f"{number:>3}. {step.method} {step.path}"
    if step.same:
        yield f"       the same:      {_answer(step.now)}"
        return
    yield f"       in the report: {_answer(step.before)}"
    yield f"       now:           {_answer(step.now)}"
    if step.before[0] == step.now[0]:
        # Where the statuses differ, so does everything.
        yield from (f"       {each}" for each in step.differences[:_DIFFERENCES])


def _answer(answer: tuple[int | None, str]) -> str:
    status, text = answer
    return cut(one_line(f"{status or 'no answer'} {text}"), _ANSWER_LIMIT)


def _conclusion(check: CheckResult, found: Replay) -> Iterator[str]:
    if check.failure is not None:
        yield f"Expected: {cut(one_line(check.failure.expected), _ANSWER_LIMIT)}"
        yield f"Reported: {cut(one_line(check.failure.actual), _ANSWER_LIMIT)}"
    if found.steps and found.steps[-1].refused:
        yield "Now:      it could not be sent again to its end, as the last step says."
    elif all(step.same for step in found.steps):
        yield "Now:      every answer is as it was, ids and times aside."
    elif found.same:
        yield "Now:      the last answer is as it was; others differ, as shown."
    else:
        yield "Now:      the last answer is another one, as shown."
    names = ",".join(check.requirements)
    yield f"Whether the promise holds now is judged by `run --requirement {names}`."

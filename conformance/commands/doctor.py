"""`threads-conformance doctor`: whether the settings of the graph fit the deployment."""

from __future__ import annotations

import dataclasses
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Unpack
from uuid import uuid4

import click
import httpx

from conformance.commands.options import (
    chosen_graphs,
    credentials_options,
    disposable_option,
    graph_option,
    launcher_option,
    max_body_option,
    run_timeout_option,
    server_option,
    timeout_option,
    trust_options,
)
from conformance.commands.server_options import open_target
from conformance.commands.url_option import one_url, url_argument, url_option
from conformance.contract.catalogue import PROFILES
from conformance.deployment.connect import redactor_of
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.run_folder import run_folder
from conformance.deployment.settings import GraphSettings, Settings, SettingsError
from conformance.doctor.diagnosis import Diagnosis, diagnose
from conformance.doctor.findings import Kind
from conformance.doctor.output import diagnosis_text, warnings
from conformance.runner.settings import SettingsOptions, new_settings

_WRONG_SETTINGS = 2
_UNDECIDED = 3


@click.command("doctor")
@url_argument
@url_option(
    "The same as the argument URL: the deployment to try; without it or --server, the embedded "
    "reference is started and tried."
)
@server_option
@launcher_option
@graph_option
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=PROFILES[0],
    show_default=True,
    help="Profile of the planned run.",
)
@credentials_options
@disposable_option
@timeout_option
@run_timeout_option
@max_body_option
@trust_options
@click.pass_context
def doctor_command(
    context: click.Context,
    /,
    address: str | None,
    url: str | None,
    server: str | None,
    launcher_files: tuple[Path, ...],
    graph_id: str | None,
    headers: tuple[tuple[str, str], ...],
    **options: Unpack[SettingsOptions],
) -> None:
    """Find out whether the [graph] settings fit a deployment, before a run.

    Tries them out on threads of its own, which are removed. Reports what was requested,
    what to correct and which checks will be blocked, and prints a [graph] table to paste,
    made from the graph's published schemas where the deployment offers them.

    Exit status: 0 the settings fit, 2 wrong settings or wrong usage, 3 not reachable, or
    the deployment broke on the way.
    """
    url = one_url(context, address, url)
    options["graph"], options["graphs"] = chosen_graphs(context, graph_id)
    redact = Redactor(headers)
    with ExitStack() as stack:
        try:
            deployment = stack.enter_context(open_target(url, server, launcher_files))
            options["disposable"] |= deployment.disposable
            settings = new_settings(
                deployment.url, stack.enter_context(run_folder()), headers=headers, **options
            )
            redact = redactor_of(settings)
            info = deployment.known_as(identify_deployment(settings))
            found = diagnose(settings)
        except SettingsError as unusable:
            raise click.UsageError(str(unusable)) from unusable
        except (UnreachableError, httpx.HTTPError) as unreachable:
            said = redact.text(str(unreachable)) or type(unreachable).__name__
            click.echo(f"Error: {said}", err=True)
            sys.exit(_UNDECIDED)
        shown = redact.url(deployment.url)
        click.echo(redact.text(diagnosis_text(found, shown, info, settings.graph.id)))
    sys.exit(_status(found))


def _status(found: Diagnosis) -> int:
    if found.has(Kind.WRONG):
        return _WRONG_SETTINGS
    left = found.cleanup.left or found.cleanup.possibly_left
    return _UNDECIDED if left or found.has(Kind.SERVER) else 0


def warn_about_graph(settings: Settings) -> None:
    """Warn on stderr, before a run, if the settings of a user's own graph do not fit.

    The run continues, since the fault may be in the settings or in the deployment, and
    checks that do not need the graph are not affected.
    """
    if settings.graph == GraphSettings() or settings.read_only:
        return
    own_run = dataclasses.replace(
        settings, run_id=str(uuid4()), started_at=datetime.now(UTC).isoformat()
    )
    found = warnings(diagnose(own_run, propose=False).findings)
    for each in found:
        click.echo(f"Warning: {each}", err=True)
    if found:
        click.echo(
            "Warning: failed and blocked checks below may be caused by these settings; "
            "run `threads-conformance doctor` for details",
            err=True,
        )

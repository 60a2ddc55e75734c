"""`threads-conformance plant`: threads for `verify` after a restart or an upgrade."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Unpack

import click

from conformance.commands.options import (
    chosen_graphs,
    credentials_options,
    graph_option,
    max_body_option,
    run_timeout_option,
    timeout_option,
    trust_options,
    visible_within_option,
)
from conformance.commands.url_option import url_option
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.run_folder import run_folder
from conformance.deployment.settings import SettingsError
from conformance.plant.output import plant_text
from conformance.plant.plant_file import PlantFileError
from conformance.plant.planting import PlantingFailedError, plant_threads
from conformance.plant.scenarios import LONG_STATES
from conformance.runner.settings import SettingsOptions, new_settings

_NOT_PLANTED = 3


@click.command("plant")
@click.argument("plant", metavar="PLANT.json", type=click.Path(path_type=Path))
@url_option("The deployment to plant on.", required=True)
@graph_option
@credentials_options
@click.option(
    "--states",
    type=click.IntRange(3, 10_000),
    default=LONG_STATES,
    show_default=True,
    help="States of the thread with the long history.",
)
@timeout_option
@run_timeout_option
@max_body_option
@trust_options
@visible_within_option("two equal requests must get equal answers")
@click.pass_context
def plant_command(
    context: click.Context,
    /,
    plant: Path,
    url: str,
    graph_id: str | None,
    headers: tuple[tuple[str, str], ...],
    states: int,
    **options: Unpack[SettingsOptions],
) -> None:
    """Leave a few threads on a deployment, to be found again after a restart or an upgrade.

    PLANT.json gets every answer about these threads, for `verify`. The threads stay on the
    deployment: only `verify --sweep` removes them.

    Exit status: 0 planted, 2 wrong usage, 3 nothing was planted.
    """
    options["graph"], options["graphs"] = chosen_graphs(context, graph_id)
    try:
        with run_folder() as directory:
            settings = new_settings(url, directory, headers=headers, **options)
            planted = plant_threads(
                settings, plant, states, lambda kind: click.echo(f"planting: {kind}", err=True)
            )
    except (SettingsError, PlantFileError) as unusable:
        raise click.UsageError(str(unusable)) from unusable
    except (UnreachableError, PlantingFailedError) as failed:
        click.echo(f"Error: {failed}", err=True)
        sys.exit(_NOT_PLANTED)
    click.echo(plant_text(planted, str(plant)))

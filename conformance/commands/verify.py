"""`threads-conformance verify`: whether planted threads are unchanged."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Unpack

import click

from conformance.commands.format_option import format_option
from conformance.commands.options import (
    credentials_options,
    max_body_option,
    timeout_option,
    trust_options,
    visible_within_option,
)
from conformance.commands.url_option import url_option
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.run_folder import run_folder
from conformance.deployment.settings import SettingsError
from conformance.plant.output import verification_json, verification_text
from conformance.plant.plant_file import PlantFileError, read_plant
from conformance.plant.verifying import settings_for_plant, verify_plant
from conformance.runner.settings import SettingsOptions, new_settings

_NOT_IDENTICAL = 1
_UNREACHABLE = 3


@click.command("verify")
@click.argument("plant", metavar="PLANT.json", type=click.Path(path_type=Path))
@url_option("URL of the deployment that holds the planted threads.", required=True)
@credentials_options
@click.option(
    "--sweep", is_flag=True, help="Then remove the threads of the plant, whatever was found."
)
@format_option()
@timeout_option
@max_body_option
@trust_options
@visible_within_option("search and count must show every thread")
def verify_command(
    plant: Path,
    url: str,
    headers: tuple[tuple[str, str], ...],
    sweep: bool,
    output_format: str,
    **options: Unpack[SettingsOptions],
) -> None:
    """Read the planted threads again, and report what is no longer identical.

    Reads only the threads that PLANT.json names, and writes nothing; with --sweep, those
    that carry the plant's tag are then removed.

    Exit status: 0 identical, 1 not identical, 2 wrong usage, 3 the deployment cannot be
    reached, or a thread could not be swept.
    """
    try:
        with run_folder() as directory:
            settings = new_settings(url, directory, headers=headers, **options)
            read = read_plant(plant)
            found = verify_plant(read, settings_for_plant(settings, read), sweep=sweep)
    except (SettingsError, PlantFileError) as unusable:
        raise click.UsageError(str(unusable)) from unusable
    except UnreachableError as unreachable:
        click.echo(f"Error: {unreachable}", err=True)
        sys.exit(_UNREACHABLE)
    if output_format == "json":
        click.echo(json.dumps(verification_json(found), indent=2))
    else:
        click.echo(verification_text(found, str(plant)))
    if not found.identical:
        sys.exit(_NOT_IDENTICAL)
    if found.swept and found.swept.left:
        sys.exit(_UNREACHABLE)

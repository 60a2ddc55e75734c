"""`threads-conformance sweep`: remove what an interrupted run left."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from conformance.commands.options import (
    api_key_option,
    header_option,
    trust_options,
    with_api_key,
)
from conformance.deployment.cleanup import Removal, remove_all
from conformance.deployment.connect import connect, parse_url, redactor_for
from conformance.deployment.ledger import Account, accounts, claim, close_account
from conformance.deployment.preflight import UnreachableError
from conformance.deployment.settings import Settings, SettingsError
from conformance.engine import identify_deployment, new_settings

_SOMETHING_LEFT = 3


@click.command("sweep")
@click.option("--url", required=True, metavar="URL", help="The deployment that was checked.")
@header_option
@api_key_option
@trust_options
def sweep_command(
    url: str, headers: tuple[tuple[str, str], ...], api_key: str | None, **options: Any
) -> None:
    """Remove what interrupted runs left on a deployment, and nothing else.

    What they left is known from their ledgers on this machine and from the tag that
    every thread of a run carries. A run that is still under way is left alone.

    Exit status: 0 nothing is left, 3 something could not be removed.
    """
    headers = with_api_key(headers, api_key)
    try:
        shown = redactor_for(str(parse_url(url)), headers).url(url)
        with TemporaryDirectory(prefix="threads-conformance-") as directory:
            settings = new_settings(url, Path(directory), headers=headers, **options)
            identify_deployment(settings)
            left = _sweep_all(settings, shown)
    except SettingsError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    except UnreachableError as unreachable:
        click.echo(f"Error: {unreachable}", err=True)
        sys.exit(_SOMETHING_LEFT)
    sys.exit(_SOMETHING_LEFT if left else 0)


def _sweep_all(settings: Settings, url: str) -> bool:
    """Sweep every run of the deployment that is not alive; whether anything is left."""
    swept = left = False
    elsewhere: set[str] = set()
    for directory, account in accounts():
        if account.url.rstrip("/") != url.rstrip("/"):
            elsewhere.add(account.url)
            continue
        swept = True
        with claim(directory) as ours:
            if not ours:
                click.echo(f"run {account.run_id}: still under way, left alone")
                continue
            of_run = dataclasses.replace(settings, run_id=account.run_id)
            with connect(of_run, "sweep", record=False) as connection:
                removal = remove_all(connection.client, account)
            _tell(account, removal)
        if removal.left or removal.unknown:
            left = True
        else:
            close_account(directory)
    if not swept:
        click.echo("nothing to sweep: no interrupted run of this deployment is known here")
        # The same deployment may have been asked by another name: localhost, 127.0.0.1.
        for other in sorted(elsewhere):
            click.echo(f"  there is one of {other}: sweep it by that URL")
    return left


def _tell(account: Account, removal: Removal) -> None:
    click.echo(f"run {account.run_id}: found {removal.created}, removed {removal.removed}")
    for thread_id in removal.left:
        click.echo(f"  left: {thread_id}")
    for thread_id in removal.unknown:
        click.echo(f"  possible: {thread_id}, about which the deployment did not answer")
    for each in account.nameless:
        click.echo(f"  possible: {each}, whose answer never came; it has no tag to find it by")

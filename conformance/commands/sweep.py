"""`threads-conformance sweep`: remove what interrupted runs left."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Unpack

import click
import httpx

from conformance.commands.access_check_options import other_tenant_options
from conformance.commands.options import credentials_options, timeout_option, trust_options
from conformance.commands.url_option import one_url, url_argument, url_option
from conformance.deployment.cleanup.by_tenant import remove_for_each_tenant
from conformance.deployment.cleanup.lost_threads import LostThread, find_lost, remove_lost
from conformance.deployment.cleanup.removal import Removal
from conformance.deployment.connect import connect, redactor_of
from conformance.deployment.ownership.ledger import (
    LedgerState,
    claim,
    remaining_ledgers,
    remove_ledger,
)
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.run_folder import run_folder
from conformance.deployment.settings import Settings, SettingsError
from conformance.report.plain_text import counted
from conformance.runner.settings import SettingsOptions, new_settings

_SOMETHING_LEFT = 3
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class _Age(click.ParamType[timedelta]):
    """A time span: a number and s, m, h or d."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Parse `30m`, `1h` or `2d`."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6})([smhd])", str(value).strip())
        if not found:
            self.fail(f"{value!r} is no age: write 30m, 1h or 2d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command("sweep")
@url_argument
@url_option("The same as the argument URL: the deployment that was checked.")
@credentials_options
@other_tenant_options
@click.option(
    "--lost",
    is_flag=True,
    help="Search for threads of runs whose ledger is lost, by the tag of the suite, and list "
    "them; --yes removes them.",
)
@click.option(
    "--older-than",
    type=_Age(),
    default="1h",
    show_default=True,
    metavar="AGE",
    help="With --lost: only threads older than this, such as 30m, 1h or 2d, since younger ones "
    "may belong to a run on another machine.",
)
@click.option("--yes", is_flag=True, help="With --lost: remove the threads that are listed.")
@timeout_option
@trust_options
@click.pass_context
def sweep_command(
    context: click.Context,
    /,
    address: str | None,
    url: str | None,
    headers: tuple[tuple[str, str], ...],
    lost: bool,
    older_than: timedelta,
    yes: bool,
    **options: Unpack[SettingsOptions],
) -> None:
    """Remove what interrupted runs left on a deployment, and nothing else.

    What they left is known from their ledgers on this machine and from the tag that
    every thread of a run carries; each thread is removed only if a GET proves that it is
    the run's. A run that is still under way is left alone. What was made for another
    tenant is removed with that tenant's credential.

    Exit status: 0 nothing is left, 2 wrong usage, 3 something could not be removed.
    """
    url = one_url(context, address, url)
    if url is None:
        raise click.UsageError("say which deployment: threads-conformance sweep URL")
    if yes and not lost:
        raise click.UsageError(
            "--yes is for --lost only: leave it out, since a sweep without --lost never asks"
        )
    redactor = Redactor(headers)
    try:
        with run_folder() as directory:
            settings = new_settings(url, directory, headers=headers, **options)
            redactor = redactor_of(settings)
            identify_deployment(settings)
            if lost:
                left = _sweep_lost(settings, older_than, yes=yes)
            else:
                left = _sweep_all(settings, redactor.url(url))
    except SettingsError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    except (UnreachableError, httpx.HTTPError) as unreachable:
        said = redactor.text(str(unreachable))
        click.echo(f"Error: {said or type(unreachable).__name__}", err=True)
        sys.exit(_SOMETHING_LEFT)
    sys.exit(_SOMETHING_LEFT if left else 0)


def _sweep_all(settings: Settings, url: str) -> bool:
    """Sweep every run of the deployment that is not in progress; return whether any is left."""
    swept = left = False
    elsewhere: set[str] = set()
    for directory, ledger in remaining_ledgers():
        if ledger.url and ledger.url.rstrip("/") != url.rstrip("/"):
            elsewhere.add(ledger.url)
            continue
        with claim(directory) as ours:
            if not ours:
                click.echo(f"run {ledger.run_id}: still under way, left alone")
                swept = True
                continue
            swept = True
            of_run = dataclasses.replace(settings, run_id=ledger.run_id)
            with connect(of_run, "sweep", record=False, ledger=ledger) as connection:
                removal = remove_for_each_tenant(connection, of_run, ledger)
            _print_removal(ledger, removal)
        if removal.is_settled:
            # Threads not proved to be the run's were reported; no later sweep can prove them.
            remove_ledger(directory)
        else:
            left = True
    if not swept:
        click.echo("nothing to sweep: no interrupted run of this deployment is known here")
        # The same deployment may have another URL: localhost, 127.0.0.1.
        for other in sorted(elsewhere):
            click.echo(f"  a run of {other} may have left threads: sweep it with --url {other}")
        click.echo("  to find threads of runs whose ledger is lost, add --lost")
    return left


def _print_removal(ledger: LedgerState, removal: Removal) -> None:
    click.echo(f"run {ledger.run_id}: created {removal.created}, removed {removal.removed}")
    for each in removal.left:
        click.echo(f"  left: {each.thread_id}: {each.reason}")
    for each in removal.possible:
        click.echo(f"  possibly left: {each.thread_id}: {each.reason}")


def _sweep_lost(settings: Settings, older_than: timedelta, *, yes: bool) -> bool:
    """List, and with `yes` remove, threads of lost runs; return whether any are left."""
    known = {ledger.run_id for _, ledger in remaining_ledgers()}
    with connect(settings, "sweep", record=False) as connection:
        found = list(find_lost(connection.client, older_than, known))
    by_run: dict[str, list[LostThread]] = defaultdict(list)
    for each in found:
        by_run[each.run_id].append(each)
    if not found:
        click.echo("no lost threads older than --older-than were found")
        return False
    left = 0
    for run_id, threads in by_run.items():
        oldest = min(each.created_at for each in threads)
        number = counted(len(threads), "thread")
        click.echo(f"run {run_id}: {number}, the oldest created at {oldest.isoformat()}")
        if yes:
            left += _remove_lost(settings, run_id, threads)
        else:
            for each in threads:
                click.echo(f"  {each.thread_id}")
    if not yes:
        click.echo("Nothing was removed. To remove these threads, run again with --yes.")
        return True
    click.echo(f"removed {len(found) - left} of {len(found)}")
    return bool(left)


def _remove_lost(settings: Settings, run_id: str, threads: Iterable[LostThread]) -> int:
    """Remove the threads of one lost run; return how many are left."""
    left = 0
    # The start of a lost run is unknown; --older-than already limits the age of its threads.
    began = min(each.created_at for each in threads) - timedelta(days=1)
    of_run = dataclasses.replace(settings, run_id=run_id, started_at=began.isoformat())
    with connect(of_run, "sweep", record=False, ledger=LedgerState(run_id, "")) as connection:
        for each in threads:
            if reason := remove_lost(connection.client, each):
                click.echo(f"  left: {each.thread_id}: {reason}")
                left += 1
    return left

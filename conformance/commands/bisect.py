"""`threads-conformance bisect`: the first version at which a requirement changed."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from packaging.version import Version

from conformance.commands import completion
from conformance.commands.options import launcher_option
from conformance.commands.requirements import find_requirement
from conformance.commands.server_options import print_progress
from conformance.contract.catalogue import Requirement, load_catalogue
from conformance.contract.verdicts import Verdict
from conformance.deployment.delivery.interruption import signals_as_interrupt
from conformance.deployment.launch.catalogue import find_launcher, load_launchers
from conformance.deployment.launch.errors import LauncherError, NotStartedError
from conformance.deployment.launch.launcher import Launcher
from conformance.deployment.launch.start import launched
from conformance.deployment.launch.versions import (
    known_versions,
    parse_version,
    parse_wanted,
    published_versions,
)
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.run_folder import run_folder
from conformance.deployment.settings import SettingsError
from conformance.report.compare.bisection import Change, NoChangeError, find_change
from conformance.runner.session import NothingSelectedError, run_suite
from conformance.runner.settings import new_settings

_UNDECIDED = 3
#: Verdicts that show nothing about the server.
_UNINFORMATIVE = {"error", "not_run"}


@click.command("bisect")
@click.option(
    "--server",
    required=True,
    metavar="NAME",
    shell_complete=completion.server_names,
    help="Name of the server; `threads-conformance servers` lists the names.",
)
@click.option(
    "--good",
    required=True,
    metavar="VERSION",
    help="One end of the range of versions, the older or the newer one.",
)
@click.option("--bad", required=True, metavar="VERSION", help="The other end of the range.")
@click.option("--known", is_flag=True, help="Only versions that are known to start.")
@click.option("--pre", is_flag=True, help="Also try pre-releases between the ends.")
@launcher_option
@click.argument("requirement_id", metavar="REQUIREMENT", shell_complete=completion.requirement_ids)
def bisect_command(
    server: str,
    good: str,
    bad: str,
    known: bool,
    pre: bool,
    launcher_files: tuple[Path, ...],
    requirement_id: str,
) -> None:
    """Find the first version of a server at which a REQUIREMENT changed its verdict.

    Launches the two ends and as few versions between them as needed, and checks only that
    requirement. A version that does not start is reported and skipped.

    Exit status: 0 found, 2 wrong usage or both ends have the same verdict, 3 one of the
    ends could not be judged.
    """
    requirement = find_requirement(load_catalogue(), requirement_id)
    try:
        # A `server` from the configuration file may include a version, which is ignored here.
        launcher = find_launcher(load_launchers(launcher_files), parse_wanted(server).name)
        versions = _versions_between(launcher, parse_version(good), parse_version(bad), known, pre)
    except LauncherError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    click.echo(
        f"{requirement.id} on {launcher.name}: {len(versions)} versions "
        f"from {versions[0]} to {versions[-1]}"
    )
    trials = _Trials(launcher, requirement)
    try:
        with signals_as_interrupt():
            change = find_change(versions, trials.verdict)
    except NoChangeError as same:
        if same.verdict is None:
            click.echo(
                f"Error: {same.end} could not be judged, for the reason above: "
                "choose another version as this end",
                err=True,
            )
            sys.exit(_UNDECIDED)
        raise click.UsageError(
            f"{requirement.id} is {same.verdict} at both ends: choose ends that differ"
        ) from same
    except KeyboardInterrupt:
        click.echo("Error: interrupted; the server that was started has been stopped", err=True)
        sys.exit(_UNDECIDED)
    _print_change(requirement, change, trials.launches)


class _Trials:
    """The trials of versions: each is launched and judged; `launches` counts them."""

    def __init__(self, launcher: Launcher, requirement: Requirement) -> None:
        self.launches = 0
        self._launcher, self._requirement = launcher, requirement

    def verdict(self, version: Version) -> str | None:
        """Return the verdict on a version; None if it does not start or cannot be judged."""
        self.launches += 1
        try:
            with launched(self._launcher, version, print_progress) as running:
                verdict = judge_requirement(running.url, self._requirement)
        except (NotStartedError, UnreachableError) as failed:
            click.echo(f"{version}: skipped; {failed}")
            return None
        except (LauncherError, SettingsError, NothingSelectedError) as unusable:
            raise click.UsageError(str(unusable)) from unusable
        click.echo(f"{version}: {verdict}")
        return None if verdict in _UNINFORMATIVE else verdict


def judge_requirement(url: str, requirement: Requirement) -> Verdict:
    """Check one requirement, of any profile, and return the verdict."""
    with run_folder() as directory:
        settings = new_settings(
            url,
            directory,
            profile=requirement.profile,
            requirements=(requirement.id,),
            # The server was started for this check alone.
            disposable=True,
        )
        report = run_suite(settings, identify_deployment(settings))
    result = next(each for each in report.requirements if each.id == requirement.id)
    if set(result.checks) - {each.id for each in report.checks}:
        # A selected check has no result only if the run was interrupted.
        raise KeyboardInterrupt
    return result.verdict


def _versions_between(
    launcher: Launcher, one: Version, other: Version, known: bool, pre: bool
) -> list[Version]:
    """Return the versions from the older end to the newer one, including both."""
    old, new = sorted((one, other))
    if old == new:
        raise LauncherError("--good and --bad name the same version: choose two")
    versions = known_versions(launcher)
    if not known and launcher.install is not None and launcher.install.package:
        try:
            versions = published_versions(launcher)
        except NotStartedError as unanswered:
            print_progress(
                f"{unanswered}\ntherefore only versions that are known to start are tried"
            )
    inner = [
        each for each in versions if old < each < new and (pre or known or not each.is_prerelease)
    ]
    return [old, *inner, new]


def _print_change(requirement: Requirement, change: Change[Version], launches: int) -> None:
    click.echo(f"{requirement.id} changed at {change.first}, found in {launches} launches:")
    click.echo(f"  {change.last}: {change.before}")
    if change.undecided:
        names = ", ".join(map(str, change.undecided))
        click.echo(f"  {names}: could not be judged, so it may have changed there already")
    click.echo(f"  {change.first}: {change.after}")

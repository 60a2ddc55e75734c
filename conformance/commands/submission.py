"""`threads-conformance submission`: whether a server can be added to the board."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from conformance.commands.report_reading import UnusableError, read_report
from conformance.contract.catalogue import load_catalogue
from conformance.deployment.launch.catalogue import load_launchers
from conformance.deployment.launch.errors import LauncherError
from conformance.deployment.launch.launcher import Launcher, read_launcher
from conformance.report.plain_text import counted, printable
from conformance.report.run.wording import server_name, verdict_meaning, verdict_words
from conformance.report.submission.releases import releases, this_suite
from conformance.report.submission.report_problems import EFFORT, PROFILE, report_problems
from conformance.runner.session import collect_checks
from conformance.runner.settings import new_settings

_LAUNCHER = ".toml"


@click.group("submission")
def submission_command() -> None:
    """Tell whether a server can be added to the board.

    Exit status: that of its command.
    """


@submission_command.command("check")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
def check_command(files: tuple[Path, ...]) -> None:
    """Say what keeps a report or a launcher from being added to the board.

    FILE is the launcher of a server (TOML), or the report of a whole run: report.json,
    report.json.gz or a folder that holds one. A report must be of this suite or of a release, of
    the profile full at the effort standard, whole, made without a baseline, and its verdicts are
    computed again of its rows.

    Exit status: 0 all can be added, 1 one cannot, 2 wrong usage: a file cannot be read.
    """
    refused = 0
    for file in files:
        if file.suffix == _LAUNCHER:
            said, problems = _check_launcher(file)
        else:
            said, problems = _check_report(file)
        refused += bool(problems)
        outcome = "cannot be added to the board:" if problems else "can be added to the board."
        click.echo(printable(f"{file}: {said}; it {outcome}"))
        for each in problems:
            click.echo(printable(f"  - {each}"))
    if refused:
        click.echo(f"{counted(refused, 'file')} of {len(files)} cannot be added.")
        sys.exit(1)


@submission_command.command("digests")
def digests_command() -> None:
    """Print version and digests of this suite, as a table of fixtures/releases.toml.

    Exit status: 0 printed, 2 wrong usage.
    """
    this = this_suite()
    click.echo("[[release]]")
    for name in ("version", "catalogue_digest", "digest"):
        click.echo(f'{name} = "{getattr(this, name)}"')


def _check_report(file: Path) -> tuple[str, tuple[str, ...]]:
    report = read_report(file)
    problems = report_problems(
        report, load_catalogue(), _checks_of_a_whole_run(), this_suite(), releases()
    )
    said = f"{server_name(report)}, profile {report.run.profile}, {verdict_words(report)}"
    return f"{said}: {verdict_meaning(report).rstrip('.')}", problems


@cache
def _checks_of_a_whole_run() -> Mapping[str, tuple[str, ...]]:
    with TemporaryDirectory(prefix="threads-conformance-") as directory:
        # Collecting sends no request, so any URL is good enough.
        settings = new_settings("http://127.0.0.1", Path(directory), profile=PROFILE, effort=EFFORT)
        return collect_checks(settings)


def _check_launcher(file: Path) -> tuple[str, tuple[str, ...]]:
    try:
        launcher = read_launcher(file)
        others = load_launchers()
    except LauncherError as unusable:
        raise UnusableError(str(unusable)) from unusable
    return f"launcher of {launcher.name}", tuple(_launcher_problems(launcher, others))


def _launcher_problems(launcher: Launcher, others: Mapping[str, Launcher]) -> list[str]:
    found = []
    if not launcher.description:
        found.append("description is missing: say in one line what the server is")
    if launcher.install is None:
        found.append("[install] is missing: others can start only what can be installed")
    if not launcher.known:
        found.append('known is missing: name a version to begin with, such as known = ["1.0.0"]')
    same = others.get(launcher.name)
    # Where the package was installed from the checkout that holds it, it is shipped already.
    is_it = same and (same.file.name, same.file.read_bytes()) == (
        launcher.file.name,
        launcher.file.read_bytes(),
    )
    if same and not is_it:
        found.append(f"the name {launcher.name} is that of {same.file.name}: choose another")
    if launcher.file.stem != launcher.name:
        found.append(f"the file is to be named {launcher.name}{_LAUNCHER}, after the server")
    return found

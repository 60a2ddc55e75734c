"""`threads-conformance servers`: list, clear and start the servers of `--server`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from conformance.commands import completion
from conformance.commands.options import launcher_option
from conformance.commands.server_options import find_server, start_server
from conformance.deployment.delivery.interruption import signals_as_interrupt
from conformance.deployment.launch.catalogue import load_launchers, user_launchers_dir
from conformance.deployment.launch.errors import LauncherError
from conformance.deployment.launch.launcher import Launcher
from conformance.deployment.launch.server_cache import Cached, cache_dir, cached, clear
from conformance.deployment.launch.versions import known_versions, parse_wanted

_IN_USE = 3
#: Exit status of `servers start` where the server ended by itself.
_ENDED = 3


@click.group("servers", invoke_without_command=True)
@launcher_option
@click.pass_context
def servers_command(context: click.Context, launcher_files: tuple[Path, ...]) -> None:
    """List the servers that --server can start, and which versions are cached.

    Launchers of your own are TOML files in $XDG_CONFIG_HOME/threads-conformance/launchers,
    or named by --launcher.

    Exit status: 0 listed, 2 wrong usage: a launcher cannot be read.
    """
    if context.invoked_subcommand:
        return
    try:
        launchers = load_launchers(launcher_files)
    except LauncherError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    in_cache = cached()
    for launcher in launchers.values():
        _print_launcher(launcher, [each for each in in_cache if each.name == launcher.name])
    if others := [each for each in in_cache if each.name not in launchers]:
        click.echo("also in the cache, without a launcher:")
        for each in others:
            click.echo(f"  {each.name}=={each.version}  {_megabytes(each.size)}")
    total = sum(each.size for each in in_cache)
    click.echo(f"cache: {cache_dir()}, {_megabytes(total)}")
    click.echo(f"your own launchers: {user_launchers_dir()}")


@servers_command.command("clear")
@click.argument(
    "which", metavar="[NAME[==VERSION]]", required=False, shell_complete=completion.servers
)
def clear_command(which: str | None) -> None:
    """Remove cached servers: all, those of NAME, or one version. What is in use stays.

    Exit status: 0 removed, 3 something is in use.
    """
    chosen = _chosen(which)
    left = [each for each in chosen if not clear(each)]
    removed = [each for each in chosen if each not in left]
    for each in removed:
        click.echo(f"removed {each.name}=={each.version}  {_megabytes(each.size)}")
    for each in left:
        click.echo(
            f"not removed, since it is in use: {each.name}=={each.version}; "
            "clear it once no run uses it"
        )
    if not chosen:
        click.echo("nothing to clear")
    sys.exit(_IN_USE if left else 0)


@servers_command.command("start")
@click.argument("server", metavar="NAME==VERSION", shell_complete=completion.servers)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the server's data in this folder, so that a later start, also of another version, "
    "finds it.",
)
@launcher_option
def start_command(server: str, data: Path | None, launcher_files: tuple[Path, ...]) -> None:
    """Start a server, print its URL, and stop it on Ctrl-C.

    Exit status: 130 stopped by Ctrl-C, 2 wrong usage, 3 it could not be installed or started, or
    it ended by itself.
    """
    try:
        with signals_as_interrupt():
            launcher, version = find_server(server, launcher_files)
            with start_server(launcher, version, data) as running:
                click.echo(f"ready: {running.url}")
                assert running.wait is not None
                running.wait()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    sys.exit(_ENDED)


def _chosen(which: str | None) -> list[Cached]:
    if which is None:
        return cached()
    try:
        wanted = parse_wanted(which)
    except LauncherError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    version = None if wanted.version is None else str(wanted.version)
    return [
        each for each in cached() if each.name == wanted.name and version in (None, each.version)
    ]


def _print_launcher(launcher: Launcher, in_cache: list[Cached]) -> None:
    click.echo(f"{launcher.name}: {launcher.description or launcher.file}")
    versions = " ".join(map(str, known_versions(launcher)))
    click.echo(click.wrap_text(f"known to start: {versions}", 96, "  ", "    "))
    for each in in_cache:
        click.echo(f"  cached: {each.version}  {_megabytes(each.size)}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"

"""What a run is about: a URL, a server that we start, or the embedded reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from packaging.version import Version

from conformance.deployment.interruption import signals_as_interrupt
from conformance.deployment.launch.catalogue import find_launcher, load_launchers
from conformance.deployment.launch.errors import LauncherError, NotStartedError
from conformance.deployment.launch.launcher import Launcher
from conformance.deployment.launch.start import launched
from conformance.deployment.launch.versions import latest_version, parse_wanted
from conformance.deployment.preflight import ServerInfo
from conformance.reference.process import ReferenceProcess

server_option = click.option(
    "--server",
    metavar="NAME==VERSION",
    help="Install and start this server, and check it; also NAME@latest. "
    "`threads-conformance servers` lists the names.",
)
launcher_option = click.option(
    "--launcher",
    "launcher_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A launcher of your own, a TOML file; may be repeated.",
)


class ServerNotStarted(click.ClickException):
    """Exit status 3, as of any deployment that cannot be reached."""

    exit_code = 3


@dataclass(frozen=True)
class Target:
    """A deployment's URL; `name` and `version` where a launcher knows them.

    It is `disposable` where it was started for the run: nothing on it matters.
    """

    url: str
    name: str | None = None
    version: str | None = None
    disposable: bool = False

    def known_as(self, info: ServerInfo) -> ServerInfo:
        """What the deployment says of itself, put right by what we know."""
        if self.name is None:
            return info
        return dataclasses.replace(info, name=self.name, version=self.version)


@contextmanager
def target(url: str | None, server: str | None, files: tuple[Path, ...]) -> Iterator[Target]:
    """The deployment of these options, for as long as the block lasts."""
    if url and server:
        raise click.UsageError(
            "--url and --server exclude each other: a deployment that runs, or one to start"
        )
    if url:
        yield Target(url)
    elif server:
        with signals_as_interrupt():
            launcher, version = wanted_server(server, files)
            with started(launcher, version) as running:
                yield running
    else:
        with ReferenceProcess() as reference:
            yield Target(reference.url, disposable=True)


def wanted_server(server: str, files: tuple[Path, ...]) -> tuple[Launcher, Version]:
    """The launcher and the version that NAME==VERSION or NAME@latest names."""
    try:
        wanted = parse_wanted(server)
        launcher = find_launcher(load_launchers(files), wanted.name)
        return launcher, wanted.version or latest_version(launcher)
    except LauncherError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    except NotStartedError as unanswered:
        raise ServerNotStarted(str(unanswered)) from unanswered


@contextmanager
def started(launcher: Launcher, version: Version, data: Path | None = None) -> Iterator[Target]:
    """The server, ready; click's errors where it cannot be started."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(launched(launcher, version, tell, data))
        except LauncherError as unusable:
            raise click.UsageError(str(unusable)) from unusable
        except NotStartedError as failed:
            raise ServerNotStarted(str(failed)) from failed
        yield Target(running.url, running.name, running.version, disposable=True)


def tell(text: str) -> None:
    """Say what takes a while, where it does not mix with what is asked for."""
    click.echo(text, err=True)

"""What is checked: a deployment that runs, a server that is started for it, or the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.version import Version

from conformance.deployment.delivery.interruption import signals_as_interrupt
from conformance.deployment.launch.catalogue import find_launcher, load_launchers
from conformance.deployment.launch.errors import LauncherError, NotStartedError
from conformance.deployment.launch.launcher import Launcher
from conformance.deployment.launch.start import Restart, launched
from conformance.deployment.launch.versions import latest_version, parse_wanted
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.restart import NotBackError
from conformance.reference.process import ReferenceNotStartedError, ReferenceProcess

#: Informs the user of a step that takes a while.
Notify = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """A deployment's URL, and its `name` and `version` where a launcher knows them.

    A deployment that was started for the run is `disposable`: no data on it matters. Its `restart`
    ends it and starts it again, and raises `NotBackError` if the deployment does not come back.
    """

    url: str
    name: str | None = None
    version: str | None = None
    disposable: bool = False
    restart: Restart | None = None
    wait: Callable[[], object] | None = None

    def known_as(self, info: ServerInfo) -> ServerInfo:
        """Return what the deployment says of itself, corrected by what the launcher knows."""
        if self.name is None:
            return info
        return dataclasses.replace(info, name=self.name, version=self.version)


@contextmanager
def opened(
    url: str | None,
    server: str | None,
    launcher_files: tuple[Path, ...],
    notify: Notify,
    *,
    restarts: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[Target]:
    """Open the deployment of these options for as long as the block lasts.

    Without `url` and `server` (NAME==VERSION or NAME@latest) the reference is started; with
    `restarts` it keeps its threads in a file, so that it can be restarted. `meanwhile` is called
    while the reference starts, and `notify` with the steps that take a while. Raises
    `LauncherError` for options that cannot be used, and `NotStartedError` if the server cannot be
    started.
    """
    if url and server:
        raise LauncherError(
            "--url and --server exclude each other: a deployment that runs, or one to start"
        )
    if url:
        yield Target(url)
    elif server:
        with (
            signals_as_interrupt(),
            started(*wanted_server(server, launcher_files), notify) as running,
        ):
            yield running
    else:
        with _reference(restarts=restarts, meanwhile=meanwhile) as reference:
            yield Target(
                reference.url,
                disposable=True,
                restart=_with_not_back_error(reference.restart, ReferenceNotStartedError),
            )


def wanted_server(server: str, launcher_files: tuple[Path, ...]) -> tuple[Launcher, Version]:
    """Return the launcher and the version that NAME==VERSION or NAME@latest names.

    Raises `LauncherError` for an unknown name, and `NotStartedError` if the newest version cannot
    be found out.
    """
    wanted = parse_wanted(server)
    launcher = find_launcher(load_launchers(launcher_files), wanted.name)
    return launcher, wanted.version or latest_version(launcher)


@contextmanager
def started(
    launcher: Launcher, version: Version, notify: Notify, data: Path | None = None
) -> Iterator[Target]:
    """Start a server, and end it after the block; it stores its data in the folder `data`."""
    with launched(launcher, version, notify, data) as running:
        yield Target(
            running.url,
            running.name,
            running.version,
            disposable=True,
            restart=_with_not_back_error(running.restart, NotStartedError),
            wait=running.wait,
        )


@contextmanager
def _reference(*, restarts: bool, meanwhile: Callable[[], object]) -> Iterator[ReferenceProcess]:
    with ExitStack() as stack:
        store = None
        if restarts:
            folder = stack.enter_context(TemporaryDirectory(prefix="threads-conformance-store-"))
            store = Path(folder) / "store"
        yield stack.enter_context(ReferenceProcess(store=store, meanwhile=meanwhile))


def _with_not_back_error(restart: Restart, failure: type[Exception]) -> Restart:
    """Return a restart that raises `NotBackError` where `restart` raises `failure`."""

    def restart_or_raise(*, kill: bool) -> None:
        try:
            restart(kill=kill)
        except failure as failed:
            ended = "killed" if kill else "stopped"
            raise NotBackError(
                f"the deployment was {ended} and did not come back: {failed}"
            ) from failed

    return restart_or_raise

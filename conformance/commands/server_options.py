"""The options that name the deployment under test, and click's errors if it cannot start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from packaging.version import Version

from conformance import target as targets
from conformance.deployment.launch.errors import LauncherError, NotStartedError
from conformance.deployment.launch.launcher import Launcher
from conformance.target import Target


class ServerNotStarted(click.ClickException):
    """A server did not start; exit status 3, as for any unreachable deployment."""

    exit_code = 3


@contextmanager
def open_target(
    url: str | None,
    server: str | None,
    files: tuple[Path, ...],
    *,
    restarts: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[Target]:
    """Yield the deployment that the options name; a server that was started ends with the block.

    `restarts`: the embedded reference is to keep its threads when it is restarted. `meanwhile` is
    called while that starts.
    """
    with ExitStack() as stack:
        with _as_click_errors():
            found = stack.enter_context(
                targets.opened(
                    url, server, files, print_progress, restarts=restarts, meanwhile=meanwhile
                )
            )
        yield found


def find_server(server: str, files: tuple[Path, ...]) -> tuple[Launcher, Version]:
    """Return the launcher and the version that NAME==VERSION or NAME@latest names.

    Raise click's errors if there is none.
    """
    with _as_click_errors():
        return targets.wanted_server(server, files)


@contextmanager
def start_server(
    launcher: Launcher, version: Version, data: Path | None = None
) -> Iterator[Target]:
    """Start a server, yield it when ready, and end it after the block."""
    with ExitStack() as stack:
        with _as_click_errors():
            running = stack.enter_context(targets.started(launcher, version, print_progress, data))
        yield running


def print_progress(text: str) -> None:
    """Print a progress message on stderr, apart from the output of the command."""
    click.echo(text, err=True)


@contextmanager
def _as_click_errors() -> Iterator[None]:
    try:
        yield
    except LauncherError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    except NotStartedError as failed:
        raise ServerNotStarted(str(failed)) from failed

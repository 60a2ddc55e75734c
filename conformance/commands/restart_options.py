"""`run --restart` and `--restart-command`: whether and how the deployment may be restarted."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from conformance.contract.catalogue import RESTART_CAPABILITY, load_catalogue
from conformance.deployment.restart import WAYS, Restarter, restart_by_command
from conformance.deployment.settings import Settings
from conformance.runner.selection import selected_requirements
from conformance.target import Target

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _command_option(
    _context: click.Context, _option: click.Parameter, given: str | None
) -> tuple[str, ...]:
    """Split a command as a shell does; raise `click.BadParameter` if it names no program."""
    if given is None:
        return ()
    try:
        words = tuple(shlex.split(given))
    except ValueError as broken:
        raise click.BadParameter(f"{given!r} cannot be split into words ({broken})") from broken
    if not words:
        raise click.BadParameter("it is empty: give a program and its arguments")
    if shutil.which(words[0]) is None:
        raise click.BadParameter(
            f"there is no program {words[0]!r}; it is run without a shell, so write "
            "sh -c '...' for what needs one"
        )
    return words


def restart_options(command: _Command) -> _Command:
    """Add the options `--restart` and `--restart-command`."""
    command = click.option(
        "--restart-command",
        "restart_command",
        metavar="CMD",
        callback=_command_option,
        help="With --url: run CMD, without a shell, to restart the deployment. It must return when "
        "the deployment is back, or shortly before. Checks that what was acknowledged is still "
        "there.",
    )(command)
    return click.option(
        "--restart",
        type=click.Choice(WAYS),
        help="With --server or the embedded reference: stop or kill the deployment, start it "
        "again, and check that what was acknowledged is still there. With --restart-command: "
        "say which of the two CMD does.  [default: not at all]",
    )(command)


def check_restart_options(url: str | None, given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if options of `run` conflict with a restart."""
    restart, restart_command = given["restart"], given["restart_command"]
    if not (restart or restart_command):
        return
    option = "--restart-command" if restart_command else "--restart"
    if given["read_only"]:
        raise click.UsageError(
            f"--read-only and {option} exclude each other: a read-only run looks at threads that "
            "matter, so nothing is restarted"
        )
    if restart_command and not url:
        raise click.UsageError(
            "--restart-command restarts a deployment at --url: restart one that the suite starts "
            "itself by --restart stop or --restart kill"
        )
    if url and not restart_command:
        raise click.UsageError(
            "--restart ends only what the suite has started itself: say how the deployment at "
            "--url is restarted with --restart-command CMD"
        )


def restarter_of(settings: Settings, target: Target, command: tuple[str, ...]) -> Restarter | None:
    """Return the restarter of the deployment; None if no restart was requested.

    Raises `click.UsageError` if no check of the run would restart the deployment.
    """
    if not settings.restart:
        return None
    catalogue = load_catalogue()
    durable = {
        each.id for each in catalogue.requirements.values() if each.capability == RESTART_CAPABILITY
    }
    if not durable & selected_requirements(settings, catalogue):
        raise click.UsageError(
            "--restart and --restart-command serve the requirements DURABLE-* of the profile full, "
            "and this run judges none of them: add --profile full, or give "
            "--requirement 'DURABLE-*'"
        )
    if command:
        return Restarter(partial(restart_by_command, command, settings))
    assert target.restart is not None
    return Restarter(partial(target.restart, kill=settings.restart == "kill"))

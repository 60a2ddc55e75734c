"""`run --load`: users who send requests while the checks run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from conformance.load.generator import INSTALL, is_installed

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Options that conflict with --load: parameter of `run`, option, and reason.
_EXCLUDED = (
    (
        "read_only",
        "--read-only",
        "the users of a load make threads, and a read-only run writes nothing",
    ),
    (
        "restart",
        "--restart",
        "a restart would end what the users do: make the checks of restarts in "
        "a run of their own, with --capability durability",
    ),
    (
        "restart_command",
        "--restart-command",
        "a restart would end what the users do: make the checks "
        "of restarts in a run of their own, with --capability durability",
    ),
)


def load_options(command: _Command) -> _Command:
    """Add the options `--load`, `--load-processes` and `--load-pause`."""
    for option in (
        click.option(
            "--load-pause",
            "load_pause_s",
            type=click.FloatRange(0.0, 3600.0),
            default=0.5,
            show_default=True,
            metavar="SECONDS",
            help="With --load: how long a user waits between two requests, on average.",
        ),
        click.option(
            "--load-processes",
            type=click.IntRange(1, 64),
            default=1,
            show_default=True,
            metavar="N",
            help="With --load: processes that share the users; one sends up to about 400 requests "
            "a second.",
        ),
        click.option(
            "--load",
            "load_users",
            type=click.IntRange(0, 10_000),
            default=0,
            metavar="USERS",
            help="While the checks run, let so many users send the documented operations as well, "
            "on threads of the run's own, and report how long these take with and without them.  "
            "[default: none]",
        ),
    ):
        command = option(command)
    return command


def check_load_options(given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if there can be no load, or if options of `run` conflict with it."""
    if not given["load_users"]:
        return
    for parameter, option, why in _EXCLUDED:
        if given[parameter]:
            raise click.UsageError(f"--load and {option} exclude each other: {why}")
    if given["load_processes"] > given["load_users"]:
        raise click.UsageError(
            f"--load-processes {given['load_processes']} is more than the {given['load_users']} "
            "users of --load: give each process a user at least"
        )
    if not is_installed():
        raise click.UsageError(f"--load needs Locust: {INSTALL}")

"""`run --scale`: how many states and how many threads the checks of scale may make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from conformance.contract.catalogue import SCALE_CAPABILITY, load_catalogue
from conformance.runner.settings import SettingsOptions

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Time is also measured at a quarter of the scale: with fewer there is nothing to page through.
_LEAST = 20


def scale_option(command: _Command) -> _Command:
    """Add the option `--scale`."""
    return click.option(
        "--scale",
        type=click.IntRange(_LEAST),
        metavar="N",
        help="Also make a thread with N states, and N threads, check copy, history, paging, count "
        "and search with them, and tell how time grows with N.  [default: not at all]",
    )(command)


def check_scale(options: SettingsOptions) -> None:
    """Raise `click.UsageError` if `--scale` is given and the run makes no check of it."""
    if not options["scale"]:
        return
    if options["read_only"]:
        raise click.UsageError(
            "--read-only and --scale exclude each other: a read-only run makes no threads"
        )
    requirements, capabilities = options["requirements"], options["capabilities"]
    if not any(
        each.capability == SCALE_CAPABILITY
        and (not requirements or each.id in requirements)
        and (not capabilities or each.capability in capabilities)
        for each in load_catalogue().in_profile(options["profile"], options["clients"])
    ):
        raise click.UsageError(
            "--scale serves the requirements SCALE-* of the profile full, and this run judges none "
            "of them: add --profile full, or give --requirement 'SCALE-*'"
        )

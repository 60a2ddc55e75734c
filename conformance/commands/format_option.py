"""The option `--format` of the commands that write text or something for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])


def format_option(
    help_text: str = "Output format.", formats: Iterable[str] = ("text", "json")
) -> Callable[[_Command], _Command]:
    """Return the option as a decorator; its value is the parameter `output_format`."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(tuple(formats)),
        default="text",
        show_default=True,
        help=help_text,
    )

"""The argument and the option that name a deployment that runs; an empty one is an error.

A variable of a shell or of a CI system that is not set gives an empty URL. Without a URL the
embedded reference is checked, which always keeps its promises.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from conformance.deployment.settings import ENVIRONMENT

_EMPTY = "the URL is empty: write it like http://127.0.0.1:2024"

_VARIABLE = f"{ENVIRONMENT}_URL"

_Function = Callable[..., Any]


def url_option(help_text: str, *, required: bool = False) -> Callable[[_Function], _Function]:
    """Return the option `--url`."""
    return click.option(
        "--url", metavar="URL", required=required, callback=_refuse_empty, help=help_text
    )


def url_argument(command: _Function) -> _Function:
    """Add the argument URL, the same as `--url`; `one_url` gives the one of them."""
    return click.argument("address", metavar="[URL]", required=False, callback=_refuse_empty)(
        command
    )


def one_url(context: click.Context, address: str | None, url: str | None) -> str | None:
    """Return the URL of the argument or of the option; raise a usage error if they differ."""
    typed = context.get_parameter_source("url") is ParameterSource.COMMANDLINE
    if address is not None and url is not None and typed and address != url:
        raise click.UsageError(
            "two URLs are given, an argument and --url: give one, for they are the same option"
        )
    if address is not None:
        return address
    # click takes an empty variable as one that is not set.
    if url is None and not context.params.get("server") and os.environ.get(_VARIABLE) == "":
        raise click.UsageError(f"{_VARIABLE} is set, and {_EMPTY}, or unset the variable")
    return url


def _refuse_empty(
    _context: click.Context, _parameter: click.Parameter, given: str | None
) -> str | None:
    if given is not None and not given.strip():
        raise click.BadParameter(f"{_EMPTY}, or leave it out")
    return given

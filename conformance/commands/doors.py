"""The options that say who may come in, and whose threads are whose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import httpx

from conformance.commands.options import parse_headers, with_api_key
from conformance.deployment.credentials import Headers, other_credentials, own_headers
from conformance.deployment.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])

_protected_option = click.option(
    "--protected",
    is_flag=True,
    help="Credentials are needed here: judge that every operation is refused without one, with "
    "a wrong one and with part of one. Sends about 160 requests that are to be refused.",
)
_other_header_option = click.option(
    "--other-header",
    "other_headers",
    multiple=True,
    metavar="'Name: value'",
    callback=parse_headers,
    help="A header of another tenant, in the place of your own credentials: judge that neither "
    "sees or changes what the other has. May be repeated; never shown.",
)
_other_api_key_option = click.option(
    "--other-api-key", metavar="KEY", help="The x-api-key of another tenant; never shown."
)


def other_tenant_options(command: _Command) -> _Command:
    """The options that give the credential of another tenant."""
    return _other_header_option(_other_api_key_option(command))


def doors_options(command: _Command) -> _Command:
    """The options that say that the deployment has doors."""
    return _protected_option(other_tenant_options(command))


def other_headers_of(options: dict[str, Any]) -> Headers:
    """Take the other tenant's headers out of the options."""
    return with_api_key(options.pop("other_headers"), options.pop("other_api_key"))


def refuse_doors_of_embedded(options: dict[str, Any]) -> None:
    """A usage error where doors are said to be before the embedded reference."""
    if options["protected"] or options["other_headers"]:
        raise click.UsageError(
            "the embedded reference asks for no credentials: start one that does by "
            "`threads-conformance serve --tenant NAME=KEY`, and name it by --url"
        )


def check_doors(settings: Settings) -> None:
    """A usage error where what is said of doors cannot be judged by these credentials."""
    if not (settings.protected or settings.other_headers):
        return
    if not (settings.headers or httpx.URL(settings.url).userinfo):
        raise click.UsageError(
            "without a credential of your own nothing can be said of others: give it with "
            "--api-key KEY or -H 'Name: value'"
        )
    if settings.other_headers and set(other_credentials(settings)) == set(own_headers(settings)):
        raise click.UsageError(
            "the other tenant's credential is your own: give that of another tenant"
        )

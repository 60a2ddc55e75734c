"""The options about access: whether credentials are required, and a second tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import httpx

from conformance.commands.options import credentials
from conformance.deployment.credential_variants import other_credentials, own_headers
from conformance.deployment.settings import Settings
from conformance.runner.settings import SettingsOptions

_Command = TypeVar("_Command", bound=Callable[..., Any])

_protected_option = click.option(
    "--protected",
    is_flag=True,
    help="The deployment requires credentials: check that every operation is refused without "
    "one, with a wrong one and with a truncated one. Sends about 160 requests that must be "
    "refused.",
)
#: The options for the credentials of another tenant; the command gets `other_headers`.
other_tenant_options = credentials("other")


def access_options(command: _Command) -> _Command:
    """Add the options about access: `--protected`, `--other-api-key` and so on."""
    return _protected_option(other_tenant_options(command))


def refuse_access_options(options: SettingsOptions) -> None:
    """Raise a usage error if access options are given for the embedded reference."""
    if options["protected"] or options["other_headers"]:
        raise click.UsageError(
            "the embedded reference is started without access control: start one with it by "
            "`threads-conformance serve --tenant NAME=KEY`, and check that with --url"
        )


def check_access_options(settings: Settings) -> None:
    """Raise a usage error if the credentials do not suffice to judge access."""
    if not (settings.protected or settings.other_headers):
        return
    if not (settings.headers or httpx.URL(settings.url).userinfo):
        raise click.UsageError(
            "--protected and the options of the other tenant need your own credential as well: "
            "give it with --api-key KEY or -H 'Name: value'"
        )
    if settings.other_headers and set(other_credentials(settings)) == set(own_headers(settings)):
        raise click.UsageError(
            "the other tenant's credential is the same as yours: give that of another tenant with "
            "--other-api-key or --other-header"
        )

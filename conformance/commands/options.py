"""Options that several commands have: whom to ask as, how long to wait, by which graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from conformance.deployment.http import MAX_BODY_MIB
from conformance.deployment.settings import (
    GraphSettings,
    OtherGraphs,
    SettingsError,
    graph_settings,
    other_graphs,
)

_API_KEY_HEADER = "x-api-key"
_Command = TypeVar("_Command", bound=Callable[..., Any])


def parse_headers(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> Any:
    """`Name: value` as a pair."""
    pairs = []
    for each in given:
        name, colon, value = each.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter("a header is written 'Name: value'")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


header_option = click.option(
    "-H",
    "--header",
    "headers",
    multiple=True,
    metavar="'Name: value'",
    callback=parse_headers,
    help="A header for every request; may be repeated. Its value is never shown.",
)
api_key_option = click.option("--api-key", metavar="KEY", help="Sent as x-api-key; never shown.")
graph_option = click.option("--graph", metavar="ID", help="The graph to use.  [default: agent]")


def _seconds(
    option: str, least: float, default: float, what: str
) -> Callable[[_Command], _Command]:
    """An option of so many seconds; its parameter is named like it, with `_s` behind."""
    return click.option(
        option,
        f"{option.strip('-').replace('-', '_')}_s",
        type=click.FloatRange(least),
        default=default,
        show_default=True,
        help=f"Seconds {what}.",
    )


timeout_option = _seconds("--timeout", 0.1, 30.0, "to wait for an answer")
run_timeout_option = _seconds("--run-timeout", 0.1, 60.0, "to wait for a run of the graph")


max_body_option = click.option(
    "--max-body",
    "max_body_mib",
    type=click.IntRange(1, 1024),
    default=MAX_BODY_MIB,
    show_default=True,
    metavar="MIB",
    help="The largest answer that is read, in MiB after decompression.",
)


def trust_options(command: _Command) -> _Command:
    """The options that say which certificates are trusted: `ca_bundle` and `insecure`."""

    def exclusive(context: click.Context, _option: click.Parameter, insecure: bool) -> bool:
        if insecure and context.params.get("ca_bundle"):
            raise click.UsageError("--ca-bundle and --insecure exclude each other: give one")
        return insecure

    bundle = click.option(
        "--ca-bundle",
        type=click.Path(exists=True, dir_okay=False),
        is_eager=True,
        metavar="FILE",
        help="Trust the certificates of this PEM file, and no others.",
    )
    insecure = click.option(
        "--insecure", is_flag=True, callback=exclusive, help="Trust any certificate."
    )
    return bundle(insecure(command))


def visible_within_option(what: str) -> Callable[[_Command], _Command]:
    """The option for the deadline of what is shown late; `what` it is that happens within."""
    return _seconds("--visible-within", 0.0, 5.0, f"within which {what}")


def with_api_key(
    headers: tuple[tuple[str, str], ...], api_key: str | None
) -> tuple[tuple[str, str], ...]:
    """The headers to send, the key among them."""
    return (*headers, (_API_KEY_HEADER, api_key)) if api_key else headers


def chosen_graphs(
    context: click.Context, graph_id: str | None
) -> tuple[GraphSettings, OtherGraphs]:
    """The graphs of the configuration file; the first one's id replaced by the option's."""
    config = context.obj or {}
    table = dict(config.get("graph", {}))
    if graph_id:
        table["id"] = graph_id
    try:
        return graph_settings(table), other_graphs(dict(config.get("graphs", {})))
    except SettingsError as unusable:
        raise click.UsageError(str(unusable)) from unusable

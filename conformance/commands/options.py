"""Options that several commands have: whom to ask as, how long to wait, by which graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

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


disposable_option = click.option(
    "--disposable",
    is_flag=True,
    help="Nothing on the deployment matters: send also what a lenient server could take for "
    "all threads. So it is with the embedded reference and with --server.",
)
outage_within_option = _seconds(
    "--outage-within", 0.0, 30.0, "for which an outage is waited out, in all"
)
timeout_option = _seconds("--timeout", 0.1, 30.0, "to wait for an answer")
run_timeout_option = _seconds("--run-timeout", 0.1, 60.0, "to wait for a run of the graph")


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

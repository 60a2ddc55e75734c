"""Options that several commands share: credentials, graph, time limits, certificates."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from conformance.commands import completion
from conformance.deployment.credential_parsing import (
    parse_header,
    parse_headers,
    parse_key,
    read_secret,
    with_key,
)
from conformance.deployment.settings import (
    MAX_BODY_MIB,
    GraphSettings,
    OtherGraphs,
    SettingsError,
    graph_settings,
    other_graphs,
)
from conformance.report.run.folders import WHOLE_DIR

_CLOSEST_FIRST = (
    ParameterSource.COMMANDLINE,
    ParameterSource.ENVIRONMENT,
    ParameterSource.DEFAULT_MAP,
)
_Parsed = TypeVar("_Parsed")
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _HeaderType(click.ParamType):  # type: ignore[type-arg]
    """A header, `Name: value`; an environment variable holds one per line."""

    name = "header"

    def split_envvar_value(self, value: str) -> list[str]:
        lines = (line.strip() for line in value.splitlines())
        return [line for line in lines if line and line[0] != "#"]

    def convert(
        self, value: Any, param: click.Parameter | None, _context: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        return _parse_option(parse_header, str(value), param)


class _KeyType(click.ParamType):  # type: ignore[type-arg]
    """An API key; surrounding white space is removed."""

    name = "key"

    def convert(
        self, value: Any, param: click.Parameter | None, _context: click.Context | None
    ) -> str:
        return _parse_option(parse_key, str(value), param)


def _parse_option(
    parse: Callable[[str, str], _Parsed], given: str, param: click.Parameter | None
) -> _Parsed:
    try:
        return parse(given, _long_name(param))
    except SettingsError as unusable:
        raise click.UsageError(str(unusable)) from unusable


def _long_name(param: click.Parameter | None) -> str:
    return max(param.opts, key=len) if param else "the option"


def credentials(prefix: str = "") -> Callable[[_Command], _Command]:
    """Return a decorator that adds the credentials options; the command gets `headers`.

    The options are --header, --header-file, --api-key and --api-key-file. With a prefix
    such as `other` they are --other-header and so on, and the command gets `other_headers`.
    All values are secrets and are kept out of the output.
    """
    dashed, under = (f"{prefix}-", f"{prefix}_") if prefix else ("", "")
    header, key = f"--{dashed}header", f"--{dashed}api-key"
    whose = f" of the {prefix} tenant" if prefix else ""
    options = (
        click.option(
            *([] if prefix else ["-H"]),
            header,
            f"{under}headers",
            multiple=True,
            type=_HeaderType(),
            metavar="'Name: value'",
            help=f"A header{whose} for every request; may be repeated. Its value is never shown.",
        ),
        click.option(
            f"{header}-file",
            f"{under}header_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"A file with headers{whose}, one 'Name: value' per line.",
        ),
        click.option(
            key,
            f"{under}api_key",
            type=_KeyType(),
            metavar="KEY",
            help=f"The API key{whose}, sent as x-api-key; never shown.",
        ),
        click.option(
            f"{key}-file",
            f"{under}api_key_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"A file that holds the API key{whose}.",
        ),
    )

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def with_headers(*args: Any, **given: Any) -> Any:
            context = click.get_current_context()
            headers = given.pop(f"{under}headers")
            key_file = given.pop(f"{under}api_key_file")
            api_key = given.pop(f"{under}api_key")
            header_file = given.pop(f"{under}header_file")
            try:
                names = f"{under}api_key", f"{under}api_key_file"
                if key_file and not _takes_precedence(context, *names):
                    api_key = parse_key(read_secret(key_file, f"{key}-file"), f"{key}-file")
                if header_file:
                    text = read_secret(header_file, f"{header}-file")
                    headers = (*headers, *parse_headers(text, f"{header}-file"))
            except SettingsError as unusable:
                raise click.UsageError(str(unusable)) from unusable
            given[f"{under}headers"] = with_key(headers, api_key)
            # Imported here, so that the help of commands that rarely send requests comes fast.
            from conformance.deployment.connect import redact_streams

            redact_streams(given[f"{under}headers"])
            return command(*args, **given)

        decorated: Any = with_headers
        for option in reversed(options):
            decorated = option(decorated)
        return cast(_Command, decorated)

    return decorate


credentials_options = credentials()


def _takes_precedence(context: click.Context, one: str, other: str) -> bool:
    """Return whether option `one` takes precedence: command line before environment before file.

    Raise `SettingsError` if both are given in the same place.
    """
    sources = [context.get_parameter_source(each) for each in (one, other)]
    ranks = [_CLOSEST_FIRST.index(each) if each in _CLOSEST_FIRST else 9 for each in sources]
    if ranks[0] == ranks[1]:
        names = " and ".join(f"--{each.replace('_', '-')}" for each in (one, other))
        raise SettingsError(f"{names} exclude each other: give the key itself, or its file")
    return ranks[0] < ranks[1]


graph_option = click.option(
    "--graph", "graph_id", metavar="ID", help="The graph to use.  [default: agent]"
)


def _seconds_option(
    option: str, least: float, default: float, what: str
) -> Callable[[_Command], _Command]:
    """Return an option for a number of seconds; its parameter gets the suffix `_s`."""
    return click.option(
        option,
        f"{option.strip('-').replace('-', '_')}_s",
        type=click.FloatRange(least),
        default=default,
        show_default=True,
        help=f"Seconds {what}.",
    )


server_option = click.option(
    "--server",
    metavar="NAME==VERSION",
    shell_complete=completion.servers,
    help="Install and start this server, and check it; also NAME@latest. "
    "`threads-conformance servers` lists the names.",
)
launcher_option = click.option(
    "--launcher",
    "launcher_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A launcher of your own, a TOML file; may be repeated.",
)
report_dir_option = click.option(
    "--report-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=WHOLE_DIR,
    show_default=True,
    help="Where report.json, junit.xml, report.md, report.html and exchanges.har go.",
)

verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Tell every failure with its evidence, and how much of each capability is kept.",
)

disposable_option = click.option(
    "--disposable",
    is_flag=True,
    help="All data on the deployment may be lost: also send requests that a lenient server could "
    "apply to all threads. Always so for the embedded reference and with --server.",
)
outage_within_option = _seconds_option(
    "--outage-within",
    0.0,
    30.0,
    "to wait, in total, for the deployment to answer again after outages",
)
timeout_option = _seconds_option("--timeout", 0.1, 30.0, "to wait for an answer")
run_timeout_option = _seconds_option("--run-timeout", 0.1, 60.0, "to wait for a run of the graph")


max_body_option = click.option(
    "--max-body",
    "max_body_mib",
    type=click.IntRange(1, 1024),
    default=MAX_BODY_MIB,
    show_default=True,
    metavar="MIB",
    help="Largest response body that is read, in MiB after decompression.",
)


def trust_options(command: _Command) -> _Command:
    """Add the options `--ca-bundle` and `--insecure`, which exclude each other."""

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
    """Return the option `--visible-within`; `what` completes its help text."""
    return _seconds_option("--visible-within", 0.0, 5.0, f"within which {what}")


def reference_within_option(default_s: float) -> Callable[[_Command], _Command]:
    """Return the option `--reference-within`, with a default in seconds."""
    return click.option(
        "--reference-within",
        "reference_within_s",
        type=click.FloatRange(0),
        default=default_s,
        show_default=True,
        metavar="SECONDS",
        help="For so long, send what failed to the embedded reference too, whose answers "
        "report.html shows beside; 0: do not.",
    )


def chosen_graphs(
    context: click.Context, graph_id: str | None
) -> tuple[GraphSettings, OtherGraphs]:
    """Return the graphs of the configuration file; `graph_id` replaces the main graph's id."""
    config = context.obj or {}
    table = dict(config.get("graph", {}))
    if graph_id:
        table["id"] = graph_id
    try:
        return graph_settings(table), other_graphs(dict(config.get("graphs", {})))
    except SettingsError as unusable:
        raise click.UsageError(str(unusable)) from unusable

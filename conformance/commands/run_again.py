"""The command line that makes a run again, without its secrets."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

from conformance.contract.catalogue import ALL_CLIENTS
from conformance.report.run.next_commands import RunAgain

#: The options that name the deployment, the graph and the credentials; other commands have them
#: too.
_OF_TARGET = (
    *("server", "launcher_files", "graph_id", "headers", "header_file", "api_key"),
    *("api_key_file", "ca_bundle", "insecure"),
)
#: What selects checks, or says what is made of the results.
_LEFT_OUT = frozenset(
    {
        *("address", "url", "profile", "requirements", "capabilities", "keyword", "shard"),
        *("report_dir", "output_format", "verbose", "write_baseline", "strict_baseline"),
        *("schema_url", "keep", "exports"),
    }
)


def run_again(context: click.Context, url: str | None) -> RunAgain:
    """Return how the command of `context` is made again, by what the user typed.

    What comes from the environment or from a file is found there again. In place of a secret,
    and of the id of somebody's thread, there is a shell variable.
    """
    typed = [
        each
        for each in context.command.params
        if isinstance(each, click.Option)
        and context.get_parameter_source(str(each.name)) is ParameterSource.COMMANDLINE
        and each.name not in _LEFT_OUT
    ]
    named = [word for each in typed if each.name in _OF_TARGET for word in _words(each, context)]
    others = [
        word for each in typed if each.name not in _OF_TARGET for word in _words(each, context)
    ]
    address = [] if url is None else [shlex.quote(url)]
    return RunAgain(
        target=" ".join([*(["--url", *address] if address else []), *named]),
        options=" ".join([*address, *named, *others]),
    )


def _words(option: click.Option, context: click.Context) -> Iterator[str]:
    """Yield the option as it is typed, quoted for a shell."""
    name = max(option.opts, key=len)
    given: Any = context.params[str(option.name)]
    if option.is_flag:
        yield name
        return
    for value in given if option.multiple else (given,):
        yield name
        if option.name in ("headers", "other_headers"):
            yield f'"{value[0]}: $TOKEN"'
        elif option.name == "clients":
            yield "all" if value == ALL_CLIENTS else value[0]
        elif isinstance(value, tuple):
            yield shlex.quote(shlex.join(value))
        elif option.name in ("api_key", "other_api_key"):
            yield '"$TOKEN"'
        elif option.name == "thread_ids":
            # Of a thread that a read-only run looks at not even the id is told.
            yield '"$THREAD"'
        else:
            yield shlex.quote(str(value))

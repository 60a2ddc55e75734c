"""`run --read-only`: its options, their conflicts, and the threads to examine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import click

from conformance.contract.catalogue import HTTP
from conformance.deployment.probe.threads_to_visit import threads_to_visit
from conformance.deployment.settings import Settings
from conformance.report.plain_text import counted

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Options that conflict with --read-only: parameter of `run`, option, and reason.
_EXCLUDED = (
    ("server", "--server", "a server that is started for the run has no threads to look at"),
    ("disposable", "--disposable", "a read-only run changes no data, so leave out --disposable"),
    ("keep", "--keep", "a read-only run makes no threads that could be kept"),
    ("schema_url", "--schema-url", "a read-only run records no answers that could be compared"),
)


def _thread_ids_option(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    """Validate the ids; return them in canonical form, without duplicates."""
    try:
        return tuple(dict.fromkeys(str(UUID(each)) for each in given))
    except ValueError as malformed:
        raise click.BadParameter("a thread id is a UUID: give the complete id") from malformed


def read_only_options(command: _Command) -> _Command:
    """Add the options `--read-only` and `--thread`."""
    command = click.option(
        "--thread",
        "thread_ids",
        multiple=True,
        metavar="ID",
        callback=_thread_ids_option,
        help="With --read-only: check this thread; may be repeated.  "
        "[default: up to 10 that a search shows]",
    )(command)
    return click.option(
        "--read-only",
        is_flag=True,
        help="Write nothing: check existing threads by reading them, without recording their "
        "content.",
    )(command)


def check_read_only(url: str | None, given: dict[str, Any]) -> None:
    """Raise `click.UsageError` if options of `run` conflict with `--read-only`."""
    if not given["read_only"]:
        if given["thread_ids"]:
            raise click.UsageError("--thread is used only by a read-only run: add --read-only")
        return
    for parameter, option, why in _EXCLUDED:
        if given[parameter]:
            raise click.UsageError(f"--read-only and {option} exclude each other: {why}")
    if given["clients"] != (HTTP,):
        raise click.UsageError(
            "--read-only and --client exclude each other: a read-only run uses only the suite's "
            "own HTTP client, so leave out --client"
        )
    if url is None:
        raise click.UsageError(
            "--read-only checks the threads of a running deployment: name it with --url URL"
        )


def with_threads_to_visit(settings: Settings) -> Settings:
    """Return the settings with the threads to examine, and print their number."""
    settings = dataclasses.replace(settings, thread_ids=threads_to_visit(settings))
    number = len(settings.thread_ids)
    click.echo(
        f"Read-only: nothing is written; reads {counted(number, 'thread')}, whose content is not "
        "recorded"
    )
    return settings

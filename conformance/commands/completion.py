"""What a shell completes beside the names of commands and options: ids, capabilities, names.

Each function is the `shell_complete` of an option or argument: it returns the values that begin
with what is typed. Nothing is asked of a network.
"""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem


def requirement_ids(
    _context: click.Context, _param: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Complete the last of the requirement ids that are typed with commas between them."""
    from conformance.contract.catalogue import load_catalogue

    before, comma, last = typed.rpartition(",")
    return [
        CompletionItem(f"{before}{comma}{each.id}", help=each.title)
        for each in load_catalogue().requirements.values()
        if each.id.startswith(last.upper())
    ]


def report_or_requirement(
    context: click.Context, param: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Complete a requirement id, and where none begins so, the path of a report."""
    found = requirement_ids(context, param, typed) if typed else []
    return found or [CompletionItem(typed, type="file")]


def capabilities(
    _context: click.Context, _param: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Complete the name of a capability."""
    from conformance.contract.catalogue import load_catalogue

    return _beginning(typed, load_catalogue().capabilities())


def server_names(
    _context: click.Context, _param: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Complete the name of a server that can be started."""
    return _beginning(typed, _launcher_names())


def servers(_context: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete NAME==VERSION by what is installed, and NAME@latest by what can be."""
    from conformance.deployment.launch.server_cache import cached

    installed = [f"{each.name}=={each.version}" for each in cached()]
    return _beginning(typed, [*installed, *(f"{each}@latest" for each in _launcher_names())])


def fault_names(
    _context: click.Context, _param: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Complete the name of a fault."""
    from conformance.faults.registry import all_faults

    return _beginning(typed, all_faults())


def freedom_names(
    _context: click.Context, _param: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Complete the name of a freedom."""
    from conformance.freedoms.registry import all_freedoms

    return _beginning(typed, all_freedoms())


def _launcher_names() -> list[str]:
    from conformance.deployment.launch.catalogue import load_launchers
    from conformance.deployment.launch.errors import LauncherError

    try:
        return sorted(load_launchers())
    except LauncherError:
        # A launcher of the user's cannot be read: the command will tell.
        return []


def _beginning(typed: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(each) for each in names if each.startswith(typed)]

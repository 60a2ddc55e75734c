"""`threads-conformance serve`: the reference deployment."""

from __future__ import annotations

import difflib
import itertools
from pathlib import Path
from typing import TypeVar

import click
from starlette.types import ASGIApp

from conformance.commands import completion
from conformance.contract.catalogue import ACCESS_CAPABILITY, load_catalogue
from conformance.faults.registry import Fault, FaultError, all_faults, faulty_deployment
from conformance.freedoms.registry import Freedom, FreedomError, all_freedoms, free_deployment
from conformance.reference.altered import Altered
from conformance.reference.journal import JournalError
from conformance.reference.process import ReferenceProcess
from conformance.reference.serve_persistent import persist_in
from conformance.reference.server import PortTakenError, serve

DEFAULT_PORT = 8123

_Named = TypeVar("_Named")


def find_fault(name: str) -> Fault:
    """Return the fault with that name; raise a usage error with close matches if unknown."""
    return _find(name, load_faults(), "fault")


def find_freedom(name: str) -> Freedom:
    """Return the freedom with that name; raise a usage error with close matches if unknown."""
    return _find(name, load_freedoms(), "freedom")


def load_faults() -> dict[str, Fault]:
    """Return every fault by name; raise a usage error if one of them cannot be registered."""
    try:
        return all_faults()
    except FaultError as wrong:
        raise click.UsageError(str(wrong)) from wrong


def load_freedoms() -> dict[str, Freedom]:
    """Return every freedom by name; raise a usage error if one of them cannot be registered."""
    try:
        return all_freedoms()
    except FreedomError as wrong:
        raise click.UsageError(str(wrong)) from wrong


def _find(name: str, known: dict[str, _Named], what: str) -> _Named:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "reports/selftest.md lists them"
    raise click.BadParameter(f"there is no {what} {name!r}; {hint}")


def _fault_option(
    _context: click.Context, _option: click.Parameter, name: str | None
) -> Fault | None:
    return None if name is None else find_fault(name)


def _freedoms_option(
    _context: click.Context, _option: click.Parameter, names: tuple[str, ...]
) -> tuple[Freedom, ...]:
    found = tuple(find_freedom(name) for name in dict.fromkeys(names))
    for one, other in itertools.combinations(found, 2):
        if one.excludes(other):
            raise click.BadParameter(
                f"the freedoms {one.name} and {other.name} exclude each other: give one of them"
            )
    return found


def _tenants_option(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """Parse `NAME=KEY` options into names of tenants by key."""
    tenants: dict[str, str] = {}
    for each in given:
        name, equals, key = each.partition("=")
        if not (name and equals and key):
            raise click.BadParameter("write a tenant as NAME=KEY")
        if tenants.setdefault(key, name) != name:
            raise click.BadParameter(
                f"{tenants[key]} and {name} have the same key: give each tenant a key of its own"
            )
    return tenants


def _with_default_tenant(tenants: dict[str, str], api_key: str | None) -> dict[str, str]:
    """Return the tenants and, if there is an `api_key`, a tenant `default` with that key."""
    if api_key in tenants:
        raise click.BadParameter(
            f"it is also the key of the tenant {tenants[api_key]}: give another key",
            param_hint="--api-key",
        )
    return {api_key: "default", **tenants} if api_key else tenants


def _check_fault_is_visible(fault: Fault, tenants: dict[str, str]) -> None:
    """Raise a usage error if a fault about access is to be served without tenants."""
    requirements = load_catalogue().requirements
    about_access = any(requirements[each].capability == ACCESS_CAPABILITY for each in fault.breaks)
    if about_access and not tenants:
        raise click.UsageError(
            f"the fault {fault.name} can be seen only with access control: "
            "give two tenants with --tenant NAME=KEY"
        )


@click.command("serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--fault",
    metavar="NAME",
    shell_complete=completion.fault_names,
    callback=_fault_option,
    help="Serve with this fault, which breaks some requirements.",
)
@click.option(
    "--freedom",
    "freedoms",
    metavar="NAME",
    shell_complete=completion.freedom_names,
    multiple=True,
    callback=_freedoms_option,
    help="Serve with this freedom: unlike the reference, and still conformant. May be repeated.",
)
@click.option(
    "--api-key",
    metavar="KEY",
    help="Answer only requests that send this key, or that of a --tenant, as x-api-key.",
)
@click.option(
    "--tenant",
    "tenants",
    multiple=True,
    metavar="NAME=KEY",
    callback=_tenants_option,
    help="A tenant and its key: each sees its own threads, runs and crons only. May be repeated.",
)
@click.option(
    "--store",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the threads in this file, so that they are there when it is served again. "
    "[default: in memory]",
)
@click.option("--until-eof", is_flag=True, hidden=True)
def serve_command(
    port: int,
    fault: Fault | None,
    freedoms: tuple[Freedom, ...],
    api_key: str | None,
    tenants: dict[str, str],
    store: Path | None,
    until_eof: bool,
) -> None:
    """Serve the reference deployment, which keeps every promise, on this machine.

    It offers the graph `agent`, holds its threads in memory unless --store names a file, and
    prints its URL when it is ready. Stop it with Ctrl-C.

    Exit status: 130 stopped by Ctrl-C, 2 wrong usage: the port is taken, say.
    """
    tenants = _with_default_tenant(tenants, api_key)
    if fault and freedoms:
        raise click.UsageError("--fault and --freedom exclude each other: leave one out")
    if fault:
        _check_fault_is_visible(fault, tenants)
    if store and tenants:
        raise click.UsageError(
            "--store keeps the threads of one deployment, and each tenant has its own: leave out "
            "--store, or --tenant and --api-key"
        )
    app: ASGIApp | None = None
    altered: Altered | None = None
    if freedoms:
        of_each, app = free_deployment(freedoms, tenants=tenants)
        altered = of_each[0][0]
    elif fault or tenants or store:
        altered, app = faulty_deployment(fault, tenants=tenants)
    try:
        if store and altered:
            persist_in(altered, store)
        serve(port, until_eof=until_eof, app=app)
    except (PortTakenError, JournalError) as taken:
        raise click.UsageError(str(taken)) from taken
    except KeyboardInterrupt:
        return


class ServedProcess(ReferenceProcess):
    """The reference as this command serves it, with its options, as a child process."""

    program = f"from {__name__} import serve_command; serve_command()"

    def arguments(self, port: str, store: Path | None) -> list[str]:
        """Return the arguments of the command; port 0 takes a free one."""
        return ["--port", port, "--until-eof", *(["--store", str(store)] if store else [])]

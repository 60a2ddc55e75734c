"""`threads-conformance serve`: the reference deployment."""

from __future__ import annotations

import difflib

import click

from conformance.reference.faults import Fault, all_faults, broken_deployment
from conformance.reference.server import PortTakenError, serve

DEFAULT_PORT = 8123


def find_fault(name: str) -> Fault:
    """The fault of that name; a usage error with near matches if there is none."""
    faults = all_faults()
    if name in faults:
        return faults[name]
    near = difflib.get_close_matches(name, faults, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "reports/selftest.md lists them"
    raise click.BadParameter(f"there is no fault {name!r}; {hint}")


def _found(_context: click.Context, _option: click.Parameter, name: str | None) -> Fault | None:
    return None if name is None else find_fault(name)


@click.command("serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--fault", metavar="NAME", callback=_found, help="Break promises in this way.")
@click.option("--until-eof", is_flag=True, hidden=True)
def serve_command(port: int, fault: Fault | None, until_eof: bool) -> None:
    """Serve the reference deployment, which keeps every promise, on this machine.

    It offers the graph `agent`, holds its threads in memory, and says its URL when
    it is ready. End it with Ctrl-C.
    """
    try:
        serve(port, until_eof=until_eof, app=broken_deployment(fault)[1] if fault else None)
    except PortTakenError as taken:
        raise click.UsageError(str(taken)) from taken
    except KeyboardInterrupt:
        return

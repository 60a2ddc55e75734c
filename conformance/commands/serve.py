"""`threads-conformance serve`: the reference deployment."""

from __future__ import annotations

import click

from conformance.reference.server import PortTakenError, serve

DEFAULT_PORT = 8123


def _known_fault(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    if name is not None:
        raise click.BadParameter(f"there is no fault {name!r}; there are none yet")
    return name


@click.command("serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--fault", metavar="NAME", callback=_known_fault, hidden=True)
@click.option("--until-eof", is_flag=True, hidden=True)
def serve_command(port: int, fault: str | None, until_eof: bool) -> None:
    """Serve the reference deployment, which keeps every promise, on this machine.

    It offers the graph `agent`, holds its threads in memory, and says its URL when
    it is ready. End it with Ctrl-C.
    """
    try:
        serve(port, until_eof=until_eof)
    except PortTakenError as taken:
        raise click.UsageError(str(taken)) from taken
    except KeyboardInterrupt:
        return

"""`threads-conformance contract`: what the contract is made of, and what newer releases add."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from conformance.commands.format_option import format_option
from conformance.contract import delta
from conformance.contract.catalogue import load_catalogue
from conformance.contract.published import (
    PINNED_VERSION,
    SERVER,
    PublishedError,
    extract,
    load_published,
    read_openapi,
)


@click.group(name="contract")
def contract_command() -> None:
    """Tell what newer releases add to the published contract.

    Exit status: that of its command.
    """


@contract_command.command(name="delta")
@click.argument("openapi", metavar="OPENAPI")
@format_option("JSON is a list of additions with `cited_by` and `left_out`.")
def delta_command(openapi: str, output_format: str) -> None:
    """Tell what OPENAPI, a file or a URL, declares beyond the pinned document.

    For each addition: the requirements that cite it, or the reason why it is left out.

    Exit status: 0 every addition is cited or left out, 1 one is neither, 2 OPENAPI cannot be used.
    """
    try:
        new = extract(read_openapi(openapi), "newer")
    except PublishedError as problem:
        raise click.UsageError(str(problem)) from problem
    except (KeyError, TypeError, AttributeError) as problem:
        raise click.UsageError(
            f"{openapi} is no complete OpenAPI document ({problem!r}); give the openapi.json of a "
            f"{SERVER}"
        ) from problem
    found = delta.coverage(delta.additions(load_published(), new), load_catalogue())
    if output_format == "json":
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
    else:
        _print(found)
    sys.exit(0 if all(each.covered for each in found) else 1)


def _print(found: list[delta.AdditionCoverage]) -> None:
    if not found:
        click.echo(f"nothing beyond {SERVER} {PINNED_VERSION}")
        return
    for each in found:
        by = ", ".join(each.cited_by) or (each.left_out and f"left out: {each.left_out}")
        click.echo(f"{each.addition}\n    {by or 'NEITHER cited nor left out'}")
    missing = sum(not each.covered for each in found)
    click.echo(f"{len(found)} additions to {SERVER} {PINNED_VERSION}, {missing} not covered")
    if missing:
        click.echo(
            "Write a requirement that cites it (`published OpenAPI RELEASE: …`, with since and "
            "claim), or an entry in left_out.toml."
        )

"""`threads-conformance requirements`: the catalogue as text, JSON or Markdown."""

from __future__ import annotations

import difflib
import fnmatch
import json
from collections.abc import Iterable
from dataclasses import asdict

import click

from conformance.commands import completion
from conformance.commands.format_option import format_option
from conformance.contract.catalogue import (
    ALL_CLIENTS,
    EFFORTS,
    PROFILES,
    Catalogue,
    LeftOut,
    Requirement,
    load_catalogue,
)


@click.command("requirements")
@click.argument(
    "wanted", metavar="[ID|WORD]", required=False, shell_complete=completion.requirement_ids
)
@click.option(
    "--profile", type=click.Choice(PROFILES), help="Print only the requirements of this profile."
)
@format_option("Output format; short is a line for each.", ("text", "short", "json", "markdown"))
def requirements_command(wanted: str | None, profile: str | None, output_format: str) -> None:
    """Print the promises that are checked, or some of them.

    ID is a requirement's id, such as COPY-03, several with commas between them, or a pattern such
    as 'COPY-*'. WORD is a word of an id, a title or a statement.

    Exit status: 0 printed, 2 wrong usage: there is no such requirement.
    """
    catalogue = load_catalogue()
    found = list(catalogue.in_profile(profile or PROFILES[-1], ALL_CLIENTS))
    if wanted:
        within = wanted.lower()
        found = [
            each
            for each in found
            if within in f"{each.id}\n{each.title}\n{each.statement}".lower()
            and wanted.upper() not in catalogue.requirements
        ] or [catalogue.requirements[each] for each in find_requirements(catalogue, (wanted,))]
    if output_format == "json":
        click.echo(json.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False))
    elif output_format == "markdown":
        click.echo(as_markdown(found, () if wanted or profile else catalogue.left_out))
    elif output_format == "short":
        click.echo("\n".join(f"{each.id:20} {each.level:6} {each.title}" for each in found))
    else:
        click.echo("\n\n".join(map(as_text, found)))


def find_requirements(catalogue: Catalogue, names: Iterable[str]) -> tuple[str, ...]:
    """Return the ids that are named, each once; raise a usage error for an unknown name.

    A name is an id, several with commas between them, or a pattern such as `COPY-*`.
    """
    found: dict[str, None] = {}
    for name in (each.strip() for text in names for each in text.split(",")):
        if any(wild in name for wild in "*?["):
            matching = fnmatch.filter(catalogue.requirements, name.upper())
            if not matching:
                raise click.UsageError(f"no requirement matches {name}")
            found |= dict.fromkeys(matching)
        elif name:
            found[find_requirement(catalogue, name).id] = None
    return tuple(found)


def find_requirement(catalogue: Catalogue, name: str) -> Requirement:
    """Return the requirement with that id; raise a usage error with close matches if unknown."""
    known = catalogue.requirements
    if name.upper() in known:
        return known[name.upper()]
    stem, _, number = name.upper().rpartition("-")
    padded = f"{stem}-{number.zfill(2)}"
    near = [padded] if padded in known else difflib.get_close_matches(name.upper(), known, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise click.UsageError(
        f"unknown requirement {name}; {hint}`threads-conformance requirements` lists all"
    )


def as_text(requirement: Requirement) -> str:
    """Return one requirement as a paragraph for a terminal."""
    lines = [
        f"{requirement.id}  {requirement.title}",
        f"    {requirement.statement}",
        f"    {requirement.level}, {requirement.profile}, {requirement.capability}",
        *(f"    source: {source}" for source in requirement.sources),
    ]
    if requirement.effort != EFFORTS[0]:
        lines.append(f"    checked at effort {requirement.effort} only")
    if requirement.rationale:
        lines.append(f"    why: {requirement.rationale}")
    if requirement.disputed:
        lines.append(f"    disputed: {requirement.disputed}")
    return "\n".join(lines)


def as_markdown(requirements: Iterable[Requirement], left_out: Iterable[LeftOut]) -> str:
    """Return the requirements as tables, one per capability, and one of what is left out."""
    lines = ["# Requirements"]
    capability = None
    for each in requirements:
        if each.capability != capability:
            capability = each.capability
            lines += ["", f"## {capability}", "", "| id | level | profile | promise | sources |"]
            lines.append("|---|---|---|---|---|")
        promise = " ".join(
            filter(
                None,
                (
                    each.statement,
                    each.rationale and f"*Why:* {each.rationale}",
                    each.disputed and f"*Disputed:* {each.disputed}",
                ),
            )
        )
        cells = (each.id, each.level, each.profile, promise, "; ".join(each.sources))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    rest = list(left_out)
    if rest:
        lines += ["", "## Left out", "", "| what | source | why |", "|---|---|---|"]
        lines += [
            "| "
            + " | ".join(cell.replace("|", "\\|") for cell in (each.what, each.source, each.reason))
            + " |"
            for each in rest
        ]
    return "\n".join(lines)

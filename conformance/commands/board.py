"""`threads-conformance board`: deployments against requirements, from their reports."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import click

from conformance.commands.board_runs import run_servers
from conformance.commands.report_reading import UnusableError, read_report
from conformance.contract.catalogue import load_catalogue
from conformance.report.board.history import add_to_history, read_history
from conformance.report.board.markdown import EVIDENCE, board_markdown, evidence_markdown
from conformance.report.board.model import make_board
from conformance.report.board.site import site_files
from conformance.report.board.site_model import Site, make_site, unequal
from conformance.report.plain_text import counted
from conformance.report.record import ReportError
from conformance.report.run.write import write_text

#: Exit status where a server could not be run.
_NOT_RUN = 3
#: The file that lists the other files of a board, so that the next one can remove them.
_LIST = "files.txt"
#: Names that a list may hold: nothing outside of the folder is removed, whatever it says.
_OWN_NAME = re.compile(r"(?:servers|versions|requirements|badges|evidence)/[\w.+-]+")


@click.command("board")
@click.argument("reports", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--run",
    "servers",
    metavar="SERVERS.TOML",
    type=click.Path(dir_okay=False, path_type=Path),
    help="First run the servers of this file side by side; their reports join REPORTS.",
)
@click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --run: where the reports go, each in a folder of its own.  [default: the folder of "
    "the output folder]",
)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports/board"),
    show_default=True,
    help="Where the pages, board.md and the folder evidence go.",
)
@click.option(
    "--history",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the verdicts of versions are kept, in SERVER/VERSION.json.  [default: the folder "
    "history beside the output folder]",
)
@click.option(
    "--add",
    is_flag=True,
    help="Keep the verdicts of REPORTS in the history, in place of what it has of the same "
    "versions; those that are set apart are left out.",
)
@click.option(
    "--equal",
    is_flag=True,
    help="Refuse runs that differ in profile, effort, suite or catalogue, and partial ones.",
)
def board_command(
    reports: tuple[Path, ...],
    servers: Path | None,
    runs_dir: Path | None,
    output_dir: Path,
    history: Path | None,
    add: bool,
    equal: bool,
) -> None:
    """Make the board: servers against requirements, as pages and as Markdown.

    REPORTS are report.json (or report.json.gz) files, or folders that hold one. index.html shows
    all servers on one screen; there are pages for every server, version and requirement, with the
    evidence and, where the history holds older versions, since when it is so. The pages need no
    server, no network and no scripts. The same reports and history, in any order, give the same
    files byte for byte. Deviations that a baseline accepts are shown as not kept.

    Runs of the profile and effort that most REPORTS have are compared, by the requirements that all
    of them were judged by; others, and partial ones, are set apart.

    Exit status: 0 written, 2 wrong usage: a report, the history or the folder cannot be used, or
    the runs are not equal and --equal is given, 3 a server of --run gave no report; those that
    did are on the board.
    """
    whole = True
    if servers:
        made, whole = run_servers(servers, runs_dir or output_dir.parent)
        reports = (*reports, *made)
        if not reports:
            sys.exit(_NOT_RUN)
    elif not reports:
        raise click.UsageError("name the reports, or the servers to run with --run")
    kept = history or output_dir.parent / "history"
    try:
        read = [read_report(each) for each in reports]
        board = make_board(read)
        requirements = load_catalogue().requirements
        site = make_site(board, read_history(kept), requirements)
        if equal and (reasons := unequal(site)):
            raise ReportError(
                "the runs are not equal, and --equal is given:\n  "
                + "\n  ".join(reasons)
                + "\nGive reports of runs with one profile and effort by one version of the suite."
            )
        if add:
            compared = [each.column.report for each in site.everything if each.column]
            added = add_to_history(kept, compared)
            click.echo(f"Added to {kept}: {counted(len(added), 'version')}")
        before, written = _listed(output_dir), []
        for name, text in _files(site):
            write_text(output_dir / name, text, option="--output-dir")
            written.append(name)
        write_text(output_dir / _LIST, "\n".join(sorted(written)) + "\n", option="--output-dir")
        _remove(output_dir, before - set(written))
    except ReportError as unusable:
        raise UnusableError(str(unusable)) from unusable
    for each in site.apart:
        click.echo(f"Set apart: {each.judged.label}: {each.why}")
    click.echo(
        f"{counted(len(site.rows), 'requirement')} against "
        f"{counted(len(site.everything), 'version')} of {counted(len(site.servers), 'server')}"
    )
    click.echo(f"Written to {output_dir}: index.html, board.md and {len(written) - 2} other files")
    if not whole:
        sys.exit(_NOT_RUN)


def _listed(folder: Path) -> frozenset[str]:
    """Return the files that the folder's list says a board has written there before."""
    try:
        names = (folder / _LIST).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(each for each in names if _OWN_NAME.fullmatch(each))


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove pages of what is on the board no longer: a link from outside would show old verdicts.

    What cannot be removed stays.
    """
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()


def _files(site: Site) -> Iterator[tuple[str, str]]:
    """Yield path and text of every file: the pages, and the board in Markdown."""
    requirements, board = load_catalogue().requirements, site.board
    yield from site_files(site, requirements)
    yield "board.md", board_markdown(board, site)
    for number, column in enumerate(board.columns):
        yield f"{EVIDENCE}/{column.slug}.md", evidence_markdown(board, number, requirements)

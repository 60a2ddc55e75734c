"""`threads-conformance board`: deployments against requirements, from their reports."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.commands.report_reading import UnusableError, read_report
from conformance.contract.catalogue import load_catalogue
from conformance.report.board.html import board_html
from conformance.report.board.markdown import EVIDENCE, board_markdown, evidence_markdown
from conformance.report.board.model import Board, make_board
from conformance.report.plain_text import counted
from conformance.report.record import ReportError
from conformance.report.run.write import write_text


@click.command("board")
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports/board"),
    show_default=True,
    help="Where board.md, index.html and the folder evidence go.",
)
def board_command(reports: tuple[Path, ...], output_dir: Path) -> None:
    """Make the board of several reports: requirements against deployments.

    REPORTS are report.json (or report.json.gz) files, or folders that hold one. Every cell
    links to its evidence; each version of a server is compared with the one before. The same
    reports, in any order, give the same files byte for byte. Deviations that a baseline
    accepts are shown as not kept.

    Exit status: 0 written, 2 wrong usage: a report or the folder cannot be used.
    """
    try:
        board = make_board([read_report(each) for each in reports])
        files = _write(board, output_dir)
    except ReportError as unusable:
        raise UnusableError(str(unusable)) from unusable
    rows = counted(len(board.rows), "requirement")
    click.echo(f"{rows} against {counted(len(board.columns), 'deployment')}")
    click.echo(
        f"Written to {output_dir}: {', '.join(files[:2])}, and one file in {EVIDENCE}/ for each "
        "deployment"
    )


def _write(board: Board, directory: Path) -> list[str]:
    """Write every file of the board; return their names."""
    requirements = load_catalogue().requirements
    texts = {
        "board.md": board_markdown(board),
        "index.html": board_html(board, requirements),
        **{
            f"{EVIDENCE}/{column.slug}.md": evidence_markdown(board, number, requirements)
            for number, column in enumerate(board.columns)
        },
    }
    for name, text in texts.items():
        write_text(directory / name, text, option="--output-dir")
    return list(texts)

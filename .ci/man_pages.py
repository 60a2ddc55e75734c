"""Write the manual pages of all commands, made of the texts of their help.

python .ci/man_pages.py          writes man/man1/*.1
python .ci/man_pages.py --check  exits with 1, and names them, if pages are not current
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from conformance import __version__
from conformance.cli import cli

FOLDER = Path(__file__).parent.parent / "man" / "man1"
_PROGRAM = "threads-conformance"
_EXIT_STATUS = "Exit status: "


def pages() -> dict[str, str]:
    """Return the text of every page by the name of its file."""
    # As when it is invoked, so that --help has the names that it has there.
    context = click.Context(cli, info_name=_PROGRAM, **cli.context_settings)
    return dict(_pages_of(context))


def _pages_of(context: click.Context) -> Iterator[tuple[str, str]]:
    command = context.command
    yield f"{context.command_path.replace(' ', '-')}.1", _page(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _pages_of(click.Context(found, parent=context, info_name=name))


def _page(context: click.Context) -> str:
    command, path = context.command, context.command_path
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    told = [each for each in paragraphs if not each.startswith(_EXIT_STATUS)]
    exits = [each for each in paragraphs if each.startswith(_EXIT_STATUS)]
    name = path.replace(" ", "-")
    lines = [
        f'.TH "{_text(name.upper())}" "1" "" "{_text(f"{_PROGRAM} {__version__}")}"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(command.get_short_help_str(200))}",
        ".SH SYNOPSIS",
        f".B {_text(path)}",
        _line(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *_paragraphs(told),
    ]
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    lines.append(".SH OPTIONS")
    for record in filter(None, (each.get_help_record(context) for each in options)):
        lines += [".TP", f"\\fB{_text(record[0])}\\fR", _line(record[1])]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None
            lines += [".TP", f"\\fB{_text(f'{name}-{each}')}\\fR(1)"]
            lines.append(_line(found.get_short_help_str(200)))
    if exits:
        lines += [".SH EXIT STATUS", *_paragraphs(each[len(_EXIT_STATUS) :] for each in exits)]
    if command.epilog:
        lines += [".SH NOTES", _line(command.epilog)]
    return "\n".join(lines) + "\n"


def _paragraphs(texts: Iterator[str] | list[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        if number:
            yield ".PP"
        # As click does: what follows a \b keeps its lines.
        if text.startswith("\b"):
            yield from (".nf", *map(_line, text.splitlines()[1:]), ".fi")
        else:
            yield _line(" ".join(text.split()))


def _text(text: str) -> str:
    """Return a text as troff shows it unchanged."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")


def _line(text: str) -> str:
    """Return a line of text, which is no request even if it begins as one."""
    return f"\\&{_text(text)}" if text[:1] in (".", "'") else _text(text)


def main() -> int:
    """Write the pages, or check them; return the exit status."""
    made = pages()
    there = {each.name: each.read_text(encoding="utf-8") for each in FOLDER.glob("*.1")}
    if "--check" in sys.argv[1:]:
        stale = sorted(
            name for name in made.keys() | there.keys() if made.get(name) != there.get(name)
        )
        if stale:
            print(f"not current, run python .ci/man_pages.py: {', '.join(stale)}")
        return bool(stale)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in there.keys() - made.keys():
        (FOLDER / name).unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Make the sources of the documentation site, and build it with every link checked.

    python .ci/docs_site.py FOLDER             the sources, and the site in FOLDER/site
    python .ci/docs_site.py --sources FOLDER   the sources alone

The pages are those of the repository, where they link to one another as files; here their links are
written for the site. A link to a file that is no page becomes the name of the file, and a link to
what is not there is an error. The catalogue and the commands are generated.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from conformance.cli import cli
from conformance.commands.requirements import as_markdown
from conformance.contract.catalogue import Requirement, load_catalogue

ROOT = Path(__file__).resolve().parent.parent
#: Pages that stand outside docs/, and where they are on the site.
_ELSEWHERE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "fixtures/deployments/launchers/README.md": "own-launcher.md",
}
#: The parts of the site; pages of docs/ that are in none of them come last in "More".
_PARTS = {
    "Start": ["index.md", "quick-start.md"],
    "Guides": ["gate-a-release.md", "check-a-compatible-server.md", "report-on-an-upgrade.md"],
    "Use": [
        *("settings.md", "own-graph.md", "own-launcher.md", "credentials-and-tenants.md"),
        *("under-load.md", "pytest-and-python.md", "containers.md", "commands.md"),
    ],
    "Meaning": ["verdicts.md", "safety.md", "catalogue/index.md", "what-was-found.md"],
    "Project": [
        *("architecture.md", "contributing.md", "security.md", "benchmarks.md", "changelog.md"),
    ],
}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)


class BrokenLinkError(Exception):
    """A page links to what is not in the repository."""


def pages() -> dict[str, str]:
    """Return the text of every page by its path on the site; `BrokenLinkError` for a dead link."""
    files = {**_ELSEWHERE, **{f"docs/{each}": each for each in _documents()}}
    written = {
        page: _for_site((ROOT / file).read_text(encoding="utf-8"), file, page, files)
        for file, page in files.items()
    }
    return {**written, **_catalogue_pages(), "commands.md": _commands_page()}


def _documents() -> list[str]:
    docs = ROOT / "docs"
    return sorted(each.relative_to(docs).as_posix() for each in docs.rglob("*.md"))


def _for_site(text: str, file: str, page: str, files: dict[str, str]) -> str:
    """Return a page with its links as they are on the site."""

    def linked(found: re.Match[str]) -> str:
        image, label, target = found.groups()
        path, mark, anchor = target.partition("#")
        if not path or ":" in path:
            return found[0]
        there = os.path.normpath(Path(file).parent / path)
        if there not in files and not (ROOT / there).exists():
            raise BrokenLinkError(f"{file} links to {target}, which is not there")
        if f"{there}/README.md" in files:
            there = f"{there}/README.md"
        if there in files:
            target = os.path.relpath(files[there], Path(page).parent)
            return f"{image}[{label}]({target}{mark}{anchor})"
        if image:
            return found[0] if file.startswith("docs/") else f"![{label}]({path[len('docs/') :]})"
        return label if f"`{there}`" in label else f"{label} (`{there}`)"

    pieces = _FENCE.split(text)
    return "".join(
        piece if piece.lstrip().startswith("```") else _LINK.sub(linked, piece) for piece in pieces
    )


def _catalogue_pages() -> dict[str, str]:
    """Return the pages of the catalogue: one for each capability, and one that lists them."""
    catalogue = load_catalogue()
    by_capability: dict[str, list[Requirement]] = {}
    for each in catalogue.requirements.values():
        by_capability.setdefault(each.capability, []).append(each)
    rows = [
        f"| [{name}]({name}.md) | {len(found)} | "
        f"{sum(each.level == 'MUST' for each in found)} | {_words(found[0].title)} |"
        for name, found in sorted(by_capability.items())
    ]
    index = [
        "# The catalogue",
        "",
        f"{len(catalogue.requirements)} requirements, of which a run judges those of its profile. "
        f"Digest: `{catalogue.digest}`.",
        "",
        "| capability | requirements | MUST | the first of them |",
        "|---|---|---|---|",
        *rows,
        "",
        # What is left out, as the command prints it.
        as_markdown((), catalogue.left_out).partition("\n")[2].strip(),
        "",
    ]
    found = {
        f"catalogue/{name}.md": _capability(name, each) for name, each in by_capability.items()
    }
    return {"catalogue/index.md": "\n".join(index), **found}


def _capability(name: str, requirements: list[Requirement]) -> str:
    lines = [f"# {name}", ""]
    for each in requirements:
        lines += [f"## {each.id} {_words(each.title)} {{ #{each.id} }}", "", _words(each.statement)]
        lines += ["", f"{each.level}, profile {each.profile}", ""]
        lines += [f"- Source: {_words(source)}" for source in each.sources]
        lines += [f"- Why: {_words(each.rationale)}"] if each.rationale else []
        lines += [f"- Disputed: {_words(each.disputed)}"] if each.disputed else []
        lines.append("")
    return "\n".join(lines)


def _words(text: str) -> str:
    """Return a text as Markdown that shows it as it is, but for its inline code."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_\[\]<>|{}#])", r"\\\1", part)
        for part in parts
    )


def _commands_page() -> str:
    """Return the help of every command, as a terminal shows it."""
    lines = ["# Commands", "", "What `threads-conformance COMMAND --help` prints."]
    # The width of the terminal that builds the site must not matter.
    root = click.Context(
        cli, info_name="threads-conformance", terminal_width=100, **cli.context_settings
    )
    for context in _contexts(root):
        words = context.command_path.partition(" ")[2] or "threads-conformance"
        with context:
            lines += ["", f"## {words}", "", "```text", context.command.get_help(context), "```"]
    return "\n".join(lines) + "\n"


def _contexts(context: click.Context) -> Iterator[click.Context]:
    """Yield the context of a command, and those of all commands within it."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _contexts(click.Context(found, parent=context, info_name=name))


def settings(made: dict[str, str]) -> str:
    """Return zensical.toml for the pages; each page is in the navigation."""
    placed = {page for part in _PARTS.values() for page in part}
    parts: dict[str, list[str]] = dict(_PARTS)
    parts["Catalogue"] = sorted(each for each in made if each.startswith("catalogue/"))
    parts["Found upstream"] = sorted(each for each in made if each.startswith("upstream/"))
    parts["Examples"] = sorted(each for each in made if each.startswith("examples/"))
    placed |= {*parts["Catalogue"], *parts["Found upstream"], *parts["Examples"]}
    parts["More"] = sorted(made.keys() - placed)
    nav = ",\n  ".join(
        f"{{ {json.dumps(name)} = [{', '.join(map(json.dumps, part))}] }}"
        for name, part in parts.items()
        if part
    )
    return f"""[project]
site_name = "threads-conformance"
site_description = "Does a LangGraph Server keep the promises of its Threads API?"
nav = [
  {nav},
]

[project.theme]
# Nothing is fetched from elsewhere.
font = false
features = ["navigation.sections", "navigation.top", "content.code.copy"]

[[project.theme.palette]]
media = "(prefers-color-scheme: light)"
scheme = "default"

[[project.theme.palette]]
media = "(prefers-color-scheme: dark)"
scheme = "slate"
"""


def write_sources(folder: Path) -> None:
    """Write the pages, pictures and settings of the site, and nothing else, to a folder."""
    made = pages()
    shutil.rmtree(folder, ignore_errors=True)
    for page, text in made.items():
        file = folder / "docs" / page
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    pictures = ROOT / "docs" / "pictures"
    if pictures.is_dir():
        shutil.copytree(pictures, folder / "docs" / "pictures")
    (folder / "zensical.toml").write_text(settings(made), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the sources of the site, and build it unless only they are asked for."""
    folder = Path(arguments[-1])
    try:
        write_sources(folder)
    except BrokenLinkError as broken:
        print(f"Error: {broken}", file=sys.stderr)
        return 1
    if "--sources" in arguments:
        return 0
    zensical = Path(sys.executable).with_name("zensical")
    return subprocess.run([zensical, "build", "--clean", "--strict"], cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The five source documents, split into parts, and the index that covers each part.

`read_document` splits a document into code blocks, printed outputs and sentences, and
`differences` reports where the documents and the reviewed index disagree. The texts of the
documents are not in this repository; the index and the facts are: see `documented.py`.
"""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LANGUAGES = {"python": "Python", "js": "Javascript", "bash": "CURL"}

_FENCE = re.compile(r"^```(\w*)$")
_HEADING = re.compile(r"^#+ +(.*)$")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\[(`])")
_SEGMENT = "Language: None"


@dataclass(frozen=True)
class Part:
    """A code block, an output or a sentence: the `n`-th of its kind in its document."""

    n: int
    section: str
    text: str
    language: str = ""

    @property
    def sha256(self) -> str:
        """The SHA-256 digest of the text, each run of white space replaced by one space."""
        return hashlib.sha256(" ".join(self.text.split()).encode()).hexdigest()


@dataclass
class Document:
    """The parts of a document, each kind in the order of the text."""

    file: str
    sha256: str
    blocks: list[Part] = field(default_factory=list)
    outputs: list[Part] = field(default_factory=list)
    sentences: list[Part] = field(default_factory=list)

    def add(self, kind: list[Part], section: str, text: str, language: str = "") -> None:
        """Append a part with the next number of its kind."""
        kind.append(Part(len(kind) + 1, section, text, language))

    def add_prose(self, section: str, text: str) -> None:
        """Append the sentences of a paragraph."""
        for sentence in _SENTENCE_END.split(text.strip()):
            self.add(self.sentences, section, sentence)


def read_document(path: Path) -> Document:
    """Split a document into its parts. Tab labels (`=== "Python"`) are ignored."""
    raw = path.read_bytes()
    document = Document(path.name, hashlib.sha256(raw).hexdigest())
    text = raw.decode("utf-8")
    if text.startswith(_SEGMENT):
        _read_segments(document, text)
    else:
        _read_markdown(document, text)
    return document


def _read_segments(document: Document, text: str) -> None:
    """Read a document of code pieces separated by `---`; a fence may span several pieces."""
    fence: str | None = None
    pieces = [piece.strip() for piece in re.split(r"^---$", text, flags=re.MULTILINE)]
    for number, piece in enumerate((piece for piece in pieces if piece), start=1):
        section = f"segment {number}"
        lines = piece.removeprefix(_SEGMENT).strip("\n").split("\n")
        opened = _FENCE.match(lines[0])
        if opened and fence is None:
            fence = opened[1]
        code = [line for line in lines if not _FENCE.match(line)]
        body = "\n".join(code)
        if fence is not None:
            document.add(document.blocks, section, body, LANGUAGES[fence])
        elif body.startswith(("{", "[")):
            document.add(document.outputs, section, body, "output")
        else:
            document.add_prose(section, body)
        if lines[-1] == "```":
            fence = None


def _read_markdown(document: Document, text: str) -> None:
    section = ""
    paragraph: list[str] = []
    lines = iter(text.split("\n"))

    def end_paragraph() -> None:
        if paragraph:
            document.add_prose(section, "\n".join(paragraph))
            paragraph.clear()

    for line in lines:
        bare = line.strip()
        if not bare or line.startswith("==="):
            end_paragraph()
        elif heading := _HEADING.match(line):
            end_paragraph()
            section = heading[1].strip()
            document.add(document.sentences, section, section)
        elif fence := _FENCE.match(bare):
            end_paragraph()
            code = textwrap.dedent("\n".join(_until_fence(lines)))
            document.add(document.blocks, section, code, LANGUAGES[fence[1]])
        elif bare == "Output:":
            end_paragraph()
            document.add(document.sentences, section, bare)
        elif line.startswith("    ") and _introduces_output(document, paragraph):
            # The output runs to the next line that is not indented, which is a heading.
            shown = [line]
            following = ""
            for following in lines:
                if following.strip() and not following.startswith("    "):
                    break
                shown.append(following)
            output = textwrap.dedent("\n".join(shown)).strip()
            document.add(document.outputs, section, output, "output")
            if heading := _HEADING.match(following):
                section = heading[1].strip()
                document.add(document.sentences, section, section)
        else:
            if bare.startswith("- "):
                end_paragraph()
            paragraph.append(bare)
    end_paragraph()


def _until_fence(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.strip() == "```":
            return
        yield line


def _introduces_output(document: Document, paragraph: list[str]) -> bool:
    return not paragraph and bool(document.sentences) and document.sentences[-1].text == "Output:"


def differences(folder: Path, index: dict[str, Any]) -> list[str]:
    """Return a line for each disagreement between the documents in `folder` and the index."""
    found: list[str] = []
    indexed = {entry["file"]: entry for entry in index["documents"]}
    present = {path.name: path for path in sorted(folder.glob("*.txt"))}
    for name in sorted(indexed.keys() ^ present.keys()):
        where = "the index" if name in indexed else "the folder"
        found.append(f"{name} stands only in {where}")
    for name in sorted(indexed.keys() & present.keys()):
        document, entry = read_document(present[name]), indexed[name]
        if document.sha256 != entry["sha256"]:
            found.append(f"{name}: the text has changed since it was indexed")
        for kind in ("blocks", "outputs", "sentences"):
            found += _part_differences(name, kind, getattr(document, kind), entry)
    return found


def _part_differences(
    name: str, kind: str, parts: list[Part], entry: dict[str, Any]
) -> Iterator[str]:
    if len(parts) != entry["counts"][kind]:
        counted = entry["counts"][kind]
        yield f"{name}: has {len(parts)} {kind}, the index counts {counted}"
    accounts = {account["n"]: account for account in entry[kind]}
    for part in parts:
        account = accounts.get(part.n)
        if account is None:
            yield f"{name}: {kind} {part.n} is not in the index"
        elif account["sha256"] != part.sha256:
            yield f"{name}: {kind} {part.n} is not the one that the index describes"


def incomplete_entries(index: dict[str, Any], fixtures: dict[str, dict[str, Any]]) -> list[str]:
    """Return a line for each entry of the index that is incomplete or inconsistent.

    A part needs requirements or fixtures, or a reason; every fixture is named once.
    """
    found: list[str] = []
    named: list[str] = []
    for document in index["documents"]:
        for kind in ("blocks", "outputs", "sentences"):
            entries = document[kind]
            numbers = [entry["n"] for entry in entries]
            if numbers != list(range(1, document["counts"][kind] + 1)):
                found.append(f"{document['file']}: the {kind} are not numbered 1 to the count")
            for entry in entries:
                where = f"{document['file']}: {kind} {entry['n']}"
                named += entry.get("fixtures", [])
                found += _check_entry(where, kind, entry)
    found += [
        f"{path} is named by the index but is not there" for path in named if path not in fixtures
    ]
    found += [f"{path} is not named by the index" for path in fixtures if path not in named]
    found += [f"{path} is named twice by the index" for path in {*named} if named.count(path) > 1]
    return found


def _check_entry(where: str, kind: str, entry: dict[str, Any]) -> Iterator[str]:
    wanted = "requirements" if kind == "sentences" else "fixtures"
    if bool(entry.get(wanted)) == bool(entry.get("reason")):
        yield f"{where} needs {wanted} or a reason, and not both"
    if kind == "sentences" and entry["testable"] != bool(entry.get("requirements")):
        yield f"{where} is testable exactly if requirements are named"
    for path, account in entry.get("fields", {}).items():
        if bool(account.get("requirements")) == bool(account.get("reason")):
            yield f"{where} field {path} needs requirements or a reason, and not both"

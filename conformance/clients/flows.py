"""The documented flows as written, corrected and completed so that they can be run.

The texts are in `fixtures/documented/flows.toml`, the errors in them in `slips.toml` in the
same folder. A placeholder such as `<THREAD_ID>` becomes a variable of that name: no value is
ever written into a program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from conformance.contract.documented import documented_dir
from conformance.typed_data import read_toml

#: The result of a flow: what it prints, or the value of its only expression.
PRINTED, VALUE = "printed", "value"

_PLACEHOLDER = re.compile(r"(\"?)<([A-Z_]+)>\1")


@dataclass(frozen=True)
class DocumentMistake:
    """An error in one code block of a document. `mends` are pairs: as written, as corrected."""

    document: str
    block: int
    section: str
    language: str
    why: str
    mends: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Flow:
    """One flow in one language, as written; `flows.toml` explains the members."""

    name: str
    client: str
    document: str
    block: int
    text: str
    result: str
    fill: tuple[tuple[str, str], ...] = ()
    own_graph: tuple[str, str] | None = None
    part: bool = False

    def program(self, *, verbatim: bool = False, own_graph: bool = False) -> str:
        """Return the text to be run, corrected, and completed unless it is `verbatim`.

        With `own_graph` the supersteps are those of the settings, not of the documents.
        """
        text = self.text
        for mistake in load_document_mistakes():
            if (mistake.document, mistake.block) == (self.document, self.block):
                for written, mended in mistake.mends:
                    text = text.replace(written, mended)
        if not verbatim:
            for written, filled in self.fill:
                text = text.replace(written, filled)
            if own_graph and self.own_graph:
                text = re.sub(*self.own_graph, text, flags=re.DOTALL)
        return _PLACEHOLDER.sub(r'"$\2"' if self.client == "curl" else r"\2", text)


@cache
def load_flows() -> dict[str, dict[str, Flow]]:
    """Return every flow by its name, then by the client whose language it is written in."""
    return {
        name: {client: _flow(name, client, written) for client, written in by_client.items()}
        for name, by_client in _read_documented("flows.toml").items()
    }


@cache
def load_document_mistakes() -> tuple[DocumentMistake, ...]:
    """Return the errors in the documents' code."""
    return tuple(
        DocumentMistake(**{**each, "mends": tuple((old, new) for old, new in each["mends"])})
        for each in _read_documented("slips.toml")["slip"]
    )


def _flow(name: str, client: str, written: dict[str, Any]) -> Flow:
    fill = tuple((old, new) for old, new in written.pop("fill", ()))
    own_graph = written.pop("own_graph", None)
    return Flow(
        name=name,
        client=client,
        fill=fill,
        own_graph=(own_graph[0], own_graph[1]) if own_graph else None,
        **written,
    )


def _read_documented(file: str) -> dict[str, Any]:
    return read_toml(documented_dir() / file)

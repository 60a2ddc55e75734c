"""What `threads-conformance run --schema-url` compares."""

from __future__ import annotations

import json
from pathlib import Path

from conformance.data import schemas_dir
from conformance.deployment.own_openapi import Published
from conformance.report.run.write import read_exchanges
from conformance.report.schema.model import Comparison, compare


def compared(published: Published, exchanges: Path) -> Comparison:
    """A document against our own, and against what a run saw: an exchange a line."""
    contract = json.loads((schemas_dir() / "openapi.json").read_text(encoding="utf-8"))
    return compare(published.document, contract, read_exchanges(exchanges), published.url)

"""The schema comparison of `threads-conformance run --schema-url`."""

from __future__ import annotations

import json
from pathlib import Path

from conformance.data import schemas_dir
from conformance.deployment.probe.own_openapi import Published
from conformance.report.run.write import read_exchanges
from conformance.report.schema.model import SchemaComparison, compare_schema


def compare_schemas(published: Published, exchanges: Path) -> SchemaComparison:
    """Compare an OpenAPI document with the contract and with a file of exchanges, one per line."""
    contract = json.loads((schemas_dir() / "openapi.json").read_text(encoding="utf-8"))
    return compare_schema(published.document, contract, read_exchanges(exchanges), published.url)

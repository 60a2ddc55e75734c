"""The schemas under `schemas/`, derived from the fixtures and a reviewed overlay.

Where the documents print an output, genson infers its schema; elsewhere the schema starts
from the published facts. `overlay.toml` then adds formats and enums and relaxes
constraints, each with a reason, and names the source of every schema.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from genson import SchemaBuilder  # type: ignore[import-untyped]

from conformance.contract import assemble_openapi
from conformance.contract.documented import outputs_of, requests_of
from conformance.contract.published import load_published, references
from conformance.contract.schemas import OWN_FILES
from conformance.data import schemas_dir
from conformance.typed_data import read_toml

BASE = "https://threads-conformance.invalid/schemas/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_OVERLAY = Path(__file__).with_name("overlay.toml")

Schema = dict[str, Any]


class DerivationError(Exception):
    """The overlay does not fit the fixtures; the message names the schema and the path."""


@cache
def load_overlay() -> dict[str, Any]:
    """Load the reviewed overlay by schema name."""
    overlay: dict[str, Any] = read_toml(_OVERLAY)["schemas"]
    return overlay


def derive_all() -> dict[str, Schema]:
    """Derive every schema from the fixtures and the overlay; return them by name.

    Raise `DerivationError` if an edit of the overlay cannot be applied.
    """
    bodies: dict[str, Schema] = {}
    return {name: _derive(name, entry, bodies) for name, entry in load_overlay().items()}


def _derive(name: str, entry: dict[str, Any], bodies: dict[str, Schema]) -> Schema:
    samples, documented = _samples(entry.get("cases", []))
    body = _base_schema(entry, samples, bodies)
    for edit in entry.get("edits", []):
        try:
            body = _apply_edit(body, edit)
        except (KeyError, TypeError, ValueError) as problem:
            raise DerivationError(f"{name}: no edit at {edit['at']!r}: {problem}") from problem
    bodies[name] = body
    body = _embed_definitions(body)
    documented += [path for case in entry.get("requests", []) for path in requests_of(case)]
    return {
        "$schema": DIALECT,
        "$id": f"{BASE}{name}.json",
        "title": entry["title"],
        "description": entry["about"],
        "x-source": _source_of(entry, documented),
        "x-reviewed": [
            {"at": each["at"], "reason": each["reason"]} for each in entry.get("edits", [])
        ],
        **body,
    }


def _base_schema(entry: dict[str, Any], samples: list[Any], bodies: dict[str, Schema]) -> Schema:
    """Return the schema before any edit of the overlay."""
    body: Schema = {}
    inferred = _infer_schema(samples) if samples else {}
    if "published" in entry:
        body = _published_fact(entry["published"])
    elif "like" in entry:
        body = copy.deepcopy(bodies[entry["like"]])
        if samples:
            body["required"] = inferred["required"]
    else:
        body = inferred
    return body


def _samples(cases: list[list[str]]) -> tuple[list[Any], list[str]]:
    """Return the documented values of the cases, and the paths of their fixtures."""
    values: list[Any] = []
    paths: list[str] = []
    for case, *steps in cases:
        for path, output in outputs_of(case).items():
            paths.append(path)
            values += _values_at(output, steps)
    return values, paths


def _values_at(value: Any, steps: list[str]) -> list[Any]:
    if not steps:
        return [value]
    step, *rest = steps
    items = value if step == "*" else [value[step]]
    return [found for item in items for found in _values_at(item, rest)]


def _infer_schema(samples: list[Any]) -> Schema:
    builder = SchemaBuilder(schema_uri=None)
    for sample in samples:
        builder.add_object(sample)
    schema: Schema = builder.to_schema()
    return schema


def _published_fact(steps: list[str]) -> Any:
    fact: Any = load_published()
    for step in steps:
        fact = fact[step]
    return copy.deepcopy(fact)


def _embed_definitions(schema: Schema) -> Schema:
    """Return the schema with the published schemas that it refers to under `$defs`."""
    declared = load_published()["schemas"]
    definitions: Schema = {}
    wanted = references(schema) & declared.keys()
    while wanted:
        name = wanted.pop()
        definitions[name] = declared[name]
        wanted |= references(declared[name]) - definitions.keys()
    if not definitions:
        return schema
    text = json.dumps({**schema, "$defs": dict(sorted(definitions.items()))})
    contained: Schema = json.loads(text.replace("#/components/schemas/", "#/$defs/"))
    return contained


def _apply_edit(schema: Schema, edit: dict[str, Any]) -> Schema:
    """Return the schema with one edit applied; only the last member of its path may be new."""
    holder: dict[str, Any] = {"": copy.deepcopy(schema)}
    at: dict[str, Any] = holder
    steps = edit["at"].split("/")
    for step in steps[:-1]:
        at = at[step]
    last = steps[-1]
    if "put" in edit:
        at[last] = edit["put"]
    elif "take" in edit:
        at[last] = _published_fact(edit["take"])
    elif "set" in edit:
        at[last].update(edit["set"])
    elif isinstance(at[last], list):
        for item in edit["drop"]:
            at[last].remove(item)
    else:
        for member in edit["drop"]:
            del at[last][member]
    edited: Schema = holder[""]
    return edited


def _source_of(entry: dict[str, Any], documented: list[str]) -> dict[str, Any]:
    """Return where the schema comes from: fixtures, published facts, another schema, a rule."""
    server = load_published()["server"]
    published = [entry["published"]] if "published" in entry else []
    published += [edit["take"] for edit in entry.get("edits", []) if "take" in edit]
    source: dict[str, Any] = {}
    if "like" in entry:
        source["like"] = f"{entry['like']}.json"
    if documented:
        source["documented"] = sorted(set(documented))
    if published:
        source["published"] = {
            "by": f"{server['name']} {server['version']}",
            "facts": [" > ".join(steps) for steps in published],
        }
    if "rule" in entry:
        source["rule"] = entry["rule"]
    return source


def files() -> dict[str, str]:
    """Return the text of each derived file under `schemas/`, by file name."""
    schemas = derive_all()
    documents = {f"{name}.json": schema for name, schema in schemas.items()}
    documents["openapi.json"] = assemble_openapi.assemble(schemas)
    return {
        name: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for name, document in documents.items()
    }


def write() -> list[Path]:
    """Write every derived file; return the paths."""
    written = []
    for name, text in files().items():
        path = schemas_dir() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def check() -> list[str]:
    """Return a line for each file that differs from what the fixtures give.

    The schemas of the suite's own files (`OWN_FILES`) are not derived and are ignored.
    """
    found = []
    expected = files()
    for name, text in expected.items():
        path = schemas_dir() / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"{name} is not what the fixtures give")
    present = {path.name for path in schemas_dir().glob("*.json")}
    extra = present - expected.keys() - {f"{name}.json" for name in OWN_FILES}
    return found + [f"{name} comes from no fixture" for name in sorted(extra)]

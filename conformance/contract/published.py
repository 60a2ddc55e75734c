"""The facts of the published OpenAPI document that the contract is based on.

The pinned facts are those of langgraph-api 0.16.7; of newer releases only additions are used. To
see what a newer server changed, or to pin another:

    python -m conformance.contract.published http://127.0.0.1:2024/openapi.json \\
        --version 0.17.0 --diff
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import click

from conformance.data import fixtures_dir

PINNED_VERSION = "0.16.7"
#: Releases from which only additions are used, oldest first: see `Requirement.since`.
NEWER_VERSIONS = ("0.17.0rc6", "0.18.0.dev12")
SERVER = "langgraph-api"

#: The operations on threads, on their runs, streams and crons, and the stateless runs.
OPERATIONS = (
    "POST /threads",
    "POST /threads/search",
    "POST /threads/count",
    "POST /threads/prune",
    "GET /threads/{thread_id}",
    "PATCH /threads/{thread_id}",
    "DELETE /threads/{thread_id}",
    "POST /threads/{thread_id}/copy",
    "GET /threads/{thread_id}/state",
    "POST /threads/{thread_id}/state",
    "GET /threads/{thread_id}/state/{checkpoint_id}",
    "POST /threads/{thread_id}/state/checkpoint",
    "GET /threads/{thread_id}/history",
    "POST /threads/{thread_id}/history",
    "POST /threads/{thread_id}/runs",
    "POST /threads/{thread_id}/runs/wait",
    "POST /threads/{thread_id}/runs/stream",
    "GET /threads/{thread_id}/runs",
    "GET /threads/{thread_id}/runs/{run_id}",
    "DELETE /threads/{thread_id}/runs/{run_id}",
    "GET /threads/{thread_id}/runs/{run_id}/join",
    "GET /threads/{thread_id}/runs/{run_id}/stream",
    "POST /threads/{thread_id}/runs/{run_id}/cancel",
    "POST /runs/cancel",
    "POST /runs",
    "POST /runs/wait",
    "POST /runs/stream",
    "POST /runs/batch",
    "POST /threads/{thread_id}/runs/crons",
    "POST /runs/crons/search",
    "POST /runs/crons/count",
    "GET /runs/crons/{cron_id}",
    "PATCH /runs/crons/{cron_id}",
    "DELETE /runs/crons/{cron_id}",
    "GET /threads/{thread_id}/stream",
    "POST /threads/{thread_id}/commands",
    "POST /threads/{thread_id}/stream/events",
)

#: Schemas that only the description of an operation names: those of the events in its stream.
NAMED_IN_PROSE = ("ProtocolEvent",)

_METHODS = ("get", "put", "post", "delete", "patch")
_PROSE = ("title", "description", "summary", "example", "examples")
COMPONENT = "#/components/schemas/"


class PublishedError(Exception):
    """A published document cannot be read; the message says why."""


@cache
def load_published(version: str = PINNED_VERSION) -> dict[str, Any]:
    """Load the facts of a version of langgraph-api from `fixtures/published`.

    Raise `PublishedError` if they are not kept there.
    """
    file = facts_file(version)
    if not file.is_file():
        raise PublishedError(
            f"no facts of {SERVER} {version} in {file.parent.name}/: write them with "
            f"`python -m conformance.contract.published OPENAPI --version {version} --write`"
        )
    facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return facts


def facts_file(version: str) -> Path:
    """Return the path of the facts of a version."""
    return fixtures_dir() / "published" / f"{SERVER}-{version}.json"


def _agent_graph_only(value: Any) -> Any:
    """Return a copy in which every enum of graph ids with `agent` is reduced to `agent`."""
    if isinstance(value, list):
        return [_agent_graph_only(each) for each in value]
    if not isinstance(value, dict):
        return value
    copied = {key: _agent_graph_only(each) for key, each in value.items()}
    graph = copied.get("graph_id")
    if isinstance(graph, dict) and "agent" in graph.get("enum", ()):
        copied["graph_id"] = {**graph, "enum": ["agent"]}
    return copied


def extract(openapi: dict[str, Any], version: str) -> dict[str, Any]:
    """Extract the facts of an OpenAPI document: operations, schemas, names of other operations.

    `digest` is that of the document as canonical JSON (sorted keys, no spaces), without
    what differs between instances of one server: its address (`servers`), and deployed
    graphs other than `agent`. Prose (titles, descriptions, examples) is dropped.
    """
    lasting = _agent_graph_only({key: each for key, each in openapi.items() if key != "servers"})
    canonical = json.dumps(lasting, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    found = dict(_operations(openapi))
    operations = {key: _operation(found[key]) for key in OPERATIONS if key in found}
    return {
        "server": {"name": SERVER, "version": version},
        "openapi": openapi["openapi"],
        "digest": f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}",
        "operations": operations,
        "schemas": _schemas(openapi, operations),
        "other_operations": sorted(found.keys() - set(OPERATIONS)),
    }


def _operations(openapi: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {})
    return {
        "operationId": operation.get("operationId"),
        "tags": operation.get("tags", []),
        "parameters": {
            f"{each['in']} {each['name']}": {
                "required": each.get("required", False),
                "schema": without_prose(each.get("schema", {})),
            }
            for each in operation.get("parameters", [])
        },
        "request": _content(body),
        "request_required": body.get("required", False),
        "responses": {
            status: _content(response) for status, response in operation["responses"].items()
        },
    }


def _content(holder: dict[str, Any]) -> dict[str, Any] | None:
    """Return media type and schema of a body; None if none is declared."""
    for media_type, content in holder.get("content", {}).items():
        return {"media_type": media_type, "schema": without_prose(content.get("schema", {}))}
    return None


def without_prose(schema: Any) -> Any:
    """Return a schema without the keywords title, description and example, at any depth.

    Properties that have these names are kept.
    """
    if isinstance(schema, list):
        return [without_prose(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: without_prose(each) for name, each in value.items()}
        elif key in ("default", "enum", "const"):
            kept[key] = value
        elif key not in _PROSE:
            kept[key] = without_prose(value)
    return kept


def _schemas(openapi: dict[str, Any], operations: dict[str, Any]) -> dict[str, Any]:
    """Return the component schemas that the operations use, directly or indirectly."""
    declared = openapi.get("components", {}).get("schemas", {})
    wanted = references(operations) | {each for each in NAMED_IN_PROSE if each in declared}
    facts: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name not in facts:
            facts[name] = without_prose(declared[name])
            wanted |= references(facts[name])
    return dict(sorted(facts.items()))


def references(node: Any) -> set[str]:
    """Return the names of the component schemas that a part of the document refers to."""
    if isinstance(node, list):
        return {name for each in node for name in references(each)}
    if not isinstance(node, dict):
        return set()
    own = node.get("$ref")
    found = {own.removeprefix(COMPONENT)} if isinstance(own, str) else set()
    return found | {name for value in node.values() for name in references(value)}


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return the differences between two extracts, sorted, one line each, the path first."""
    # Imported only where something is compared: every run reads this module.
    from deepdiff import DeepDiff

    tree = DeepDiff(old, new, ignore_order=True, view="tree", verbose_level=2)
    lines = []
    for kind, levels in tree.items():
        for level in levels:
            if kind.endswith("_added"):
                what = f"added {_shorten(level.t2)}"
            elif kind.endswith("_removed"):
                what = f"removed {_shorten(level.t1)}"
            else:
                what = f"{_shorten(level.t1)} -> {_shorten(level.t2)}"
            path = ".".join(str(step) for step in level.path(output_format="list"))
            lines.append(f"{path}: {what}")
    return sorted(lines)


def _shorten(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."


def read_openapi(source: str) -> dict[str, Any]:
    """Read an OpenAPI document from a file or a URL; raise `PublishedError` if there is none."""
    # Here, since most of those who read published facts ask no server.
    import httpx

    try:
        if source.startswith(("http://", "https://")):
            document = httpx.get(source, timeout=30).raise_for_status().json()
        else:
            document = json.loads(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError, httpx.HTTPError) as problem:
        raise PublishedError(f"{source} cannot be read as JSON: {problem}") from problem
    if not isinstance(document, dict) or "paths" not in document:
        raise PublishedError(f"{source} is no OpenAPI document: it has no paths")
    return document


@click.command()
@click.argument("source", metavar="FILE_OR_URL")
@click.option("--version", required=True, help="Version of the server that published it.")
@click.option("--write", "mode", flag_value="write", help="Keep the facts as a fixture.")
@click.option(
    "--diff", "mode", flag_value="diff", default=True, help="Show what differs from the pinned."
)
def main(source: str, version: str, mode: str) -> None:
    """Extract the facts of a published OpenAPI document."""
    try:
        facts = extract(read_openapi(source), version)
    except PublishedError as problem:
        raise click.UsageError(str(problem)) from problem
    if mode == "write":
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        facts_file(version).parent.mkdir(parents=True, exist_ok=True)
        facts_file(version).write_text(text, encoding="utf-8")
        click.echo(f"wrote {facts_file(version)}")
        return
    lines = changes(load_published(), facts)
    click.echo("\n".join(lines) or "nothing differs from the pinned facts")
    raise SystemExit(1 if lines else 0)


if __name__ == "__main__":
    main()

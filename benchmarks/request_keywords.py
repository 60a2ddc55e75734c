"""Count which keywords of the request schemas recorded requests meet and break.

    python -m benchmarks.request_keywords exchanges.har [--markdown]

`exchanges.har` is written by `threads-conformance run --profile full`. For each operation of
`schemas/openapi.json`, and for the bodies of runs and crons in `schemas/`, each keyword of each
parameter and of the body is *met* if a valid request had something that it applies to, and *broken*
if a request violated it. Each value of an enum, each type of a list of types and each branch of an
anyOf is one of its own to be met. `ANNOTATIONS` break nothing, and what cannot be broken is left
out with a reason.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from conformance.contract.schemas import format_checker
from conformance.data import schemas_dir

#: Keywords that state nothing of an instance, or hold those that do.
ANNOTATIONS = frozenset(
    {"title", "description", "default", "deprecated", "examples", "$defs", "$schema", "$id"}
)
_HOLDING = frozenset({"properties", "$ref", "allOf"})

#: Operations that our OpenAPI document leaves out: methods, paths and the schemas of their bodies.
BEYOND = {
    "run_background": ("post", "/threads/{thread_id}/runs", "run_create"),
    "run_wait": ("post", "/threads/{thread_id}/runs/wait", "run_create"),
    "run_stream": ("post", "/threads/{thread_id}/runs/stream", "run_create"),
    "stateless_background": ("post", "/runs", "run_create_stateless"),
    "stateless_wait": ("post", "/runs/wait", "run_create_stateless"),
    "stateless_stream": ("post", "/runs/stream", "run_create_stateless"),
    "cron_create": ("post", "/threads/{thread_id}/runs/crons", "cron_create"),
    "cron_search": ("post", "/runs/crons/search", "cron_search"),
    "cron_update": ("patch", "/runs/crons/{cron_id}", "cron_patch"),
}

_IN_THE_PATH = "a path without it is a path of another operation"
_ANY_TEXT = "whatever stands in a path or query is a text"
_BY_BRANCH = "no branch is broken without the anyOf as a whole, which is counted"
_ANYTHING = "every JSON value has one of its types"
_TYPES = frozenset({"object", "array", "number", "string", "boolean", "null"})

Json = Any
Schema = dict[str, Any]
#: A keyword by its place: that of the parameter or body, and the path in the schema.
Place = tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """A recorded request: `body` is None if there is none or it is no JSON (`has_body` tells)."""

    method: str
    path: str
    query: dict[str, str]
    body: Json = None
    has_body: bool = False


@dataclass
class Keywords:
    """The keywords of one operation: what is to be met and broken, and what was."""

    to_meet: set[Place] = field(default_factory=set)
    to_break: set[Place] = field(default_factory=set)
    left_out: dict[Place, str] = field(default_factory=dict)
    met: set[Place] = field(default_factory=set)
    broken: set[Place] = field(default_factory=set)


@dataclass
class Operation:
    """An operation with the schemas of its parameters and its body, and what was counted."""

    name: str
    method: str
    path: str
    parameters: list[Schema]
    body: Schema | None
    definitions: Schema
    keywords: Keywords = field(default_factory=Keywords)

    def __post_init__(self) -> None:
        self._validators: dict[int, Draft202012Validator] = {}
        self._pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))
        for each in self.parameters:
            place = (f"{each['in']} {each['name']}",)
            if each.get("required"):
                self._unbreakable((*place, "required"), _IN_THE_PATH)
            each["schema"] = self._whole(each["schema"])
            self._list(each["schema"], place, is_text=True)
        if self.body is not None:
            self.body = self._whole(self.body)
            self._list(self.body, ("body",))

    def names_in(self, path: str) -> dict[str, str] | None:
        """Return the parameters in a path, by name; None if the path is not of this operation."""
        found = self._pattern.fullmatch(path)
        return None if found is None else {k: unquote(v) for k, v in found.groupdict().items()}

    # What is to be counted

    def _unbreakable(self, place: Place, why: str) -> None:
        self.keywords.to_meet.add(place)
        self.keywords.left_out[place] = why

    def _resolved(self, schema: Schema) -> Schema:
        """Return a schema without the reference that it is, and with its allOf taken in."""
        merged: Schema = {name: each for name, each in schema.items() if name not in _HOLDING}
        parts = [self._referenced(schema["$ref"])] if "$ref" in schema else []
        for each in [*parts, *schema.get("allOf", [])]:
            part = self._resolved(each)
            required = [*merged.get("required", []), *part.get("required", [])]
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            merged |= part
            merged |= {"required": required} if required else {}
            merged |= {"properties": properties} if properties else {}
        if "properties" in schema:
            merged["properties"] = {**merged.get("properties", {}), **schema["properties"]}
        return merged

    def _referenced(self, reference: str) -> Schema:
        found: Schema = self.definitions[reference.rpartition("/")[2]]
        # A schema of the document may have definitions of its own.
        self.definitions.update(found.get("$defs", {}))
        return found

    def _whole(self, schema: Schema) -> Schema:
        """Return a schema with everything that it refers to taken in."""
        whole: Schema = {}
        for keyword, value in self._resolved(schema).items():
            if keyword == "properties":
                whole[keyword] = {name: self._whole(each) for name, each in value.items()}
            elif keyword == "anyOf":
                whole[keyword] = [self._whole(each) for each in value]
            elif keyword in ("items", "additionalProperties") and isinstance(value, dict):
                whole[keyword] = self._whole(value)
            elif keyword not in ANNOTATIONS:
                whole[keyword] = value
        return whole

    def _list(self, schema: Schema, place: Place, *, is_text: bool = False) -> None:
        for keyword, value in schema.items():
            at = (*place, keyword)
            if keyword in ANNOTATIONS or keyword.startswith("x-"):
                continue
            if keyword == "properties":
                for name, member in value.items():
                    self._list(member, (*place, name))
            elif keyword == "items" or (keyword == "additionalProperties" and value):
                self.keywords.to_meet.add(at)
                if isinstance(value, dict):
                    self._list(value, at)
            elif keyword == "anyOf":
                self.keywords.to_break.add(at)
                for number, branch in enumerate(value):
                    self._list_branch(branch, (*at, str(number)))
            else:
                self._list_assertion(keyword, value, at, is_text=is_text)

    def _list_branch(self, branch: Schema, place: Place) -> None:
        self._unbreakable(place, _BY_BRANCH)
        self._list({k: v for k, v in branch.items() if k != "type"}, place)

    def _list_assertion(self, keyword: str, value: Json, at: Place, *, is_text: bool) -> None:
        variants = _variants(keyword, value)
        self.keywords.to_meet |= {(*at, each) for each in variants} if variants else {at}
        if keyword == "type" and is_text and value == "string":
            self.keywords.left_out[at] = _ANY_TEXT
        elif keyword == "type" and isinstance(value, list) and {*value} >= _TYPES:
            self.keywords.left_out[at] = _ANYTHING
        else:
            self.keywords.to_break.add(at)

    # What a request reaches

    def add(self, request: Request, in_path: dict[str, str]) -> None:
        """Count the keywords that a request meets, if all of it is valid, or breaks."""
        given: list[tuple[Place, Schema, Json]] = []
        for each in self.parameters:
            values = in_path if each["in"] == "path" else request.query
            if each["name"] in values:
                schema = each["schema"]
                place: Place = (f"{each['in']} {each['name']}",)
                given.append((place, schema, _read(values[each["name"]], schema)))
        if self.body is not None:
            if not request.has_body:
                return
            given.append((("body",), self.body, request.body))
        broken = [list(self._broken(place, schema, value)) for place, schema, value in given]
        self.keywords.broken |= {each for places in broken for each in places}
        self.keywords.broken &= self.keywords.to_break
        if not any(broken):
            for place, schema, value in given:
                self.keywords.met |= {*self._met(place, schema, value)}
            self.keywords.met |= {
                (f"{each['in']} {each['name']}", "required")
                for each in self.parameters
                if each.get("required")
            }
            self.keywords.met &= self.keywords.to_meet

    def _validator(self, schema: Schema) -> Draft202012Validator:
        # By identity: the schemas of an operation are kept, and are many and deep.
        if id(schema) not in self._validators:
            made = Draft202012Validator(schema, format_checker=format_checker())
            self._validators[id(schema)] = made
        return self._validators[id(schema)]

    def _broken(self, place: Place, schema: Schema, value: Json) -> Iterator[Place]:
        for error in self._validator(schema).iter_errors(value):
            for each in _with_context(error):
                path = [str(part) for part in each.absolute_schema_path]
                yield (*place, *_without_properties(path))

    def _met(self, place: Place, schema: Schema, value: Json) -> Iterator[Place]:
        for keyword, stated in schema.items():
            at = (*place, keyword)
            if keyword == "properties" and isinstance(value, dict):
                for name in stated.keys() & value.keys():
                    yield from self._met((*place, name), stated[name], value[name])
            elif keyword == "items" and isinstance(value, list) and value:
                yield at
                for each in value:
                    yield from self._met(at, stated, each)
            elif keyword == "additionalProperties" and isinstance(value, dict):
                for name in value.keys() - schema.get("properties", {}).keys():
                    yield at
                    if isinstance(stated, dict):
                        yield from self._met(at, stated, value[name])
            elif keyword == "anyOf":
                for number, branch in enumerate(stated):
                    if self._validator(branch).is_valid(value):
                        yield (*at, str(number))
                        yield from self._met((*at, str(number)), branch, value)
            elif variants := _variants(keyword, stated):
                yield from ((*at, each) for each in variants if _is_variant(keyword, each, value))
            elif _APPLIES.get(keyword, lambda _: True)(value):
                yield at


#: Whether a keyword says something of a value; those that are not listed do of each.
_APPLIES: dict[str, Callable[[Json], bool]] = {
    **dict.fromkeys(("minLength", "maxLength", "pattern"), lambda value: isinstance(value, str)),
    "format": lambda value: isinstance(value, str),
    **dict.fromkeys(("minimum", "maximum"), lambda value: isinstance(value, int | float)),
    **dict.fromkeys(("minItems", "maxItems"), lambda value: isinstance(value, list)),
    **dict.fromkeys(
        ("required", "minProperties", "maxProperties"), lambda value: isinstance(value, dict)
    ),
}


def _variants(keyword: str, value: Json) -> list[str]:
    """Return the values of an enum, or the types of a list of types, as texts."""
    several = isinstance(value, list) and keyword in ("enum", "type")
    return [json.dumps(each) for each in value] if several else []


def _is_variant(keyword: str, variant: str, value: Json) -> bool:
    if keyword == "enum":
        return variant == json.dumps(value)
    return Draft202012Validator({"type": json.loads(variant)}).is_valid(value)


def _read(text: str, schema: Schema) -> Json:
    """Return a value of a path or query as the type of its schema, where it can be one."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if schema.get("type") == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def _with_context(error: ValidationError) -> Iterator[ValidationError]:
    yield error
    for each in error.context or ():
        yield from _with_context(each)


def _without_properties(path: list[str]) -> list[str]:
    """Return a path in a schema without the word `properties` before each name."""
    short: list[str] = []
    names = iter(path)
    for each in names:
        short.append(next(names) if each == "properties" else each)
    return short


def operations() -> list[Operation]:
    """Return the operations of our OpenAPI document, and those beyond it."""
    document = json.loads((schemas_dir() / "openapi.json").read_text(encoding="utf-8"))
    definitions = document["components"]["schemas"]
    found = []
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            content = each.get("requestBody", {}).get("content", {})
            body = content.get("application/json", {}).get("schema")
            parameters = each.get("parameters", [])
            found.append(
                Operation(each["operationId"], method, path, parameters, body, {**definitions})
            )
    for name, (method, path, schema) in BEYOND.items():
        body = json.loads((schemas_dir() / f"{schema}.json").read_text(encoding="utf-8"))
        found.append(Operation(name, method, path, [], body, {**body.get("$defs", {})}))
    return found


def recorded(har: Path) -> Iterator[Request]:
    """Yield the requests of a HAR file."""
    for entry in json.loads(har.read_text(encoding="utf-8"))["log"]["entries"]:
        sent = entry["request"]
        text = (sent.get("postData") or {}).get("text")
        try:
            body = json.loads(text) if text else None
        except (ValueError, RecursionError):
            continue  # no JSON, or too deep to be read: it breaks no keyword of a schema
        query = {each["name"]: each["value"] for each in sent["queryString"]}
        path = urlsplit(sent["url"]).path
        yield Request(sent["method"].lower(), path, query, body, has_body=bool(text))


def count(requests: Iterable[Request]) -> list[Operation]:
    """Return the operations with the keywords that the requests meet and break."""
    # A fixed path comes before one with a parameter in the same place.
    counted = sorted(operations(), key=lambda each: each.path.count("{"))
    for request in requests:
        for each in counted:
            in_path = each.names_in(request.path) if each.method == request.method else None
            if in_path is not None:
                each.add(request, in_path)
                break
    return sorted(counted, key=lambda each: each.name in BEYOND)


def as_text(counted: list[Operation], *, markdown: bool) -> str:
    """Return a line for each operation, the totals, what is missing, and what is left out."""
    rows = [(each.name, *_figures([each])) for each in counted]
    inside = [each for each in counted if each.name not in BEYOND]
    rows += [("openapi.json", *_figures(inside)), ("all", *_figures(counted))]
    lines = [f"{name}: {met} met, {broken} broken" for name, met, broken in rows]
    if markdown:
        lines = ["| operation | met | broken |", "|---|---|---|"]
        lines += [f"| {' | '.join(each)} |" for each in rows]
    lines += ["", "Not met:", *_missing(counted, lambda of: of.to_meet - of.met)]
    lines += ["", "Not broken:", *_missing(counted, lambda of: of.to_break - of.broken)]
    reasons = [why for each in counted for why in each.keywords.left_out.values()]
    lines += ["", "Not to be broken:"]
    lines += [f"- {reasons.count(each)}: {each}" for each in dict.fromkeys(reasons)]
    return "\n".join(lines)


def _figures(counted: list[Operation]) -> tuple[str, str]:
    met = [(len(of.keywords.to_meet & of.keywords.met), len(of.keywords.to_meet)) for of in counted]
    broken = [
        (len(of.keywords.to_break & of.keywords.broken), len(of.keywords.to_break))
        for of in counted
    ]
    return _share(met), _share(broken)


def _share(pairs: list[tuple[int, int]]) -> str:
    reached, total = (sum(each) for each in zip(*pairs, strict=True))
    return f"{reached} of {total} ({reached / total:.1%})" if total else "none"


def _missing(
    counted: list[Operation], missing_of: Callable[[Keywords], set[Place]]
) -> Iterator[str]:
    for each in counted:
        places = sorted(" > ".join(place) for place in missing_of(each.keywords))
        if places:
            yield f"- {each.name}: {'; '.join(places)}"


def main() -> None:
    """Print the coverage."""
    options = argparse.ArgumentParser(description="Keywords of request schemas met and broken.")
    options.add_argument("har", type=Path, help="exchanges.har of a run of the profile full")
    options.add_argument("--markdown", action="store_true")
    given = options.parse_args()
    if not given.har.is_file():
        options.error(f"there is no file {given.har}: make it by `threads-conformance run`")
    print(as_text(count(recorded(given.har)), markdown=given.markdown))


if __name__ == "__main__":
    main()

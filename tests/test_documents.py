"""The index accounts for all that the documents show, and the fixtures are what they show."""

from __future__ import annotations

import ast
import copy
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.contract.document_coverage import (
    Document,
    Part,
    differences,
    incomplete_entries,
    read_document,
)
from conformance.contract.documented import load_fixtures, load_index, outputs_of, requests_of

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "documents"
FIXTURES = sorted(load_fixtures())


@pytest.fixture(scope="module")
def originals() -> Path:
    folder = Path(os.environ.get("THREADS_CONFORMANCE_DOCUMENTS") or BESIDE)
    if not folder.is_dir():
        pytest.skip(f"the source documents are not at hand ({folder}): nothing to compare with")
    return folder


@pytest.fixture(scope="module")
def documents(originals: Path) -> dict[str, Document]:
    return {path.name: read_document(path) for path in originals.glob("*.txt")}


# ---- the index ----------------------------------------------------------------------


def test_index_has_no_open_entry() -> None:
    assert incomplete_entries(load_index(), load_fixtures()) == []


def test_index_covers_the_documents(originals: Path) -> None:
    assert differences(originals, load_index()) == []


def test_five_documents_are_indexed() -> None:
    counts = {entry["file"][:3]: entry["counts"] for entry in load_index()["documents"]}
    assert {file: tuple(count.values()) for file, count in counts.items()} == {
        "000": (8, 0, 17),
        "001": (9, 1, 15),
        "002": (3, 0, 15),
        "003": (9, 2, 19),
        "004": (32, 6, 1),
    }


def test_every_field_of_every_output_is_accounted_for() -> None:
    for document in load_index()["documents"]:
        for entry in document["outputs"]:
            (path,) = entry["fixtures"]
            shown = set(_fields(load_fixtures()[path]["output"], "$"))
            assert entry["fields"].keys() == shown, path


def _fields(value: Any, path: str) -> list[str]:
    if isinstance(value, dict) and value:
        below = [(f"{path}.{key}", each) for key, each in value.items()]
        return [one for name, each in below for one in (name, *_fields(each, name))]
    if isinstance(value, list) and value:
        return [one for each in value for one in _fields(each, f"{path}[*]")]
    return [path]


def test_summaries_are_no_quotations(documents: dict[str, Document]) -> None:
    for entry in load_index()["documents"]:
        for part in documents[entry["file"]].sentences:
            summary = entry["sentences"][part.n - 1]["summary"]
            is_heading = part.text == part.section
            assert is_heading or part.text.lower() not in summary.lower()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda d: d["sentences"].pop(), "are not numbered"),
        (lambda d: d["sentences"][0].pop("reason"), "sentences 1 needs requirements or a reason"),
        (lambda d: d["blocks"][0].pop("fixtures"), "blocks 1 needs fixtures or a reason"),
        (lambda d: d["blocks"][0]["fixtures"].append("no.json"), "no.json is named by the index"),
        (lambda d: d["blocks"][0].update(reason="because"), "and not both"),
        (lambda d: d["sentences"][1].update(testable=False), "is testable exactly if"),
    ],
)
def test_an_incomplete_index_is_noticed(spoil: Any, complaint: str) -> None:
    index = copy.deepcopy(load_index())
    spoil(index["documents"][0])
    assert any(complaint in line for line in incomplete_entries(index, load_fixtures()))


def test_a_fixture_that_nothing_names_is_noticed() -> None:
    fixtures = {**load_fixtures(), "get/stray.json": {}}
    assert incomplete_entries(load_index(), fixtures) == [
        "get/stray.json is not named by the index"
    ]


def test_changed_text_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "guide.txt"
    file.write_text("# Title\n\nOne. Two.\n\n```js\nask();\n```\n\nOutput:\n\n    {}\n\n## More\n")
    document = read_document(file)
    kinds = {kind: getattr(document, kind) for kind in ("blocks", "outputs", "sentences")}
    assert {kind: [part.text for part in parts] for kind, parts in kinds.items()} == {
        "blocks": ["ask();"],
        "outputs": ["{}"],
        "sentences": ["Title", "One.", "Two.", "Output:", "More"],
    }
    entry = {
        "file": file.name,
        "sha256": document.sha256,
        "counts": {kind: len(parts) for kind, parts in kinds.items()},
        **{
            kind: [{"n": part.n, "sha256": part.sha256} for part in parts]
            for kind, parts in kinds.items()
        },
    }
    assert differences(tmp_path, {"documents": [entry]}) == []
    file.write_text(file.read_text().replace("Two.", "Three. Four."))
    assert differences(tmp_path, {"documents": [entry]}) == [
        "guide.txt: the text has changed since it was indexed",
        "guide.txt: has 6 sentences, the index counts 5",
        "guide.txt: sentences 3 is not the one that the index describes",
        "guide.txt: sentences 4 is not the one that the index describes",
        "guide.txt: sentences 5 is not the one that the index describes",
        "guide.txt: sentences 6 is not in the index",
    ]
    assert differences(tmp_path, {"documents": []}) == ["guide.txt stands only in the folder"]


# ---- the fixtures -------------------------------------------------------------------


def test_documented_creations_are_found_by_case() -> None:
    assert len(outputs_of("create_empty_body")) == 2
    assert {json.dumps(each["body"]) for each in requests_of("create_empty_body").values()} == {
        "{}"
    }


@pytest.mark.parametrize("path", FIXTURES)
def test_fixture_is_what_the_document_shows(path: str, documents: dict[str, Document]) -> None:
    fixture = load_fixtures()[path]
    provenance = fixture["provenance"]
    document = documents[provenance["document"]]
    parts = document.outputs if provenance["kind"] == "output" else document.blocks
    part = parts[provenance["occurrence"] - 1]
    assert (part.section, part.language) == (provenance["section"], provenance["language"])
    if provenance["kind"] == "output":
        assert _printed(part.text, provenance["printed_as"]) == fixture["output"]
    elif part.language == "CURL":
        assert fixture["request"] in _curl_requests(part.text)
    else:
        assert fixture["sdk"] in _calls(part, provenance["slips"])
        assert fixture["request"] in _shown_beside(provenance["http_shown_in"], documents)


def _printed(text: str, printed_as: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {
        "JSON": json.loads,
        "Python literal": ast.literal_eval,
        "text": str,
    }
    return readers[printed_as](text)


def _shown_beside(where: dict[str, Any], documents: dict[str, Document]) -> list[dict[str, Any]]:
    part = documents[where["document"]].blocks[where["occurrence"] - 1]
    assert part.language == "CURL"
    return _curl_requests(part.text)


PLACEHOLDER = re.compile(r"<([A-Z_]+)>")


def _placeholders(text: str) -> str:
    return PLACEHOLDER.sub(lambda found: "{" + found[1].lower() + "}", text)


def _curl_requests(text: str) -> list[dict[str, Any]]:
    """The requests of a shell snippet; a method, a URL, perhaps a header and a body each."""
    found = []
    for command in text.split("curl ")[1:]:
        method = re.search(r"--request (\w+)", command)
        url = re.search(r"--url <DEPLOYMENT_URL>(\S+)", command)
        headers = re.findall(r"--header '([^:]+): ([^']+)'", command)
        data = re.search(r"--data '(.*)'", command, re.DOTALL)
        assert method
        assert url
        found.append(
            {
                "method": method[1],
                "path": _placeholders(url[1]),
                "headers": dict(headers),
                "body": json.loads(data[1]) if data else None,
            }
        )
    return found


def _calls(part: Part, slips: list[str]) -> list[dict[str, Any]]:
    return _python_calls(part.text, slips) if part.language == "Python" else _js_calls(part.text)


def _python_calls(text: str, slips: list[str]) -> list[dict[str, Any]]:
    """The calls on `client.threads`, with the document's listed slips mended."""
    text = re.sub(r"\"?<([A-Z_]+)>\"?", lambda found: '"{' + found[1].lower() + '}"', text)
    if any("comma" in slip for slip in slips):
        text = re.sub(r'(="\{\w+\}")\n(\s+\w+=)', r"\1,\n\2", text)
    unquoted = False
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict):
            unquoted = unquoted or any(isinstance(key, ast.Name) for key in node.keys)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("client.threads."):
            named = {each.arg: _python_value(each.value) for each in node.keywords}
            positional = [_python_value(each) for each in node.args]
            arguments = {"positional": positional, "named": named}
            found.append({"call": ast.unparse(node.func), "arguments": arguments})
    assert unquoted == any("not quoted" in slip for slip in slips)
    return found


def _python_value(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        keys = [
            each.id if isinstance(each, ast.Name) else _python_value(each)
            for each in node.keys
            if each
        ]
        return dict(zip(keys, map(_python_value, node.values), strict=True))
    if isinstance(node, ast.List):
        return [_python_value(each) for each in node.elts]
    if isinstance(node, ast.Subscript):
        assert ast.unparse(node) == "copied_thread['thread_id']"
        return "{copied_thread_id}"
    return ast.literal_eval(node)


JS_VARIABLES = {"threadId": "{thread_id}", "copiedThreadId": "{copied_thread_id}"}


def _js_calls(text: str) -> list[dict[str, Any]]:
    """The awaited calls on `client.threads`, their arguments read as JSON."""
    found = []
    for call in re.finditer(r"await (client\.threads\.\w+)\(", text):
        positional = json.loads(f"[{_js_as_json(_to_closing(text[call.end() :]))}]")
        arguments = {"positional": positional, "named": {}}
        found.append({"call": call[1], "arguments": arguments})
    return found


def _to_closing(text: str) -> str:
    depth = 1
    for end, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return text[:end]
    raise AssertionError("a call that is not closed")


def _js_as_json(text: str) -> str:
    text = re.sub(r"<([A-Z_]+)>", lambda found: '"{' + found[1].lower() + '}"', text)
    if text in JS_VARIABLES:
        return json.dumps(JS_VARIABLES[text])
    text = text.replace("'", '"')
    text = re.sub(r"([{,]\s*)(\w+):", r'\1"\2":', text)
    return re.sub(r",(\s*[}\]])", r"\1", text)


def test_the_slip_in_javascript_is_listed(documents: dict[str, Document]) -> None:
    unquoted = {
        (document.file, part.n)
        for document in documents.values()
        for part in document.blocks
        if re.search(r"assistantId = \w", part.text)
    }
    listed = {
        (fixture["provenance"]["document"], fixture["provenance"]["occurrence"])
        for fixture in load_fixtures().values()
        if fixture["provenance"]["language"] == "Javascript" and fixture["provenance"]["slips"]
    }
    assert unquoted == listed
    assert len(listed) == 1

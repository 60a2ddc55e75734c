"""The schemas are derived from the fixtures, and plain words say what breaks them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from conformance.commands.schemas import guess, schemas_command
from conformance.contract import derive_schemas, schemas
from conformance.contract.documented import load_fixtures, outputs_of, requests_of
from conformance.contract.schemas import (
    FORMATS,
    SchemaError,
    Violation,
    load_schema,
    schema_names,
    validator,
    violations,
)

SCHEMA_OF = {
    "create_empty_body": "thread_created",
    "prepopulate": "thread_created",
    "get": "thread",
    "search_by_status": "thread_list",
    "search_by_metadata": "thread_list",
    "state": "thread_state",
}
OUTPUTS = [
    (name, path, output)
    for case, name in SCHEMA_OF.items()
    for path, output in outputs_of(case).items()
]
BODY_OF = {
    "create_empty_body": "thread_create",
    "create_empty_metadata": "thread_create",
    "prepopulate": "thread_create",
    "search_by_status": "thread_search",
    "search_by_metadata": "thread_search",
}
STATE = next(iter(outputs_of("state").values()))
THREAD = next(iter(outputs_of("get").values()))
PREPOPULATED = next(iter(outputs_of("prepopulate").values()))
#: As known servers answer for a thread that has no checkpoint.
EMPTY_STATE: dict[str, Any] = {
    "values": {},
    "next": [],
    "tasks": [],
    "metadata": None,
    "created_at": None,
    "checkpoint": None,
    "parent_checkpoint": None,
    "checkpoint_id": None,
    "parent_checkpoint_id": None,
}


@pytest.fixture
def own_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of schemas that a test may spoil."""
    monkeypatch.setattr(derive_schemas, "schemas_dir", lambda: tmp_path)
    derive_schemas.write()
    return tmp_path


# ---- derivation ---------------------------------------------------------------------


def test_committed_schemas_are_what_the_fixtures_give() -> None:
    assert derive_schemas.check() == []


def test_a_schema_changed_by_hand_is_noticed(own_schemas: Path) -> None:
    (own_schemas / "thread.json").write_text("{}")
    (own_schemas / "count.json").unlink()
    (own_schemas / "stray.json").write_text("{}")
    (own_schemas / "report.json").write_text("{}")
    assert derive_schemas.check() == [
        "thread.json is not what the fixtures give",
        "count.json is missing",
        "stray.json comes from no fixture",
    ]


@pytest.mark.parametrize("name", schema_names())
def test_every_schema_is_sound_and_says_where_it_comes_from(name: str) -> None:
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["x-source"]
    assert schema["title"]
    assert all(edit["reason"] for edit in schema["x-reviewed"])
    sources = schema["x-source"].get("documented", [])
    assert set(sources) <= load_fixtures().keys()


@pytest.mark.parametrize("name", schema_names())
def test_no_schema_is_closed_and_every_format_is_checked(name: str) -> None:
    for node in _nodes(load_schema(name)):
        assert node.get("additionalProperties") is not False
        assert node.get("format", FORMATS[0]) in FORMATS


def _nodes(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for each in node for found in _nodes(each)]
    if not isinstance(node, dict):
        return []
    return [node, *(found for each in node.values() for found in _nodes(each))]


def test_an_edit_that_does_not_fit_is_named() -> None:
    entry = {
        "title": "T",
        "about": "",
        "cases": [["get"]],
        "edits": [{"at": "/properties/nothing", "set": {"format": "uuid"}, "reason": ""}],
    }
    with pytest.raises(
        derive_schemas.DerivationError, match="thing: no edit at '/properties/nothing'"
    ):
        derive_schemas._derive("thing", entry, {})


# ---- what the documents show is right -----------------------------------------------


@pytest.mark.parametrize(("name", "path", "output"), OUTPUTS, ids=[path for _, path, _ in OUTPUTS])
def test_documented_output_is_valid(name: str, path: str, output: Any) -> None:
    assert violations(name, output) == []


def test_every_json_output_has_a_schema() -> None:
    shown = {each["case"] for each in load_fixtures().values() if "output" in each}
    assert shown - SCHEMA_OF.keys() == {"verify_copy"}


@pytest.mark.parametrize(("case", "name"), BODY_OF.items())
def test_documented_request_is_valid(case: str, name: str) -> None:
    for request in requests_of(case).values():
        assert violations(name, request["body"]) == []


@pytest.mark.parametrize(
    "stamp",
    ["2025-05-12T14:04:08.268Z", "2025-05-12T15:37:08.935038+00:00", "2025-05-12T14:04:08-03:30"],
)
def test_a_timestamp_with_offset_is_right(stamp: str) -> None:
    assert violations("thread", {**THREAD, "created_at": stamp}) == []


def test_application_data_is_free() -> None:
    state = copy.deepcopy(STATE)
    for extra in ("writes", "graph_id", "checkpoint_id", "thread_id"):
        del state["metadata"][extra]
    del state["values"]["messages"][0]["additional_kwargs"]
    state["values"] |= {"messages": [*state["values"]["messages"], "no message", {"type": 3}]}
    state["more"] = {"unknown": True}
    assert violations("thread_state", state) == []


def test_a_first_state_has_no_parent() -> None:
    state = {**STATE, "parent_checkpoint": None, "parent_checkpoint_id": None}
    assert violations("thread_state", state) == []
    assert violations("thread_history", [STATE, state]) == []


def test_a_state_without_checkpoint_has_its_own_schema() -> None:
    assert violations("thread_state_empty", EMPTY_STATE) == []
    assert violations("thread_state", EMPTY_STATE) != []
    assert violations("thread_state_empty", STATE) != []
    pretended = {**EMPTY_STATE, "values": STATE["values"]}
    assert [each.path for each in violations("thread_state_empty", pretended)] == ["$.values"]


@pytest.mark.parametrize("body", [{"detail": "no"}, {"error": {"code": 4}}, "no", ["no"]])
def test_any_body_that_says_why_is_an_error(body: Any) -> None:
    assert violations("error", body) == []


@pytest.mark.parametrize("body", [{}, "", [], None, 4])
def test_a_body_that_says_nothing_is_no_error(body: Any) -> None:
    assert len(violations("error", body)) == 1


# ---- what breaks a schema is named --------------------------------------------------


def _spoiled(output: Any, path: list[Any], value: Any = None) -> Any:
    """A copy with the value at `path` replaced, or removed when it is None."""
    spoiled = copy.deepcopy(output)
    holder = spoiled
    for step in path[:-1]:
        holder = holder[step]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return spoiled


@pytest.mark.parametrize(("name", "path", "output"), OUTPUTS, ids=[path for _, path, _ in OUTPUTS])
def test_each_required_member_is_missed(name: str, path: str, output: Any) -> None:
    listed = isinstance(output, list)
    item = "thread" if listed else name
    for member in load_schema(item)["required"]:
        steps = [0, member] if listed else [member]
        expected = f"$[0].{member}" if listed else f"$.{member}"
        assert violations(name, _spoiled(output, steps)) == [
            Violation(expected, f"{member} is missing")
        ]


@pytest.mark.parametrize(
    ("name", "output", "steps", "value", "path", "message"),
    [
        ("thread", THREAD, ["status"], "done", "$.status",
         "status is 'done', but must be one of idle, busy, interrupted, error"),
        ("thread", THREAD, ["created_at"], "2024-08-14T17:36:38", "$.created_at",
         "created_at is '2024-08-14T17:36:38', but must be a date and time with an offset "
         "(RFC 3339)"),
        ("thread", THREAD, ["thread_id"], "1", "$.thread_id",
         "thread_id is '1', but must be a UUID"),
        ("thread", THREAD, ["metadata"], [1, 2], "$.metadata",
         "metadata is a list of 2, but must be an object"),
        ("thread", PREPOPULATED, ["values", "messages", 0, "id"], None,
         "$.values.messages[0].id", "id is missing"),
        ("thread", PREPOPULATED, ["values", "messages", 1, "content"], 5,
         "$.values.messages[1].content", "content is 5, but must be text or a list"),
        ("thread_state", STATE, ["values", "messages", 1, "id"], 7,
         "$.values.messages[1].id", "id is 7, but must be text"),
        ("thread_state", STATE, ["next"], ["a", 1], "$.next[1]", "item 1 is 1, but must be text"),
        ("thread_state", STATE, ["metadata", "step"], "1", "$.metadata.step",
         "step is '1', but must be an integer"),
        ("thread_state", STATE, ["metadata", "source"], None, "$.metadata.source",
         "source is missing"),
        ("thread_state", STATE, ["checkpoint", "checkpoint_id"], None,
         "$.checkpoint.checkpoint_id", "checkpoint_id is missing"),
        ("thread_state", STATE, ["parent_checkpoint"], True, "$.parent_checkpoint",
         "parent_checkpoint is true, but must be an object or null"),
        ("thread_search", {"limit": 1}, ["limit"], 1001, "$.limit",
         "limit is 1001, but must be at most 1000"),
        ("thread_create", {"supersteps": [{"updates": [{"as_node": "a"}]}]},
         ["supersteps", 0, "updates", 0, "values"], 5, "$.supersteps[0].updates[0].values",
         "values is 5, but must be a list or an object or null"),
        ("thread_create",
         {"supersteps": [{"updates": [{"as_node": "a", "command": {"goto": {"node": "b"}}}]}]},
         ["metadata"], {}, "$.supersteps[0].updates[0].command.goto.input", "input is missing"),
    ],
)  # fmt: skip
def test_a_breach_is_named_in_plain_words(
    name: str, output: Any, steps: list[Any], value: Any, path: str, message: str
) -> None:
    assert violations(name, _spoiled(output, steps, value)) == [Violation(path, message)]


def test_several_breaches_are_in_order() -> None:
    state = {**STATE, "values": 1, "created_at": 2}
    assert [each.path for each in violations("thread_state", state)] == ["$.created_at", "$.values"]
    broken = {**THREAD, "status": 1, "created_at": 2}
    assert [each.path for each in violations("thread_list", [THREAD, broken, 5])] == [
        "$[1].created_at",
        "$[1].status",
        "$[1].status",
        "$[2]",
    ]


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"no schema 'thred'; there are .*thread_created"):
        validator("thred")


def test_an_unchecked_format_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "FORMATS", ("date-time", "no-such-format"))
    with pytest.raises(SchemaError, match=r"no-such-format.*pip install"):
        schemas.format_checker.__wrapped__()


# ---- the commands -------------------------------------------------------------------


def _run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(schemas_command, arguments, input=given, catch_exceptions=False)


def _validate(instance: Any, *options: str) -> Result:
    return _run("validate", "-", *options, given=json.dumps(instance))


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        (THREAD, "thread"),
        (STATE, "thread_state"),
        (EMPTY_STATE, "thread_state_empty"),
        ([THREAD], "thread_list"),
        ([STATE], "thread_history"),
        ([], "thread_list"),
        (STATE["values"]["messages"][0], "message"),
        ({"run_id": "1", "assistant_id": "2", "thread_id": "3"}, "run"),
        ({"detail": "no"}, "error_published"),
        ({"pruned_count": 1}, "prune_response"),
        (3, "count"),
        (True, None),
        ({"else": 1}, None),
        ("text", None),
    ],
)
def test_the_schema_is_guessed(instance: Any, name: str | None) -> None:
    assert guess(instance) == name


def test_validate_accepts_a_file(tmp_path: Path) -> None:
    file = tmp_path / "thread.json"
    file.write_text(json.dumps(THREAD))
    result = _run("validate", str(file))
    assert (result.exit_code, result.output) == (
        0,
        f"schema (guessed): thread (Thread)\n{file} is valid\n",
    )


def test_validate_says_what_is_wrong() -> None:
    result = _validate({**THREAD, "status": "done"})
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "schema (guessed): thread (Thread)",
        "$.status: status is 'done', but must be one of idle, busy, interrupted, error",
    ]


def test_validate_takes_the_schema_it_is_given() -> None:
    result = _validate(THREAD, "--schema", "thread_created")
    assert (result.exit_code, result.output) == (1, "$.values: values is missing\n")


@pytest.mark.parametrize(
    ("arguments", "given", "complaint"),
    [
        (["no/such/file.json"], None, "no/such/file.json cannot be read: No such file"),
        (["."], None, ". cannot be read: Is a directory"),
        (["-"], "{", "standard input is not JSON"),
        (["-"], "[" * 100_000, "standard input is not JSON"),
        (["-"], '"text"', "name its schema with --schema: count"),
        (["-", "--schema", "thred"], "{}", "unknown schema 'thred': use one of count"),
    ],
)
def test_validate_explains_unusable_input(
    arguments: list[str], given: str | None, complaint: str
) -> None:
    result = _run("validate", *arguments, given=given)
    assert result.exit_code == 2
    assert complaint in result.output
    assert "Traceback" not in result.output


def test_validate_refuses_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "thread.json"
    file.write_bytes(b"\xff\xfe\xff")
    assert _run("validate", str(file)).exit_code == 2


def test_derive_and_check(own_schemas: Path) -> None:
    assert _run("check").exit_code == 0
    (own_schemas / "thread.json").write_text("{}")
    result = _run("check")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "thread.json is not what the fixtures give",
        "Run `threads-conformance schemas derive` and commit what it writes.",
    ]
    assert _run("derive").exit_code == 0
    assert _run("check").exit_code == 0

"""The history of versions: small files that say what each version keeps."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.report.board.history import (
    add_to_history,
    history_text,
    judgement_of,
    read_history,
)
from conformance.report.record import Report, ReportError
from conformance.report.run.write import report_json
from tests.board_examples import BLOCKED, THREE, UNSUPPORTED, forgets, of


def board(tmp_path: Path, *arguments: Report | str) -> Result:
    given = []
    for number, each in enumerate(arguments):
        if isinstance(each, str):
            given.append(each)
        else:
            file = tmp_path / f"{number}.json"
            file.write_text(report_json(each), encoding="utf-8")
            given.append(str(file))
    return CliRunner().invoke(cli, ["board", *given, "--output-dir", str(tmp_path / "board")])


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    files = add_to_history(tmp_path, THREE)
    assert [str(each.relative_to(tmp_path)) for each in files] == [
        "langgraph-api/0.9.0.json",
        "langgraph-api/0.10.0.json",
        "aegra/0.6.0.json",
    ]
    assert {each.version: each for each in read_history(tmp_path)} == {
        each.version: each for each in map(judgement_of, THREE)
    }


def test_a_line_for_each_prefix_and_a_letter_for_each_requirement() -> None:
    text = history_text(judgement_of(of("1.0", forgets(), BLOCKED, UNSUPPORTED)))
    assert json.loads(text)["verdicts"] == {"COPY": "03b 05x", "CREATE": "01k", "PRUNE": "01u"}
    assert '    "COPY": "03b 05x",\n' in text


def test_another_verdict_changes_one_line() -> None:
    texts = [
        history_text(judgement_of(each)).splitlines()
        for each in (of("1.0", id="x"), of("1.0", forgets(), id="x"))
    ]
    assert sum(old != new for old, new in zip(*texts, strict=True)) == 1


def test_the_names_of_scoped_packages_make_one_folder(tmp_path: Path) -> None:
    (file,) = add_to_history(tmp_path, [of("1.0", name="@langchain/langgraph-api")])
    assert file == tmp_path / "@langchain__langgraph-api" / "1.0.json"
    assert read_history(tmp_path)[0].server == "@langchain/langgraph-api"


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (of(None), "needs the name and the version"),
        (of("1.0", name=None), "needs the name and the version"),
        (of("../x", name="s"), "needs the name and the version"),
        (of("1.0", partial=True), "is partial"),
        (of("1.0", read_only=True), "is partial"),
    ],
)
def test_what_has_no_place_in_the_history_is_refused(
    tmp_path: Path, report: Report, why: str
) -> None:
    with pytest.raises(ReportError, match=why):
        add_to_history(tmp_path, [THREE[0], report])
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_is_none_is_refused(tmp_path: Path) -> None:
    first = dataclasses.replace(THREE[0].requirements[0], id="<b>-01")
    report = dataclasses.replace(THREE[0], requirements=(first,))
    with pytest.raises(ReportError, match="no id of a requirement"):
        add_to_history(tmp_path, [report])


def test_two_reports_of_one_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="two reports are of langgraph-api"):
        add_to_history(tmp_path, [THREE[0], of("0.9.0", id="again")])


def test_a_run_of_another_measure_replaces_nothing(tmp_path: Path) -> None:
    (file,) = add_to_history(tmp_path, [of("1.0")])
    before = file.read_bytes()
    with pytest.raises(
        ReportError, match=r"is of a run of profile extended, .* or remove the file"
    ):
        add_to_history(tmp_path, [of("2.0"), of("1.0", profile="full")])
    assert file.read_bytes() == before
    assert [each.version for each in read_history(tmp_path)] == ["1.0"]
    add_to_history(tmp_path, [of("1.0", forgets())])
    assert file.read_bytes() != before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": "other/1"}, "format must be"),
        ({"profile": "wide"}, "profile must be one of"),
        ({"effort": "much"}, "effort must be one of"),
        ({"verdicts": {"COPY": "03z"}}, "verdicts.COPY holds"),
        ({"verdicts": {"<b>": "03k"}}, "holds"),
        ({"verdicts": {"COPY": 3}}, "must be a string"),
        ({"letters": {"k": "broken"}}, "letters must be"),
        ({"surprise": 1}, "surprise is not known here"),
        ({"version": "2.0"}, "it must be SERVER/VERSION.json"),
        ({"server": "../.."}, "needs the name"),
    ],
)
def test_a_damaged_history_is_told_with_its_file(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    (file,) = add_to_history(tmp_path / "history", [of("1.0")])
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    refused = board(tmp_path, THREE[0])
    assert refused.exit_code == 2
    assert why in refused.output
    assert "1.0" in refused.output


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, "\udcff"])
def test_what_is_no_json_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "history" / "s" / "1.0.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    refused = board(tmp_path, THREE[0])
    assert (refused.exit_code, str(file) in refused.output) == (2, True)


# ---- the command --------------------------------------------------------------------


def test_add_writes_the_history_and_later_boards_show_it(tmp_path: Path) -> None:
    added = board(tmp_path, THREE[0], "--add")
    assert added.exit_code == 0
    assert "1 version" in added.output
    assert (tmp_path / "history" / "langgraph-api" / "0.9.0.json").exists()
    later = board(tmp_path, THREE[1])
    assert "2 versions of 1 server" in later.output
    page = (tmp_path / "board" / "servers" / "langgraph-api.html").read_text()
    assert "kept since 0.10.0" in page


def test_equal_refuses_before_anything_is_written(tmp_path: Path) -> None:
    refused = board(tmp_path, *THREE, of("1.0", effort="quick"), "--equal", "--add")
    assert refused.exit_code == 2
    assert "langgraph-api 1.0: its effort is quick, not standard" in refused.output
    assert not (tmp_path / "board").exists()
    assert not (tmp_path / "history").exists()
    assert board(tmp_path, *THREE, "--equal").exit_code == 0


def test_what_is_set_apart_is_not_added(tmp_path: Path) -> None:
    said = board(tmp_path, *THREE, of("1.0", partial=True), "--add")
    assert said.exit_code == 0
    assert "Added to" in said.output
    assert len(read_history(tmp_path / "history")) == 3


def test_what_is_set_apart_is_told(tmp_path: Path) -> None:
    said = board(tmp_path, *THREE, of("1.0", partial=True)).output
    assert "Set apart: langgraph-api 1.0: it judged only a selection" in said

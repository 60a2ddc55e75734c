"""The board, deployments against requirements: order, links, right counts, reproducible bytes."""

from __future__ import annotations

import dataclasses
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conformance.cli import cli
from conformance.contract.verdicts import RunVerdict, Stability, Verdict
from conformance.report.board.markdown import board_markdown, evidence_markdown
from conformance.report.board.model import Board, make_board
from conformance.report.board.site import site_files
from conformance.report.board.site_model import make_site
from conformance.report.board.wording import count_words
from conformance.report.record import Report, ReportError
from conformance.report.run.write import report_json
from tests.board_examples import SOME, THREE, forgets, of
from tests.report_examples import REQUIREMENTS, check, exchange, failure, report_of, requirement


def markdown(board: Board) -> str:
    return board_markdown(board, make_site(board, (), REQUIREMENTS))


def texts(board: Board) -> dict[str, str]:
    return {
        "board.md": markdown(board),
        **dict(site_files(make_site(board, (), REQUIREMENTS), REQUIREMENTS)),
        **{
            f"evidence/{column.slug}.md": evidence_markdown(board, number, REQUIREMENTS)
            for number, column in enumerate(board.columns)
        },
    }


def labels(board: Board) -> list[str]:
    return [column.label for column in board.columns]


# ---- the order ----------------------------------------------------------------------


def test_servers_stand_by_name_and_versions_as_packaging_orders_them() -> None:
    versions = ["0.10.0", "0.9.0", "0.9.0rc1", "1.0.0.dev1", "1.0.0"]
    made = [of(each) for each in versions] + [of("0.6.0", name="aegra"), of(None, name=None)]
    random.Random(1).shuffle(made)
    assert labels(make_board(made)) == [
        "unknown server",
        "aegra 0.6.0",
        *(f"langgraph-api {v}" for v in ("0.9.0rc1", "0.9.0", "0.10.0", "1.0.0.dev1", "1.0.0")),
    ]


def test_what_is_no_version_of_packaging_comes_first() -> None:
    made = [of("0.1.0"), of("nightly"), of(None)]
    assert labels(make_board(made)) == [
        "langgraph-api",
        "langgraph-api nightly",
        "langgraph-api 0.1.0",
    ]


def test_the_same_reports_in_any_order_give_the_same_bytes() -> None:
    first = texts(make_board(THREE))
    for seed in range(3):
        shuffled = list(THREE)
        random.Random(seed).shuffle(shuffled)
        assert texts(make_board(shuffled)) == first


def test_reports_of_one_version_are_told_apart() -> None:
    made = make_board([of("1.0"), of("1.0", profile="full"), of("1.0", profile="full", seed=1)])
    assert len(set(labels(made))) == 3
    assert len({column.slug for column in made.columns}) == 3
    assert labels(made)[0] == "langgraph-api 1.0, extended"


def test_slugs_differ_where_labels_do() -> None:
    made = make_board([of("1/0"), of("1:0"), of("../.."), of("1-0-2"), of("1-0")])
    slugs = [column.slug for column in made.columns]
    assert len({slug.lower() for slug in slugs}) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", slug) for slug in slugs)


def test_a_run_is_not_taken_twice() -> None:
    with pytest.raises(ReportError, match="is given twice"):
        make_board([THREE[0], THREE[0]])


# ---- honest counts ------------------------------------------------------------------


def test_only_what_passed_counts_as_kept() -> None:
    board = make_board(THREE)
    assert labels(board) == ["aegra 0.6.0", "langgraph-api 0.9.0", "langgraph-api 0.10.0"]
    counts = [count_words(board.count(number, "MUST")) for number in range(3)]
    assert counts == ["2 of 4 (1 unsupported)", "2 of 4 (1 undecided)", "3 of 4 (1 unsupported)"]
    assert count_words(board.count(0, "MAY")) == "not judged"
    assert "| prune | MUST | 0 of 1 (1 unsupported) | 1 of 1 | 0 of 1 (1 unsupported) |" in (
        markdown(board)
    )


def test_unsupported_is_apart_from_failed() -> None:
    row = next(line for line in markdown(make_board(THREE)).splitlines() if "| PRUNE-01 |" in line)
    assert row.count("– unsupported") == 2
    assert "failed" not in row


def test_what_was_not_judged_is_said_so() -> None:
    some = dataclasses.replace(THREE[1], requirements=THREE[1].requirements[:1])
    board = make_board([THREE[0], some])
    assert board.rows[1].cells[1] is None
    row = next(line for line in markdown(board).splitlines() if "| COPY-03 |" in line)
    assert row.endswith("| not judged |")


def test_what_a_baseline_accepts_is_not_kept() -> None:
    accepted = dataclasses.replace(
        THREE[0],
        verdict=RunVerdict.CONFORMANT,
        requirements=tuple(
            dataclasses.replace(each, baselined=each.verdict != "pass")
            for each in THREE[0].requirements
        ),
    )
    assert texts(make_board([accepted])) == texts(make_board([THREE[0]]))
    assert "NON-CONFORMANT" in markdown(make_board([accepted]))


def test_a_flaky_failure_is_named_so() -> None:
    board = make_board([of("1.0", forgets(stability=Stability.FLAKY))])
    assert "✗ failed (flaky)" in markdown(board)
    assert "✗ failed (flaky)" in texts(board)["requirements/COPY-03.html"]


def test_what_differs_between_the_reports_is_told() -> None:
    assert make_board(THREE).notes == ()
    other = dataclasses.replace(of("2.0", profile="full", partial=True), catalogue_digest="other")
    notes = make_board([*THREE, other]).notes
    assert [note.split()[1] for note in notes] == ["reports", "reports", "partial"]


# ---- from version to version --------------------------------------------------------


def test_what_a_version_no_longer_and_newly_keeps() -> None:
    board = make_board(THREE)
    (step,) = board.steps
    assert (step.old.label, step.new.label) == ("langgraph-api 0.9.0", "langgraph-api 0.10.0")
    text = markdown(board)
    evidence = "evidence/langgraph-api-0.10.0.md"
    assert (
        f"| langgraph-api 0.10.0 | langgraph-api 0.9.0 | [PRUNE-01]({evidence}#prune-01) MUST | "
        f"[COPY-03]({evidence}#copy-03) MUST, [COPY-05]({evidence}#copy-05) MUST |"
    ) in text


def test_of_one_version_the_report_that_asked_most_is_compared() -> None:
    made = [of("1.0"), of("1.0", forgets(), profile="full"), of("2.0", profile="full")]
    (step,) = make_board(made).steps
    assert step.old.label == "langgraph-api 1.0, full"


# ---- links --------------------------------------------------------------------------


def test_every_link_of_the_markdown_leads_to_an_evidence() -> None:
    files = texts(make_board(THREE))
    links = re.findall(r"\]\((evidence/[^)#]+)#([^)]+)\)", files["board.md"])
    assert links
    for file, place in links:
        assert f"\n## {place.upper()}\n" in files[file] or f'<a id="{place}"></a>' in files[file]
    # Three rows of three deployments, all of them judged.
    assert len([link for link in links if link[1] == "copy-03"]) == 4


@pytest.mark.parametrize("name", ["requirements/COPY-03.html", "evidence/langgraph-api-0.9.0.md"])
def test_the_evidence_holds_all_that_it_takes(name: str) -> None:
    text = texts(make_board(THREE))[name]
    for part in (
        REQUIREMENTS["COPY-03"].statement,
        "003_a519280589421030.txt: Copy thread",
        "4 states",
        "3 states",
        "curl -sS -X POST",
        "test_copy.py::test_COPY-03",
    ):
        assert part in text


def test_a_result_that_was_lost_is_not_passed() -> None:
    made = of("1.0", forgets())
    lost = [each for each in made.requirements if each.id == "COPY-03"]
    kept = [each for each in made.requirements if each.id != "COPY-03"]
    results = (dataclasses.replace(lost[0], verdict=Verdict.NOT_RUN), *kept)
    checks = tuple(each for each in made.checks if "COPY-03" not in each.requirements)
    board = make_board([dataclasses.replace(made, requirements=results, checks=checks)])
    for text in (
        texts(board)["requirements/COPY-03.html"],
        texts(board)["evidence/langgraph-api-1.0.md"],
    ):
        assert "No check of it left a result." in text


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "</pre><img src=x>", "a|b\n| c", "```\n# x", "\x1b[31m"],
)
def test_text_of_a_server_breaks_out_of_nothing(hostile: str) -> None:
    answered = exchange(response_body=hostile)
    broken = failure(
        hostile, answered, expected=hostile, actual=hostile, diff=(hostile,), curl=hostile
    )
    board = make_board([of(hostile, forgets(failure=broken), name=hostile)])
    files = texts(board)
    assert not any("\x1b" in text for text in files.values())
    table = files["board.md"].partition("## Deployments\n\n")[2].partition("\n\n")[0]
    assert len({re.sub(r"\\\|", "", line).count("|") for line in table.splitlines()}) == 1
    assert "<script" not in files["board.md"]


# ---- the command --------------------------------------------------------------------


def board(tmp_path: Path, *reports: Report, into: str = "out") -> Result:
    paths = []
    for number, each in enumerate(reports):
        paths.append(str(tmp_path / f"{number}.json"))
        Path(paths[-1]).write_text(report_json(each), encoding="utf-8")
    return CliRunner().invoke(cli, ["board", *paths, "--output-dir", str(tmp_path / into)])


def test_the_command_writes_the_same_files_again(tmp_path: Path) -> None:
    assert board(tmp_path, *THREE, into="a").exit_code == 0
    said = board(tmp_path, *reversed(THREE), into="b")
    assert "4 requirements against 3 versions of 2 servers" in said.output
    written = {
        name: {
            str(file.relative_to(tmp_path / name)): file.read_bytes()
            for file in (tmp_path / name).rglob("*")
            if file.is_file()
        }
        for name in ("a", "b")
    }
    assert written["a"] == written["b"]
    labels = ["aegra-0.6.0", "langgraph-api-0.9.0", "langgraph-api-0.10.0"]
    assert set(written["a"]) == {
        *("board.md", "files.txt", "index.html", "style.css", "board.js"),
        "requirements/index.html",
        *(f"evidence/{each}.md" for each in labels),
        *(f"versions/{each}.html" for each in labels),
        *(f"servers/{each}.html" for each in ("aegra", "langgraph-api")),
        *(f"badges/{each}.svg" for each in ("aegra", "langgraph-api")),
        *(f"requirements/{each.id}.html" for each in SOME),
    }
    assert not any(str(tmp_path).encode() in text for text in written["a"].values())


def test_pages_of_what_is_no_longer_on_the_board_are_removed(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside.html"
    board(tmp_path, of("0.9.0"), of("0.10.0"))
    gone = out / "versions" / "langgraph-api-0.9.0.html"
    assert gone.exists()
    mine = out / "versions" / "my-own.html"
    for each in (mine, outside):
        each.write_text("kept")
    # A list that somebody has changed names no file outside of the folder, and none of the top.
    with (out / "files.txt").open("a") as names:
        names.write("../outside.html\nversions/../../outside.html\n/outside.html\nindex.html\n")
    board(tmp_path, of("0.10.0"))
    assert not gone.exists()
    assert (out / "versions" / "langgraph-api-0.10.0.html").exists()
    assert (out / "index.html").exists()
    assert mine.exists()
    assert outside.exists()


def test_a_board_of_what_is_no_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    refused = CliRunner().invoke(cli, ["board", str(tmp_path / "x.json")])
    assert (refused.exit_code, "x.json" in refused.output) == (2, True)
    assert CliRunner().invoke(cli, ["board"]).exit_code == 2
    twice = board(tmp_path, THREE[0], THREE[0])
    assert (twice.exit_code, "given twice" in twice.output) == (2, True)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = board(tmp_path, THREE[0], into="file/out")
    assert (refused.exit_code, "give another --output-dir" in refused.output) == (2, True)


def test_capabilities_keep_their_rows_together() -> None:
    late = requirement("CREATE-09", "Late", profile="full")
    made = report_of([check(f"test_{e.id}", e.id) for e in [*SOME, late]], [*SOME, late])
    rows = make_board([made]).rows
    assert [row.id for row in rows] == ["CREATE-01", "CREATE-09", "COPY-03", "COPY-05", "PRUNE-01"]

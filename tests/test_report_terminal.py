import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from conformance.report.record import Report
from conformance.report.run.next_commands import RunAgain
from conformance.report.run.terminal import TerminalView, uncaptured_console
from tests.report_examples import (
    CHECKS,
    CONFORMANT,
    REQUIREMENTS,
    RICH,
    TIMED,
    check,
    failure,
    report_of,
    requirement,
)
from tests.snapshot import assert_snapshot

FILES = [Path("reports/latest") / name for name in ("report.json", "report.md", "report.html")]


AGAIN = RunAgain("--url http://127.0.0.1:2024", "http://127.0.0.1:2024")


def shown(
    report: Report,
    width: int = 80,
    encoding: str = "utf-8",
    *,
    height: int = 25,
    terminal: bool | None = False,
    verbose: bool = False,
    live: bool | None = None,
    **environment: str,
) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(
        file=file,
        width=width,
        height=height,
        force_terminal=terminal,
        highlight=False,
        _environ=environment,
    )
    seconds = iter(range(10_000))
    view = TerminalView(console, verbose=verbose, live=live, clock=lambda: float(next(seconds)))
    view.start(report.deployment, report.run, [each.id for each in report.checks])
    for each in report.checks:
        view.check_finished(each)
    view.finish(report, REQUIREMENTS, FILES, AGAIN)
    file.flush()
    return raw.getvalue().decode(encoding)


def many_failures(requirements: int, causes: int) -> Report:
    """Return a report in which so many requirements are broken, by so many causes."""
    catalogue = [
        requirement(f"STATE-{number:02}", "A copy " + "is long " * 20)
        for number in range(requirements)
    ]
    checks = [
        check(
            f"test_{number}",
            each.id,
            "fail",
            failure=failure(f"{'abcdefghijklmnopqrstuvwxyz'[number % causes]} differs"),
        )
        for number, each in enumerate(catalogue)
    ]
    return report_of(checks, catalogue)


@pytest.mark.parametrize("width", [100, 60])
def test_a_run_with_failures_reads_as_it_did_when_it_was_looked_at(width: int) -> None:
    assert_snapshot(shown(RICH, width), f"terminal-failures-{width}.txt")


def test_with_v_it_tells_all_as_it_did_when_it_was_looked_at() -> None:
    assert_snapshot(shown(RICH, 100, verbose=True), "terminal-failures-verbose.txt")


def test_where_time_went_is_told_if_it_was_counted() -> None:
    assert "Time: " not in shown(RICH)
    text = " ".join(shown(TIMED).split())
    assert "Time: 12.00 s of 2 processes: starting 2.00, server 2.50, waiting 6.25" in text


def test_a_conformant_run_reads_as_it_did_when_it_was_looked_at() -> None:
    assert_snapshot(shown(CONFORMANT), "terminal-conformant.txt")


def partial_with_baseline() -> Report:
    kept = [each for each in CHECKS if each.capability == "copy"]
    requirements = [each for each in REQUIREMENTS.values() if each.capability == "copy"]
    accepted = frozenset({"COPY-03", "COPY-04", "COPY-05"})
    return report_of(kept, requirements, baselined=accepted, partial=True)


def test_a_partial_run_that_leans_on_a_baseline_says_so() -> None:
    assert_snapshot(shown(partial_with_baseline()), "terminal-partial-baseline.txt")


def test_what_the_baseline_accepts_is_no_failure() -> None:
    text = shown(partial_with_baseline())
    assert "✗" not in text
    assert "Accepted by the baseline: 3 requirements (COPY-03, COPY-04, COPY-05)" in text


def test_an_optional_requirement_is_no_failure() -> None:
    text = shown(RICH)
    assert "✗ COPY-09" not in text
    assert "Optional or disputed (MAY), not held, without effect: COPY-09" in text


def test_a_cause_is_one_group_that_names_its_members() -> None:
    lines = shown(RICH, 100, height=40, terminal=False).splitlines()
    first = lines.index("✗ COPY-03 MUST   A copy has the whole history")
    assert lines[first + 1].strip().startswith("$[3]: removed")
    assert lines[first + 2] == "    same cause: COPY-05"


@pytest.mark.parametrize("height", [10, 24, 30, 60])
@pytest.mark.parametrize(("requirements", "causes"), [(60, 26), (60, 4), (3, 3)])
def test_whatever_fails_the_end_fits_one_screen(
    height: int, requirements: int, causes: int
) -> None:
    text = shown(many_failures(requirements, causes), height=height, terminal=True)
    seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).rpartition("\r")[2].splitlines()
    assert sum(1 + (len(each) - 1) // 80 for each in seen) <= max(24, min(height, 40))
    assert "Next:" in seen
    assert f"{requirements} requirements broken" in text


def test_what_does_not_fit_is_counted_and_named() -> None:
    text = shown(many_failures(60, 26))
    where = re.escape("reports/latest/report.html (STATE-09, STATE-35, ")
    assert re.search(rf"^… and \d+ more causes: {where}", text, re.MULTILINE)


def test_every_line_of_a_failure_is_one_line() -> None:
    lines = shown(many_failures(5, 5)).splitlines()
    failed = [each for each in lines if each.startswith("✗")]
    assert len(failed) == 5
    assert all(len(each) == 80 and each.endswith("…") for each in failed)


def test_a_terminal_without_the_mark_gets_another() -> None:
    assert "\nx COPY-03 MUST" in shown(RICH, encoding="ascii")


def test_without_a_terminal_it_is_plain_and_quiet() -> None:
    text = shown(RICH)
    assert "\x1b" not in text
    progress = re.findall(r"^\d+ of 12 checks, .*; \d:\d\d, about \d:\d\d left$", text, re.M)
    assert len(progress) == 4


def test_on_a_terminal_the_progress_names_capability_counts_and_times() -> None:
    text = shown(RICH, width=120, terminal=True)
    assert "\x1b[" in text
    assert "12/12" in text
    assert "prune" in text
    assert re.search(r"0:\d\d, about 0:\d\d left", text)
    assert " of 12 checks," not in text


def test_no_color_leaves_the_terminal_without_colours() -> None:
    coloured = re.compile(r"\x1b\[(?:3\d|9\d|38;)[0-9;]*m")
    assert coloured.search(shown(RICH, terminal=True, TERM="xterm-256color"))
    assert not coloured.search(shown(RICH, terminal=True, TERM="xterm-256color", NO_COLOR="1"))


def test_forced_colours_bring_no_live_progress_into_a_log() -> None:
    text = shown(RICH, terminal=None, live=False, FORCE_COLOR="1", TERM="xterm-256color")
    assert "\x1b[1;31m" in text
    assert set(re.findall(r"\x1b\[[0-9;?]*([A-Za-z])", text)) == {"m"}
    assert " of 12 checks," in text


@pytest.mark.parametrize("verbose", [False, True])
def test_a_command_to_paste_is_never_folded(verbose: bool) -> None:
    lines = shown(RICH, 40, verbose=verbose).splitlines()
    assert "  threads-conformance explain COPY-03 --replay --url http://127.0.0.1:2024" in lines
    assert (
        "  threads-conformance run http://127.0.0.1:2024 --requirement COPY-03,COPY-04,CREATE-03"
        in lines
    )
    if verbose:
        (line,) = [line for line in lines if "--data-raw" in line]
        assert line.endswith("""--data-raw '{"metadata": {"n": 9007199254740993}}'""")


def test_with_v_every_cause_is_shown_in_full() -> None:
    text = shown(many_failures(26, 26), verbose=True)
    assert text.count("  expected ") == 26


def test_with_v_long_values_are_cut_and_a_long_command_is_left_to_explain() -> None:
    long = failure("differs", expected="e" * 9_000, curl="curl " + "c" * 9_000)
    report = report_of([check("test_a", "COPY-03", "fail", failure=long)])
    text = shown(report, verbose=True)
    assert "(9000 characters in all)" in text
    assert "too long; see threads-conformance explain" in text
    assert "c" * 100 not in text


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(), max_size=60)
    | st.sampled_from(["[/bold]", "[red]", "\x1b[2J", "a\x00\ud800", "[link=x]", "\\["]),
    st.sampled_from([40, 60, 100]),
    st.sampled_from(["utf-8", "ascii"]),
)
def test_whatever_a_server_says_the_terminal_is_not_driven_by_it(
    text: str, width: int, encoding: str
) -> None:
    broken = failure(text, expected=text, actual=text, diff=(text,), curl=text)
    report = report_of(
        [
            check(f"test_a{text}", "COPY-03", "fail", failure=broken),
            check("test_b", "COPY-04", "error", reason=text),
        ]
    )
    assert "\x1b" not in shown(report, width, encoding)
    assert "\x1b" not in shown(report, width, encoding, verbose=True)


def test_markup_in_an_answer_is_shown_as_it_came() -> None:
    assert "[/bold]<script>" in shown(RICH, 120)
    assert "[/bold]<script>" in shown(RICH, verbose=True)


def test_what_is_no_terminal_is_wide_unless_columns_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns, width in ((None, 200), ("90", 90)):
        if columns:
            monkeypatch.setenv("COLUMNS", columns)
        else:
            monkeypatch.delenv("COLUMNS", raising=False)
        with (
            (tmp_path / "log").open("w", encoding="utf-8") as stream,
            uncaptured_console(stream) as console,
        ):
            assert console.width == width

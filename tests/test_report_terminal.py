import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from conformance.report.record import Report
from conformance.report.run.terminal import TerminalView
from tests.report_examples import CHECKS, CONFORMANT, REQUIREMENTS, RICH, check, failure, report_of
from tests.snapshot import assert_snapshot

FILES = [Path("reports/latest") / name for name in ("report.json", "report.md", "report.html")]


def shown(report: Report, width: int = 100, encoding: str = "utf-8", terminal: bool = False) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    view = TerminalView(
        Console(file=file, width=width, force_terminal=terminal, highlight=False, _environ={})
    )
    view.start(report.deployment, report.run, len(report.checks))
    for each in report.checks:
        view.check_finished(each)
    view.finish(report, REQUIREMENTS, FILES)
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [100, 60])
def test_a_run_with_failures_reads_as_it_did_when_it_was_looked_at(width: int) -> None:
    assert_snapshot(shown(RICH, width), f"terminal-failures-{width}.txt")


def test_a_conformant_run_reads_as_it_did_when_it_was_looked_at() -> None:
    assert_snapshot(shown(CONFORMANT), "terminal-conformant.txt")


def test_a_partial_run_that_leans_on_a_baseline_says_so() -> None:
    kept = [each for each in CHECKS if each.capability == "copy"]
    requirements = [each for each in REQUIREMENTS.values() if each.capability == "copy"]
    accepted = frozenset({"COPY-03", "COPY-04", "COPY-05"})
    report = report_of(kept, requirements, baselined=accepted, partial=True)
    assert_snapshot(shown(report), "terminal-partial-baseline.txt")


def test_without_a_terminal_it_is_plain_and_quiet() -> None:
    text = shown(RICH)
    assert "\x1b" not in text
    assert text.count("checking ") == len({each.capability for each in CHECKS})


def test_on_a_terminal_the_progress_names_capability_and_counts() -> None:
    text = shown(RICH, width=120, terminal=True)
    assert "\x1b[" in text
    assert "12/12" in text
    assert "prune" in text
    assert "checking " not in text


def test_a_command_to_paste_is_never_folded() -> None:
    (line,) = [line for line in shown(RICH, 60).splitlines() if "--data-raw" in line]
    assert line.endswith("""--data-raw '{"metadata": {"n": 9007199254740993}}'""")


def test_ten_causes_are_shown_in_full_and_the_others_named() -> None:
    checks = [
        check(f"test_{letter}", "COPY-03", "fail", failure=failure(f"{letter} differs"))
        for letter in "abcdefghijkl"
    ]
    text = shown(report_of(checks))
    assert text.count("  expected ") == 10
    assert "And 2 more causes (COPY-03, COPY-03): see reports/latest/report.html." in text


def test_long_values_are_cut_and_a_long_command_is_left_to_explain() -> None:
    long = failure("differs", expected="e" * 9_000, curl="curl " + "c" * 9_000)
    text = shown(report_of([check("test_a", "COPY-03", "fail", failure=long)]))
    assert "(9000 characters in all)" in text
    assert "threads-conformance explain reports/latest/report.json" in text
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


def test_markup_in_an_answer_is_shown_as_it_came() -> None:
    assert "[/bold]<script>" in shown(RICH)

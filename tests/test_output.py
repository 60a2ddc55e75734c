"""Text from a server instructs no CI system and no terminal, however the text is written."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from conformance.deployment.record.redaction import Redactor
from conformance.output import SafeStream, redact_output
from conformance.report.run.terminal import TerminalView
from conformance.safe_text import harmless, without_commands
from tests.conftest import CHECKOUT, command
from tests.echoing import INSTRUCTIONS
from tests.report_examples import REQUIREMENTS, check, failure, report_of

ORDER = re.compile(r"^(?:\s|\x1b\[[0-9;]*m)*::|##\w*\[", re.MULTILINE)


def streamed(*texts: str) -> str:
    raw = io.BytesIO()
    stream = SafeStream(raw, encoding="utf-8", newline="")
    for each in texts:
        assert stream.write(each) == len(each)
    stream.flush()
    return raw.getvalue().decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", ": :error::x"),
        ("a\n \t::error::x\n::b", "a\n \t: :error::x\n: :b"),
        ("\x1b[31m::error::x\x1b[0m", "\x1b[31m: :error::x\x1b[0m"),
        ("\u00a0\u3000::error", "\u00a0\u3000: :error"),
        ("a ##[error]x ##vso[task] ##teamcity[x]", "a ## [error]x ##vso [task] ##teamcity [x]"),
        ("a::b ## [c] #[d] test.py::name", "a::b ## [c] #[d] test.py::name"),
    ],
)
def test_orders_of_a_line(text: str, shown: str) -> None:
    assert without_commands(text) == shown
    assert without_commands(shown) == shown
    assert streamed(text) == shown
    # Sequences for the terminal are written whole; all else may come in pieces.
    assert streamed(*re.findall(r"\x1b\[\d+m|.", text, re.DOTALL)) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07\x1b[1mours\x1b[0m", "\\u001b]0;owned\\u0007\x1b[1mours\x1b[0m"),
        ("a\x85::b\u2028::c\x0b::d\r::e", "a\\u0085::b\\u2028::c\\u000b::d\r: :e"),
        ("x" * 5_000 + "::a\n::b", "x" * 5_000 + "::a\n: :b"),
    ],
)
def test_a_stream_lets_our_own_colours_pass(text: str, shown: str) -> None:
    assert streamed(text) == shown


def test_a_stream_shows_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.output._credentials", {})
    redact_output(Redactor(secrets=["swordfish"]))
    assert streamed("a sword%66ish") == "a [redacted]"


def test_colours_of_the_terminal_survive() -> None:
    raw = io.BytesIO()
    stream = SafeStream(raw, encoding="utf-8")
    console = Console(file=stream, force_terminal=True, color_system="standard", width=12)
    console.print("[red]seven chars ::error::owned[/red]")
    stream.flush()
    shown = raw.getvalue().decode()
    assert "\x1b[31m" in shown
    assert not ORDER.search(shown)


def test_orders_become_harmless_before_they_are_stored() -> None:
    shown = harmless(INSTRUCTIONS)
    assert not ORDER.search(shown)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028]", shown)


@pytest.mark.parametrize("verbose", [False, True])
def test_markup_of_a_server_is_not_obeyed(verbose: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=200, highlight=False)
    said = failure("it differs", diff=(), actual="[red]owned[/red] [link=http://owned]owned[/link]")
    report = report_of([check("test_a", "COPY-03", "fail", failure=said)])
    TerminalView(console, verbose=verbose).finish(report, REQUIREMENTS, [])
    assert "[red]owned[/red] [link=http://owned]owned[/link]" in file.getvalue()


@pytest.mark.slow
def test_the_command_guards_its_streams(tmp_path: Path) -> None:
    ended = command(tmp_path, "run", "-k", "a\n::error::owned\n##[error]owned and")
    assert ended.returncode == 2
    assert "owned" in ended.stderr
    assert not ORDER.search(ended.stderr)


def test_a_traceback_is_guarded_as_well(tmp_path: Path) -> None:
    program = (
        "from conformance import output; output.guard_streams()\n"
        "raise RuntimeError('a\\n::error::owned\\x1b]0;owned\\x07')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert "owned" in ended.stderr
    assert not ORDER.search(ended.stderr)
    assert "\x1b]" not in ended.stderr

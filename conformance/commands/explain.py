"""`threads-conformance explain`: one failure with its exchanges and how to reproduce it."""

from __future__ import annotations

import dataclasses
import difflib
import json
import textwrap
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from conformance.commands import completion
from conformance.commands.format_option import format_option
from conformance.commands.options import (
    credentials_options,
    disposable_option,
    launcher_option,
    run_timeout_option,
    server_option,
    timeout_option,
    trust_options,
    visible_within_option,
)
from conformance.commands.url_option import url_option
from conformance.contract.catalogue import load_catalogue
from conformance.contract.verdicts import Verdict
from conformance.json_text import parse_json
from conformance.report.plain_text import counted, listed, printable
from conformance.report.record import CheckResult, Report, ReportError, load_report
from conformance.report.run.folders import SELECTION_DIR, WHOLE_DIR, newest_report
from conformance.report.run.wording import (
    WORDS,
    Promise,
    Requirements,
    promises,
    stability_note,
)

#: Options that mean nothing without --replay.
_TARGET = ("url", "server")


class ExplainError(click.ClickException):
    """The report or check cannot be used; the message says what to give instead."""

    exit_code = 2


@click.command("explain")
@click.argument(
    "words", nargs=-1, metavar="[REPORT] CHECK", shell_complete=completion.report_or_requirement
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the report is, if REPORT is left out; by default the newest of reports/latest and "
    "reports/selection.",
)
@format_option()
@click.option(
    "--replay",
    "replays",
    is_flag=True,
    help="Send what the failure needs again, to --url or --server, else to the embedded reference, "
    "and compare the answers. Under ids of its own, which are removed.",
)
@url_option("With --replay: the deployment to send it to.")
@server_option
@launcher_option
@credentials_options
@disposable_option
@timeout_option
@run_timeout_option
@trust_options
@visible_within_option("a question is asked until the answer is as it was")
@click.pass_context
def explain_command(
    context: click.Context,
    /,
    words: tuple[str, ...],
    report_dir: Path | None,
    output_format: str,
    replays: bool,
    url: str | None,
    server: str | None,
    launcher_files: tuple[Path, ...],
    headers: tuple[tuple[str, str], ...],
    **options: Any,
) -> None:
    """Explain a failure: the promise, the difference, the exchanges, a curl command.

    REPORT is a report.json (or report.json.gz) or the folder that holds it; without it the newest
    report is taken. CHECK is the id of a check, a part of it that no other check has, or the id of
    a requirement (then each of its checks that did not pass is explained).

    Exit status: 0 explained or sent again, 2 wrong usage: no such report or check, or one that
    cannot be sent again, 3 the deployment cannot be reached.
    """
    report, check = _report_and_check(words, report_dir)
    try:
        read = load_report(report)
    except ReportError as unreadable:
        raise ExplainError(str(unreadable)) from unreadable
    chosen = find_checks(read, check)
    if replays:
        # Imported here, since it takes a while and nothing else needs it.
        from conformance.commands.explain_replay import replay_check

        failed = next((each for each in chosen if each.failure), None)
        if failed is None:
            raise ExplainError(f"no check of {check} failed: there is nothing to send again")
        click.echo(replay_check(failed, read, url, server, launcher_files, headers, **options))
        return
    # Elsewhere they may be set for all commands.
    if any(context.get_parameter_source(each) is ParameterSource.COMMANDLINE for each in _TARGET):
        raise click.UsageError("--url and --server say where --replay sends it: add --replay")
    requirements = load_catalogue().requirements
    if output_format == "json":
        click.echo(json.dumps([_as_json(each, read, requirements) for each in chosen], indent=2))
        return
    if not chosen:
        click.echo(_nothing_to_explain(read, check))
    for number, each in enumerate(chosen):
        click.echo(("\n" if number else "") + explanation(each, read, requirements))


def _report_and_check(words: tuple[str, ...], report_dir: Path | None) -> tuple[Path, str]:
    """Return the report to read and the check to explain; say which report was taken."""
    if len(words) == 2:
        return Path(words[0]), words[1]
    if len(words) != 1:
        raise click.UsageError("name a check or a requirement, after the report if you name one")
    (check,) = words
    if Path(check).exists():
        raise click.UsageError(
            f"{check} is a report: name a check or a requirement of it as well, such as COPY-03"
        )
    folders = (WHOLE_DIR, SELECTION_DIR) if report_dir is None else (report_dir,)
    newest = newest_report(folders)
    if newest is None:
        looked = " or ".join(map(str, folders))
        raise ExplainError(
            f"no report in {looked}: run `threads-conformance run` first, or name one, as in "
            f"`threads-conformance explain REPORT {check}`"
        )
    click.echo(f"Of {newest}:", err=True)
    return newest, check


def find_checks(report: Report, wanted: str) -> tuple[CheckResult, ...]:
    """Return the checks that `wanted` names; for a requirement those that did not pass.

    Raise `ExplainError` if it matches none, or is a part of several ids.
    """
    for result in report.requirements:
        if result.id == wanted.upper():
            return tuple(
                check
                for check in report.checks
                if check.id in result.checks and check.verdict is not Verdict.PASS
            )
    ids = [check.id for check in report.checks]
    exact = [each for each in ids if wanted in (each, each.rpartition("::")[2])]
    found = exact or [each for each in ids if wanted.lower() in each.lower()]
    if len(found) == 1:
        return (report.check(found[0]),)
    if found:
        raise ExplainError(
            f"{wanted!r} matches {len(found)} checks: give one of {listed(found, 8)}"
        )
    names = [*ids, *(result.id for result in report.requirements)]
    near = _close_matches(wanted, names)
    listing = "the ids are listed under `checks` in report.json"
    hint = f"did you mean {' or '.join(near)}?" if near else listing
    raise ExplainError(f"no check or requirement {wanted!r} in this report: {hint}")


def explanation(check: CheckResult, report: Report, requirements: Requirements) -> str:
    """Return the explanation of one check as text."""
    decided = promises(check.requirements, report, requirements)
    lines = [f"{check.id}: {WORDS[check.verdict]}"]
    if note := stability_note(check):
        lines.append(f"  {note}")
    if check.verdict is Verdict.PASS:
        lines += [f"  {_promise_line(promise)}" for promise in decided]
        lines.append("It passed: there is nothing to explain.")
        return printable("\n".join(lines))
    lines += _section("Promise", "\n".join(map(_promise_line, decided)))
    if failure := check.failure:
        lines += _section("Expected", failure.expected)
        lines += _section("Actual", failure.actual)
        lines += _section("Smallest difference", "\n".join(failure.diff))
        for number, exchange in enumerate(failure.exchanges, start=1):
            lines += _exchange_lines(exchange, f"Exchange {number} of {len(failure.exchanges)}")
        # Not indented, so that it can be pasted.
        lines += (
            ["", "Reproduce, or send it again with --replay:", failure.curl] if failure.curl else []
        )
    else:
        lines += _section("Reason", check.reason)
    sources = dict.fromkeys(source for promise in decided for source in promise.sources)
    lines += _section("Sources", "\n".join(sources))
    lines += _section("Disputed", "\n".join(each.disputed for each in decided if each.disputed))
    return printable("\n".join(lines))


def _promise_line(promise: Promise) -> str:
    return f"{promise.id} ({promise.level}) {promise.statement}"


def _section(title: str, text: str) -> list[str]:
    return ["", f"{title}:", textwrap.indent(text, "  ")] if text.strip() else []


def _exchange_lines(exchange: dict[str, Any], title: str) -> list[str]:
    answer = exchange.get("status") or exchange.get("error") or "no answer"
    lines = ["", f"{title}: {exchange.get('method')} {exchange.get('url')} -> {answer}"]
    for name in ("request_body", "response_body"):
        if body := exchange.get(name):
            lines += [f"  {name.replace('_', ' ')}:", textwrap.indent(_indent_json(body), "    ")]
    return lines


def _indent_json(body: str) -> str:
    try:
        return json.dumps(parse_json(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


def _nothing_to_explain(report: Report, requirement_id: str) -> str:
    result = next(each for each in report.requirements if each.id == requirement_id.upper())
    if result.verdict is Verdict.PASS:
        checks = counted(len(result.checks), "check")
        return f"{result.id} passed ({checks}): there is nothing to explain."
    return f"{result.id}: {WORDS[result.verdict]}; none of its checks left a result."


def _as_json(check: CheckResult, report: Report, requirements: Requirements) -> dict[str, Any]:
    return {
        "check": dataclasses.asdict(check),
        "promises": [
            dataclasses.asdict(promise)
            for promise in promises(check.requirements, report, requirements)
        ],
    }


def _close_matches(wanted: str, names: list[str]) -> list[str]:
    # People usually type the last part of an id.
    by_short = {name.rpartition("::")[2].lower(): name for name in names}
    return [
        by_short[short]
        for short in difflib.get_close_matches(
            wanted.rpartition("::")[2].lower(), by_short, n=3, cutoff=0.5
        )
    ]

"""report.md: the report as a comment on a pull request."""

from __future__ import annotations

from conformance.contract.catalogue import LEVELS
from conformance.report.expected_actual_markdown import VALUE_LIMIT, failure_paragraphs
from conformance.report.markdown_text import code, fenced, table
from conformance.report.plain_text import counted, cut, listed
from conformance.report.record import Load, Report
from conformance.report.run.grouping import FailureGroup, failure_groups, undecided_groups
from conformance.report.run.load import EXPLAINED, HEADER, load_line, load_rows
from conformance.report.run.wording import (
    WORDS,
    Requirements,
    capability_rows,
    cleanup_line,
    cleanup_reasons,
    promises,
    server_name,
    skipped_by_effort_line,
    stability_note,
    time_caption,
    time_rows,
    unmet_optional_line,
    verdict_meaning,
    verdict_words,
)
from conformance.report.schema.markdown import comparison_section
from conformance.report.schema.model import SchemaComparison

#: GitHub refuses a comment of more than 65,536 characters.
_COMMENT_LIMIT = 60_000
_DIFF_LINES = 20
_PROMISES = 8


def markdown_report(
    report: Report, requirements: Requirements, comparison: SchemaComparison | None = None
) -> str:
    """Return the text of report.md; failures beyond the size limit are only listed by id."""
    deployment = report.deployment
    head = [
        f"# {verdict_words(report)}: {code(server_name(report))}",
        verdict_meaning(report),
        f"Deployment {code(deployment.url)}, graph {code(deployment.graph_id)}, profile "
        f"{report.run.profile}, effort {report.run.effort}, seed {report.run.seed}; "
        f"{report.run.requests} requests in {report.run.duration_s:.1f} s; "
        f"threads-conformance {report.suite_version}, run {code(report.run.id)}.",
        "## Requirements",
        _totals_table(report),
        "## Capabilities",
        _capabilities_table(report),
    ]
    left = skipped_by_effort_line(report, requirements)
    rest = [f"{each[0].upper()}{each[1:]}." for each in (unmet_optional_line(report), left) if each]
    foot = [
        *_undecided_section(report),
        *rest,
        *(comparison_section(comparison) if comparison else []),
        *_load_section(report.load),
        "## Cleanup",
        _cleanup_text(report),
        *_times_section(report),
    ]
    room = _COMMENT_LIMIT - len("\n\n".join([*head, *foot]))
    return "\n\n".join([*head, *_failures_section(report, requirements, room), *foot]) + "\n"


def _totals_table(report: Report) -> str:
    rows = []
    for level in LEVELS:
        counts = report.totals[level]
        of = sum(counts.values())
        rows.append([level, *(f"{counts[verdict]} of {of}" for verdict in WORDS)])
    return table(["level", *WORDS.values()], rows)


def _capabilities_table(report: Report) -> str:
    rows = []
    for row in capability_rows(report):
        cells = [f"{passed} of {of}" if of else "-" for passed, of in row.passed.values()]
        rows.append([row.capability, *cells, ", ".join(row.failing) or "-"])
    return table(["capability", *(f"{level} passed" for level in LEVELS), "failing"], rows)


def _failures_section(report: Report, requirements: Requirements, room: int) -> list[str]:
    found = failure_groups(report)
    if not found:
        return []
    parts = ["## Failures"]
    unshown: list[str] = []
    for group in found:
        block = _failure_text(group, report, requirements)
        room -= len(block) + 2
        if room > 0 and not unshown:
            parts.append(block)
        else:
            unshown.append(f"- {group.level} {listed(group.requirements, _PROMISES)}")
    if unshown:
        parts += [
            f"{counted(len(unshown), 'more cause')}, shown in report.html:",
            "\n".join(unshown[:100]),
        ]
    return parts


def _failure_text(group: FailureGroup, report: Report, requirements: Requirements) -> str:
    check = group.checks[0]
    failure = check.failure
    accepted = ", accepted by the baseline" if group.baselined else ""
    decided = promises(group.requirements, report, requirements)
    parts = [
        f"### {group.level} {listed(group.requirements, _PROMISES)}{accepted}",
        code(cut(group.cause, 300)),
        "\n".join(
            f"- **{each.id}** ({each.level}) {each.statement}" for each in decided[:_PROMISES]
        ),
    ]
    if failure:
        parts += failure_paragraphs(failure, _DIFF_LINES)
        if failure.curl:
            parts += ["Reproduce:", _curl_text(failure.curl, check.id)]
    if note := stability_note(check):
        parts.append(f"This failure is {note}.")
    sources = dict.fromkeys(source for each in decided for source in each.sources)
    if sources:
        parts.append("Sources:\n\n" + "\n".join(f"- {code(each)}" for each in sources))
    parts += [f"Disputed ({each.id}): {each.disputed}" for each in decided if each.disputed]
    ids = [code(each.id) for each in group.checks]
    parts.append(f"{counted(len(ids), 'check')}: {listed(ids, 6)}")
    return "\n\n".join(parts)


def _curl_text(command: str, check_id: str) -> str:
    if len(command) > 2 * VALUE_LIMIT:
        return f"The command is long: `threads-conformance explain report.json` {code(check_id)}"
    return fenced(command, "sh")


def _undecided_section(report: Report) -> list[str]:
    found = undecided_groups(report)
    if not found:
        return []
    rows = [
        [WORDS[group.verdict], ", ".join(group.requirements), code(cut(group.reason, 300))]
        for group in found
    ]
    return ["## Not decided", table(["verdict", "requirements", "reason"], rows)]


def _load_section(load: Load | None) -> list[str]:
    if load is None:
        return []
    line = load_line(load, code)
    parts = ["## Load", f"{line[0].upper()}{line[1:]}."]
    if load.problem:
        parts.append(code(load.problem))
    if rows := load_rows(load):
        shown = [[code(operation), *cells] for operation, *cells in rows]
        parts += [table([*HEADER], shown), EXPLAINED]
    return parts


def _times_section(report: Report) -> list[str]:
    rows = [list(each) for each in time_rows(report)]
    if not rows:
        return []
    return ["## Time", f"{time_caption(report)}.", table(["activity", "seconds", "share"], rows)]


def _cleanup_text(report: Report) -> str:
    line = f"{cleanup_line(report)}."
    if report.cleanup.left:
        line += f" Still there: {listed([code(each) for each in report.cleanup.left], 20)}"
    line += "".join(f"\n- {each}" for each in cleanup_reasons(report))
    return f"{line[0].upper()}{line[1:]}"

"""The schema comparison as schema-comparison.md, section of report.md and terminal line."""

from __future__ import annotations

from conformance.report.markdown_text import code, fenced, table
from conformance.report.plain_text import counted, cut
from conformance.report.schema.model import KINDS, Difference, SchemaComparison

#: Rows of the section in report.md; schema-comparison.md has all.
_ROWS = 40
_CURL_LIMIT = 2_000
_MEANING = "This is information and changes no verdict."


def comparison_report(comparison: SchemaComparison) -> str:
    """Return schema-comparison.md: every difference, with a request that shows it."""
    parts = [
        f"# Schema comparison: {code(comparison.url)}",
        f"{_headline(comparison)} {_MEANING}",
    ]
    for kind in comparison.counts():
        parts.append(f"## {KINDS[kind][0].upper()}{KINDS[kind][1:]}")
        parts += [_difference_item(each) for each in comparison.differences if each.kind == kind]
    return "\n\n".join(parts) + "\n"


def comparison_section(comparison: SchemaComparison) -> list[str]:
    """Return the paragraphs of the section in report.md."""
    parts = [
        "## Schema comparison",
        f"The deployment's own OpenAPI document, {code(comparison.url)}, was compared with its "
        f"answers in this run and with the contract. {_headline(comparison)} {_MEANING}",
    ]
    rows = [
        [KINDS[each.kind], *map(_cell, (each.operation, each.where, each.declared, each.found))]
        for each in comparison.differences[:_ROWS]
    ]
    if rows:
        parts.append(table(["what", "operation", "where", "declared", "found"], rows))
    if more := len(comparison.differences) - len(rows):
        parts.append(f"And {counted(more, 'more difference')}: see schema-comparison.md.")
    return parts


def _headline(comparison: SchemaComparison) -> str:
    compared = counted(len(comparison.operations), "operation")
    return f"{counted(len(comparison.differences), 'difference')} in {compared}."


def _difference_item(each: Difference) -> str:
    where = f" at {code(each.where)}" if each.where else ""
    parts = [
        f"- {code(each.operation)}{where}: declared {code(cut(each.declared, 300))}, "
        f"found {code(cut(each.found, 300))}"
    ]
    if each.example and len(each.example) <= _CURL_LIMIT:
        parts.append(fenced(each.example, "sh"))
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return code(cut(text, 120)) if text else "-"

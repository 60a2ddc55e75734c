"""report.html: one self-contained file, made from `templates/report.html.j2`."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from conformance.contract.catalogue import LEVELS
from conformance.contract.quotations import Cited, cited
from conformance.contract.verdicts import RunVerdict, Verdict, worst
from conformance.report.plain_text import counted, cut, listed, one_line, printable
from conformance.report.record import CheckResult, Report, RequirementResult
from conformance.report.run.failure_page import FailurePart, failure_parts
from conformance.report.run.grouping import (
    failure_groups,
    told_failures,
    undecided_groups,
    unmet_optional_groups,
)
from conformance.report.run.json_view import View
from conformance.report.run.load import EXPLAINED, HEADER, load_line, load_rows
from conformance.report.run.reference_answers import ReferenceAnswers
from conformance.report.run.wording import (
    WORDS,
    Requirements,
    cleanup_line,
    promises,
    server_name,
    time_caption,
    time_rows,
    verdict_meaning,
    verdict_words,
)
from conformance.report.schema.model import KINDS, SchemaComparison
from conformance.report.score import UNDECIDED

_VALUE_LIMIT = 8_000
#: Lines are not indented further than so many levels.
_DEEPEST = 40
#: Signs of verdicts, so that colour is never the only difference.
SIGNS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.ERROR: "!",
    Verdict.BLOCKED: "⊘",
    Verdict.NOT_RUN: "○",
    Verdict.UNSUPPORTED: "–",
}
_VERDICT_SIGNS = {
    RunVerdict.CONFORMANT: ("✓", "#116329"),
    RunVerdict.NON_CONFORMANT: ("✗", "#a40e26"),
    RunVerdict.INCOMPLETE: ("?", "#7d4e00"),
}
#: What a bar shows, in its order: a word, its sign, and the verdicts that it counts.
_SHARES = (
    ("kept", "✓", (Verdict.PASS,)),
    ("broken", "✗", (Verdict.FAIL,)),
    ("undecided", "⊘", UNDECIDED),
    ("not offered", "–", (Verdict.UNSUPPORTED,)),
)
#: Reasons for the verdict that stand at the top of the page.
_REASONS_ON_TOP = 6
_IDS_IN_A_LINE = 4


@dataclass(frozen=True)
class Share:
    """A part of a bar: how many requirements of all are so."""

    word: str
    sign: str
    count: int

    @property
    def name(self) -> str:
        """The word as a name of a class and of a filter."""
        return self.word.replace(" ", "-")


@dataclass(frozen=True)
class Bar:
    """The requirements of a level or capability, divided; `shares` that are empty are left out."""

    name: str
    of: int
    shares: tuple[Share, ...]

    def count(self, word: str) -> int:
        """Return how many are so."""
        return sum(each.count for each in self.shares if each.word == word)


@dataclass(frozen=True)
class Entry:
    """A requirement as it stands in the list.

    `failures` are the addresses of its failures on the page, and `reasons` why it is not decided.
    """

    result: RequirementResult
    statement: str
    disputed: str
    sources: tuple[Cited, ...]
    failures: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Reason:
    """One reason for the verdict, with the address of what there is on it."""

    sign: str
    verdict: Verdict
    level: str
    text: str
    address: str
    ids: str


def html_report(
    report: Report,
    requirements: Requirements,
    comparison: SchemaComparison | None = None,
    reference: Mapping[str, ReferenceAnswers] | None = None,
) -> str:
    """Return the text of report.html.

    `reference` holds by check what the reference answered to the requests of failures.
    """
    told = told_failures(failure_groups(report), report)
    failures = failure_parts(report, requirements, told, reference or {})
    entries = tuple(_entries(report, requirements, failures))
    sign, colour = _VERDICT_SIGNS[report.verdict]
    page = page_template("report.html.j2").render(
        report=report,
        levels=LEVELS,
        words=WORDS,
        signs=SIGNS,
        verdict_words=verdict_words(report),
        verdict_sign=sign,
        icon=_icon(sign, colour),
        meaning=verdict_meaning(report),
        server=server_name(report),
        quoted_url=shlex.quote(report.deployment.url),
        reasons=_reasons(report, failures),
        bars=[_bar(level, _of_level(report, level)) for level in LEVELS],
        capabilities=[
            (_bar(name, each), _worst(each)) for name, each in _by_capability(report).items()
        ],
        failures=failures,
        entries=entries,
        by_capability={
            name: [each for each in entries if each.result.capability == name]
            for name in _by_capability(report)
        },
        optional=[
            promise
            for group in unmet_optional_groups(report)
            for promise in promises(group.requirements, report, requirements)
        ],
        undecided=undecided_groups(report),
        cleanup=cleanup_line(report),
        times=time_rows(report),
        time_caption=time_caption(report),
        comparison=comparison,
        load_line=load_line,
        load_header=HEADER,
        load_rows=load_rows,
        load_explained=EXPLAINED,
        kinds=KINDS,
        script=_script(),
        script_hash=_hash(_script()),
    )
    # Its macros leave blank lines before the first element.
    return page.lstrip()


@cache
def page_template(name: str) -> Template:
    """Load a template of `templates/`; all values that are put into it are escaped."""
    environment = Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable_value,
    )
    environment.filters |= {
        "shorten": _shorten,
        "counted": counted,
        "laid_out": _laid_out,
        "content": _content,
    }
    return environment.get_template(name)


def _printable_value(value: Any) -> Any:
    # Every value of a template passes here. Only `str` itself is changed: jinja2 marks
    # safe text by a subclass, which must be kept.
    return printable(value) if type(value) is str else value


def _shorten(text: str) -> str:
    return cut(text, _VALUE_LIMIT)


def _content(text: str) -> Markup:
    """Return a text as the content of an element: quotes, which JSON is full of, stay as they are.

    Not for attributes.
    """
    return Markup(_escaped(text))


def _escaped(text: str) -> str:
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _laid_out(view: View) -> Markup:
    """Return a value as the content of an element, its differing lines in `<mark>`."""
    lines = [_escaped(cut(view.words, _VALUE_LIMIT))] if view.words else []
    for each in view.lines:
        text = _escaped(each.text)
        shown = f"<mark>{text}</mark>" if each.marked else text
        lines.append("\t" * min(each.depth, _DEEPEST) + shown)
    return Markup("\n".join(lines))


@cache
def _script() -> Markup:
    """Return the script of the page, which holds nothing of a report."""
    file = Path(__file__).parents[1] / "templates" / "report.js"
    return Markup(file.read_text(encoding="utf-8"))


def _hash(script: str) -> str:
    """Return the digest by which the page allows its own script and no other."""
    # It is the text between the tags, the line break at its beginning included.
    digest = hashlib.sha256(f"\n{script}\n".encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _icon(sign: str, colour: str) -> str:
    """Return the address of an icon that shows the verdict."""
    drawing = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>"
        f"<rect width='32' height='32' rx='7' fill='{colour}'/>"
        "<text x='16' y='24' font-family='sans-serif' font-size='23' font-weight='bold' "
        f"text-anchor='middle' fill='white'>{sign}</text></svg>"
    )
    return f"data:image/svg+xml,{quote(drawing)}"


def _of_level(report: Report, level: str) -> list[RequirementResult]:
    return [each for each in report.requirements if each.level == level]


def _by_capability(report: Report) -> dict[str, list[RequirementResult]]:
    found: dict[str, list[RequirementResult]] = {}
    for each in report.requirements:
        found.setdefault(each.capability, []).append(each)
    return found


def _bar(name: str, results: Collection[RequirementResult]) -> Bar:
    shares = tuple(
        Share(word, sign, sum(each.verdict in verdicts for each in results))
        for word, sign, verdicts in _SHARES
    )
    return Bar(name, len(results), tuple(each for each in shares if each.count))


def _worst(results: Collection[RequirementResult]) -> Verdict:
    """Return the verdict that a capability is told by; a MAY counts only where nothing else is."""
    counted_ = [each for each in results if each.level != LEVELS[-1]] or list(results)
    found = {each.verdict for each in counted_ if not each.baselined} or {Verdict.PASS}
    if found == {Verdict.FAIL} and all(each.level == LEVELS[-1] for each in counted_):
        return Verdict.UNSUPPORTED
    return worst(found)


def _entries(
    report: Report,
    requirements: Requirements,
    parts: Collection[FailurePart],
) -> Iterator[Entry]:
    failures: dict[str, list[str]] = {}
    for part in parts:
        for each in part.group.requirements:
            failures.setdefault(each, []).append(part.address)
    checks = {each.id: each for each in report.checks}
    for result in report.requirements:
        known = requirements.get(result.id)
        found = [checks[each] for each in result.checks if each in checks]
        yield Entry(
            result=result,
            statement=known.statement if known else "",
            disputed=known.disputed if known else "",
            sources=cited(known) if known else (),
            failures=tuple(failures.get(result.id, ())),
            reasons=tuple(dict.fromkeys(_reasons_of(result, found))),
        )


def _reasons_of(result: RequirementResult, checks: Collection[CheckResult]) -> Iterator[str]:
    """Yield why a requirement is not decided, or does not hold where no failure tells it."""
    if result.verdict is Verdict.PASS:
        return
    for each in checks:
        if each.verdict is result.verdict and each.reason:
            yield cut(one_line(each.reason), 400)


def _reasons(report: Report, failures: Collection[FailurePart]) -> tuple[list[Reason], int]:
    """Return the first reasons for the verdict, and how many more there are."""
    found = [
        Reason(
            SIGNS[Verdict.FAIL],
            Verdict.FAIL,
            each.group.level,
            each.title,
            each.address,
            listed(each.ids, _IDS_IN_A_LINE),
        )
        for each in failures
        if not each.group.baselined and each.group.level == LEVELS[0]
    ]
    if report.verdict is RunVerdict.INCOMPLETE:
        levels = {each.id: each.level for each in report.requirements}
        for number, group in enumerate(undecided_groups(report), start=1):
            ids = [each for each in group.requirements if levels[each] == LEVELS[0]]
            if group.verdict in UNDECIDED and ids:
                found.append(
                    Reason(
                        SIGNS[group.verdict],
                        group.verdict,
                        LEVELS[0],
                        cut(group.reason, 200),
                        f"undecided-{number}",
                        listed(ids, _IDS_IN_A_LINE),
                    )
                )
    return found[:_REASONS_ON_TOP], max(0, len(found) - _REASONS_ON_TOP)

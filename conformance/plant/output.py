"""The output of `plant` and `verify`, as text and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from conformance import __version__
from conformance.deployment.probe.preflight import ServerInfo
from conformance.json_differences import ABSENT
from conformance.plant.comparing import Kind
from conformance.plant.plant_file import Plant
from conformance.plant.promises import generalized, load_promises
from conformance.plant.verifying import Finding, Verification
from conformance.report.plain_text import counted, cut, listed, one_line, printable

FORMAT = "threads-conformance-verification/1"

_VALUE_LIMIT = 200
_SHOWN_IN_FULL = 10
_WORDS = {
    Kind.MISSING: "missing",
    Kind.CHANGED: "changed",
    Kind.ADDED: "added",
    Kind.NEW: "new",
    Kind.NOTATION: "written in another form",
}


def plant_text(plant: Plant, file: str) -> str:
    """Return what was planted, what was left out, and what to do next, as text."""
    lines = [f"planted on {plant.url} ({_server_text(plant.server)}):"]
    lines += [f"  {each.kind:<13}{each.thread_id}  {each.made_by}" for each in plant.threads]
    lines += [f"  left out: {each.what}: {one_line(each.reason)}" for each in plant.left_out]
    refused = Counter(
        (each.question.operation, each.status) for each in plant.answers if not each.ok
    )
    for (operation, status), times in refused.items():
        lines.append(f"  left out: {operation}: answers {status}, {counted(times, 'time')}")
    answers = len(plant.answers) - refused.total()
    lines.append(f"{counted(answers, 'answer')} about them are in {file}")
    lines.append(f"Next, after a restart: threads-conformance verify {file} --url {plant.url}")
    return printable("\n".join(lines))


def verification_text(found: Verification, file: str) -> str:
    """Return the losses, each kind of loss once, then other differences, then the verdict."""
    plant = found.plant
    lines = [
        f"planted {plant.planted_at[:19]}Z on {_server_text(plant.server)}, "
        f"{_age_text(plant.planted_at)}; now {_server_text(found.server)} at {found.url}"
    ]
    losses = sorted(
        _group_findings(found.losses), key=lambda alike: alike[0].difference.path != "$"
    )
    for alike in losses[:_SHOWN_IN_FULL]:
        lines += ["", *_loss_lines(alike)]
    if more := losses[_SHOWN_IN_FULL:]:
        lines += ["", "and, with every value under --format json:"]
        lines += [f"  {_summary_line(alike)}" for alike in more]
    others = [each for each in found.findings if not each.difference.kind.is_loss]
    if others:
        lines += ["", "told, and no loss:"]
        lines += [f"  {_summary_line(alike)}" for alike in _group_findings(others)]
    if found.swept:
        lines += ["", *_swept_lines(found, file)]
    lines += ["", _verdict_line(found)]
    return printable("\n".join(lines))


def verification_json(found: Verification) -> dict[str, Any]:
    """Return the verification as JSON, by `schemas/verification.json`."""
    plant = found.plant
    return {
        "format": FORMAT,
        "suite": {"version": __version__},
        "plant": {
            "id": plant.id,
            "planted_at": plant.planted_at,
            "url": plant.url,
            "server": asdict(plant.server),
        },
        "deployment": {"url": found.url, "server": asdict(found.server)},
        "identical": found.identical,
        "answers": found.compared,
        "gone": list(found.gone),
        "left_out": [asdict(each) for each in plant.left_out],
        "findings": [_finding_json(each) for each in found.findings],
        "swept": None
        if found.swept is None
        else {
            "removed": found.swept.removed,
            "left": [
                {"thread_id": thread_id, "reason": why} for thread_id, why in found.swept.left
            ],
        },
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    difference = finding.difference
    values = {
        name: value
        for name, value in (("expected", difference.expected), ("actual", difference.actual))
        if value is not ABSENT
    }
    return {
        "kind": difference.kind.value,
        "loss": difference.kind.is_loss,
        "operation": finding.question.operation,
        "thread": finding.question.kind,
        "thread_id": finding.thread_id,
        "checkpoint_id": finding.question.checkpoint_id,
        "filters": finding.question.filters,
        "path": difference.path,
        **values,
        "written": finding.promise,
        "curl": finding.curl,
    }


def _group_findings(findings: Sequence[Finding]) -> Iterator[list[Finding]]:
    """Yield the findings in groups: the same kind at the same place, in any thread or search."""

    def place(finding: Finding) -> tuple[str, str, str]:
        difference = finding.difference
        return finding.question.operation, generalized(difference.path), difference.kind.value

    by_place: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        by_place.setdefault(place(each), []).append(each)
    yield from by_place.values()


def _loss_lines(alike: Sequence[Finding]) -> Iterator[str]:
    first = alike[0]
    difference = first.difference
    yield _summary_line(alike)
    yield f"  expected   {_value_text(difference.expected)}"
    yield f"  actual     {_value_text(difference.actual)}"
    if first.thread_id:
        yield f"  thread     {first.question.kind}, {first.thread_id}"
    yield f"  written    {first.promise}"
    # One line each, so that it can be pasted.
    yield from (f"  {line}" for line in first.curl.splitlines())


def _summary_line(alike: Sequence[Finding]) -> str:
    first = alike[0]
    kinds = list(dict.fromkeys(each.question.kind for each in alike if each.question.kind))
    asked = list(dict.fromkeys(each.question.filters_text for each in alike))
    of = f" of {listed(kinds, 12)}" if kinds else f" {listed(asked, 3)}"
    more = f", {len(alike)} times" if len(alike) > max(len(kinds), 1) else ""
    operation = first.question.operation.replace("_", " ")
    return f"{_WORDS[first.difference.kind]}: {operation}{of}: {first.difference.path}{more}"


def _swept_lines(found: Verification, file: str) -> Iterator[str]:
    swept = found.swept
    assert swept is not None
    yield f"removed {counted(swept.removed, 'thread')} of the plant"
    for thread_id, why in swept.left:
        yield f"  left: {thread_id}: {why}"
    if not swept.left:
        yield f"{file} is of no more use"


def _verdict_line(found: Verification) -> str:
    threads = len(found.plant.threads)
    if found.identical:
        return f"IDENTICAL: {found.compared} answers about {threads} threads are what they were"
    verdict = (
        f"NOT IDENTICAL: {counted(len(found.losses), 'difference')} in "
        f"{found.compared} answers about {threads} threads"
    )
    if unwritten := sum(each.promise == load_promises()["unwritten"] for each in found.losses):
        verdict += f", {unwritten} of them where no source speaks"
    if len(found.gone) == threads:
        return (
            f"{verdict}; none of the threads is there: is this the deployment that was planted "
            f"on, {found.plant.url}?"
        )
    return verdict


def _value_text(value: Any) -> str:
    if value is ABSENT:
        return "nothing"
    return cut(one_line(json.dumps(value, ensure_ascii=False)), _VALUE_LIMIT)


def _server_text(server: ServerInfo) -> str:
    return " ".join(filter(None, (server.name, server.version))) or "a server that does not say"


def _age_text(planted_at: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(planted_at)).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return f"{counted(int(seconds // length), unit)} ago"
    return "just now"

"""The text of a diagnosis."""

from __future__ import annotations

from conformance.deployment.probe.preflight import ServerInfo
from conformance.doctor.diagnosis import Diagnosis, Proposal
from conformance.doctor.findings import Finding, Kind

_HEADINGS = {
    Kind.WRONG: "Mend in the settings",
    Kind.SERVER: "Of the deployment's making",
    Kind.ABSENT: "Stays undecided",
}


def diagnosis_text(found: Diagnosis, url: str, server: ServerInfo, graph_id: str) -> str:
    """Return the diagnosis in sections: requests, findings, the table, what was removed."""
    named = " ".join(each for each in (server.name, server.version) if each)
    parts = [
        f"Deployment  {url}{f' ({named})' if named else ''}\nGraph       {graph_id}",
        _exchanges_text(found),
        *_findings_texts(found.findings),
    ]
    if not found.findings:
        parts.append(
            "The settings fit the deployment: nothing of them keeps a check from deciding."
        )
    parts += _table_text(found.proposal)
    parts.append(_cleanup_text(found))
    return "\n\n".join(parts)


def warnings(findings: tuple[Finding, ...]) -> list[str]:
    """Return a line for each wrong setting, to be shown before a run, which continues."""
    return [f"[graph] settings: {each}" for each in findings if each.kind is Kind.WRONG]


def _exchanges_text(found: Diagnosis) -> str:
    width = max((len(each.request) for each in found.described_exchanges), default=0)
    lines = [f"  {each.request:<{width}}  {each.answer}" for each in found.described_exchanges]
    return "\n".join(["Asked", *lines])


def _findings_texts(findings: tuple[Finding, ...]) -> list[str]:
    parts = []
    for kind, heading in _HEADINGS.items():
        lines = [f"  - {each}" for each in findings if each.kind is kind]
        if lines:
            parts.append("\n".join([heading, *lines]))
    return parts


def _table_text(proposal: Proposal | None) -> list[str]:
    if proposal is None:
        return ["No [graph] table is made: the deployment publishes no schemas that a run can use."]
    heading = f"A [graph] table for {proposal.graph_id!r}, made from its published schemas"
    wrong = [f"  - {each}" for each in proposal.findings]
    state = "tried out" if not wrong else "tried out, with these findings"
    return ["\n".join([f"{heading} and {state}:", *wrong, "", proposal.toml.rstrip()])]


def _cleanup_text(found: Diagnosis) -> str:
    cleanup = found.cleanup
    line = f"Threads: created {cleanup.created}, removed {cleanup.removed}"
    if cleanup.left or cleanup.possibly_left:
        left = len(cleanup.left) + sum(each.threads for each in cleanup.possibly_left)
        line += f", left {left}: `threads-conformance sweep` removes them"
    return line

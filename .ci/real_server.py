"""Check a real server, and compare every verdict with what was published.

    python .ci/real_server.py langgraph-api==0.16.7 --profile extended --facts --fidelity
    python .ci/real_server.py langgraph-api@latest --like langgraph-api==0.16.7 --tell

Exit status: 0 as published (with --tell: or told), 1 a requirement has another verdict than
published, 2 the server could not be installed, started or judged, or differs from the facts
that are kept of it or from the reference in a way that is not listed, 3 with --delta: its
OpenAPI document adds what no requirement cites or leaves out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import click

from conformance.commands.server_options import find_server, open_target
from conformance.report.record import load_report
from conformance.target import Target

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Check the server that the options name; return the exit status."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("server", metavar="NAME==VERSION")
    options.add_argument(
        "--like",
        metavar="NAME==VERSION",
        help="compare with what was published of this one; it needs no second check if the "
        "server turns out to be it",
    )
    options.add_argument("--profile", default="extended")
    options.add_argument("--visible-within", default="5", help="seconds, as of run")
    options.add_argument("--report-dir", type=Path, default=ROOT / ".ci" / ".work" / "report")
    options.add_argument("--tell", action="store_true", help="tell other verdicts, and go on")
    options.add_argument("--facts", action="store_true", help="compare its OpenAPI document")
    options.add_argument(
        "--delta",
        action="store_true",
        help="end with 3 if its OpenAPI document adds what no requirement cites or leaves out",
    )
    options.add_argument("--fidelity", action="store_true", help="compare with the reference")
    chosen = options.parse_args()
    report_dir = chosen.report_dir / chosen.server
    like = chosen.like or chosen.server
    try:
        if chosen.like and resolved(chosen.server) == chosen.like:
            print(f"{chosen.server} is {chosen.like}, which is checked by itself")
            return 0
        with open_target(None, chosen.server, ()) as server:
            check(server.url, chosen.profile, chosen.visible_within, report_dir)
            if chosen.facts:
                compare_facts(server)
            if chosen.delta and not everything_covered(server.url):
                return 3
            if chosen.fidelity:
                compare_answers(server.url)
    except (click.ClickException, RuntimeError) as failed:
        said = failed.format_message() if isinstance(failed, click.ClickException) else failed
        print(f"{chosen.server} could not be checked: {said}", file=sys.stderr)
        return 2
    published = ROOT / "reports" / like.replace("==", "-")
    changed = compare(published, report_dir / "report.json")
    return 1 if changed and not chosen.tell else 0


def resolved(server: str) -> str:
    """Return as NAME==VERSION what `server`, NAME==VERSION or NAME@latest, means today."""
    launcher, version = find_server(server, ())
    return f"{launcher.name}=={version}"


def check(url: str, profile: str, visible_within: str, report_dir: Path) -> None:
    """Run the checks; RuntimeError unless the run ends with a report, whatever the verdict."""
    command = ["-m", "conformance", "run", "--url", url, "--profile", profile, "--disposable"]
    command += ["--visible-within", visible_within, "-n", "auto"]
    ended = _python(*command, "--report-dir", str(report_dir))
    if ended not in (0, 1, 3) or not (report_dir / "report.json").exists():
        raise RuntimeError(f"the run ended with status {ended}")


def compare_facts(server: Target) -> None:
    """Compare the kept facts of the server's version with what this server publishes.

    RuntimeError if they differ.
    """
    module = ["-m", "conformance.contract.published", f"{server.url}/openapi.json"]
    if _python(*module, "--version", str(server.version), "--diff"):
        raise RuntimeError("its OpenAPI document differs from fixtures/published")


def everything_covered(url: str) -> bool:
    """Print what the server's OpenAPI document adds; return whether all is cited or left out."""
    return _python("-m", "conformance", "contract", "delta", f"{url}/openapi.json") == 0


def compare_answers(url: str) -> None:
    """Compare the server's answers to random sequences with the reference's.

    RuntimeError if they differ in a way that is not listed.
    """
    if _python("-m", "conformance.selftest.fidelity", "--url", url):
        raise RuntimeError("it differs from the reference in a way that is not listed")


def compare(published: Path, observed: Path) -> list[str]:
    """Print and return the requirements of this run whose verdict is not the published one."""
    before, after = (
        {each.id: each.verdict.value for each in load_report(path).requirements}
        if path.exists()
        else {}
        for path in (published, observed)
    )
    changed = [
        f"{name}: published {before.get(name, 'nothing')}, now {after[name]}"
        for name in sorted(after)
        if before.get(name) != after[name]
    ]
    print("\n".join(changed) or f"all {len(after)} verdicts are as published")
    return changed


def _python(*arguments: str) -> int:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

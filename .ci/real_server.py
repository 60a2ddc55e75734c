"""Install a release of langgraph-api, start it, check it, and compare with what was published.

    python .ci/real_server.py --version 0.16.7 --published reports/langgraph-api-0.16.7
    python .ci/real_server.py --version latest

Exit status: 0 as published (or nothing was published), 1 a requirement has another
verdict than published, 2 the server could not be installed or started, or differs from
the reference in a way that conformance/selftest/differences.toml does not list.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = HERE / ".work"
READY_WITHIN_S = 120
# Where a port is taken the server picks another, and says so.
ADDRESS = re.compile(r"https?://(?:127\.0\.0\.1|localhost):(\d+)")


def main() -> int:
    """Read the options, and do it."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--version", required=True, help="a version, or latest")
    options.add_argument("--published", type=Path, help="folder of a published report")
    options.add_argument("--report-dir", type=Path, help="where the new report goes")
    chosen = options.parse_args()
    report_dir = chosen.report_dir or WORK / f"report-{chosen.version}"
    try:
        python = install(chosen.version)
        with server(python, chosen.version) as url:
            check(url, report_dir)
            compare_published_facts(url, chosen.version)
            if chosen.published:
                compare_answers(url)
    except (subprocess.CalledProcessError, RuntimeError) as failed:
        print(f"langgraph-api {chosen.version} could not be checked: {failed}", file=sys.stderr)
        return 2
    if chosen.published is None:
        return 0
    return compare(chosen.published / "report.json", report_dir / "report.json")


def install(version: str) -> Path:
    """A virtual environment with the server; its Python."""
    environment = WORK / f"server-{version}"
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pins = HERE / f"langgraph-api-{version}.txt"
    wanted = ["-r", str(pins)] if pins.exists() else ["-U", "langgraph-api", "langgraph-cli[inmem]"]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    shown = subprocess.run(
        [python, "-m", "pip", "show", "langgraph-api"], check=True, capture_output=True, text=True
    )
    print(next(line for line in shown.stdout.splitlines() if line.startswith("Version")))
    return python


@contextmanager
def server(python: Path, version: str) -> Iterator[str]:
    """The server on a loopback port, its whole process group ended at the end."""
    project = WORK / f"project-{version}"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(ROOT / "fixtures" / "deployments" / "langgraph-python", project)
    log = WORK / f"server-{version}.log"
    command = [python.parent / "langgraph", "dev", "--no-browser", "--no-reload", "--port", "21240"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=project,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LANGSMITH_TRACING": "false"},
            start_new_session=True,
        )
        try:
            yield wait_until_ready(process, log)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """The URL that the server printed, once it answers."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if found := ADDRESS.search(log.read_text(errors="replace")):
            url = f"http://127.0.0.1:{found[1]}"
            try:
                with urllib.request.urlopen(f"{url}/ok", timeout=5):
                    return url
            except (urllib.error.URLError, OSError):
                pass
        time.sleep(0.2)
    last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise RuntimeError(f"it did not start; its last lines:\n{last}")


def check(url: str, report_dir: Path) -> None:
    """Run the checks of the profile extended; only an undecided run is a failure here."""
    command = [sys.executable, "-m", "conformance", "run", "--url", url, "--profile", "extended"]
    ended = subprocess.run([*command, "--report-dir", report_dir], cwd=ROOT, check=False)
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"the run ended with status {ended.returncode}")


def compare_published_facts(url: str, version: str) -> None:
    """The facts of the pinned OpenAPI are those that this very server publishes."""
    if not (ROOT / "fixtures" / "published" / f"langgraph-api-{version}.json").exists():
        return
    command = [sys.executable, "-m", "conformance.contract.published", f"{url}/openapi.json"]
    ended = subprocess.run([*command, "--version", version, "--diff"], cwd=ROOT, check=False)
    if ended.returncode:
        raise RuntimeError("its OpenAPI document differs from fixtures/published")


def compare_answers(url: str) -> None:
    """It answers random sequences as the reference does, but for the listed differences."""
    command = [sys.executable, "-m", "conformance.selftest.fidelity", "--url", url]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise RuntimeError("it differs from the reference in a way that is not listed")


def compare(published: Path, observed: Path) -> int:
    """Tell every requirement of this run whose verdict is not the published one."""
    before, after = (
        {each["id"]: each["verdict"] for each in json.loads(file.read_text())["requirements"]}
        for file in (published, observed)
    )
    changed = [
        f"{name}: published {before.get(name, 'nothing')}, now {after[name]}"
        for name in sorted(after)
        if before.get(name) != after[name]
    ]
    print("\n".join(changed) or f"all {len(after)} verdicts are as published")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())

"""How long a run takes, and how long its bare requests take.

    python benchmarks/overhead.py                     the embedded reference
    python benchmarks/overhead.py --url URL           a deployment of yours

Runs the checks once, then sends the same requests again, in the same order, with one
keep-alive httpx client and nothing around it, and prints the ratio of the two times.
Threads made by the replay carry the run's tag and are removed in the end, each as the run's
clean-up does it: by DELETE, and a GET that shows that it is gone. Records of a run do not have the
requests of its clean-up, so these are counted and timed as the replay sends them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from conformance.reference.process import ReferenceProcess

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SENT_BY_ITSELF = {"host", "connection", "content-length", "accept-encoding", "user-agent", "accept"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--url", help="the deployment; without it, the embedded reference")
    options.add_argument("--profile", default="extended")
    chosen = options.parse_args()
    # An installed package is compiled: no start may compile it again, whatever the shell says.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        url = chosen.url or stack.enter_context(ReferenceProcess()).url
        wall = run(url, chosen.profile, folder)
        entries = json.loads((folder / "exchanges.har").read_text())["log"]["entries"]
        report = json.loads((folder / "report.json").read_text())
        bare, of_cleanup = replay(entries)
    server = report["deployment"]["server"]
    print(f"deployment  {server['name']} {server['version']} at {url}, profile {chosen.profile}")
    print(f"run         {wall:6.1f} s wall time, of it {report['run']['duration_s']:.1f} s checks")
    waited = sum(each["waiting"] for each in report["timings"].values())
    print(f"waiting     {waited:6.1f} s of it, for what the server shows late or never")
    print(f"requests    {len(entries):6d}, and {of_cleanup} of the clean-up")
    print(f"replay      {bare:6.1f} s, the same requests bare")
    print(f"ratio       {wall / bare:6.2f}")


def run(url: str, profile: str, folder: Path) -> float:
    """Run the whole command and return its wall time in seconds."""
    command = [sys.executable, "-m", "conformance", "run", "--url", url, "--profile", profile]
    command += ["-n", "0", "--timings"]
    started = time.perf_counter()
    subprocess.run([*command, "--report-dir", folder], stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


def replay(entries: list[dict[str, Any]]) -> tuple[float, int]:
    """Send the recorded requests again, and remove what they made.

    Return the seconds that all of it takes, and the number of requests of the removal.

    Answers are not judged. Ids that the deployment chose differ from those of the run: they are
    learned from the answers, and the time for that is not counted.
    """
    ids: dict[str, str] = {}
    made: list[str] = []
    spent = 0.0
    with httpx.Client(timeout=60) as client:
        for entry in entries:
            recorded = entry["request"]
            url = UUID.sub(lambda found: ids.get(found[0], found[0]), recorded["url"])
            text = recorded.get("postData", {}).get("text")
            body = text and UUID.sub(lambda found: ids.get(found[0], found[0]), text).encode()
            headers = {
                each["name"]: each["value"]
                for each in recorded["headers"]
                if each["name"].lower() not in SENT_BY_ITSELF
            }
            request = client.build_request(recorded["method"], url, content=body, headers=headers)
            started = time.perf_counter()
            try:
                answer = client.send(request)
            except httpx.HTTPError:
                # After an internal error some servers drop the connection.
                spent += time.perf_counter() - started
                continue
            spent += time.perf_counter() - started
            learn(entry["response"]["content"].get("text"), answer, ids)
            if recorded["method"] == "POST" and answer.is_success and "/threads" in recorded["url"]:
                made += UUID.findall(answer.text[:60])
        threads = list(dict.fromkeys(made))
        started = time.perf_counter()
        for thread_id in threads:
            for method in ("DELETE", "GET"):
                client.request(method, f"{base(entries)}/threads/{thread_id}")
        spent += time.perf_counter() - started
    return spent, 2 * len(threads)


def learn(before: str | None, answer: httpx.Response, ids: dict[str, str]) -> None:
    """Add to `ids` the id in the replay of each id in the run, by comparing two answers."""
    try:
        pairs = [(json.loads(before or "null"), answer.json())]
    except ValueError:
        return
    while pairs:
        old, new = pairs.pop()
        if isinstance(old, dict) and isinstance(new, dict):
            pairs += [(old[key], new[key]) for key in old.keys() & new.keys()]
        elif isinstance(old, list) and isinstance(new, list):
            pairs += zip(old, new, strict=False)
        elif isinstance(old, str) and isinstance(new, str) and old != new and UUID.fullmatch(old):
            ids[old] = new


def base(entries: list[dict[str, Any]]) -> str:
    return str(entries[0]["request"]["url"]).partition("/threads")[0]


if __name__ == "__main__":
    main()

"""The deployment at $URL answers as promised, by the command of the suite."""

import json
import os
import subprocess


def test_threads_are_shown_as_promised() -> None:
    command = ["threads-conformance", "run", os.environ["URL"], "--requirement", "GET-01"]
    options = ["--format", "json", "--report-dir", os.environ["REPORTS"]]
    ended = subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True)
    assert json.loads(ended.stdout)["verdict"] == "conformant"

"""The documented command lines: the real `curl`, with `jq`, in a shell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from conformance.clients.client import FlowFailedError, NotInstalledError, error_excerpt
from conformance.clients.flows import Flow
from conformance.json_text import parse_json

_NEEDED = ("bash", "curl", "jq")


class Curl:
    """The client that runs the documented commands in bash, with variables in the environment."""

    name = "curl"

    def __init__(self, deadline_s: float) -> None:
        missing = [each for each in _NEEDED if shutil.which(each) is None]
        if missing:
            raise NotInstalledError(
                f"{' and '.join(missing)} cannot be found: install "
                f"{'it' if len(missing) == 1 else 'them'}, for instance by "
                f"`apt-get install {' '.join(missing)}`"
            )
        self._deadline_s = deadline_s
        # An empty home: no ~/.curlrc and no proxy of the user may change what is sent.
        self._home = TemporaryDirectory(prefix="threads-conformance-curl-")
        result = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=False)
        self.version = " ".join(result.stdout.split()[:2])

    def run(self, flow: Flow, program: str, names: Mapping[str, Any]) -> Any:
        """Run the command, and return what it prints: as JSON, or else the text itself."""
        process = subprocess.Popen(
            ["bash", "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": self._home.name,
                **{name: _variable_text(name, value) for name, value in names.items()},
            },
            start_new_session=True,
        )
        try:
            printed, said = process.communicate(timeout=self._deadline_s)
        except BaseException as ended:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(ended, subprocess.TimeoutExpired):
                raise FlowFailedError(f"no answer within {self._deadline_s:g} s") from ended
            raise
        if process.returncode != 0:
            raise FlowFailedError(f"exit status {process.returncode}: {error_excerpt(said)}")
        try:
            return parse_json(printed)
        except ValueError:
            return printed.strip()

    def close(self) -> None:
        """Remove the folder that serves as home of curl."""
        self._home.cleanup()


def _variable_text(name: str, value: Any) -> str:
    """Return the text of a variable: an id escaped for a URL, anything else as JSON."""
    if name.endswith("_ID") and isinstance(value, str):
        return quote(value, safe="")
    return value if isinstance(value, str) else json.dumps(value)

"""The documents' JavaScript: `@langchain/langgraph-sdk` in a small Node program of ours."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Any

from conformance.clients.client import FlowFailedError, NotInstalledError, short
from conformance.clients.flows import Flow
from conformance.clients.install import installed_js

_STARTS_WITHIN_S = 60.0
_ENDS_WITHIN_S = 5.0


class JsSdk:
    """One Node process for all flows; it ends with its stdin, so never outlives us."""

    name = "js-sdk"

    def __init__(self, deadline_s: float) -> None:
        self._folder = installed_js()
        self._deadline_s = deadline_s
        self._start()

    def run(self, flow: Flow, program: str, names: Mapping[str, Any]) -> Any:
        """What the flow gives, by `console.log` or in its variable."""
        if self._process.poll() is not None:
            self._start()
        asked = {"program": program, "result": flow.result, "names": dict(names)}
        try:
            self._stdin.write(json.dumps(asked) + "\n")
            self._stdin.flush()
            answer = self._answer(self._deadline_s)
        except OSError as gone:
            raise FlowFailedError(f"node ended: {self._end()}") from gone
        if "error" in answer:
            raise FlowFailedError(short(answer["error"]))
        return answer["value"]

    def close(self) -> None:
        """End the process."""
        self._end()

    def _start(self) -> None:
        self._said = TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            ["node", "run.mjs"],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
            # No key and no proxy of the user's: the suite's own client adds what is needed.
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(
            target=_read, args=(self._process.stdout, self._lines), daemon=True
        )
        self._reader.start()
        try:
            version = self._answer(_STARTS_WITHIN_S)["ready"]
        except FlowFailedError as broken:
            raise NotInstalledError(
                f"node cannot run the JavaScript SDK; install Node.js 20 or newer: {broken}"
            ) from broken
        self.version = f"@langchain/langgraph-sdk {version}"

    def _answer(self, within_s: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=within_s)
        except queue.Empty:
            self._end()
            raise FlowFailedError(f"no answer within {within_s:g} s") from None
        if not line:
            raise FlowFailedError(f"node ended: {self._end()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> str:
        """End the process by closing its stdin; the end of what it wrote to stderr."""
        with suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_ENDS_WITHIN_S)
        if self._process.stdout:
            self._process.stdout.close()
        if self._said.closed:
            return ""
        self._said.seek(0)
        said = short(self._said.read())
        self._said.close()
        return said


def _read(stream: IO[str], lines: queue.Queue[str]) -> None:
    """Hand over each line; an empty one when there are no more."""
    for line in stream:
        lines.put(line)
    lines.put("")

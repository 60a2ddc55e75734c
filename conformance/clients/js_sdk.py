"""The documented JavaScript: `@langchain/langgraph-sdk` in a small Node program of ours."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from conformance.clients.client import FlowFailedError, NotInstalledError, error_excerpt
from conformance.clients.flows import Flow
from conformance.clients.install import installed_js
from conformance.json_text import parse_json

_STARTS_WITHIN_S = 60.0
_ENDS_WITHIN_S = 5.0


class JsSdk:
    """One Node process for all flows; a new one is started if it has ended."""

    name = "js-sdk"

    def __init__(self, deadline_s: float) -> None:
        self._folder = installed_js()
        self._deadline_s = deadline_s
        self._node = Node(self._folder)
        try:
            version = self._node.answer(_STARTS_WITHIN_S)["ready"]
        except FlowFailedError as broken:
            raise NotInstalledError(
                "node cannot run the JavaScript SDK; install Node.js 20 or newer, or remove "
                f"{self._folder}, so that it is made anew: {broken}"
            ) from broken
        self.version = f"@langchain/langgraph-sdk {version}"

    def run(self, flow: Flow, program: str, names: Mapping[str, Any]) -> Any:
        """Run the flow, and return its result, from `console.log` or its variable."""
        if self._node.process.poll() is not None:
            self._node.close()
            self._node = Node(self._folder)
            self._node.answer(_STARTS_WITHIN_S)
        self._node.send({"program": program, "result": flow.result, "names": dict(names)})
        answer = self._node.answer(self._deadline_s)
        if "error" in answer:
            raise FlowFailedError(error_excerpt(answer["error"]))
        return answer["value"]

    def close(self) -> None:
        """End the process."""
        self._node.close()


class Node:
    """Our Node program, which reads and writes a JSON object per line, and ends with its stdin."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._stderr = self._stack.enter_context(
            TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed with the stack
        )
        self.process = subprocess.Popen(
            ["node", "run.mjs"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            encoding="utf-8",
            # Without the user's keys and proxies: the suite's own client adds what is needed.
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(
            target=_read, args=(self.process.stdout, self._lines), daemon=True
        )
        self._reader.start()

    def send(self, request: dict[str, Any]) -> None:
        """Send one line; if the process has ended, `answer` reports it."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

    def answer(self, within_s: float) -> dict[str, Any]:
        """Return the next line, parsed.

        Raises `FlowFailedError` if the line is unreadable, if the process has ended, or if no line
        arrives within `within_s` seconds; in the last case the process is ended.
        """
        try:
            line = self._lines.get(timeout=within_s)
        except queue.Empty:
            self.process.kill()
            self.close()
            raise FlowFailedError(f"no answer within {within_s:g} s") from None
        if not line:
            raise FlowFailedError(f"node ended: {self.close()}")
        try:
            answer: dict[str, Any] = parse_json(line)
        except ValueError as broken:
            raise FlowFailedError(f"node hands over what cannot be read: {broken}") from None
        return answer

    def close(self) -> str:
        """End the process by closing its stdin; return the error that it wrote to stderr."""
        if self._stderr.closed:
            return ""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        with self._stack:
            self._stderr.seek(0)
            written = self._stderr.read()
        # Node prints an error in one line, followed by its stack.
        return error_excerpt(
            next((line for line in written.splitlines() if "Error" in line), written)
        )


def _read(stream: IO[str], lines: queue.Queue[str]) -> None:
    """Put each line into the queue, and an empty one at the end."""
    for line in stream:
        lines.put(line)
    lines.put("")

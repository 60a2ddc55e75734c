"""The documented Python: the public `langgraph_sdk`, imported only when it is needed."""

from __future__ import annotations

import ast
import asyncio
import importlib
import importlib.metadata
import inspect
import json
from collections.abc import Mapping
from typing import Any

from conformance.clients.client import FlowFailedError, NotInstalledError, error_excerpt
from conformance.clients.flows import PRINTED, VALUE, Flow

_DIFFERENT = "The histories are different."


class PythonSdk:
    """The client that runs the documented Python here, with top-level await as in a notebook."""

    name = "python-sdk"

    def __init__(self, deadline_s: float) -> None:
        try:
            self._sdk: Any = importlib.import_module("langgraph_sdk")
            self.version = f"langgraph_sdk {importlib.metadata.version('langgraph-sdk')}"
        except ImportError as missing:
            raise NotInstalledError(
                f"the Python SDK is not installed ({missing}): "
                "pip install 'threads-conformance[clients]'"
            ) from missing
        self._deadline_s = deadline_s

    def run(self, flow: Flow, program: str, names: Mapping[str, Any]) -> Any:
        """Run the flow, and return its result, from `print` or its variable."""
        return asyncio.run(self._run(flow, program, names))

    def close(self) -> None:
        """Do nothing: every flow closes its own client."""

    async def _run(self, flow: Flow, program: str, names: Mapping[str, Any]) -> Any:
        text = f"{VALUE} = {program}" if flow.result == VALUE else program
        printed: list[Any] = []
        made = self._sdk.get_client(url=names["DEPLOYMENT_URL"])
        scope: dict[str, Any] = {**names, "client": made, "print": printed.append}
        if copied := names.get("COPIED_THREAD_ID"):
            scope["copied_thread"] = {"thread_id": copied}
        try:
            await asyncio.wait_for(_execute(text, flow, scope), self._deadline_s)
        except AssertionError:
            # The recipe asserts that two histories are equal.
            return _DIFFERENT
        except TimeoutError as late:
            raise FlowFailedError(f"no answer within {self._deadline_s:g} s") from late
        except Exception as failed:
            raise FlowFailedError(error_excerpt(f"{type(failed).__name__}: {failed}")) from failed
        finally:
            await made.aclose()
            if scope["client"] is not made:
                await scope["client"].aclose()
        given = printed[-1] if flow.result == PRINTED else scope[flow.result]
        return json.loads(json.dumps(given, default=repr))


async def _execute(text: str, flow: Flow, scope: dict[str, Any]) -> None:
    where = f"<{flow.document}, block {flow.block}>"
    code = compile(text, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    ended = eval(code, scope)
    if inspect.isawaitable(ended):
        await ended

"""The flows of the documents, run for a check by one of the documents' clients (SDKs, curl)."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.comparable_members import mask_thread_id
from conformance.checks.expect import assert_equal
from conformance.checks.outcomes import PromiseBroken
from conformance.checks.views import History, State, Thread, id_of
from conformance.clients.client import Client, FlowFailedError
from conformance.clients.flows import load_flows
from conformance.clients.gateway import FlowTraffic, Gateway
from conformance.contract.catalogue import DOCUMENTED_CLIENTS
from conformance.deployment.settings import documented_supersteps, numbered
from conformance.json_differences import same_json
from conformance.json_text import as_json
from conformance.safe_text import excerpt

#: Parametrizes a check, so that it is made once with each of the documents' clients.
by_each_client = pytest.mark.parametrize(
    "flows",
    [pytest.param(name, marks=pytest.mark.client(name)) for name in DOCUMENTED_CLIENTS],
    indirect=True,
    ids=DOCUMENTED_CLIENTS,
)

_ID, _TIMESTAMP = "<an id>", "<a moment>"


class Flows:
    """Flows run by one client; a result must equal the HTTP answer to the client's own request."""

    def __init__(self, client: Client, gateway: Gateway, given: ThreadsApi) -> None:
        self._client = client
        self._gateway = gateway
        self._given = given
        #: The metadata of all threads of the check, made by the client or directly by HTTP.
        self.metadata = {**given.client.tag, **given.context.tag}

    def run_for_object(self, name: str, **names: str) -> dict[str, Any]:
        """Run a flow and return its thread or state, as HTTP answered the client's request."""
        found = self._run_and_compare(name, names)
        if not isinstance(found, dict):
            raise PromiseBroken("a JSON object", excerpt(as_json(found), 200))
        return found

    def run_for_list(self, name: str, **names: str) -> list[dict[str, Any]]:
        """Run a flow and return its threads or states, as HTTP answered the client's request."""
        found = self._run_and_compare(name, names)
        if not isinstance(found, list):
            raise PromiseBroken("a JSON list", excerpt(as_json(found), 200))
        return found

    def run_for_text(self, name: str, **names: str) -> str:
        """Run a flow and return the text that it prints."""
        return str(self._run(name, names)[0])

    def search_verbatim(self, name: str) -> list[Thread]:
        """Run a documented search verbatim: it may find anyone's threads, and is not recorded."""
        found, passed = self._run(name, {}, verbatim=True)
        if not isinstance(found, list) or not same_json(found, passed.last()):
            raise PromiseBroken("the list that HTTP answered", type(found).__name__)
        return found

    def _run_and_compare(self, name: str, names: dict[str, str]) -> Any:
        found, passed = self._run(name, names)
        assert_equal(found, passed.last(), "what the client returned, as HTTP answered it")
        return found

    def _run(
        self, name: str, names: dict[str, str], *, verbatim: bool = False
    ) -> tuple[Any, FlowTraffic]:
        graph = self._given.context.settings.graph
        variables = {
            "DEPLOYMENT_URL": self._gateway.url,
            "METADATA": self.metadata,
            "GRAPH_ID": graph.id,
            "GRAPH_METADATA": {**self.metadata, "graph_id": graph.id},
            "SUPERSTEPS": [numbered(each, 1) for each in graph.supersteps],
            **names,
        }
        flow = load_flows()[name][self._client.name]
        own_graph = graph.supersteps != documented_supersteps()
        program = flow.program(verbatim=verbatim, own_graph=own_graph)
        with self._gateway.flow(private=verbatim) as passed:
            try:
                returned = self._client.run(flow, program, variables)
            except FlowFailedError as failed:
                _raise_problem(passed)
                raise PromiseBroken(f"{name} to succeed as documented", str(failed)) from failed
        _raise_problem(passed)
        if not passed.answers:
            raise PromiseBroken(f"{name} to ask the deployment", "no request")
        if not (last := passed.answers[-1]).is_success:
            told = "" if verbatim else f" {excerpt(last.text)}"
            raise PromiseBroken(f"{name} to succeed as documented", f"{last.status_code}{told}")
        return returned, passed


def assert_same_outcome(given: ThreadsApi, returned: Thread, by_http: Thread) -> None:
    """Assert that a client made the same thread as HTTP, in the answer and as GET shows it.

    Ids and timestamps are masked: each thread has its own.
    """
    assert_equal(
        _masked_thread(returned),
        _masked_thread(by_http),
        "the thread returned, ids and moments masked",
    )
    shown, wanted = given.get(returned), given.get(by_http)
    assert_equal(_masked_thread(shown), _masked_thread(wanted), "the thread as GET shows it then")


def assert_same_steps(returned: History, by_http: History) -> None:
    """Assert that two histories have the same steps and values; ids and times are not compared."""
    taken, wanted = ([_step_members(each) for each in history] for history in (returned, by_http))
    assert_equal(taken, wanted, "the steps of the history")


def _step_members(state: State) -> Any:
    metadata = state.get("metadata") or {}
    return {
        "values": _masked(state.get("values")),
        "next": state.get("next"),
        "source": metadata.get("source"),
        "step": metadata.get("step"),
    }


def _masked_thread(thread: Thread) -> Any:
    return _masked(mask_thread_id(thread, id_of(thread)))


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if isinstance(value, dict):
        return {key: _mask(key, member) for key, member in value.items()}
    return value


def _mask(key: str, member: Any) -> Any:
    if isinstance(member, str) and key == "id":
        return _ID
    if isinstance(member, str) and key.endswith("_at"):
        return _TIMESTAMP
    return _masked(member)


def _raise_problem(passed: FlowTraffic) -> None:
    """Raise the error that kept a request from being sent or answered: it breaks no promise."""
    if passed.problems:
        raise passed.problems[0]

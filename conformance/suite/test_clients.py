"""The documents' flows as they are written, in Python, JavaScript and cURL.

Requirements of the capability `clients` count only in a run with one of these clients
(`--client`); all others count only in a run that uses HTTP. Each check first does a flow by HTTP,
which must succeed (else: blocked), and then by the client. The client must return the answer to
its own request, and that answer must equal the one by HTTP. A thread that a client makes is
compared with one made by HTTP.
"""

from typing import Any

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.client_flows import (
    Flows,
    assert_same_outcome,
    assert_same_steps,
    by_each_client,
)
from conformance.checks.comparable_members import mask_thread_id
from conformance.checks.expect import (
    assert_equal,
    assert_identical_history,
    assert_page,
    assert_that,
)
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.required_states import require_states
from conformance.checks.views import id_of
from conformance.json_differences import same_json

SAME, DIFFERENT = "The histories are the same.", "The histories are different."
#: The published default of the history's limit.
DEFAULT_PAGE = 10

pytestmark = by_each_client


@requires("CLIENT-01")
def test_creating_an_empty_thread(given: ThreadsApi, flows: Flows) -> None:
    by_http = given.create_documented({}, without_metadata=True)
    assert_same_outcome(given, flows.run_for_object("create_empty"), by_http)


@requires("CLIENT-02")
def test_creating_a_thread_with_metadata(given: ThreadsApi, flows: Flows) -> None:
    by_http = given.create({"metadata": flows.metadata})
    assert_same_outcome(given, flows.run_for_object("create_with_metadata"), by_http)


@requires("CLIENT-03")
def test_copying_a_thread(given: ThreadsApi, flows: Flows) -> None:
    source = given.prepopulated()
    by_http = given.copy(source)
    returned = flows.run_for_object("copy", THREAD_ID=id_of(source))
    assert_same_outcome(given, returned, by_http)
    assert_identical_history(given.history(returned), given.history(by_http))


@requires("CLIENT-04")
def test_verifying_a_copy(given: ThreadsApi, flows: Flows) -> None:
    source, stranger = given.prepopulated(), given.prepopulated()
    copy = given.copy(source)
    histories = [given.history(each) for each in (copy, source)]
    if not same_json(*(mask_thread_id(each.states, each.thread_id) for each in histories)):
        raise Blocked("by HTTP the histories differ, which is COPY-03")
    other = flows.run_for_text(
        "verify_copy", THREAD_ID=id_of(source), COPIED_THREAD_ID=id_of(stranger)
    )
    if other != DIFFERENT:
        raise Blocked(f"of two threads that are no copies of each other the recipe says {other!r}")
    said = flows.run_for_text("verify_copy", THREAD_ID=id_of(source), COPIED_THREAD_ID=id_of(copy))
    assert_equal(said, SAME, "what the recipe prints")


@requires("CLIENT-05")
def test_prepopulating_a_thread(given: ThreadsApi, flows: Flows) -> None:
    by_http = given.prepopulated()
    returned = flows.run_for_object("prepopulate")
    assert_same_outcome(given, returned, by_http)
    assert_same_steps(given.history(returned), given.history(by_http))


@requires("CLIENT-06")
def test_searching_by_status(given: ThreadsApi, flows: Flows, context: CheckContext) -> None:
    given.empty()
    _assert_finds(given, flows, context, "search_by_status", status="idle")


@requires("CLIENT-06")
def test_searching_by_status_to_the_letter(given: ThreadsApi, flows: Flows) -> None:
    given.empty()
    found = flows.search_verbatim("search_by_status")
    assert_that(len(found) <= 1, "at most one thread", f"{len(found)} threads")
    assert_equal([each.get("status") for each in found], ["idle"] * len(found), "status")


@requires("CLIENT-07")
def test_searching_by_metadata(given: ThreadsApi, flows: Flows, context: CheckContext) -> None:
    graph_id = context.settings.graph.id
    given.empty(metadata={"graph_id": graph_id})
    given.empty(metadata={"graph_id": f"not {graph_id}"})
    _assert_finds(given, flows, context, "search_by_metadata", metadata={"graph_id": graph_id})


@requires("CLIENT-07")
def test_searching_by_metadata_to_the_letter(given: ThreadsApi, flows: Flows) -> None:
    given.empty(metadata={"graph_id": "agent"})
    found = flows.search_verbatim("search_by_metadata")
    assert_that(len(found) <= 1, "at most one thread", f"{len(found)} threads")
    shown = [(each.get("metadata") or {}).get("graph_id") for each in found]
    assert_equal(shown, ["agent"] * len(found), "metadata.graph_id")


@requires("CLIENT-08")
def test_getting_a_thread(given: ThreadsApi, flows: Flows) -> None:
    thread = given.prepopulated()
    by_http = given.get(thread)
    assert_equal(flows.run_for_object("get", THREAD_ID=id_of(thread)), by_http, "the thread")


@requires("CLIENT-09")
def test_getting_the_state(given: ThreadsApi, flows: Flows) -> None:
    thread = given.prepopulated()
    by_http = given.state(thread)
    assert_equal(flows.run_for_object("state", THREAD_ID=id_of(thread)), by_http, "the state")


@requires("CLIENT-10")
def test_getting_the_state_at_a_checkpoint(given: ThreadsApi, flows: Flows) -> None:
    thread = given.prepopulated()
    # Not the newest checkpoint: GET state without a checkpoint id shows its state as well.
    checkpoint_id = require_states(given.history(thread)).checkpoint_ids()[-1]
    by_http = given.state_at(thread, checkpoint_id)
    returned = flows.run_for_object(
        "state_at_checkpoint", THREAD_ID=id_of(thread), CHECKPOINT_ID=checkpoint_id
    )
    assert_equal(returned, by_http, "the state at the checkpoint")


@requires("CLIENT-11")
def test_getting_the_history(given: ThreadsApi, flows: Flows) -> None:
    history = given.history(given.prepopulated())
    returned = flows.run_for_list("history", THREAD_ID=history.thread_id)
    assert_page(returned, history.states, "the newest states", DEFAULT_PAGE)


@requires("CLIENT-12")
def test_the_history_has_a_default_page(given: ThreadsApi, flows: Flows) -> None:
    history = given.history(given.prepopulated())
    returned = flows.run_for_list("history", THREAD_ID=history.thread_id)
    assert_equal(len(returned), min(len(history), DEFAULT_PAGE), "the number of states")


def _assert_finds(
    given: ThreadsApi, flows: Flows, context: CheckContext, flow: str, **filters: Any
) -> None:
    """Assert that the client finds what HTTP finds before the deadline: one thread of the check."""
    by_http = context.eventually(lambda: given.search(limit=1, **filters), bool)
    if not by_http:
        raise Blocked("search does not show a thread that was made")
    found = context.eventually(
        lambda: flows.run_for_list(flow), lambda found: same_json(found, by_http)
    )
    assert_equal(found, by_http, "the threads found")

"""Access without a valid credential, and access to the threads of another tenant.

Checked only if the user requests it: by --protected, or by the credential of another tenant.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import published_members
from conformance.checks.expect import assert_equal, assert_that, assert_untouched, require_refused
from conformance.checks.other_credentials import CREDENTIALS, Intruder, Pair, intruder_with, tenants
from conformance.checks.outcomes import Blocked, requires
from conformance.checks.runs import LONG_S
from conformance.checks.views import Thread, checkpoint_id_of, id_of
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.connect import Connection
from conformance.deployment.settings import Settings, numbered


@pytest.fixture
def intruder(
    request: pytest.FixtureRequest, connection: Connection, settings: Settings, given: ThreadsApi
) -> Iterator[Intruder]:
    """Yield an intruder without a valid credential."""
    with intruder_with(request.param, connection, settings, given) as intruder:
        yield intruder


@pytest.fixture
def tenant_pair(
    request: pytest.FixtureRequest,
    connection: Connection,
    settings: Settings,
    context: CheckContext,
) -> Iterator[Pair]:
    """Yield two tenants: the user as owner, the other as stranger; the reverse for "back"."""
    back = getattr(request, "param", "forth") == "back"
    with tenants(connection, settings, context, back=back) as tenant_pair:
        yield tenant_pair


def with_credential(*kinds: str) -> pytest.MarkDecorator:
    """Parametrize a check: an intruder makes it with each of these kinds of credential."""
    return pytest.mark.parametrize("intruder", kinds, indirect=True)


#: Marks a check that is made in both directions: each of the two tenants is the owner once.
both_ways = pytest.mark.parametrize("tenant_pair", ["forth", "back"], indirect=True)


@requires("ACCESS-01")
@with_credential("none")
def test_nothing_is_answered_without_a_credential(intruder: Intruder) -> None:
    intruder.assert_all_refused()


@requires("ACCESS-02")
@with_credential("wrong")
def test_nothing_is_answered_to_a_wrong_credential(intruder: Intruder) -> None:
    intruder.assert_all_refused()


@requires("ACCESS-03")
@with_credential("cut")
def test_nothing_is_answered_to_a_cut_credential(intruder: Intruder) -> None:
    intruder.assert_all_refused()


@requires("ACCESS-04")
@with_credential(*CREDENTIALS)
def test_a_refused_request_changes_nothing(intruder: Intruder) -> None:
    intruder.assert_nothing_changed()


@requires("ACCESS-05")
@both_ways
def test_anothers_thread_is_not_shown(tenant_pair: Pair) -> None:
    thread = tenant_pair.owner.empty()
    tenant_pair.assert_refused(lambda client: client.get(id_of(thread)))


@requires("ACCESS-06")
@pytest.mark.parametrize("which", ["latest", "at-checkpoint", "by-post"])
def test_anothers_state_is_not_shown(tenant_pair: Pair, which: str) -> None:
    thread, secret = tenant_pair.create_with_secret()
    newest = checkpoint_id_of(tenant_pair.owner.state(thread))
    ways: dict[str, Callable[[ThreadsClient], Answer]] = {
        "latest": lambda client: client.state(id_of(thread)),
        "at-checkpoint": lambda client: client.state_at_checkpoint(id_of(thread), newest),
        "by-post": lambda client: client.post_state_at_checkpoint(
            id_of(thread), {"checkpoint": {"checkpoint_id": newest}}
        ),
    }
    tenant_pair.assert_hidden(ways[which], secret)


@requires("ACCESS-07")
@pytest.mark.parametrize("way", ["get", "post"])
def test_anothers_history_is_not_shown(tenant_pair: Pair, way: str) -> None:
    thread, secret = tenant_pair.create_with_secret()
    ways: dict[str, Callable[[ThreadsClient], Answer]] = {
        "get": lambda client: client.history(id_of(thread), limit=LONGEST_PAGE),
        "post": lambda client: client.post_history(id_of(thread), {"limit": LONGEST_PAGE}),
    }
    tenant_pair.assert_hidden(ways[way], secret)


@requires("ACCESS-08")
def test_anothers_thread_is_not_copied(tenant_pair: Pair) -> None:
    thread = tenant_pair.owner.fullest()
    tenant_pair.assert_refused(lambda client: client.copy(id_of(thread)))


@requires("ACCESS-09")
@both_ways
@pytest.mark.parametrize("by", ["metadata", "ids"])
def test_a_search_finds_no_thread_of_another(
    tenant_pair: Pair, context: CheckContext, by: str
) -> None:
    theirs, own = tenant_pair.owner.empty(), tenant_pair.stranger.empty()
    filters: dict[str, Any] = {} if by == "metadata" else {"ids": [id_of(theirs), id_of(own)]}

    def find_ids(api: ThreadsApi, thread: Thread) -> list[str]:
        found = context.eventually(
            lambda: api.search_ids(**filters), lambda ids: id_of(thread) in ids
        )
        if id_of(thread) not in found:
            raise Blocked("a tenant does not find its own thread")
        return found

    find_ids(tenant_pair.owner, theirs)
    found = find_ids(tenant_pair.stranger, own)
    assert_that(id_of(theirs) not in found, "no thread of another tenant", found)


@requires("ACCESS-10")
@both_ways
def test_a_count_counts_no_thread_of_another(tenant_pair: Pair, context: CheckContext) -> None:
    for _ in range(2):
        tenant_pair.owner.empty()
    tenant_pair.stranger.empty()
    if context.eventually(tenant_pair.owner.count, lambda counted: counted >= 2) < 2:
        raise Blocked("the owner's threads are not counted")
    counted = context.eventually(tenant_pair.stranger.count, lambda counted: counted >= 1)
    assert_equal(counted, 1, "the number of threads of a tenant that made one")


@requires("ACCESS-11")
@both_ways
@pytest.mark.parametrize("operation", ["update", "update_state", "prune", "delete"])
def test_anothers_thread_is_not_changed(tenant_pair: Pair, operation: str) -> None:
    thread = tenant_pair.owner.with_state()
    append = numbered(tenant_pair.owner.context.graph().append, 7)
    ways: dict[str, Callable[[ThreadsClient], Answer]] = {
        "update": lambda client: client.update(id_of(thread), {"metadata": {"changed": True}}),
        "update_state": lambda client: client.update_state(id_of(thread), append),
        "prune": lambda client: client.prune({"thread_ids": [id_of(thread)]}),
        "delete": lambda client: client.delete(id_of(thread)),
    }
    act = ways[operation]
    assert_untouched(tenant_pair.owner, thread, lambda: act(tenant_pair.stranger.client))
    # The refusal proves something only if the owner can make the change.
    tenant_pair.owner.ensure_success(act(tenant_pair.owner.client), thread)


@requires("ACCESS-12")
@pytest.mark.parametrize("if_exists", ["raise", "do_nothing"])
def test_a_thread_is_not_created_over_anothers(tenant_pair: Pair, if_exists: str) -> None:
    secret = uuid4().hex
    thread = tenant_pair.owner.fullest(metadata={"secret": secret})
    answers: list[Answer] = []

    def create() -> None:
        metadata = {**tenant_pair.stranger.client.tag, **tenant_pair.stranger.context.tag}
        body = {"thread_id": id_of(thread), "if_exists": if_exists, "metadata": metadata}
        answers.append(tenant_pair.stranger.client.create(body))

    assert_untouched(tenant_pair.owner, thread, create)
    text = answers[0].text
    assert_that(secret not in text, "nothing of another tenant's", text[:300])


@requires("ACCESS-13")
@pytest.mark.parametrize("operation", ["list", "get", "join", "join-stream"])
def test_anothers_runs_are_not_shown(tenant_pair: Pair, operation: str) -> None:
    thread, number = tenant_pair.owner.empty(), uuid4().int
    ways: dict[str, Callable[[ThreadsClient], Answer]] = {
        "list": lambda client: client.runs.list(id_of(thread)),
        "get": lambda client: client.runs.get(id_of(thread), run.run_id),
        "join": lambda client: client.run_join(id_of(thread), run.run_id),
        "join-stream": lambda client: client.runs.join_stream(id_of(thread), run.run_id),
    }
    with tenant_pair.runs as runs:
        # The number is in the run's input and metadata, and so in all answers about the run.
        secret = {"secret": str(number)}
        if operation == "join-stream":
            # The stream of a run that has ended may be empty.
            run = runs.start(thread, "slow", str(number), seconds=1, metadata=secret)
            runs.wait_for_begin(run)
        else:
            run = runs.start(thread, "agent", number=number, metadata=secret)
            runs.join(run)
        tenant_pair.assert_hidden(ways[operation], str(number))


@requires("ACCESS-14")
@pytest.mark.parametrize("way", ["wait", "stream", "background", "or-create"])
def test_anothers_thread_is_not_run(tenant_pair: Pair, way: str) -> None:
    thread = tenant_pair.owner.fullest()
    body = tenant_pair.owner.run_body()
    or_create = {**body, "if_not_exists": "create"}
    ways: dict[str, Callable[[ThreadsClient], Answer]] = {
        "wait": lambda client: client.run_wait(id_of(thread), body),
        "stream": lambda client: client.run_stream(id_of(thread), body),
        "background": lambda client: client.run_background(id_of(thread), body),
        "or-create": lambda client: client.run_wait(id_of(thread), or_create),
    }
    act = ways[way]

    def run() -> None:
        answer = act(tenant_pair.stranger.client)
        if way == "background" and answer.ok and isinstance(answer.body, dict):
            # Wait for the end of the run, so that its effect on the thread is seen.
            tenant_pair.owner.client.run_join(id_of(thread), str(answer.body.get("run_id")))

    assert_untouched(tenant_pair.owner, thread, run)
    tenant_pair.owner.ensure_success(act(tenant_pair.owner.client), thread)
    if way == "or-create":
        # If each tenant has ids of its own, the stranger's run made a thread that no search finds.
        tenant_pair.stranger.client.delete(id_of(thread))


@requires("ACCESS-15")
@pytest.mark.parametrize("operation", ["cancel", "cancel-many", "delete"])
def test_anothers_runs_are_not_stopped(tenant_pair: Pair, operation: str) -> None:
    thread = tenant_pair.owner.empty()
    with tenant_pair.runs as runs:
        if operation == "delete":
            run = runs.start(thread, "agent")
            runs.join(run)
        else:
            run = runs.start(thread, "slow", seconds=1)
        # GET by the owner proves that the run belongs to this session; the guard requires that.
        runs.get(run)
        ways: dict[str, Callable[[ThreadsClient, str], Answer]] = {
            "cancel": lambda client, run_id: client.runs.cancel(id_of(thread), run_id),
            "cancel-many": lambda client, run_id: client.runs.cancel_many(
                {"thread_id": id_of(thread), "run_ids": [run_id]}
            ),
            "delete": lambda client, run_id: client.runs.delete(id_of(thread), run_id),
        }
        act = ways[operation]
        act(tenant_pair.stranger.client, run.run_id)
        shown = tenant_pair.owner.client.runs.get(id_of(thread), run.run_id)
        assert_that(shown.ok, "the run as it was", f"{shown.status} {shown.text[:300]}")
        runs.join(run)
        assert_equal(runs.status(run), "success", "the status of the run")
        # The check proves something only if the owner can do the same.
        if operation != "delete":
            run = runs.enqueue(thread, "slow", seconds=LONG_S)
            runs.get(run)
        tenant_pair.owner.ensure_success(act(tenant_pair.owner.client, run.run_id), thread)


@requires("ACCESS-16")
@both_ways
@pytest.mark.parametrize("operation", ["search", "get"])
def test_anothers_crons_are_not_shown(tenant_pair: Pair, operation: str) -> None:
    thread = tenant_pair.owner.empty()
    with tenant_pair.crons as crons:
        secret = uuid4().hex
        cron_id = str(crons.create(thread, metadata={"secret": secret})["cron_id"])
        ways: dict[str, Callable[[ThreadsClient], Answer]] = {
            "search": lambda client: client.crons.search({"thread_id": id_of(thread)}),
            "get": lambda client: client.crons.get(cron_id),
        }
        ask = ways[operation]
        tenant_pair.owner.context.eventually(
            lambda: ask(tenant_pair.owner.client).text, lambda text: secret in text
        )
        tenant_pair.assert_hidden(ask, secret)


@requires("ACCESS-16")
@both_ways
def test_anothers_crons_are_not_counted(tenant_pair: Pair) -> None:
    thread = tenant_pair.owner.empty()
    with tenant_pair.crons as crons:
        crons.create(thread)
        counted = tenant_pair.owner.context.eventually(
            lambda: crons.count(thread_id=id_of(thread)), lambda number: number == 1
        )
        if counted != 1:
            raise Blocked("the owner's cron is not counted")
        answer = tenant_pair.stranger.client.crons.count({"thread_id": id_of(thread)})
        seen = answer.ok and answer.body != 0
        assert_that(not seen, "no cron of another tenant counted", answer.text[:300])


@requires("ACCESS-17")
@pytest.mark.parametrize("operation", ["update", "delete", "create"])
def test_anothers_crons_are_not_changed(tenant_pair: Pair, operation: str) -> None:
    thread = tenant_pair.owner.empty()
    with tenant_pair.crons as crons:
        # GET by the owner proves that the cron belongs to this session; the guard requires that.
        cron = crons.get(crons.create(thread))
        cron_id, another = str(cron["cron_id"]), crons.body()
        ways: dict[str, Callable[[ThreadsClient], Answer]] = {
            "update": lambda client: client.crons.update(cron_id, {"schedule": "0 0 2 2 *"}),
            "delete": lambda client: client.crons.delete(cron_id),
            "create": lambda client: client.crons.create(id_of(thread), another),
        }
        act = ways[operation]
        before = tenant_pair.owner.context.eventually(
            lambda: _crons_of(tenant_pair.owner, id_of(thread)), bool
        )
        act(tenant_pair.stranger.client)
        after = _crons_of(tenant_pair.owner, id_of(thread))
        assert_equal(after, before, "the crons of the thread")
        if operation != "create":
            # The check proves something only if the owner can do the same; it did create a cron.
            tenant_pair.owner.ensure_success(act(tenant_pair.owner.client), thread)


@requires("ACCESS-18")
@pytest.mark.parametrize("operation", ["get", "state", "history", "copy"])
def test_anothers_ids_answer_as_unknown_ones(tenant_pair: Pair, operation: str) -> None:
    thread_id = id_of(tenant_pair.owner.fullest())
    client = tenant_pair.stranger.client
    ways: dict[str, Callable[[str], Answer]] = {
        "get": client.get,
        "state": client.state,
        "history": client.history,
        "copy": client.copy,
    }
    way = ways[operation]
    first, second = (_masked(way(each), each) for each in (_absent_id(client), _absent_id(client)))
    if first != second:
        raise Blocked(f"answers for unknown ids differ: {first}, {second}")
    answer = way(thread_id)
    require_refused(answer)
    assert_equal(_masked(answer, thread_id), first, "status and body, the id masked")


def _crons_of(api: ThreadsApi, thread_id: str) -> list[Any]:
    found = api.list_of(api.client.crons.search({"thread_id": thread_id}))
    return [published_members("cron", each) for each in found]


def _absent_id(client: ThreadsClient) -> str:
    return client.ownership.absent_id()


def _masked(answer: Answer, thread_id: str) -> list[Any]:
    return [answer.status, answer.text.replace(thread_id, "<the id>")]

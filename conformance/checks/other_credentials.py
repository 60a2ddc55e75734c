"""Requests with other credentials: none, a wrong one, a cut one, or another tenant's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from conformance.checks.api import ENOUGH_THREADS, ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparable_members import published_members, shows_its_state
from conformance.checks.crons import Crons
from conformance.checks.every_operation import Send, Targets, every_operation
from conformance.checks.expect import assert_that, published_part
from conformance.checks.messages import values_with_text
from conformance.checks.outcomes import Blocked, OptionNotGiven, PromiseBroken, Unsupported
from conformance.checks.runs import Runs
from conformance.checks.views import Thread, checkpoint_id_of, id_of
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.contract.operations import BY_NAME
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.connect import Connection
from conformance.deployment.credential_variants import (
    REFUSALS,
    cut_credentials,
    other_credentials,
    own_headers,
    without_credentials,
    wrong_credentials,
)
from conformance.deployment.settings import Settings
from conformance.json_differences import same_json
from conformance.safe_text import excerpt

NOT_PROTECTED = "give --protected, if nothing is to be answered here without a credential"
NO_OTHER_TENANT = (
    "give the credential of another tenant with --other-api-key or --other-header, "
    "if each is to see only its own threads"
)

#: Kinds of credentials to send instead of the user's.
CREDENTIALS = {
    "none": without_credentials,
    "wrong": wrong_credentials,
    "cut": cut_credentials,
}
_NOT_OFFERED = (404, 405, 501)


class Intruder:
    """A client without a valid credential, and a thread on which it tries every operation."""

    def __init__(self, given: ThreadsApi, client: ThreadsClient, targets: Targets) -> None:
        self._given = given
        self._client = client
        self._targets = targets

    def assert_all_refused(self) -> None:
        """Assert that every operation which is offered is refused by 401 or 403."""
        requests = every_operation(self._given, self._targets)
        answers = {name: send(self._client) for name, send in requests.items()}
        let_in = [
            f"{name} answers {answer.status}"
            for name, answer in answers.items()
            if answer.status not in REFUSALS and self._offered(answer, requests[name])
        ]
        if let_in:
            # Operations and statuses reveal nothing of the threads.
            told = f"{len(let_in)} of {len(answers)}: {', '.join(let_in)}"
            raise PromiseBroken("401 or 403 to every operation", told, facts=told)

    def assert_nothing_changed(self) -> None:
        """Assert that refused writes change nothing that the valid credential sees."""
        # If the search were late, the check's own thread would look like a change.
        own = id_of(self._targets.thread)
        if own not in self._given.context.eventually(
            self._given.search_ids, lambda ids: own in ids
        ):
            raise Blocked("search does not show the thread that was made", by="CREATE-12")
        before = self._given.context.eventually(
            self._snapshot,
            lambda seen: shows_its_state(seen.get("the thread"), seen.get("its state")),
        )
        if not same_json(self._snapshot(), before):
            raise Blocked("two answers to the same question differ, though nothing was done")
        let_in, made = [], []
        for name, send in every_operation(self._given, self._targets).items():
            if BY_NAME[name].writes:
                answer = send(self._client)
                let_in += [name] if answer.ok else []
                made += [answer] if name == "create" else []
        if let_in:
            raise Blocked(f"not refused: {', '.join(let_in)}")
        for name, seen in self._snapshot().items():
            same = same_json(seen, before[name])
            assert_that(same, f"{name} as before: {before[name]}", seen)

    def _offered(self, answer: Answer, send: Send) -> bool:
        """Return whether the operation exists: not if the owner gets the same 404, 405 or 501."""
        if answer.status not in _NOT_OFFERED or send(self._given.client).status != answer.status:
            return True
        self._given.context.note(f"not offered: {answer.operation}")
        return False

    def _snapshot(self) -> dict[str, Any]:
        """Return by name all that a write could change, as the valid credential sees it."""
        client, thread_id = self._given.client, id_of(self._targets.thread)
        answers = {
            "the thread": client.get(thread_id),
            "its state": client.state(thread_id),
            "its history": client.history(thread_id, limit=LONGEST_PAGE),
            "its runs": client.runs.list(thread_id),
            "its crons": client.crons.search({"thread_id": thread_id}),
        }
        seen = {name: published_part(answer) for name, answer in answers.items() if answer.ok}
        if "its crons" in seen:
            seen["its crons"] = published_members("cron", seen["its crons"])
        return {**seen, "the threads of the check": sorted(self._given.search_ids())}


@contextmanager
def intruder_with(
    kind: str, connection: Connection, settings: Settings, given: ThreadsApi
) -> Iterator[Intruder]:
    """Yield an intruder with a `none`, `wrong` or `cut` credential, and a thread to try it on."""
    if not settings.protected:
        raise OptionNotGiven(NOT_PROTECTED)
    client = connection.client_with(CREDENTIALS[kind](settings))
    with Crons(given) as crons:
        thread = given.with_state()
        given.run(thread, metadata=given.client.tag)
        given.get_settled(thread)
        try:
            # Once GET shows it, the cron is proved to be this run's.
            cron_id = str(crons.get(crons.create(thread))["cron_id"])
            given.context.eventually(lambda: crons.search_ids(thread_id=id_of(thread)), bool)
        except (Blocked, Unsupported):  # without crons, the other operations are still tried
            cron_id = given.client.ownership.absent_id()
        state = given.state(thread)
        yield Intruder(
            given, client, Targets(thread, checkpoint_id_of(state), _run_id(given, thread), cron_id)
        )


def _run_id(given: ThreadsApi, thread: Thread) -> str:
    """Return the id of the run on the thread, or an unused id where runs are not listed."""
    listed = given.client.runs.list(id_of(thread))
    if listed.ok and isinstance(listed.body, list) and listed.body:
        run_id = str(listed.body[0].get("run_id"))
        given.client.runs.get(id_of(thread), run_id)
        return run_id
    return given.client.ownership.absent_id()


@dataclass(frozen=True)
class Pair:
    """Two tenants of one deployment: the owner of the threads, and a stranger."""

    owner: ThreadsApi
    stranger: ThreadsApi

    @property
    def runs(self) -> Runs:
        """Runs of the owner."""
        return Runs(self.owner)

    @property
    def crons(self) -> Crons:
        """Crons of the owner."""
        return Crons(self.owner)

    def create_with_secret(self) -> tuple[Thread, str]:
        """Create a thread of the owner whose messages hold a random text; return both."""
        secret, graph = uuid4().hex, self.owner.context.graph()
        values = values_with_text(secret, graph)
        if not values:
            raise Blocked("append of the [graph] settings has no place for a text")
        return self.owner.prepopulated(more=[{**graph.append, "values": values}]), secret

    def assert_hidden(self, send: Send, secret: str) -> None:
        """Assert that the stranger is not shown the secret; `Blocked` unless the owner is."""
        answer = send(self.stranger.client)
        told = f"{answer.status} {excerpt(answer.text)}"
        assert_that(secret not in answer.text, "nothing of another tenant's", told)
        shown = self.owner.ensure_success(send(self.owner.client))
        if secret not in shown.text:
            raise Blocked(f"the owner is not shown it: {shown.status} {excerpt(shown.text)}")

    def assert_refused(self, send: Send) -> None:
        """Assert that the stranger gets a 4xx for a request that then succeeds for the owner."""
        answer = send(self.stranger.client)
        if not 400 <= answer.status < 500:
            raise PromiseBroken("a refusal by 4xx", f"{answer.status} {excerpt(answer.text)}")
        self.owner.ensure_success(send(self.owner.client))


@contextmanager
def tenants(
    connection: Connection, settings: Settings, context: CheckContext, *, back: bool
) -> Iterator[Pair]:
    """Yield the user as owner and the other tenant as stranger; the reverse if `back`.

    In the end, the threads that the other tenant made are deleted.
    """
    if not settings.other_headers:
        raise OptionNotGiven(NO_OTHER_TENANT)
    ours, theirs = (
        connection.client_with(headers)
        for headers in (own_headers(settings), other_credentials(settings))
    )
    asked = theirs.search({"metadata": theirs.tag, "limit": 1})
    if not asked.ok:
        raise Blocked(
            f"the other tenant's credential is answered {asked.status} to a search: "
            "give one that is accepted"
        )
    pair = Pair(*(ThreadsApi(each, context, arranging=True) for each in (ours, theirs)))
    try:
        yield Pair(pair.stranger, pair.owner) if back else pair
    finally:
        with suppress(httpx.HTTPError):
            _delete_all(theirs, context.tag)


def _delete_all(client: ThreadsClient, tag: dict[str, str]) -> None:
    """Delete the threads of this run that a search shows to the client."""
    answer = client.search({"metadata": tag, "limit": ENOUGH_THREADS})
    for each in answer.body if answer.ok and isinstance(answer.body, list) else []:
        thread_id = each.get("thread_id") if isinstance(each, dict) else None
        if isinstance(thread_id, str) and client.ownership.is_ours(thread_id):
            client.delete(thread_id)

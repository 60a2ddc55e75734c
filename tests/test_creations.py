"""What requests may create is in the ledger before they are sent, and what came of it after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from conformance.contract.operations import BY_NAME
from conformance.deployment.ownership.clock import ServerClock
from conformance.deployment.ownership.creations import Creation, CreationTracker
from conformance.deployment.ownership.ledger import Ledger, LedgerState, read_ledger
from conformance.deployment.ownership.proof import GetAnswer, Ownership

NAMED, OTHER = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
KEEP = {"assistant_id": "agent", "on_completion": "keep"}


class Run:
    """A run whose requests are recorded; `shown` is what GET answers of a thread, by its id."""

    def __init__(self, ledger: Ledger | None, directory: Path) -> None:
        self.directory, self._ledger = directory, ledger
        self.ownership = Ownership(str(uuid4()), clock=ServerClock(datetime.now(UTC)))
        self.asked: list[str] = []
        self.shown: dict[str, GetAnswer] = {}
        self.tracker = CreationTracker(ledger, self.ownership, self.read)

    def read(self, thread_id: str) -> GetAnswer | None:
        self.asked.append(thread_id)
        return self.shown.get(thread_id)

    def show(self, thread_id: str) -> None:
        """Let GET prove that a thread is this run's."""
        now = datetime.now(UTC).isoformat()
        body = {"thread_id": thread_id, "created_at": now, "metadata": self.ownership.tag}
        self.shown[thread_id] = GetAnswer(thread_id, 200, body)

    def follow(self) -> None:
        """Let the ledger keep what it records for `take_ended`."""
        assert self._ledger is not None
        self._ledger.follow()

    def begin(self, operation: str, body: Any = None, thread_id: str | None = None) -> Creation:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.tracker.record_request(BY_NAME[operation], thread_id, raw)

    def end(
        self, creation: Creation, answer: Any = None, status: int = 200, location: str = ""
    ) -> None:
        headers = {"content-location": location} if location else {}
        response = httpx.Response(status, json=answer, headers=headers)
        self.tracker.record_response(BY_NAME[creation.operation], creation, response)

    def made(
        self,
        operation: str,
        body: Any = None,
        answer: Any = None,
        status: int = 200,
        thread_id: str | None = None,
        location: str = "",
    ) -> Creation:
        creation = self.begin(operation, body, thread_id)
        self.end(creation, answer, status, location)
        return creation

    def ledger(self) -> LedgerState:
        return read_ledger(self.directory)

    @property
    def tagged(self) -> dict[str, Any]:
        return {"metadata": self.ownership.tag}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Ledger(tmp_path / "run", "main", "http://127.0.0.1:1") as ledger:
        yield Run(ledger, tmp_path / "run")


# Under an id of the run's


def test_an_id_of_the_runs_is_on_disk_before_the_request_and_confirmed_after(run: Run) -> None:
    own = run.ownership.new_id()
    creation = run.begin("create", {"thread_id": own, **run.tagged})
    assert (creation.own_id, creation.number, creation.is_fresh) == (own, None, True)
    assert (run.ledger().generated, run.ledger().created) == ((own,), frozenset())
    assert run.ownership.ids_are_kept is None
    run.end(creation, {"thread_id": own.upper()})
    assert (run.ledger().generated, run.ledger().created) == ((own,), frozenset({own}))
    assert run.ownership.ids_are_kept is True
    assert run.asked == []


@pytest.mark.parametrize("answer", [None, {}, {"thread_id": 5}, {"thread_id": ""}, ["id"], "id"])
def test_an_answer_without_an_id_confirms_nothing(answer: Any, run: Run) -> None:
    run.made("create", {"thread_id": run.ownership.new_id()}, answer)
    assert (run.ledger().created, run.ledger().named) == (frozenset(), ())
    assert run.ownership.ids_are_kept is None


def test_a_refusal_confirms_nothing(run: Run) -> None:
    own = run.ownership.new_id()
    run.made("create", {"thread_id": own}, {"thread_id": own}, status=409)
    assert run.ledger().created == frozenset()
    assert run.ownership.ids_are_kept is None


def test_a_thread_under_another_id_is_named_and_proved_by_get(run: Run) -> None:
    run.show(NAMED)
    run.made("create", {"thread_id": run.ownership.new_id()}, {"thread_id": NAMED})
    assert run.ownership.ids_are_kept is False
    assert (run.ledger().created, run.ledger().named) == (frozenset(), (NAMED,))
    assert run.ownership.is_ours(NAMED)


def test_that_ids_are_kept_is_not_forgotten(run: Run) -> None:
    own = run.ownership.new_id()
    run.made("create", {"thread_id": own}, {"thread_id": own})
    run.made("create", {"thread_id": run.ownership.new_id()}, {"thread_id": NAMED})
    assert run.ownership.ids_are_kept is True


def test_only_the_first_write_to_an_id_is_fresh(run: Run) -> None:
    own = run.ownership.new_id()
    assert run.begin("create", {"thread_id": own}).is_fresh
    assert not run.begin("create", {"thread_id": own.upper()}).is_fresh
    assert run.begin("create", {"thread_id": run.ownership.new_id()}).is_fresh
    assert not run.begin("create", {}).is_fresh


def test_a_creation_is_fresh_no_more_once_another_write_names_its_id(run: Run) -> None:
    own = run.ownership.new_id()
    creation = run.begin("create", {"thread_id": own})
    run.begin("update_state", {}, own)
    assert not creation.is_fresh


def test_an_id_that_any_write_names_is_planned_once(run: Run) -> None:
    own = run.ownership.absent_id()
    for _ in range(2):
        run.begin("update_state", {}, own)
    assert run.ledger().generated == (own,)
    text = (run.directory / "main.jsonl").read_text(encoding="utf-8")
    assert text.count("planned") == 1
    # A thread that was proved to be the run's is named, and was not drawn.
    run.begin("update_state", {}, NAMED)
    assert run.ledger().generated == (own,)


def test_an_id_that_was_taken_as_ended_is_planned_once_more(run: Run) -> None:
    run.follow()
    own = run.ownership.absent_id()
    run.begin("update_state", {}, own)
    assert (taken := run.tracker.take_ended()) is not None
    assert taken.generated == (own,)
    for _ in range(3):
        run.begin("update_state", {}, own)
    text = (run.directory / "main.jsonl").read_text(encoding="utf-8")
    assert text.count("planned") == 2


# The clock


def created_at(run: Run, *, ahead: timedelta) -> str:
    return (datetime.now(UTC) + ahead).isoformat()


def test_the_clock_is_learned_from_the_first_thread_under_an_id_of_the_runs(run: Run) -> None:
    for hours in (3, 5):
        own = run.ownership.new_id()
        answer = {"thread_id": own, "created_at": created_at(run, ahead=timedelta(hours=hours))}
        run.made("create", {"thread_id": own}, answer)
    offset = run.ledger().clock_offset
    assert offset is not None
    assert offset == run.ownership.clock.offset
    assert timedelta(hours=2, minutes=59) < offset <= timedelta(hours=3)


@pytest.mark.parametrize("moment", [None, "yesterday", 5])
def test_what_is_no_time_teaches_nothing(moment: Any, run: Run) -> None:
    own = run.ownership.new_id()
    run.made("create", {"thread_id": own}, {"thread_id": own, "created_at": moment})
    assert run.ownership.clock.offset is None
    assert run.ledger().clock_offset is None


def test_a_thread_that_may_be_older_teaches_nothing(run: Run) -> None:
    own = run.ownership.new_id()
    run.begin("update", {}, own)
    old = {"thread_id": own, "created_at": created_at(run, ahead=timedelta(hours=-1))}
    run.made("create", {"thread_id": own}, old)
    assert run.ownership.clock.offset is None


# Without an id of the run's


@pytest.mark.parametrize("named", [{}, {"thread_id": NAMED}, {"thread_id": 5}])
def test_a_creation_without_an_id_is_on_disk_until_it_is_answered(
    named: dict[str, Any], run: Run
) -> None:
    creation = run.begin("create", {**named, **run.tagged})
    assert creation.own_id is None
    assert len(run.ledger().unidentified) == 1
    assert run.ledger().unfindable == ()
    run.show(OTHER)
    run.end(creation, {"thread_id": OTHER})
    assert (run.ledger().unidentified, run.ledger().named) == ((), (OTHER,))
    assert run.ownership.is_ours(OTHER)


def test_a_thread_that_get_does_not_prove_is_named_and_not_owned(run: Run) -> None:
    run.made("create", run.tagged, {"thread_id": OTHER})
    run.shown[NAMED] = GetAnswer(NAMED, 404, None)
    run.made("create", run.tagged, {"thread_id": NAMED})
    assert run.ledger().named == (OTHER, NAMED)
    assert run.asked == [OTHER, NAMED]
    assert not run.ownership.is_ours(OTHER)
    assert not run.ownership.is_ours(NAMED)


def test_on_a_disposable_deployment_a_creation_proves_without_a_tag(run: Run) -> None:
    run.ownership.disposable = True
    run.show(OTHER)
    run.shown[OTHER].body["metadata"] = {}
    run.made("create", {}, {"thread_id": OTHER})
    assert run.ownership.is_ours(OTHER)


def test_a_thread_that_is_the_runs_already_is_not_asked_for(run: Run) -> None:
    own = run.ownership.new_id()
    run.made("create", run.tagged, {"thread_id": own})
    assert run.asked == []


@pytest.mark.parametrize(
    ("body", "answer", "status", "left"),
    [
        ("tagged", {}, 200, 0),
        ("tagged", None, 500, 0),
        ({}, {"thread_id": OTHER}, 200, 0),
        ({}, {}, 422, 0),
        ({"metadata": {"of": "nobody"}}, {}, 200, 1),
        ({"metadata": []}, {}, 200, 1),
        ([], None, 500, 1),
        (b"{", {}, 200, 1),
    ],
)
def test_a_creation_without_a_tag_that_tells_no_id_stays_on_disk(
    body: Any, answer: Any, status: int, left: int, run: Run
) -> None:
    creation = run.begin("create", run.tagged if body == "tagged" else body)
    assert len(run.ledger().unfindable) == (0 if body == "tagged" else 1)
    run.end(creation, answer, status)
    assert len(run.ledger().unfindable) == left
    assert run.ledger().unidentified == ()


def test_an_id_that_two_answers_name_says_where_one_thread_is(run: Run) -> None:
    run.made("create", {}, {"thread_id": OTHER})
    assert run.ledger().unfindable == ()
    run.made("create", {}, {"thread_id": OTHER.upper()})
    assert len(run.ledger().unfindable) == 1
    run.made("create", {}, {"thread_id": NAMED})
    assert len(run.ledger().unfindable) == 1


# Copies


def test_a_copy_is_on_disk_until_it_is_answered(run: Run) -> None:
    source = run.ownership.new_id()
    creation = run.begin("copy", None, source)
    assert run.ledger().unidentified == (f"a copy of {source}",)
    run.show(OTHER)
    run.end(creation, {"thread_id": OTHER})
    assert (run.ledger().unidentified, run.ledger().named) == ((), (OTHER,))
    assert run.ownership.is_ours(OTHER)


@pytest.mark.parametrize(
    ("answer", "status"), [("SOURCE", 200), ({}, 200), ({"thread_id": OTHER}, 404)]
)
def test_a_copy_that_names_no_new_thread_made_none(answer: Any, status: int, run: Run) -> None:
    source = run.ownership.new_id()
    told = {"thread_id": source.upper()} if answer == "SOURCE" else answer
    run.made("copy", None, told, status, source)
    assert (run.ledger().unidentified, run.ledger().named, run.asked) == ((), (), [])


def test_a_copy_that_names_its_source_is_nothing_new_whoever_drew_its_id(run: Run) -> None:
    run.show(NAMED)
    assert not run.ownership.own_thread_if_proved(run.shown[NAMED])
    creation = run.made("copy", None, {"thread_id": NAMED}, 200, NAMED)
    assert creation.thread_id == NAMED
    assert (run.ledger().unidentified, run.ledger().named, run.asked) == ((), (), [])


# Stateless runs and crons


@pytest.mark.parametrize("body", [KEEP, [{"assistant_id": "agent"}, KEEP]])
@pytest.mark.parametrize("many", [False, True])
def test_a_kept_thread_is_on_disk_until_the_run_is_answered(
    body: Any, many: bool, run: Run
) -> None:
    creation = run.begin("stateless_batch" if many else "stateless_wait", body)
    assert len(run.ledger().unidentified) == 1
    run.show(OTHER)
    answer = {"run_id": NAMED, "thread_id": OTHER}
    run.end(creation, [answer, answer] if many else answer)
    assert (run.ledger().unidentified, run.ledger().named) == ((), (OTHER,))
    assert run.ownership.is_ours(OTHER)
    assert run.asked == [OTHER]


@pytest.mark.parametrize("body", [{"on_completion": "delete"}, {}, [5], None, []])
def test_a_thread_that_is_not_kept_is_named_and_not_proved(body: Any, run: Run) -> None:
    run.made("stateless_background", body, {"run_id": NAMED, "thread_id": OTHER})
    # What was not begun does not end.
    assert "ended" not in (run.directory / "main.jsonl").read_text(encoding="utf-8")
    assert (run.ledger().unidentified, run.ledger().named, run.asked) == ((), (OTHER,), [])


def test_the_thread_of_a_stateless_run_may_be_named_by_a_header(run: Run) -> None:
    run.made("stateless_wait", KEEP, {}, location=f"/base/threads/{OTHER}/runs/{NAMED}")
    assert run.ledger().named == (OTHER,)
    assert run.asked == [OTHER]


@pytest.mark.parametrize(
    ("answer", "status", "location"),
    [
        # The values of a graph may have a member of that name.
        ({"thread_id": OTHER}, 200, ""),
        ({"run_id": NAMED}, 200, f"/runs/{NAMED}"),
        ([5, {}], 200, ""),
        ({"run_id": NAMED, "thread_id": OTHER}, 422, f"/threads/{OTHER}"),
    ],
)
def test_an_answer_that_names_no_thread_of_a_run_ends_what_was_begun(
    answer: Any, status: int, location: str, run: Run
) -> None:
    run.made("stateless_wait", KEEP, answer, status, location=location)
    assert (run.ledger().unidentified, run.ledger().named, run.asked) == ((), (), [])


def test_a_cron_is_on_disk_by_its_thread_before_and_by_its_id_after(run: Run) -> None:
    own = run.ownership.new_id()
    creation = run.begin("cron_create", {}, own)
    assert (run.ledger().scheduled, run.ledger().crons) == ((own,), ())
    run.end(creation, {"cron_id": NAMED})
    assert (run.ledger().scheduled, run.ledger().crons) == ((own,), (NAMED,))


@pytest.mark.parametrize(
    ("answer", "status"), [({"cron_id": 5}, 200), ([NAMED], 200), ({"cron_id": NAMED}, 422)]
)
def test_an_answer_without_a_cron_names_none(answer: Any, status: int, run: Run) -> None:
    run.made("cron_create", {}, answer, status, run.ownership.new_id())
    assert run.ledger().crons == ()


@pytest.mark.parametrize("operation", ["update", "run_wait", "cron_update", "delete"])
def test_other_writes_begin_nothing(operation: str, run: Run) -> None:
    thread_id = None if operation == "cron_update" else run.ownership.new_id()
    creation = run.made(operation, KEEP, {"thread_id": OTHER, "cron_id": NAMED}, 200, thread_id)
    assert creation.number is None
    assert run.ledger().named == run.ledger().crons == run.ledger().unidentified == ()


def test_without_a_ledger_ownership_is_proved_all_the_same(tmp_path: Path) -> None:
    run = Run(None, tmp_path)
    own = run.ownership.new_id()
    run.show(OTHER)
    moment = created_at(run, ahead=timedelta(0))
    run.made("create", {"thread_id": own}, {"thread_id": own, "created_at": moment})
    run.made("create", {"thread_id": own}, {"thread_id": NAMED})
    run.made("copy", None, {"thread_id": OTHER}, 200, own)
    run.made("stateless_wait", KEEP, {"run_id": own, "thread_id": OTHER})
    run.made("cron_create", {}, {"cron_id": OTHER}, 200, own)
    assert run.ownership.ids_are_kept is True
    assert run.ownership.clock.offset is not None
    assert run.ownership.is_ours(OTHER)
    assert run.asked == [NAMED, OTHER]
    assert list(tmp_path.iterdir()) == []

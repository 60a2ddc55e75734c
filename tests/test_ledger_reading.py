"""What is read of ledgers that older, killed and cleaned-up runs left."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conformance.deployment.ownership.ledger import (
    Ledger,
    LedgerState,
    claim,
    make_folder,
    read_ledger,
    remaining_ledgers,
    remove_ledger,
    remove_settled_ledgers,
)
from conformance.deployment.settings import SettingsError

URL = "http://127.0.0.1:1"
OWN = "abcdefab-0000-4000-8000-000000000000"


def write(directory: Path, *events: dict[str, Any] | str, worker: str = "main") -> LedgerState:
    """Write the ledger of a worker, line by line, and read that of its run."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = [each if isinstance(each, str) else json.dumps(each) for each in events]
    (directory / f"{worker}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return read_ledger(directory)


def event(name: str, **details: Any) -> dict[str, Any]:
    return {"event": name, **details}


def test_an_empty_ledger_says_nothing(tmp_path: Path) -> None:
    state = read_ledger(tmp_path)
    assert state == LedgerState(tmp_path.name, "")
    assert (state.launched, state.opened_at, state.clock_offset) == (False, None, None)
    assert state.is_empty


def test_lines_that_say_nothing_hide_none_that_do(tmp_path: Path) -> None:
    state = write(
        tmp_path,
        "",
        '{"cut',
        "[5]",
        event("unheard of"),
        event("planned", thread_id=5),
        event("ended", number=9, thread_id=None),
        event("clock", offset_s="soon"),
        event("opened", url=URL, at="soon"),
        event("planned", thread_id="é"),
    )
    assert state == LedgerState(tmp_path.name, URL, generated=("é",))
    assert (state.opened_at, state.clock_offset) == (None, None)


def test_the_run_began_with_the_first_of_its_workers(tmp_path: Path) -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    for worker, moment in (("gw0", early), ("gw1", late)):
        write(tmp_path, event("opened", url=URL, at=moment.isoformat()), worker=worker)
    assert read_ledger(tmp_path).opened_at == early


@pytest.mark.parametrize("what", ["launched", "disposable"])
@pytest.mark.parametrize(
    ("said", "wanted"),
    [((True, False), True), ((False, True), True), ((False, False), False), ((None, 1), False)],
)
def test_a_deployment_is_what_one_worker_says_of_it(
    what: str, said: tuple[Any, Any], wanted: bool, tmp_path: Path
) -> None:
    for worker, each in enumerate(said):
        opened = event("opened", url=URL, at="", **{what: each})
        write(tmp_path, opened, worker=f"gw{worker}")
    assert getattr(read_ledger(tmp_path), what) is wanted


@pytest.mark.parametrize("what", ["launched", "disposable"])
def test_a_ledger_says_what_its_deployment_is(what: str, tmp_path: Path) -> None:
    for so in (False, True):
        said: dict[str, Any] = {what: so}
        with Ledger(tmp_path / str(so), "main", URL, **said) as ledger:
            ledger.record_planned(OWN)
        assert getattr(read_ledger(tmp_path / str(so)), what) is so


@pytest.mark.usefixtures("far_away")
def test_a_ledger_began_now_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    with Ledger(tmp_path, "main", URL) as ledger:
        ledger.record_planned(OWN)
    state = read_ledger(tmp_path)
    assert state.opened_at is not None
    assert before <= state.opened_at <= datetime.now(UTC)
    assert not state.launched


def test_a_ledger_may_be_written_by_one_thread_and_closed_by_another(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", URL) as ledger:
        writer = threading.Thread(target=ledger.record_planned, args=(OWN,))
        writer.start()
        writer.join()
        with claim(tmp_path) as ours:
            assert not ours
    with claim(tmp_path) as ours:
        assert ours


def test_the_smallest_lead_of_the_servers_clock_counts(tmp_path: Path) -> None:
    state = write(tmp_path, *(event("clock", offset_s=each) for each in (3, -1.5, 2)))
    assert state.clock_offset == timedelta(seconds=-1.5)


@pytest.mark.parametrize(
    "thread_id", ["abcdefab-0000-4000-8000-000000000000", OWN.upper(), OWN.replace("-", "")]
)
def test_ids_are_kept_once_as_they_were_sent_first(thread_id: str, tmp_path: Path) -> None:
    planned = [event("planned", thread_id=each) for each in (thread_id, OWN)]
    named = [event("named", thread_id=each) for each in ("B", "b")]
    others = [event(name, thread_id=thread_id) for name in ("created", "scheduled", "named")]
    state = write(tmp_path, *planned, *named, *others, event("cron", cron_id="C"))
    assert state == LedgerState(
        tmp_path.name,
        "",
        generated=(thread_id,),
        created=frozenset({OWN}),
        named=("B",),
        scheduled=(OWN,),
        crons=("C",),
    )


def test_creations_of_one_worker_are_not_ended_by_another(tmp_path: Path) -> None:
    for worker in ("gw0", "gw1"):
        write(tmp_path, event("begun", number=1, what=f"by {worker}"), worker=worker)
    ended = event("ended", number=1, thread_id="a")
    state = write(tmp_path, event("begun", number=1, what="by gw1"), ended, worker="gw1")
    assert (state.unidentified, state.named) == (("by gw0",), ("a",))


def test_creations_without_a_tag_are_told_apart(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", URL) as ledger:
        ledger.record_begun("with a tag")
        numbers = [ledger.record_begun(each, tagged=False) for each in ("without", "answered")]
        ledger.record_ended(numbers[1])
    # Until they were told apart, all had a tag.
    write(tmp_path, event("begun", number=1, what="older"), worker="older")
    state = read_ledger(tmp_path)
    assert (state.unidentified, state.unfindable) == (("with a tag", "older"), ("without",))


@pytest.mark.parametrize(
    "events",
    [
        [event("planned", thread_id="a")],
        [event("named", thread_id="a")],
        [event("begun", number=1, what="a thread")],
        [event("begun", number=1, what="a thread", tagged=False)],
        [event("scheduled", thread_id="a")],
    ],
)
def test_a_ledger_of_anything_that_may_be_there_is_not_empty(
    events: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert not write(tmp_path, *events).is_empty


# Ledgers of runs that are over


def test_only_folders_are_ledgers(own_state: Path) -> None:
    write(own_state / "run-2", event("planned", thread_id="a"))
    (own_state / "run-1").touch()
    found = [(directory, state.generated) for directory, state in remaining_ledgers()]
    assert found == [(own_state / "run-2", ("a",))]


def test_ledgers_of_runs_that_left_nothing_are_removed(own_state: Path) -> None:
    planned = event("planned", thread_id="a")
    write(own_state / "left-threads", event("opened", url=URL, at=""), planned)
    write(own_state / "made-nothing", event("opened", url=URL, at=""))
    write(own_state / "was-launched", event("opened", url=URL, at="", launched=True), planned)
    with Ledger(own_state / "is-alive", "main", URL, launched=True) as alive:
        alive.record_planned("a")
        remove_settled_ledgers()
        assert sorted(each.name for each in own_state.iterdir()) == ["is-alive", "left-threads"]
    remove_settled_ledgers()
    assert [each.name for each in own_state.iterdir()] == ["left-threads"]


def test_a_claim_makes_the_folder_and_is_exclusive(tmp_path: Path) -> None:
    with claim(tmp_path / "a" / "run") as first, claim(tmp_path / "a" / "run") as second:
        assert (first, second) == (True, False)
    with claim(tmp_path / "a" / "run") as again:
        assert again


def test_what_is_gone_already_can_be_removed(tmp_path: Path) -> None:
    write(tmp_path / "run", event("planned", thread_id="a"))
    for _ in range(2):
        remove_ledger(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "run")
    make_folder(tmp_path / "a" / "run")
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="XDG_STATE_HOME") as refused:
        make_folder(tmp_path / "file" / "run")
    assert str(tmp_path / "file") in str(refused.value)


@pytest.mark.parametrize("again", ["planned", "created"])
def test_what_was_gone_and_is_named_again_is_not_gone(tmp_path: Path, again: str) -> None:
    state = write(
        tmp_path / "a-run",
        event("planned", thread_id=OWN),
        event("removed", thread_id=OWN),
        event(again, thread_id=OWN),
    )
    assert state.gone == frozenset()
    state = write(
        tmp_path / "b-run", event("planned", thread_id=OWN), event("absent", thread_id=OWN)
    )
    assert state.gone == {OWN}


def test_what_is_taken_is_of_the_run(tmp_path: Path) -> None:
    with Ledger(tmp_path / "a-run", "main", URL) as ledger:
        ledger.follow()
        ledger.record_planned(OWN)
        taken = ledger.take()
    assert (taken.run_id, taken.generated) == ("a-run", (OWN,))

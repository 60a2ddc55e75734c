"""What a run may have created stands on disk before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from conformance.deployment.connect import connect
from conformance.deployment.ledger import (
    Account,
    Ledger,
    accounts,
    claim,
    close_account,
    ledgers_dir,
    read_account,
)
from conformance.deployment.settings import Settings, SettingsError
from tests.conftest import Reply, answering, as_json

URL = "http://127.0.0.1:1"
NOW = "2999-01-01T00:00:00+00:00"


def test_every_event_is_on_disk_at_once(tmp_path: Path) -> None:
    with Ledger(tmp_path, "gw0", URL) as one, Ledger(tmp_path, "gw1", URL) as other:
        one.planned("a")
        assert read_account(tmp_path).planned == ("a",)
        one.created("a")
        assert read_account(tmp_path).created == {"a"}
        number = other.begun("a copy of a")
        one.begun("a copy of b")
        assert read_account(tmp_path).nameless == ("a copy of b", "a copy of a")
        other.ended(number, "c")
        assert read_account(tmp_path) == Account(
            tmp_path.name, URL, ("a", "c"), frozenset("ac"), ("a copy of b",)
        )


def test_an_answer_without_a_thread_ends_what_was_begun(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", URL) as ledger:
        ledger.ended(ledger.begun("a thread"), None)
    assert read_account(tmp_path) == Account(tmp_path.name, URL, (), frozenset(), ())


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", URL) as ledger:
        ledger.planned("a")
    with (tmp_path / "main.jsonl").open("ab") as file:
        file.write(b'{"event": "planned", "thread_id": "b\xc3')
    assert read_account(tmp_path).planned == ("a",)


def test_nothing_is_on_disk_before_something_is_planned(own_state: Path) -> None:
    with Ledger(own_state / "run", "main", URL):
        pass
    assert not own_state.exists()
    assert list(accounts()) == []


def test_accounts_are_those_of_runs_that_are_not_closed(own_state: Path) -> None:
    assert ledgers_dir() == own_state
    for name in ("run-1", "run-2"):
        with Ledger(own_state / name, "main", URL) as ledger:
            ledger.planned(name)
    assert [account.planned for _, account in accounts()] == [("run-1",), ("run-2",)]
    close_account(own_state / "run-1")
    assert [directory.name for directory, _ in accounts()] == ["run-2"]


def test_a_claim_is_exclusive_until_its_end(tmp_path: Path) -> None:
    with claim(tmp_path) as ours:
        assert ours
        assert _claimed_elsewhere(tmp_path) == "False"
    assert _claimed_elsewhere(tmp_path) == "True"


def test_a_worker_that_lives_on_keeps_the_run_alive(tmp_path: Path) -> None:
    with Ledger(tmp_path, "gw0", URL) as ledger:
        assert _claimed_elsewhere(tmp_path) == "True"  # it plans nothing
        ledger.planned("a")
        assert _claimed_elsewhere(tmp_path) == "False"
    assert _claimed_elsewhere(tmp_path) == "True"


def _claimed_elsewhere(directory: Path) -> str:
    script = (
        "import sys; from pathlib import Path; from conformance.deployment.ledger import claim\n"
        "with claim(Path(sys.argv[1])) as ours: print(ours)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(directory)], capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        Ledger(tmp_path / "file" / "run", "main", URL) as ledger,
        pytest.raises(SettingsError, match="set XDG_STATE_HOME"),
    ):
        ledger.planned("a")


def test_the_plan_is_written_before_the_request_leaves(
    settings_for: Callable[..., Settings], own_state: Path
) -> None:
    seen: list[Account] = []

    def reply(_method: str, _path: str, _body: bytes) -> Reply:
        seen.append(read_account(own_state / run_id))
        return as_json({"thread_id": made, "created_at": NOW})

    made = str(uuid4())
    with answering(reply) as url:
        settings = settings_for(url)
        run_id = settings.run_id
        with connect(settings) as connection:
            client = connection.client
            own = client.ownership.new_id()
            client.create({"thread_id": own})
            client.create({})
            client.copy(own)
            assert client.ownership.owns(made)
    assert seen[0].planned == (own,)
    assert seen[0].created == frozenset()
    assert seen[1].created == {own}
    assert seen[1].nameless == ("a thread created by the body {}",)
    assert seen[2].nameless == (f"a copy of {own}",)
    assert read_account(own_state / run_id) == Account(
        run_id, url, (own, made), frozenset({own, made}), ()
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"thread_id": "8c0ffee0-0000-4000-8000-000000000000", "created_at": "2020-01-01T00:00:00Z"},
        {"thread_id": "8c0ffee0-0000-4000-8000-000000000000", "created_at": "yesterday"},
        {"thread_id": "8c0ffee0-0000-4000-8000-000000000000"},
        ["8c0ffee0-0000-4000-8000-000000000000"],
    ],
)
def test_a_thread_that_may_be_older_is_never_adopted(
    answer: object, settings_for: Callable[..., Settings], own_state: Path
) -> None:
    with answering(lambda *_: as_json(answer)) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            connection.client.create({})
            assert not connection.client.ownership.owns("8c0ffee0-0000-4000-8000-000000000000")
    assert read_account(own_state / settings.run_id).planned == ()


def test_a_copy_that_is_its_source_is_not_adopted_twice(
    settings_for: Callable[..., Settings], own_state: Path
) -> None:
    with answering(lambda *_: as_json({"thread_id": own, "created_at": NOW})) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            own = connection.client.ownership.new_id()
            connection.client.copy(own)
    assert read_account(own_state / settings.run_id).created == frozenset()

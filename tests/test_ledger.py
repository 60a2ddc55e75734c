"""The ledger: what a run may create is on disk before its creation is requested."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner

from conformance.cli import cli
from conformance.deployment.connect import connect
from conformance.deployment.ownership.guard import NotOursRefusal
from conformance.deployment.ownership.ledger import (
    Ledger,
    LedgerState,
    claim,
    ledgers_dir,
    read_ledger,
    remaining_ledgers,
    remove_ledger,
)
from conformance.deployment.settings import Settings, SettingsError
from conformance.report.record import LeftThreads
from conformance.runner.cleanup import clean_up
from tests.conftest import Reply, answering, as_json

URL = "http://127.0.0.1:1"
GENERATED = UUID("abcdefab-0000-4000-8000-000000000000")
NOW = "2999-01-01T00:00:00+00:00"


def test_every_event_is_on_disk_at_once(tmp_path: Path) -> None:
    with Ledger(tmp_path, "gw0", URL) as one, Ledger(tmp_path, "gw1", URL) as other:
        one.record_planned("a")
        assert read_ledger(tmp_path).generated == ("a",)
        one.record_created("a")
        assert read_ledger(tmp_path).created == {"a"}
        number = other.record_begun("a copy of a")
        one.record_begun("a copy of b")
        assert read_ledger(tmp_path).unidentified == ("a copy of b", "a copy of a")
        other.record_ended(number, "c")
        other.record_named("d")
        one.record_scheduled("a")
        one.record_cron("e")
        assert read_ledger(tmp_path) == LedgerState(
            tmp_path.name,
            URL,
            generated=("a",),
            created=frozenset("a"),
            named=("c", "d"),
            unidentified=("a copy of b",),
            scheduled=("a",),
            crons=("e",),
        )


def test_what_was_drawn_is_not_what_was_named(tmp_path: Path) -> None:
    with Ledger(tmp_path, "gw0", URL) as one, Ledger(tmp_path, "gw1", URL) as other:
        other.record_named(str(GENERATED).upper())
        one.record_planned(str(GENERATED))
    assert (read_ledger(tmp_path).generated, read_ledger(tmp_path).named) == ((str(GENERATED),), ())


def test_malformed_ids_are_kept_to_the_letter(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", URL) as ledger:
        ledger.record_planned("Not-A-UUID-abc")
    assert read_ledger(tmp_path).generated == ("Not-A-UUID-abc",)


def test_the_beginning_and_the_clock_are_kept(tmp_path: Path) -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for worker, seconds in (("gw0", 3.5), ("gw1", -2.0)):
        with Ledger(tmp_path, worker, URL, began.isoformat()) as ledger:
            ledger.record_clock(timedelta(seconds=seconds))
    state = read_ledger(tmp_path)
    assert (state.opened_at, state.clock_offset) == (began, timedelta(seconds=-2))


def test_a_ledger_in_which_nothing_was_made_is_empty(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", URL) as ledger:
        ledger.record_ended(ledger.record_begun("a thread"))
        assert read_ledger(tmp_path).is_empty
        ledger.record_begun("another")
        assert not read_ledger(tmp_path).is_empty


def test_the_threads_that_an_older_version_called_temporary_are_named(tmp_path: Path) -> None:
    line = json.dumps({"event": "temporary", "thread_id": "a"})
    (tmp_path / "main.jsonl").write_text(f"{line}\n5\n[]\n{{}}\n", encoding="utf-8")
    assert read_ledger(tmp_path).named == ("a",)


def test_an_answer_without_a_thread_ends_what_was_begun(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", URL) as ledger:
        ledger.record_ended(ledger.record_begun("a thread"), None)
    assert read_ledger(tmp_path) == LedgerState(tmp_path.name, URL)


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main", URL) as ledger:
        ledger.record_planned("a")
    with (tmp_path / "main.jsonl").open("ab") as file:
        file.write(b'{"event": "planned", "thread_id": "b\xc3')
    assert read_ledger(tmp_path).generated == ("a",)


def test_nothing_is_on_disk_before_something_is_planned(own_state: Path) -> None:
    with Ledger(own_state / "run", "main", URL):
        pass
    assert not own_state.exists()
    assert list(remaining_ledgers()) == []


def test_accounts_are_those_of_runs_that_are_not_closed(own_state: Path) -> None:
    assert ledgers_dir() == own_state
    for name in ("run-1", "run-2"):
        with Ledger(own_state / name, "main", URL) as ledger:
            ledger.record_planned(name)
    assert [ledger.generated for _, ledger in remaining_ledgers()] == [("run-1",), ("run-2",)]
    remove_ledger(own_state / "run-1")
    assert [directory.name for directory, _ in remaining_ledgers()] == ["run-2"]


def test_a_claim_is_exclusive_until_its_end(tmp_path: Path) -> None:
    with claim(tmp_path) as ours:
        assert ours
        assert _claimed_elsewhere(tmp_path) == "False"
    assert _claimed_elsewhere(tmp_path) == "True"


@pytest.mark.slow
def test_a_worker_that_lives_on_keeps_the_run_alive(tmp_path: Path) -> None:
    with Ledger(tmp_path, "gw0", URL) as ledger:
        assert _claimed_elsewhere(tmp_path) == "True"  # it plans nothing
        ledger.record_planned("a")
        assert _claimed_elsewhere(tmp_path) == "False"
    assert _claimed_elsewhere(tmp_path) == "True"


def _claimed_elsewhere(directory: Path) -> str:
    script = (
        "import sys; from pathlib import Path\n"
        "from conformance.deployment.ownership.ledger import claim\n"
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
        ledger.record_planned("a")


def test_the_plan_is_written_before_the_request_leaves(
    settings_for: Callable[..., Settings], own_state: Path
) -> None:
    seen: dict[str, LedgerState] = {}

    def reply(method: str, path: str, body: bytes) -> Reply:
        if method == "GET":
            shown = {"thread_id": made, "created_at": NOW, "metadata": tag}
            return as_json(shown)
        sent = json.loads(body) if body else {}
        seen[f"{path} {sorted(sent)}"] = read_ledger(own_state / run_id)
        return as_json({"thread_id": sent.get("thread_id", made), "created_at": NOW})

    made = str(uuid4())
    with answering(reply) as url:
        settings = settings_for(url)
        run_id = settings.run_id
        with connect(settings) as connection:
            client = connection.client
            tag = client.tag
            own = client.ownership.new_id()
            client.create({"thread_id": own, "metadata": tag})
            client.create({"metadata": tag})
            client.copy(own)
            assert client.ownership.is_ours(made)
    first = seen["/threads ['metadata', 'thread_id']"]
    assert (first.generated, first.created) == ((own,), frozenset())
    second = seen["/threads ['metadata']"]
    assert second.created == {own}
    assert second.unidentified == ("a thread created without an id of this run's",)
    assert seen[f"/threads/{own}/copy []"].unidentified == (f"a copy of {own}",)
    last = read_ledger(own_state / run_id)
    assert (last.generated, last.created, last.named) == ((own,), frozenset({own}), (made,))
    assert last.unidentified == ()
    assert last.clock_offset is not None


def test_a_creation_without_tag_and_answer_is_told_by_the_run_and_by_sweep(
    settings_for: Callable[..., Settings], own_state: Path
) -> None:
    """The deployment is disposable: elsewhere every creation has a tag or an id."""

    def reply(method: str, path: str, _: bytes) -> Reply:
        if method == "POST" and path == "/threads":
            return as_json({"detail": "broken"}, 500)
        return as_json([] if method == "POST" else {"detail": "not found"}, 200)

    with answering(reply) as url:
        settings = settings_for(url, disposable=True)
        with connect(settings) as connection:
            connection.client.create({})
        cleanup = clean_up(settings)
        assert (cleanup.created, cleanup.left) == (0, ())
        (possible,) = cleanup.possibly_left
        assert possible == LeftThreads(1, "no answer told its id, and it has no tag of the run")
        swept = CliRunner().invoke(cli, ["sweep", "--url", url])
        assert "  possibly left: a thread created without an id of this run's: " in swept.output
    assert not (own_state / settings.run_id).exists()


@pytest.mark.parametrize(
    ("answers", "body", "unfindable"),
    [
        ([(302, {"thread_id": "a"})], {}, 1),
        ([(500, {"detail": "broken"})], {}, 1),
        ([(200, {})], {"metadata": {}}, 1),
        ([(422, {"detail": "refused"})], {}, 0),
        ([(200, {"thread_id": "a"}), (200, {"thread_id": "b"})], {}, 0),
        ([(200, {"thread_id": "a"}), (200, {"thread_id": "a"})], {}, 1),
        ([(302, {})], {"metadata": "TAG"}, 0),
    ],
    ids=["redirected", "500", "names none", "refused", "two ids", "one id for two", "tagged"],
)
def test_a_thread_that_nothing_leads_to_stays_in_the_ledger(
    answers: list[tuple[int, Any]],
    body: Any,
    unfindable: int,
    settings_for: Callable[..., Settings],
    own_state: Path,
) -> None:
    left = list(answers)

    def reply(method: str, path: str, _: bytes) -> Reply:
        if method == "POST":
            status, answer = left.pop(0)
            return as_json(answer, status)
        return as_json({"detail": "not found"}, 404)

    with answering(reply) as url:
        settings = settings_for(url, disposable=True)
        with connect(settings) as connection:
            client = connection.client
            for _ in answers:
                client.create({"metadata": client.tag} if "TAG" in body.values() else body)
    state = read_ledger(own_state / settings.run_id)
    assert len(state.unfindable) == unfindable
    assert state.unidentified == ()


@pytest.mark.parametrize(
    "shown",
    [
        (200, {"created_at": "2020-01-01T00:00:00Z", "metadata": "TAG"}),
        (200, {"created_at": NOW, "metadata": {}}),
        (200, {"metadata": "TAG"}),
        (404, {"detail": "not found"}),
        (500, {"detail": "broken"}),
        (200, ["a list"]),
    ],
)
def test_what_an_answer_names_is_not_ours_unless_a_get_proves_it(
    shown: tuple[int, Any], settings_for: Callable[..., Settings], own_state: Path
) -> None:
    status, members = shown
    stranger = "8c0ffee0-0000-4000-8000-000000000000"

    def reply(method: str, path: str, _body: bytes) -> Reply:
        if method == "GET":
            body = members
            if isinstance(body, dict):
                body = {"thread_id": stranger, **body}
                body = {**body, "metadata": tag} if body.get("metadata") == "TAG" else body
            return as_json(body, status)
        # The answer to the creation says all that a thread of ours would say.
        return as_json({"thread_id": stranger, "created_at": NOW, "metadata": tag})

    with answering(reply) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            tag = connection.client.tag
            own = connection.client.ownership.new_id()
            connection.client.create({"metadata": tag})
            connection.client.create({"thread_id": own, "metadata": tag})
            connection.client.copy(own)
            assert not connection.client.ownership.is_ours(stranger)
            with pytest.raises(NotOursRefusal):
                connection.client.delete(stranger)
    state = read_ledger(own_state / settings.run_id)
    assert (state.named, state.generated, state.created) == ((stranger,), (own,), frozenset())


def test_a_copy_that_is_its_source_is_nothing_new(
    settings_for: Callable[..., Settings], own_state: Path
) -> None:
    with answering(lambda *_: as_json({"thread_id": own, "created_at": NOW})) as url:
        settings = settings_for(url)
        with connect(settings) as connection:
            own = connection.client.ownership.new_id()
            connection.client.copy(own)
    state = read_ledger(own_state / settings.run_id)
    assert (state.created, state.named) == (frozenset(), ())

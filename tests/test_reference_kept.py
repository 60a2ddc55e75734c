"""The reference continues with what it holds: in one process, and by a file in a later one."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from conformance.commands.serve import ServedProcess, serve_command
from conformance.model.store import ThreadStore
from conformance.reference.app import new_store
from conformance.reference.journal import JournalError, attach_journal
from conformance.reference.process import ReferenceProcess
from conformance.reference.restarting import RestartableApp

SLOW = {"assistant_id": "slow", "input": {"messages": [], "seconds": 200}}


def held(store: ThreadStore) -> tuple[dict[str, Any], dict[str, Any]]:
    return dict(store.records.threads_by_id), dict(store.records.crons_by_id)


def filled(store: ThreadStore) -> str:
    """A store with a thread that was run, one that was deleted and a cron; the first's id."""
    kept, deleted = (store.threads.create(metadata={"a": [1]})["thread_id"] for _ in range(2))
    store.runs.run(kept, {"assistant_id": "agent", "input": {"messages": []}})
    store.crons.create_cron({"assistant_id": "agent", "schedule": "0 0 1 1 *"}, kept)
    store.threads.delete(deleted)
    return str(kept)


def test_a_file_holds_what_the_store_held(tmp_path: Path) -> None:
    file = tmp_path / "store"
    one, other = new_store(), new_store()
    assert not attach_journal(one, file)
    filled(one)
    assert attach_journal(other, file)
    assert held(other) == held(one)
    assert all(held(other))


def test_a_change_that_was_cut_off_is_left_out_and_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "store"
    one, other, third = new_store(), new_store(), new_store()
    attach_journal(one, file)
    filled(one)
    whole = held(one)
    with file.open("ab") as journal:
        journal.write(pickle.dumps(("threads_by_id", "x", whole))[:-9])
    assert attach_journal(other, file)
    assert held(other) == whole
    other.threads.create()
    attach_journal(third, file)
    assert held(third) == held(other) != whole


def test_a_file_of_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("dear diary")
    with pytest.raises(JournalError, match="is no store"):
        attach_journal(new_store(), file)
    assert file.read_text() == "dear diary"
    ended = CliRunner().invoke(serve_command, ["--port", "0", "--store", str(file)])
    assert ended.exit_code == 2
    assert "is no store of this program" in ended.output


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot use"):
        attach_journal(new_store(), tmp_path / "no" / "store")


def test_a_store_of_tenants_is_refused(tmp_path: Path) -> None:
    options = ["--port", "0", "--store", str(tmp_path / "store"), "--tenant", "one=key"]
    ended = CliRunner().invoke(serve_command, options)
    assert ended.exit_code == 2
    assert "leave out --store, or --tenant" in ended.output.replace("\n", " ")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ReferenceProcess, ServedProcess])
@pytest.mark.parametrize("kill", [False, True])
def test_a_process_goes_on_with_its_file_on_its_port(
    kind: Callable[..., ReferenceProcess], kill: bool, tmp_path: Path
) -> None:
    with kind(store=tmp_path / "store") as process, httpx.Client(base_url=process.url) as http:
        made = http.post("/threads", json={"metadata": {"a": 1}}).json()
        url = process.url
        process.restart(kill=kill)
        assert process.url == url
    with kind(store=tmp_path / "store") as process:
        assert httpx.get(f"{process.url}/threads/{made['thread_id']}").json() == made


@pytest.mark.slow
def test_without_a_file_nothing_is_kept() -> None:
    with ReferenceProcess() as process:
        made = httpx.post(f"{process.url}/threads", json={}).json()
        process.restart(kill=False)
        assert httpx.get(f"{process.url}/threads/{made['thread_id']}").status_code == 404


def test_runs_and_crons_are_taken_up_again() -> None:
    """A run under way goes on to its end from the first request on, and a cron fires again."""

    async def story() -> tuple[str, int]:
        own = asyncio.all_tasks()
        store = new_store(speed=1e3)
        app = RestartableApp(store, speed=1e3, cron_minute_s=0.05)
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference")
        async with http:
            thread, timed = [
                (await http.post("/threads", json={})).json()["thread_id"] for _ in range(2)
            ]
            run = (await http.post(f"/threads/{thread}/runs", json=SLOW)).json()["run_id"]
            cron = {"assistant_id": "agent", "schedule": "* * * * *", "input": {"messages": []}}
            await http.post(f"/threads/{timed}/runs/crons", json=cron)
            for task in asyncio.all_tasks() - own:
                task.cancel()  # as the end of a process does
            await asyncio.sleep(0)
            at_the_end = store.runs.run_of(thread, run).status
            before = len(store.records.threads_by_id[timed].runs)
            app.restart()
            await http.get("/ok")
            while store.runs.run_of(thread, run).active:
                await asyncio.sleep(0.01)
            while len(store.records.threads_by_id[timed].runs) == before:
                await asyncio.sleep(0.01)
            for task in asyncio.all_tasks() - own:
                task.cancel()
            assert at_the_end in ("pending", "running")
            return store.runs.run_of(thread, run).status, before

    assert asyncio.run(asyncio.wait_for(story(), 60)) == ("success", 0)

"""What a deployment has lost since the planting is noticed, each kind of loss as what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance.contract.catalogue import load_catalogue
from conformance.contract.schemas import format_checker
from conformance.data import schemas_dir
from conformance.deployment.ownership.guard import GuardRefusal
from conformance.model.entities import Thread
from conformance.model.errors import NotFoundError
from conformance.model.search import Query, Searches
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.plant.probes import Prober, ReadRequest
from conformance.plant.promises import load_promises
from conformance.reference.app import new_store
from tests.conftest import served, threads_of
from tests.plants import STATES, Planted, losses, planted, run_cli, verified


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        patch.chdir(folder)
        yield planted(new_store(), folder / "plant.json")


# ---- nothing is lost ----------------------------------------------------------------


@pytest.mark.slow
def test_identical_after_nothing(plant: Planted) -> None:
    status, found = verified(plant.store, plant.file)
    assert (status, found["identical"], found["findings"]) == (0, True, [])
    assert found["answers"] > 100
    schema = json.loads((schemas_dir() / "verification.json").read_text())
    Draft202012Validator(schema, format_checker=format_checker()).validate(found)


def test_identical_after_a_restart(plant: Planted) -> None:
    with served(plant.restarted()) as url:
        ended = run_cli("verify", plant.file, "--url", url)
    assert ended.exit_code == 0, ended.output
    assert "IDENTICAL: " in ended.output
    assert "NOT" not in ended.output


def test_looking_changes_nothing(plant: Planted) -> None:
    store = plant.restarted()
    with served(store) as url:
        before = threads_of(url)
        run_cli("verify", plant.file, "--url", url)
        assert threads_of(url) == before
    assert store.searches.matching(Query()) == plant.store.searches.matching(Query())


@pytest.mark.parametrize("operation", ["delete", "copy", "create"])
def test_nothing_that_verify_sends_could_change_anything(
    plant: Planted, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    def changes(prober: Prober, _question: ReadRequest) -> None:
        arguments = [] if operation == "create" else [plant.id_of("run")]
        getattr(prober._client, operation)(*arguments)

    monkeypatch.setattr(Prober, "send", changes)
    store = plant.restarted()
    with served(store) as url, pytest.raises(GuardRefusal, match="only to look at threads"):
        run_cli("verify", plant.file, "--url", url)
    assert store.searches.matching(Query()) == plant.store.searches.matching(Query())


class ShowsMore(Views):
    """A later version: another member, and the moments in another notation."""

    def thread_view(self, thread: Thread) -> dict[str, Any]:
        view = super().thread_view(thread)
        moment = view["created_at"].replace("+00:00", "Z")
        assert moment != view["created_at"]
        return {**view, "created_at": moment, "owner": None}


@pytest.mark.slow
def test_new_members_and_other_notations_are_told_and_no_loss(plant: Planted) -> None:
    status, found = verified(plant.restarted(ShowsMore), plant.file)
    assert (status, found["identical"]) == (0, True)
    told = {
        (each["path"], each["kind"]) for each in found["findings"] if each["operation"] == "get"
    }
    assert told == {("$.owner", "new"), ("$.created_at", "form")}
    with served(plant.restarted(ShowsMore)) as url:
        ended = run_cli("verify", plant.file, "--url", url)
    assert "told, and no loss" in ended.output
    assert "new: get of empty, prepopulated, unfinished, run" in ended.output


# ---- each kind of loss --------------------------------------------------------------


def test_a_thread_that_is_gone_is_told_once(plant: Planted) -> None:
    store = plant.restarted()
    store.threads.delete(plant.id_of("forked"))
    status, found = verified(store, plant.file)
    assert status == 1
    assert losses(found) == {("get", "forked", "$", "missing")}
    assert found["gone"] == ["forked"]
    (finding,) = found["findings"]
    assert (finding["expected"], finding["actual"]) == (200, 404)
    assert finding["written"].startswith("GET-04 (MUST)")
    assert finding["curl"].startswith("curl ")
    assert plant.id_of("forked") in finding["curl"]


def test_a_forgotten_checkpoint(plant: Planted) -> None:
    store = plant.with_changed(
        "long", lambda thread: replace(thread, checkpoints=thread.checkpoints[1:])
    )
    status, found = verified(store, plant.file)
    assert status == 1
    assert losses(found) == {
        ("history", "long", f"$[{STATES - 1}]", "missing"),
        ("state_at_checkpoint", "long", "$", "missing"),
    }
    history = next(each for each in found["findings"] if each["operation"] == "history")
    assert history["written"].startswith("PREPOP-09 (MUST)")
    assert "003_a519280589421030.txt" in next(
        each["written"] for each in found["findings"] if each["operation"] != "history"
    )


def test_a_changed_state_is_told_where_it_changed(plant: Planted) -> None:
    def garbled(thread: Thread) -> Thread:
        oldest, *later = thread.checkpoints
        values = {"messages": [{**later[0].values["messages"][0], "content": "other"}]}
        return replace(thread, checkpoints=(oldest, replace(later[0], values=values), *later[1:]))

    status, found = verified(plant.with_changed("long", garbled), plant.file)
    assert status == 1
    assert losses(found) == {
        ("history", "long", f"$[{STATES - 2}].values.messages[0].content", "changed"),
        ("state_at_checkpoint", "long", "$.values.messages[0].content", "changed"),
    }
    assert {each["actual"] for each in found["findings"]} == {"other"}


def test_states_in_another_order(plant: Planted) -> None:
    def turned(thread: Thread) -> Thread:
        first, second, *later = thread.checkpoints
        return replace(thread, checkpoints=(second, first, *later))

    status, found = verified(plant.with_changed("long", turned), plant.file)
    assert status == 1
    assert losses(found) == {("history", "long", "$", "changed")}


def test_lost_interrupts(plant: Planted) -> None:
    def forgetful(thread: Thread) -> Thread:
        assert thread.latest is not None
        tasks = tuple(replace(each, interrupts=()) for each in thread.latest.tasks)
        latest = replace(thread.latest, tasks=tasks)
        return replace(thread, checkpoints=(*thread.checkpoints[:-1], latest))

    status, found = verified(plant.with_changed("interrupted", forgetful), plant.file)
    assert status == 1
    lost = losses(found)
    assert {each[0] for each in lost} == {
        "get", "state", "history", "state_at_checkpoint", "search"
    }  # fmt: skip
    assert all(".interrupts" in each[2] for each in lost)
    by_get = next(each for each in found["findings"] if each["operation"] == "get")
    assert by_get["written"].startswith("INTERRUPT-01 (SHOULD)")
    by_state = {each["written"][:12] for each in found["findings"] if each["operation"] == "state"}
    assert by_state == {"INTERRUPT-02", "INTERRUPT-03"}


def test_a_changed_updated_at(plant: Planted) -> None:
    store = plant.with_changed("empty", updated_at="2030-01-01T00:00:00.000001+00:00")
    status, found = verified(store, plant.file)
    assert status == 1
    by_get = [each for each in found["findings"] if each["operation"] == "get"]
    assert [(each["path"], each["kind"]) for each in by_get] == [("$.updated_at", "changed")]
    assert by_get[0]["actual"] == "2030-01-01T00:00:00.000001+00:00"
    assert {each[0] for each in losses(found)} == {"get", "search"}


class LosesMember(Views):
    """A field that is missing after a day."""

    def thread_view(self, thread: Thread) -> dict[str, Any]:
        view = super().thread_view(thread)
        del view["config"], view["values"]
        return view


def test_a_member_that_is_missing(plant: Planted) -> None:
    status, found = verified(plant.restarted(LosesMember), plant.file)
    assert status == 1
    by_get = {
        (each["thread"], each["path"], each["kind"])
        for each in found["findings"]
        if each["operation"] == "get"
    }
    assert ("prepopulated", "$.values", "missing") in by_get
    # An empty object that no source requires may be shown or not.
    assert ("prepopulated", "$.config", "form") in by_get
    assert ("empty", "$.values", "form") in by_get


def test_a_lost_status_is_lost_to_searches_and_counts(plant: Planted) -> None:
    status, found = verified(plant.with_changed("failed", status="idle"), plant.file)
    assert status == 1
    assert ("get", "failed", "$.status", "changed") in losses(found)
    by_error = {
        (each["operation"], each["kind"])
        for each in found["findings"]
        if each["filters"] == {"status": "error"}
    }
    assert by_error == {("search", "missing"), ("count", "changed")}
    by_idle = {
        (each["operation"], each["kind"])
        for each in found["findings"]
        if each["filters"] == {"status": "idle"}
    }
    assert by_idle == {("search", "added"), ("count", "changed")}


def test_lost_runs(plant: Planted) -> None:
    status, found = verified(plant.with_changed("run", runs=()), plant.file)
    assert status == 1
    assert losses(found) == {
        ("run_list", "run", "$[0]", "missing"),
        ("run_list", "run", "$[1]", "missing"),
    }


class CannotSearch(Searches):
    """Finds nothing of what came before the restart, though it stands."""

    def matching(self, query: Query = Query()) -> list[Thread]:  # noqa: B008
        return []


def test_threads_that_no_search_finds_any_more(plant: Planted) -> None:
    status, found = verified(plant.restarted(CannotSearch), plant.file)
    assert status == 1
    assert {each[0] for each in losses(found)} == {"search", "count"}
    assert found["gone"] == []


class FindsLate(Searches):
    """Finds what came before the restart only when it was asked three times."""

    asked = 0

    def matching(self, query: Query = Query()) -> list[Thread]:  # noqa: B008
        self.asked += 1
        return super().matching(query) if self.asked > 3 else []


@pytest.mark.slow
def test_a_search_may_be_late(plant: Planted) -> None:
    with served(plant.restarted(FindsLate)) as url:
        ended = run_cli("verify", plant.file, "--url", url)
        assert ended.exit_code == 0, ended.output
    assert verified(plant.restarted(FindsLate), plant.file)[0] == 1  # within no time


def test_a_state_that_grew(plant: Planted) -> None:
    def grown(thread: Thread) -> Thread:
        assert thread.latest is not None
        latest = replace(thread.latest, values={**thread.latest.values, "more": 1})
        return replace(thread, checkpoints=(*thread.checkpoints[:-1], latest))

    status, found = verified(plant.with_changed("prepopulated", grown), plant.file)
    assert status == 1
    assert ("state", "prepopulated", "$.values.more", "added") in losses(found)


# ---- another deployment, and someone else's thread ----------------------------------


def test_a_plant_of_another_deployment(plant: Planted) -> None:
    status, found = verified(new_store(), plant.file)
    assert status == 1
    assert {each[0] for each in losses(found)} == {"get"}
    assert len(found["gone"]) == len(json.loads(plant.file.read_text())["threads"])
    with served(new_store()) as url:
        ended = run_cli("verify", plant.file, "--url", url)
    assert ended.exit_code == 1
    assert "none of the threads is there: is this the deployment" in ended.output


@pytest.mark.slow
def test_a_thread_without_the_tag_is_not_looked_at_any_further(plant: Planted) -> None:
    store = plant.with_changed("empty", metadata={"of": "someone else"}, status="busy")
    status, found = verified(store, plant.file, "--sweep")
    assert status == 1
    assert {each["operation"] for each in found["findings"]} == {"get"}
    assert found["gone"] == ["empty"]
    assert [each["thread_id"] for each in found["swept"]["left"]] == [plant.id_of("empty")]
    assert "does not carry the plant's tag" in found["swept"]["left"][0]["reason"]
    assert [each.thread_id for each in store.searches.matching(Query())] == [plant.id_of("empty")]


# ---- sweeping -----------------------------------------------------------------------


@pytest.mark.slow
def test_sweep_removes_the_plant_and_nothing_else(plant: Planted, tmp_path: Path) -> None:
    store = plant.restarted()
    with served(store) as url:
        stranger = store.threads.create(metadata={"of": "someone else"})["thread_id"]
        # It carries the tag, since copying copies metadata; the plant does not name it.
        copy = store.threads.copy(plant.id_of("interrupted"))["thread_id"]
        ended = run_cli("verify", plant.file, "--url", url, "--sweep", "--visible-within", 0)
        assert set(threads_of(url)) == {stranger, copy}
    threads = len(json.loads(plant.file.read_text())["threads"])
    assert f"removed {threads} threads of the plant" in ended.output
    assert ended.exit_code == 0, ended.output


@pytest.mark.slow
def test_after_a_sweep_all_is_gone(plant: Planted) -> None:
    store = plant.restarted()
    status, found = verified(store, plant.file, "--sweep")
    assert (status, found["swept"]["left"], store.searches.matching(Query())) == (0, [], [])
    status, found = verified(store, plant.file, "--sweep")
    assert (status, found["swept"]) == (1, {"removed": 0, "left": []})


class CannotDelete(Threads):
    """Answers as if deleting were not there."""

    def delete(self, thread_id: str) -> None:
        raise NotFoundError("Not Found")


@pytest.mark.slow
def test_what_cannot_be_swept_is_told(plant: Planted) -> None:
    status, found = verified(plant.restarted(CannotDelete), plant.file, "--sweep")
    assert status == 3
    assert found["identical"] is True
    assert found["swept"]["removed"] == 0
    assert {each["reason"] for each in found["swept"]["left"]} == {
        "it could not be deleted: DELETE answers 404, GET then 200"
    }


# ---- where it is written ------------------------------------------------------------


def test_every_requirement_that_is_named_there_is() -> None:
    known = load_catalogue().requirements
    assert {
        each["requirement"] for each in load_promises()["promise"] if "requirement" in each
    } <= known.keys()

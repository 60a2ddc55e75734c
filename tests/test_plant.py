"""Planting: the threads made, the plant file, and what is left when planting fails."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from conformance.contract.schemas import format_checker
from conformance.data import schemas_dir
from conformance.deployment.cleanup.lost_threads import PLANT_TAG
from conformance.deployment.ownership.guard import GuardRefusal, check_request
from conformance.deployment.ownership.proof import Ownership
from conformance.model.entities import Thread
from conformance.model.errors import InvalidError, NotFoundError
from conformance.model.graphs import GRAPHS
from conformance.model.search import Searches
from conformance.model.states import States
from conformance.model.store import ThreadStore
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.plant.plant_file import read_plant
from conformance.reference.app import new_store
from tests.conftest import (
    Reply,
    answering,
    arguments_of,
    as_json,
    environment_of,
    served,
    threads_of,
)
from tests.plants import STATES, Planted, planted, run_cli, verified
from tests.store_variants import store_of

KINDS = [
    "empty", "prepopulated", "unfinished", "run", "forked", "long", "interrupted", "nested",
    "failed", "copied",
]  # fmt: skip
#: By what a tiny server says at /info it is taken for a server of threads.
NAMED = {"version": "1", "langgraph_py_version": "1"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


_Store = TypeVar("_Store", bound=ThreadStore)


def written(file: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(file.read_text())
    return data


# ---- what is planted ----------------------------------------------------------------


@pytest.mark.slow
def test_a_plant_of_every_kind(tmp_path: Path) -> None:
    store = new_store()
    with served(store) as url:
        ended = run_cli("plant", "--url", url, "plant.json", "--states", STATES)
        standing = threads_of(url)
        assert ended.exit_code == 0, ended.output
        assert f"verify plant.json --url {url}" in ended.stdout
    data = written(tmp_path / "plant.json")
    schema = json.loads((schemas_dir() / "plant.json").read_text())
    Draft202012Validator(schema, format_checker=format_checker()).validate(data)
    assert [each["kind"] for each in data["threads"]] == KINDS
    assert data["left_out"] == []
    assert {each["thread_id"] for each in data["threads"]} == standing.keys()
    assert {each["metadata"][PLANT_TAG] for each in standing.values()} == {data["plant"]["id"]}
    by_kind = {each["kind"]: standing[each["thread_id"]] for each in data["threads"]}
    assert {kind: each["status"] for kind, each in by_kind.items()} == {
        **dict.fromkeys(KINDS, "idle"),
        "unfinished": "interrupted",
        "interrupted": "interrupted",
        "nested": "interrupted",
        "failed": "error",
    }
    histories = {
        each["kind"]: each["answer"] for each in data["answers"] if each["operation"] == "history"
    }
    assert len(histories["long"]) == STATES
    assert histories["empty"] == []
    assert len(histories["run"]) == len(histories["copied"]) > 4
    forked = histories["forked"]
    assert forked[0]["parent_checkpoint_id"] == forked[1]["parent_checkpoint_id"]


@pytest.mark.slow
def test_no_run_and_no_sweep_touches_a_plant(own_state: Path) -> None:
    with served(new_store()) as url:
        run_cli("plant", "--url", url, "plant.json", "--states", STATES)
        before = threads_of(url)
        ended = run_cli("sweep", "--url", url)
        assert ended.exit_code == 0
        assert "nothing to sweep" in ended.stdout
        assert threads_of(url) == before
    assert list(own_state.glob("*")) == []


@pytest.mark.slow
def test_a_history_of_several_pages_is_recorded_whole(tmp_path: Path) -> None:
    class ShortPages(States):
        def history(self, thread_id: str, *, limit: int = 10, **members: Any) -> list[Any]:
            return super().history(thread_id, limit=min(limit, 5), **members)

    plant = planted(store_of(ShortPages), tmp_path / "plant.json")
    (history,) = [
        each["answer"]
        for each in written(plant.file)["answers"]
        if (each["operation"], each["kind"]) == ("history", "long")
    ]
    assert len(history) == STATES
    # Another page size is no other history.
    assert verified(plant.restarted(), plant.file)[0] == 0


# ---- what cannot be planted ---------------------------------------------------------


@pytest.mark.slow
def test_what_needs_a_graph_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    graphs = {name: graph for name, graph in GRAPHS.items() if name == "agent"}
    store = store_of(graphs=graphs)
    plant = planted(store, tmp_path / "plant.json")
    data = written(plant.file)
    assert [each["what"] for each in data["left_out"]] == [
        "the thread interrupted", "the thread nested", "the thread failed",
    ]  # fmt: skip
    assert "has no graph 'interrupter'" in data["left_out"][0]["reason"]
    with served(store) as url:
        assert len(threads_of(url)) == len(KINDS) - 3
    assert verified(plant.restarted(), plant.file)[0] == 0


@pytest.mark.slow
def test_graphs_of_other_names_are_named_in_the_configuration(tmp_path: Path) -> None:
    renamed = {"asks": "interrupter", "fails": "failing", "agent": "agent"}
    graphs = {name: replace(GRAPHS[old], graph_id=name) for name, old in renamed.items()}
    (tmp_path / "threads-conformance.toml").write_text(
        '[graphs]\ninterrupter = "asks"\nfailing = "fails"\n'
    )
    plant = planted(store_of(graphs=graphs), tmp_path / "plant.json")
    left_out = written(plant.file)["left_out"]
    assert [each["what"] for each in left_out] == ["the thread nested"]


class IgnoresSupersteps(Threads):
    """Creates a prepopulated thread empty."""

    def create(self, **members: Any) -> Any:
        return super().create(**{**members, "supersteps": ()})


@pytest.mark.slow
def test_without_supersteps_the_long_history_is_made_by_updates(tmp_path: Path) -> None:
    plant = planted(store_of(IgnoresSupersteps), tmp_path / "plant.json")
    left_out = written(plant.file)["left_out"]
    assert [each["what"] for each in left_out] == [
        "the thread prepopulated", "the thread unfinished",
    ]  # fmt: skip
    assert "applies no supersteps" in left_out[0]["reason"]
    assert len(plant.store.records.thread(plant.id_of("long")).checkpoints) > STATES


class CannotFork(States):
    """Refuses an update at a checkpoint, which the forked thread needs in the end."""

    def update_state(self, *given: Any, **members: Any) -> Any:
        if members.get("checkpoint"):
            raise InvalidError("no forks here")
        return super().update_state(*given, **members)


class CannotCount(Searches):
    """Answers as if counting were not there."""

    def count(self, *_query: Any) -> int:
        raise NotFoundError("Not Found")


@pytest.mark.slow
def test_an_operation_that_is_not_offered_is_told_and_no_loss(tmp_path: Path) -> None:
    store = store_of(CannotCount)
    with served(store) as url:
        ended = run_cli("plant", "--url", url, "plant.json", "--states", STATES)
    plant = Planted(store, tmp_path / "plant.json")
    counts = [each for each in written(plant.file)["answers"] if each["operation"] == "count"]
    assert {each["status"] for each in counts} == {404}
    assert f"left out: count: answers 404, {len(counts)} times" in ended.stdout
    status, found = verified(plant.restarted(CannotCount), plant.file)
    assert (status, found["findings"]) == (0, [])
    status, found = verified(plant.restarted(), plant.file)
    assert status == 0
    assert {(each["operation"], each["kind"]) for each in found["findings"]} == {("count", "new")}


@pytest.mark.slow
def test_what_was_begun_for_a_kind_left_out_is_removed(tmp_path: Path) -> None:
    store = store_of(CannotFork)
    plant = planted(store, tmp_path / "plant.json")
    data = written(plant.file)
    assert [each["what"] for each in data["left_out"]] == ["the thread forked"]
    assert "no forks here" in data["left_out"][0]["reason"]
    with served(store) as url:
        assert threads_of(url).keys() == {each["thread_id"] for each in data["threads"]}


class CannotKeepMetadata(Threads):
    """Copies without the metadata of the source."""

    def copied_metadata(self, source: Thread) -> Any:
        return {}


@pytest.mark.slow
def test_a_copy_that_cannot_be_proved_is_left_out_and_not_touched(tmp_path: Path) -> None:
    store = store_of(CannotKeepMetadata)
    plant = planted(store, tmp_path / "plant.json")
    data = written(plant.file)
    assert [each["what"] for each in data["left_out"]] == [
        "the thread copied", "a thread that may stand",
    ]  # fmt: skip
    assert "does not show the tag" in data["left_out"][0]["reason"]
    assert data["left_out"][1]["reason"].endswith("it is not touched")
    names = {each["thread_id"] for each in data["threads"]}
    with served(store) as url:
        (copy,) = [each for known, each in threads_of(url).items() if known not in names]
    assert copy["metadata"] == {}
    assert copy["thread_id"] not in plant.file.read_text()
    assert len(names) == len(KINDS) - 1
    assert verified(plant.restarted(), plant.file)[0] == 0


class Restless(Threads):
    """Shows another updated_at whenever it is asked."""

    def get(self, thread_id: str, include: Any = ()) -> Any:
        return {**super().get(thread_id, include), "updated_at": self.records.now()}


@pytest.mark.slow
def test_answers_that_never_settle_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "plant.json"
    store = store_of(Restless)
    with served(store) as url:
        ended = run_cli("plant", "--url", url, file, "--states", STATES, "--visible-within", "0.1")
    assert ended.exit_code == 0, ended.output
    data = written(file)
    assert {each["what"] for each in data["left_out"]} == {f"get of {kind}" for kind in KINDS}
    assert "two answers differ" in data["left_out"][0]["reason"]
    status, found = verified(store, file)
    assert (status, found["findings"]) == (0, [])
    # A thread that is gone is told all the same.
    store.threads.delete(data["threads"][0]["thread_id"])
    status, found = verified(store, file)
    assert (status, found["gone"]) == (1, ["empty"])


class FindsNothing(Searches):
    """Answers every search with an empty list."""

    def matching(self, *_query: Any) -> list[Thread]:
        return []


@pytest.mark.slow
def test_a_search_that_does_not_find_the_plant_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "plant.json"
    store = store_of(FindsNothing)
    with served(store) as url:
        run_cli("plant", "--url", url, file, "--states", STATES, "--visible-within", "0.1")
    data = written(file)
    assert [each["what"] for each in data["left_out"]] == ["search and count"]
    assert f"lacks {len(KINDS)} threads" in data["left_out"][0]["reason"]
    assert {"search", "count"}.isdisjoint(each["operation"] for each in data["answers"])
    assert verified(store, file)[0] == 0


# ---- failing halfway ----------------------------------------------------------------


class BreaksHalfway(States):
    """Takes the process down with the first update of a state."""

    halfway: Callable[[], None]

    def update_state(self, *given: Any, **members: Any) -> Any:
        self.halfway()
        return super().update_state(*given, **members)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_planting_removes_what_it_made(
    tmp_path: Path, own_state: Path, number: signal.Signals
) -> None:
    store = store_of(BreaksHalfway)
    breaking = store.states
    assert isinstance(breaking, BreaksHalfway)
    with served(store) as url:
        process = subprocess.Popen(
            arguments_of("plant", "--url", url, "plant.json", "--states", str(STATES)),
            cwd=tmp_path,
            env=environment_of(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        breaking.halfway = lambda: os.kill(process.pid, number)
        _, said = process.communicate()
        assert threads_of(url) == {}
    assert process.returncode == 3
    assert re.search(r"interrupted; of the (\d+) threads that were made \1 are removed\n", said)
    assert "Traceback" not in said
    assert not (tmp_path / "plant.json").exists()
    assert list(own_state.glob("*")) == []


@pytest.mark.slow
def test_a_killed_planting_is_swept(tmp_path: Path) -> None:
    store = store_of(BreaksHalfway)
    breaking = store.states
    assert isinstance(breaking, BreaksHalfway)
    with served(store) as url:
        process = subprocess.Popen(
            arguments_of("plant", "--url", url, "plant.json", "--states", str(STATES)),
            cwd=tmp_path,
            env=environment_of(),
            stderr=subprocess.DEVNULL,
        )
        breaking.halfway = process.kill
        process.wait()
        assert threads_of(url)
        assert run_cli("sweep", "--url", url).exit_code == 0
        assert threads_of(url) == {}


class LetsNothingBePlanted(Threads):
    """Refuses every creation."""

    def create(self, **members: Any) -> Any:
        raise NotFoundError("Not Found")


def test_nothing_can_be_planted(tmp_path: Path, own_state: Path) -> None:
    with served(store_of(LetsNothingBePlanted)) as url:
        ended = run_cli("plant", "--url", url, "plant.json")
    assert ended.exit_code == 3
    assert "no thread can be planted: " in ended.stderr
    assert not (tmp_path / "plant.json").exists()
    assert list(own_state.glob("*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("answer", [None, [], {}, "text", 3, [None], [{"values": 1}]])
def test_a_server_that_answers_nonsense(tmp_path: Path, answer: Any) -> None:
    def reply(_method: str, path: str, _body: bytes) -> Reply:
        return as_json(NAMED if path == "/info" else answer)

    plant = planted(new_store(), tmp_path / "plant.json")
    with answering(reply) as url:
        ended = run_cli("plant", "--url", url, "another.json", "--visible-within", 0)
        assert ended.exit_code == 3
        assert "no thread can be planted: " in ended.stderr
        ended = run_cli("verify", plant.file, "--url", url, "--visible-within", 0)
    assert ended.exit_code == 1
    assert "NOT IDENTICAL" in ended.stdout


# ---- wrong usage --------------------------------------------------------------------


def nobody() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.slow
def test_a_deployment_that_cannot_be_reached(tmp_path: Path) -> None:
    url = nobody()
    ended = run_cli("plant", "--url", url, "plant.json")
    assert ended.exit_code == 3
    assert f"cannot connect to {url}" in ended.stderr
    planted(new_store(), tmp_path / "plant.json")
    ended = run_cli("verify", "plant.json", "--url", url)
    assert ended.exit_code == 3
    assert f"cannot connect to {url}" in ended.stderr


@pytest.mark.slow
def test_a_deployment_that_goes_away_while_it_is_verified(tmp_path: Path) -> None:
    plant = planted(new_store(), tmp_path / "plant.json")
    standing = plant.restarted()

    def reply(method: str, path: str, _body: bytes) -> Reply | None:
        if path == "/info":
            return as_json(NAMED)
        if method == "POST":
            return as_json([])
        place, _, thread_id = path[1:].partition("/")
        if place != "threads":
            return as_json({"detail": "Not Found"}, 404)
        if "/" in thread_id:
            return None
        try:
            return as_json(standing.threads.get(thread_id))
        except NotFoundError as absent:
            return as_json({"detail": str(absent)}, 404)

    with answering(reply) as url:
        ended = run_cli("verify", plant.file, "--url", url, "--timeout", "0.1")
    assert ended.exit_code == 3
    assert "the deployment answers no more (no whole answer within 0.1 s)" in ended.stderr
    assert ended.stdout == ""


def test_a_plant_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "plant.json").write_text("all that tells of threads that stand")
    with served(new_store()) as url:
        ended = run_cli("plant", "--url", url, "plant.json")
        assert threads_of(url) == {}
    assert ended.exit_code == 2
    assert "plant.json exists" in ended.stderr
    assert (tmp_path / "plant.json").read_text() == "all that tells of threads that stand"


def test_a_file_that_cannot_be_written() -> None:
    with served(new_store()) as url:
        ended = run_cli("plant", "--url", url, "no/such/folder/plant.json")
        assert threads_of(url) == {}
    assert ended.exit_code == 2
    assert "cannot write no/such/folder/plant.json (No such file or directory)" in ended.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file plant.json"),
        ("{", "plant.json is not JSON"),
        ("[]", "plant.json is no plant (without a format)"),
        ("{}", "plant.json is no plant (without a format)"),
        ('{"format": "threads-conformance-report/1"}', "of the format threads-conformance-report"),
        ('{"format": "threads-conformance-plant/2"}', "this version reads"),
        ('{"format": "threads-conformance-plant/1"}', "plant.json is damaged, $: "),
    ],
)
def test_files_that_are_no_plant(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "plant.json").write_text(content)
    ended = run_cli("verify", "plant.json", "--url", nobody())
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://host", "http://host/?a=b"])
def test_a_url_that_is_none(tmp_path: Path, url: str) -> None:
    assert run_cli("plant", "--url", url, "plant.json").exit_code == 2
    assert run_cli("verify", "plant.json", "--url", url).exit_code == 2


@pytest.mark.slow
def test_a_search_whose_answer_is_damaged(tmp_path: Path) -> None:
    plant = planted(new_store(), tmp_path / "plant.json")
    data = written(plant.file)
    next(each for each in data["answers"] if each["operation"] == "search")["answer"] = []
    plant.file.write_text(json.dumps(data))
    ended = run_cli("verify", "plant.json", "--url", nobody())
    assert ended.exit_code == 2
    assert "plant.json is damaged, $.answers[" in ended.stderr


@pytest.mark.slow
def test_an_answer_about_a_thread_that_is_not_in_the_plant(tmp_path: Path) -> None:
    plant = planted(new_store(), tmp_path / "plant.json")
    data = written(plant.file)
    data["answers"][0]["kind"] = "another"
    plant.file.write_text(json.dumps(data))
    ended = run_cli("verify", "plant.json", "--url", nobody())
    assert ended.exit_code == 2
    assert "no thread of the kind another" in ended.stderr


# ---- secrets ------------------------------------------------------------------------


class Echoes(Views):
    """Shows the key that it was sent, as servers show headers in the config of a run."""

    def thread_view(self, thread: Thread) -> Any:
        return {**super().thread_view(thread), "config": {"key": "Bearer s3cret-key"}}


@pytest.mark.slow
def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    store = store_of(Echoes)
    file = tmp_path / "plant.json"
    with served(store) as url:
        with_user = url.replace("http://", "http://someone:pa55word@")
        header = ("-H", "Authorization: Bearer s3cret-key", "--api-key", "k3y-k3y")
        ended = run_cli("plant", "--url", with_user, file, *header, "--states", STATES)
        assert ended.exit_code == 0, ended.output
        text = file.read_text() + ended.output
        for secret in ("s3cret-key", "pa55word", "someone", "k3y-k3y"):
            assert secret not in text
        assert "[redacted]" in text
        # Verified with the same key, with another, and with none.
        for key in (header, ("-H", "Authorization: Bearer an0ther-key"), ()):
            ended = run_cli("verify", file, "--url", url, *key)
            assert ended.exit_code == 0, ended.output


# ---- the guard ----------------------------------------------------------------------

PLANTED = "11111111-2222-4333-8444-555555555555"
STRANGER = "99999999-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/threads"),
        ("DELETE", f"/threads/{PLANTED}"),
        ("PATCH", f"/threads/{PLANTED}"),
        ("POST", f"/threads/{PLANTED}/copy"),
        ("POST", f"/threads/{PLANTED}/state"),
        ("POST", f"/threads/{PLANTED}/runs/wait"),
        ("POST", "/threads/prune"),
        ("POST", "/runs/wait"),
        ("GET", f"/threads/{STRANGER}"),
        ("GET", f"/threads/{STRANGER}/history"),
        ("POST", f"/threads/{STRANGER}/history"),
        ("GET", "/anything/else"),
    ],
)
def test_a_visit_changes_nothing_and_looks_at_no_stranger(method: str, path: str) -> None:
    visit = Ownership(str(uuid4()), visits=[PLANTED])
    with pytest.raises(GuardRefusal, match=f"{method} {path}"):
        check_request(method, path, b"{}", visit)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/threads/{PLANTED}"),
        ("GET", f"/threads/{PLANTED.replace('-', '')}/state"),
        ("GET", f"/threads/{PLANTED}/state/{STRANGER}"),
        ("GET", f"/threads/{PLANTED}/runs"),
        ("POST", "/threads/search"),
        ("POST", "/threads/count"),
    ],
)
def test_a_visit_looks_at_its_threads(method: str, path: str) -> None:
    check_request(method, path, b"{}", Ownership(str(uuid4()), visits=[PLANTED]))


@pytest.mark.slow
def test_a_plant_is_read_as_it_was_written(tmp_path: Path) -> None:
    plant = planted(new_store(), tmp_path / "plant.json")
    assert read_plant(plant.file).to_json() == written(plant.file)

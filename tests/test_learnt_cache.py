"""What checks touch is kept for later matrices, and only under the circumstances it is true of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import conformance
from conformance.model.states import States
from conformance.model.threads import Threads
from conformance.reference.wire import WireRequest
from conformance.runner.settings import new_settings
from conformance.selftest import learnt_cache
from conformance.selftest.impact import Impact, SentRequest
from conformance.selftest.learnt_cache import LearntCache
from conformance.user_dirs import cache_dir

DECISIONS = (Threads.copy, Threads.create, States.history)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def request_of(raw: bytes = b"{}", query: bytes = b"") -> WireRequest:
    headers = [(b"content-type", b"application/json"), (b"x-word", "é".encode("latin-1"))]
    return WireRequest("POST", "/threads/search", query, raw, headers)


def test_what_is_stored_is_loaded_by_another_process_of_the_same_matrix(tmp_path: Path) -> None:
    first = new_settings("http://reference.test", run_dir=tmp_path / "a")
    # Of another run, which has selected other checks.
    second = new_settings("http://reference.test", run_dir=tmp_path, requirements=("COPY-01",))
    raw, query = b'\xff{"limit": 1}', b"select=a&select=%C3%A9"
    touched = Impact({Threads.copy}, [SentRequest(request_of(raw, query), 200)])
    LearntCache(first, DECISIONS).store({"one": touched})
    LearntCache(second, reversed(DECISIONS)).store({"other": Impact(set(), [])})
    found = LearntCache(second, DECISIONS).load()
    assert found.keys() == {"one", "other"}
    assert (found["other"].decisions, found["other"].requests) == (set(), [])
    assert found["one"].decisions == {Threads.copy}
    (sent,) = found["one"].requests
    expected = request_of(raw, query)
    assert sent.status == 200
    assert vars(sent.request) == vars(expected)


def test_other_circumstances_find_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = new_settings("http://reference.test", run_dir=tmp_path)
    LearntCache(settings, DECISIONS).store({"one": Impact()})
    assert LearntCache(settings, DECISIONS).load() != {}
    assert LearntCache(settings, DECISIONS[1:]).load() == {}
    assert LearntCache(replace(settings, seed=settings.seed + 1), DECISIONS).load() == {}
    monkeypatch.setattr(learnt_cache, "code_digest", lambda *_: "of other code")
    assert LearntCache(settings, DECISIONS).load() == {}


def test_a_file_that_cannot_be_read_is_made_anew(tmp_path: Path) -> None:
    cache = LearntCache(new_settings("http://reference.test", run_dir=tmp_path), DECISIONS)
    cache.store({"one": Impact()})
    (file,) = cache_dir("learnt").glob("*.json.gz")
    for content in (b"", file.read_bytes()[:-9], b"no gzip"):
        file.write_bytes(content)
        assert cache.load() == {}
    cache.store({"one": Impact()})
    assert cache.load().keys() == {"one"}


def test_where_nothing_can_be_written_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    cache = LearntCache(new_settings("http://reference.test", run_dir=tmp_path), DECISIONS)
    cache.store({"one": Impact()})
    assert cache.load() == {}


def test_few_files_are_kept(tmp_path: Path) -> None:
    for seed in range(15):
        settings = new_settings("http://reference.test", run_dir=tmp_path, seed=seed)
        LearntCache(settings, DECISIONS).store({"one": Impact()})
    kept = {each.name for each in cache_dir("learnt").iterdir()}
    assert len(kept - {".lock"}) == 12


def test_what_decides_is_there() -> None:
    package = Path(conformance.__file__).parent
    assert [each for each in learnt_cache._DECIDING if not (package / each).exists()] == []

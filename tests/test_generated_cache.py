"""Generated data is kept for later runs, and generated again where its inputs changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

import conformance
from conformance import code_digest
from conformance.checks.generators import generated_cache
from conformance.checks.generators.for_all import for_all
from conformance.checks.outcomes import PromiseBroken
from conformance.deployment.settings import Settings

MakeSettings = Callable[..., Settings]


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(generated_cache, "_in_memory", {})
    return tmp_path / "threads-conformance" / "generated"


def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated_cache, "_in_memory", {})


VALUES = [{"a": [1, 1.0, None, True]}, b"\xff{", "\ud800", 2**60, {"deep": [{"b": b"x"}]}, -0.5]


def test_what_is_kept_is_recalled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert generated_cache.load_cached("name", 1) is None
    generated_cache.store_cached(VALUES, "name", 1)
    assert generated_cache.load_cached("name", 1) == VALUES
    as_in_a_new_process(monkeypatch)
    recalled = generated_cache.load_cached("name", 1)
    assert recalled == VALUES
    assert [type(each) for each in recalled[0]["a"]] == [int, float, type(None), bool]
    assert generated_cache.load_cached("name", 2) is None


def test_a_copy_is_given() -> None:
    generated_cache.store_cached([{"a": []}], "name")
    first = generated_cache.load_cached("name")
    assert first is not None
    first[0]["a"].append(1)
    assert generated_cache.load_cached("name") == [{"a": []}]


def test_other_circumstances_have_other_data(monkeypatch: pytest.MonkeyPatch) -> None:
    generated_cache.store_cached([1], "name")
    monkeypatch.setattr(generated_cache, "_circumstances", lambda: "another version of hypothesis")
    assert generated_cache.load_cached("name") is None


@pytest.mark.parametrize("folder", ["checks/generators", "suite", "contract"])
def test_code_that_makes_the_data_is_a_circumstance(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / folder / "makes.py"
    file.parent.mkdir(parents=True)
    monkeypatch.setattr(conformance, "__file__", str(tmp_path / "__init__.py"))
    digest = generated_cache._circumstances.__wrapped__
    file.write_text("LONGEST = 3")
    before = digest()
    assert digest() == before
    file.write_text("LONGEST = 4")
    assert digest() != before


def test_the_documented_requests_are_a_circumstance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "documented" / "copy" / "001.json"
    file.parent.mkdir(parents=True)
    monkeypatch.setattr(code_digest, "fixtures_dir", lambda: tmp_path)
    digest = generated_cache._circumstances.__wrapped__
    file.write_text("{}")
    before = digest()
    file.write_text("[]")
    assert digest() != before


@pytest.mark.parametrize("damage", ["", "[", "{}x", '[{"$bytes": 1}]'])
def test_a_damaged_file_is_as_none(
    damage: str, forgotten: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated_cache.store_cached([1], "name")
    (file,) = forgotten.glob("*.json")
    file.write_text(damage)
    as_in_a_new_process(monkeypatch)
    assert generated_cache.load_cached("name") is None


def test_what_is_no_json_is_not_kept(forgotten: Path) -> None:
    for value in (object(), {"$bytes": "a"}, {1: 2}):
        generated_cache.store_cached([value], "name")
        assert generated_cache.load_cached("name") is None
    assert not forgotten.exists()


def test_the_cache_does_not_grow_for_ever(forgotten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated_cache, "MOST_FILES", 3)
    for number in range(6):
        generated_cache.store_cached([number], number)
    assert len(list(forgotten.glob("*"))) == 3


def test_a_cache_that_cannot_be_written_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    generated_cache.store_cached([1], "name")
    assert generated_cache.load_cached("name") == [1]  # in this process


def test_the_same_values_are_tried_without_being_made_again(settings_for: MakeSettings) -> None:
    settings = settings_for("http://x", effort="quick")
    first: list[Any] = []
    again: list[Any] = []
    for_all(st.integers(), first.append, settings, "numbers")
    for_all(st.nothing(), again.append, settings, "numbers")
    assert first == again
    assert len(first) == 5
    other = settings_for("http://x", effort="quick", seed=7)
    with pytest.raises(Exception, match="nothing"):
        for_all(st.nothing(), again.append, other, "numbers")


@pytest.mark.parametrize(("shrink", "told"), [(True, 100), (False, None)])
def test_a_failure_of_kept_values_is_shrunk(
    shrink: bool, told: int | None, settings_for: MakeSettings
) -> None:
    settings = settings_for("http://x", effort="standard", shrink=shrink)
    for_all(st.integers(0, 10_000), lambda _: None, settings, "numbers")
    failed: list[int] = []

    def holds(value: int) -> None:
        if value >= 100:
            failed.append(value)
            raise PromiseBroken("less than a hundred", str(value))

    with pytest.raises(PromiseBroken):
        for_all(st.integers(0, 10_000), holds, settings, "numbers")
    assert failed[-1] == (told or failed[0])
    # Without shrinking nothing is asked again: the first failure is the answer.
    assert shrink or len(failed) == 1


def test_what_failed_is_not_kept(settings_for: MakeSettings) -> None:
    settings = settings_for("http://x", effort="quick", shrink=False)

    def fails(value: int) -> None:
        raise PromiseBroken("nothing", str(value))

    with pytest.raises(PromiseBroken):
        for_all(st.integers(), fails, settings, "numbers")
    seen: list[int] = []
    for_all(st.just(7), seen.append, settings, "numbers")
    assert set(seen) == {7}

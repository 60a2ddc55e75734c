"""Searches by the index find what searches without it find, and look at few threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.model import thread_index
from conformance.model.entities import Thread
from conformance.model.search import Query, Searches
from conformance.model.store import ThreadStore
from conformance.model.thread_index import IndexedSearches
from conformance.reference.app import new_store
from conformance.reference.journal import attach_journal
from tests.store_variants import store_of

_METADATA = st.dictionaries(
    st.sampled_from("abc"),
    st.sampled_from(["x", "y", 1, True, None, ["x"], {"x": "y"}]),
    max_size=3,
)
#: What is done with a thread, which thread it is, and the metadata.
_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete", "copy"]), st.integers(0, 9), _METADATA
    ),
    max_size=25,
)


def done(store: ThreadStore, acts: list[tuple[str, int, dict[str, Any]]]) -> None:
    for act, number, metadata in acts:
        known = list(store.records.threads_by_id)
        if act == "create" or not known:
            store.threads.create(metadata=metadata)
            continue
        chosen = known[number % len(known)]
        if act == "update":
            store.threads.update(chosen, metadata)
        elif act == "delete":
            store.threads.delete(chosen)
        else:
            store.threads.copy(chosen)


# A busy machine must not fail the test.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_ACTS, _METADATA)
def test_the_index_finds_what_a_look_at_every_thread_finds(
    acts: list[tuple[str, int, dict[str, Any]]], wanted: dict[str, Any]
) -> None:
    store = store_of(IndexedSearches)
    done(store, acts)
    plain = Searches(store.records, store.views)
    pages: list[dict[str, Any]] = [{}, {"offset": 1, "limit": 2}, {"sort_order": "asc"}]
    for query in (Query(metadata=wanted), Query(metadata=wanted, status="idle"), Query()):
        assert store.searches.matching(query) == plain.matching(query)
        for few in (0, 1000):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(thread_index, "_FEW", few)
                for page in pages:
                    assert store.searches.search(query, **page) == plain.search(query, **page)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the threads that searches look at."""
    seen: list[str] = []
    right = IndexedSearches.matches

    def matches(self: IndexedSearches, thread: Thread, query: Query) -> bool:
        seen.append(thread.thread_id)
        return right(self, thread, query)

    monkeypatch.setattr(IndexedSearches, "matches", matches)
    return seen


@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "in a file"])
def test_a_search_for_a_tag_looks_at_no_other_thread(
    kept: bool, looked_at: list[str], tmp_path: Path
) -> None:
    store = new_store(indexed=True)
    if kept:
        attach_journal(store, tmp_path / "store")
    for _ in range(20):
        store.threads.create(metadata={"graph_id": "agent"})
    own = store.threads.create(metadata={"graph_id": "agent", "tag": "own"})
    query = Query(metadata={"graph_id": "agent", "tag": "own"})
    assert store.searches.search(query) == [own]
    assert store.searches.count(query) == 1
    assert store.searches.count(Query(metadata={"tag": "another"})) == 0
    assert looked_at == [own["thread_id"]] * 2
    store.threads.update(own["thread_id"], {"tag": "changed"})
    store.threads.delete(store.threads.copy(own["thread_id"])["thread_id"])
    looked_at.clear()
    assert store.searches.count(query) == 0
    assert store.searches.count(Query(metadata={"tag": "changed"})) == 1
    assert looked_at == [own["thread_id"]]


def test_threads_of_an_earlier_process_are_in_the_index(tmp_path: Path) -> None:
    earlier = new_store()
    attach_journal(earlier, tmp_path / "store")
    own = earlier.threads.create(metadata={"tag": "own"})
    later = new_store(indexed=True)
    attach_journal(later, tmp_path / "store")
    assert later.searches.search(Query(metadata={"tag": "own"})) == [own]


@pytest.mark.parametrize("query", [Query(status="idle"), Query(metadata={"graph_id": "agent"})])
def test_a_search_for_the_newest_of_many_looks_at_few(
    query: Query, looked_at: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_index, "_FEW", 10)
    store = new_store(indexed=True)
    made = [store.threads.create(metadata={"graph_id": "agent"}) for _ in range(20)]
    assert store.searches.search(query, limit=2, offset=1) == [made[-2], made[-3]]
    assert len(looked_at) == 3

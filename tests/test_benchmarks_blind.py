"""The scores of blind faults, alone and in pairs."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from benchmarks.blind import pairs, score
from conformance.reference.altered import Altered
from conformance.reference.wire import WireAnswer, WireRequest, json_answer
from conformance.selftest.fault_row import Row

ALONE = {"a": ["COPY-01", "COPY-02"], "b": ["GET-01"]}


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (Row("a", (), fell=("COPY-01",)), score.FOUND),
        (Row("a", (), fell=()), score.UNSEEN),
        (Row("a", (), fell=(), exercised=False), score.NEVER_REACHED),
        (Row("a", (), fell=(), crashes=("KeyError",)), score.CRASHED),
    ],
)
def test_the_outcome_of_a_fault(row: Row, outcome: str) -> None:
    assert score.outcome_of(row) == outcome


@pytest.mark.parametrize(
    ("fell", "outcome", "hidden"),
    [
        (("COPY-02", "GET-01"), pairs.BOTH, ()),
        (("COPY-02",), pairs.ONE, ("b",)),
        (("GET-01", "SORT-01"), pairs.ONE, ("a",)),
        (("SORT-01",), pairs.NEITHER, ("a", "b")),
    ],
)
def test_one_fault_may_hide_another(
    fell: tuple[str, ...], outcome: str, hidden: tuple[str, ...]
) -> None:
    made = pairs.score_of(Row("a + b", (), fell=fell), ALONE)
    assert (made.outcome, made.hidden) == (outcome, hidden)


def test_a_condition_that_looks_into_the_store_is_asked_late() -> None:
    known: set[str] = set()

    def apply(altered: Altered) -> None:
        @altered.wire.before("get", when=lambda request: request.thread_id in known)
        def refuse(_request: WireRequest) -> WireAnswer:
            return json_answer(404, {"detail": "no"})

    deployment = Altered()
    score.deciding_late(apply)(deployment)
    (rule,) = deployment.wire.rules_before
    request = WireRequest("GET", f"/threads/{UUID(int=1)}", b"", b"", [])
    other = WireRequest("DELETE", request.path, b"", b"", [])
    assert [rule.concerns(each) for each in (request, other)] == [True, False]
    assert rule.act(request) is None
    known.add(request.thread_id)
    assert rule.act(request).status == 404


def test_pairs_are_chosen_by_the_seed() -> None:
    names = [str(each) for each in range(20)]
    chosen = pairs.choose_pairs(names, 30, 1)
    assert chosen == pairs.choose_pairs(reversed(names), 30, 1) != pairs.choose_pairs(names, 30, 2)
    assert len(set(chosen)) == 30
    assert all(one != other for one, other in chosen)
    assert len(pairs.choose_pairs(["1", "2"], 30, 1)) == 1


def test_only_what_was_found_alone_is_paired(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    made = [
        {"fault": "a", "outcome": score.FOUND, "fell": ["COPY-01"]},
        {"fault": "b", "outcome": score.UNSEEN, "fell": []},
    ]
    file.write_text(json.dumps(made), encoding="utf-8")
    assert pairs.found_in(file) == {"a": ["COPY-01"]}

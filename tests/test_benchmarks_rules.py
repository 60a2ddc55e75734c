"""The benchmark that counts rules by condition, and what it watches."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from benchmarks import condition_stories, rules_by_condition
from benchmarks.condition_stories import Judged, Story, watch
from benchmarks.rules_by_condition import NOT_IN_A_RULE, RULES, Triples, as_text
from conformance.checks.acts import SUBJECT
from conformance.checks.conditions import names
from conformance.reference.wire import WireRequest
from conformance.selftest.impact import SentRequest

_THREAD = "1f0a5a36-0000-4000-8000-000000000001"


def _sent(operation: str, status: int | None = 200, body: bytes = b"{}") -> SentRequest:
    request = WireRequest("POST", f"/threads/{_THREAD}", b"", body, [])
    request.operation, request.thread_id = operation, _THREAD
    return SentRequest(request, status)


def _story(*sent: SentRequest, judged: list[Judged]) -> Story:
    return Story("forked", {_THREAD: 0}, [*enumerate(sent)], judged)


def _reached(*sent: SentRequest, judged: str, at: int, threads: set[str]) -> Triples:
    triples = Triples()
    triples.add(_story(*sent, judged=[Judged(judged, frozenset(threads), at)]))
    return triples


def test_rules_name_known_operations_and_conditions() -> None:
    assert len({each.name for each in RULES}) == len(RULES)
    for rule in RULES:
        assert {*rule.operations} <= {*SUBJECT}
        assert rule.judges
        assert rule.allowed()
        for left in rule.left_out:
            assert {*left.conditions} <= {*names()}
            assert left.reason
        assert len(rule.operations) == len(SUBJECT) or NOT_IN_A_RULE[rule.name]


def test_a_triple_is_reached_by_what_was_answered_before_the_judgement() -> None:
    triples = _reached(
        _sent("update"),
        _sent("prune", 422),
        _sent("run_wait"),
        _sent("update_state"),
        judged="assert_ways_agree",
        at=3,
        threads={_THREAD},
    )
    rule = "thread, state and history agree"
    assert {each for each in triples.reached if each[2] == rule} == {
        ("forked", "update", rule),
        ("forked", "run_wait", rule),
    }
    assert {each for each in triples.by_itself if each[2] == rule} == {("forked", "run_wait", rule)}


def test_a_judgement_of_another_thread_reaches_nothing() -> None:
    triples = _reached(
        _sent("update"), judged="assert_ways_agree", at=1, threads={"another thread"}
    )
    assert not triples.reached


def test_refused_requests_reach_the_rule_about_them() -> None:
    triples = _reached(
        _sent("update", 422),
        _sent("get", 404),
        judged="assert_as_before",
        at=2,
        threads={_THREAD},
    )
    assert ("forked", "update", "what is refused changes nothing") in triples.reached
    assert ("forked", "get", "no time moves with a read") in triples.reached
    assert ("forked", "update", "the status says what is so") not in triples.reached


def test_what_stays_beside_is_judged_on_the_other_thread() -> None:
    triples = _reached(
        _sent("delete"), judged="assert_untouched", at=1, threads={"the other thread"}
    )
    assert {each[2] for each in triples.reached} == {"what is beside stays"}


def test_a_function_is_watched_wherever_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(thread: dict[str, Any], *, holds: bool) -> str:
        if not holds:
            raise AssertionError
        return "judged"

    holder: Any = ModuleType("conformance.holder_of_a_judge")
    holder.renamed = judge
    monkeypatch.setitem(sys.modules, holder.__name__, holder)
    noted: list[Judged] = []
    watch(judge, noted.append, lambda: 7)
    with pytest.raises(AssertionError):
        holder.renamed({"thread_id": "a"}, holds=False)
    assert holder.renamed({"deep": [{"thread_id": "a"}], "thread_id": "b"}, holds=True) == "judged"
    assert noted == [Judged("judge", frozenset({"a", "b"}), 7)]


def test_requests_about_other_threads_are_left_out_of_a_story() -> None:
    other = _sent("update")
    other.request.thread_id = "another"
    named = _sent("prune", body=b'{"thread_ids": ["%s"]}' % _THREAD.encode())
    named.request.thread_id = ""
    story = Story("forked", {_THREAD: 1}, [*enumerate([_sent("get"), other, named, _sent("copy")])])
    assert [each.request.operation for _, each in story.of(_THREAD)] == ["prune", "copy"]


def test_the_table_names_what_is_missing_and_why_others_are_left_out() -> None:
    triples = Triples({("forked", "update", "updated_at moves with every change")})
    for markdown in (False, True):
        text = as_text(triples, markdown=markdown)
        assert "1 of 222" in text or "| 1 | 222 |" in text
        missing = next(
            each
            for each in text.splitlines()
            if each.startswith("- updated_at moves with every change: update in ")
        )
        assert "empty" in missing
        assert ", forked," not in missing
        assert all(each in text for each in NOT_IN_A_RULE.values())
    assert condition_stories.REFUSED_COMMAND == 400
    assert rules_by_condition.is_refused(_sent("update", 409))
    assert not rules_by_condition.is_refused(_sent("thread_stream", None))

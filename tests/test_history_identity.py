"""Histories are compared page by page, as exactly as if they were compared as a whole."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.checks import history_identity
from conformance.checks.comparable_members import masked_state
from conformance.checks.expect import assert_identical_history
from conformance.checks.history_identity import (
    HistoryComparison,
    aligned,
    compare_histories,
    is_same_text,
)
from conformance.checks.outcomes import PromiseBroken
from conformance.checks.views import Page
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.json_differences import SHOWN, same_json

SOURCE, COPY = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"

#: A busy machine must not fail a test.
_settings = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
#: Texts among which are those that only a careless comparison of texts takes for an id.
_TEXTS = st.sampled_from(
    [
        *(each for own in (SOURCE, COPY) for each in (own, own.upper(), f'x"{own}', f'{own}"x')),
        *("a", "<this thread>", f'"{COPY}"', "\\", "é"),
    ]
)
_VALUES = st.recursive(
    _TEXTS | st.sampled_from([0, 1, 1.0, -0.0, True, False, None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=4,
)
_STATES = st.fixed_dictionaries(
    {"values": _VALUES},
    optional={
        "checkpoint": st.fixed_dictionaries({"thread_id": _TEXTS, "checkpoint_id": _TEXTS}),
        "metadata": st.fixed_dictionaries({"thread_id": _TEXTS}, optional={"step": _VALUES}),
        "created_at": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"]),
        "unpublished": _VALUES,
    },
)


class Pages:
    """A history in pages of these lengths, again and again."""

    def __init__(self, thread_id: str, states: list[dict[str, Any]], *lengths: int) -> None:
        self.thread_id, self._states, self._lengths = thread_id, states, lengths or (1,)

    def pages(self) -> Iterator[Page]:
        place = number = 0
        while place < len(self._states):
            length = self._lengths[number % len(self._lengths)]
            states = self._states[place : place + length]
            yield Page(states, json.dumps(states) if number % 2 else None)
            place, number = place + length, number + 1


def pages_of(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[Page, Page]]:
    """The two states as pages whose text is known, in two forms, and as such whose is not."""
    return [
        (Page([one]), Page([other])),
        (Page([one], json.dumps([one])), Page([other], json.dumps([other]))),
        (
            Page([one], json.dumps([one], separators=(" ,", " : "))),
            Page([other], json.dumps([other], separators=(" ,", " : "))),
        ),
    ]


@_settings
@given(_STATES, _STATES)
def test_states_of_the_same_text_are_equal(
    copied: dict[str, Any], expected: dict[str, Any]
) -> None:
    for one, other in ((copied, expected), (expected, expected)):
        if any(is_same_text(*pages, COPY, SOURCE) for pages in pages_of(one, other)):
            assert same_json(masked_state(one, COPY, SOURCE), masked_state(other, SOURCE))


@pytest.mark.parametrize(
    "values_of",
    [lambda own: {own: 1}, lambda own: f'x"{own}', lambda own: own.upper(), lambda own: f"x{own}"],
    ids=["a name", "after a quotation mark", "upper case", "a part"],
)
def test_what_is_no_id_in_its_own_case_is_not_decided_by_the_text(
    values_of: Callable[[str], Any],
) -> None:
    copied, expected = ({"values": values_of(each)} for each in (COPY, SOURCE))
    for pages in pages_of(copied, expected):
        assert not is_same_text(*pages, COPY, SOURCE)


def test_a_copy_whose_checkpoints_name_its_source_is_equal() -> None:
    """COPY-20 judges which thread they name. In upper case, so that texts do not decide it."""
    copied, expected = (
        {"values": own.upper(), "checkpoint": {"thread_id": SOURCE, "checkpoint_id": "1"}}
        for own in (COPY, SOURCE)
    )
    found = HistoryComparison()
    found.add(Page([copied]), Page([expected]), COPY, SOURCE)
    assert (found.states.items, found.states.differing) == (1, 0)


def test_what_is_written_with_escapes_is_not_decided_by_the_text() -> None:
    escaped = COPY.replace("-", r"\u002d")
    copied, expected = (Page([{"values": COPY}], f'[{{"values":"{escaped}"}}]') for _ in range(2))
    assert not is_same_text(copied, expected, COPY, SOURCE)


def test_the_text_of_a_page_as_it_was_sent_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def must_not_be_called(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr(history_identity, "_canonical_text", must_not_be_called)
    one, other = ({"values": {"n": 1}, "metadata": {"thread_id": each}} for each in (COPY, SOURCE))
    pages = Page([one], json.dumps([one])), Page([other], json.dumps([other]))
    assert is_same_text(*pages, COPY, SOURCE)


def test_the_text_of_a_right_copy_is_the_same() -> None:
    def state(thread_id: str, named: str) -> dict[str, Any]:
        return {
            "values": {"id": thread_id, "é": [1, None, True]},
            "checkpoint": {"thread_id": named, "checkpoint_id": "1"},
            "metadata": {"thread_id": thread_id, "step": 1},
            "created_at": "2026-01-01T00:00:00Z"
            if thread_id == COPY
            else "2026-01-01T00:00:00+00:00",
        }

    for named in (COPY, SOURCE):
        for pages in pages_of(state(COPY, named), state(SOURCE, SOURCE)):
            assert is_same_text(*pages, COPY, SOURCE)
    for pages in pages_of(state(COPY, "third"), state(SOURCE, SOURCE)):
        assert not is_same_text(*pages, COPY, SOURCE)


_LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@_settings
@given(st.lists(_STATES, max_size=6), st.lists(_STATES, max_size=6), _LENGTHS, _LENGTHS)
def test_pages_change_nothing_in_the_comparison(
    copied: list[dict[str, Any]],
    expected: list[dict[str, Any]],
    ones: list[int],
    others: list[int],
) -> None:
    found = compare_histories(Pages(COPY, copied, *ones), Pages(SOURCE, expected, *others))
    assert (found.copied, found.expected) == (len(copied), len(expected))
    if len(copied) == len(expected):
        differing = [
            place
            for place, (one, other) in enumerate(zip(copied, expected, strict=True))
            if not same_json(masked_state(one, COPY, SOURCE), masked_state(other, SOURCE))
        ]
        assert found.states.differing == len(differing)
        assert list(found.states.expected) == differing


def test_parts_are_of_equal_length_until_one_ends() -> None:
    ones = [Page([{"a": 1}]), Page([{"a": 2}, {"a": 3}], "[2, 3]")]
    others = [Page([{"b": 4}, {"b": 5}], "[4, 5]"), Page([{"b": 6}, {"b": 7}])]
    parts = list(aligned(ones, others))
    # The text of a page is not that of a part of it.
    assert all(page.text is None for part in parts for page in part)
    assert [(len(one), len(other)) for one, other in parts] == [(1, 1), (1, 1), (1, 1), (0, 1)]
    assert [each["a"] for one, _ in parts for each in one] == [1, 2, 3]
    assert [each["b"] for _, other in parts for each in other] == [4, 5, 6, 7]


def made(number: int, thread_id: str, **members: Any) -> dict[str, Any]:
    return {
        "values": {"n": number},
        "checkpoint": {"thread_id": thread_id, "checkpoint_id": str(number)},
        **members,
    }


class _State(dict[str, Any]):
    """A state that can be referred to weakly, and is told from equal ones."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # a dict has none


class _Fresh:
    """A history whose states are made when their page is read; it counts those that are alive."""

    def __init__(self, thread_id: str, pages: int, length: int) -> None:
        self.thread_id, self._pages, self._length = thread_id, pages, length
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self.most = 0

    def pages(self) -> Iterator[Page]:
        for page in range(self._pages):
            yield self._page(page)
            self.most = max(self.most, len(self.alive))

    def _page(self, page: int) -> Page:
        states = []
        for number in range(page * self._length, (page + 1) * self._length):
            # Every state differs, so that all are kept if any are.
            state = _State(made(number, self.thread_id, next=[self.thread_id[-1] * 2]))
            self.alive.add(state)
            states.append(state)
        return Page(states)


def test_no_more_than_a_page_of_each_history_is_in_memory() -> None:
    copy, source = _Fresh(COPY, 30, 10), _Fresh(SOURCE, 60, 5)
    found = compare_histories(copy, source)
    assert (found.states.items, found.states.differing) == (300, 300)
    assert copy.most <= 2 * 10
    assert source.most <= 2 * 5


def broken_by(copy: Pages, source: Pages) -> PromiseBroken:
    with pytest.raises(PromiseBroken) as broken:
        assert_identical_history(copy, source)
    return broken.value


def test_of_long_histories_the_first_differing_states_are_told_and_the_rest_counted() -> None:
    states = 3 * LONGEST_PAGE
    source = Pages(SOURCE, [made(n, SOURCE) for n in range(states)], LONGEST_PAGE)
    wrong = set(range(1500, states, 100))
    copied = [made(n, COPY, **({"next": ["a"]} if n in wrong else {})) for n in range(states)]
    broken = broken_by(Pages(COPY, copied, 700), source)
    first = '$[1500].next: not expected, got ["a"]'
    assert (broken.diff[0], len(broken.diff)) == (first, SHOWN + 1)
    assert broken.diff[-1] == f"… and {len(wrong) - SHOWN} more of {states} differ"
    assert broken.kinds == ("$[*].next absent list",)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (slice(1200, 1201), '$[1200]: expected "1200", got "1201"'),
        (slice(0, 1), '$[0]: expected "0", got "1"'),
        (slice(1000, None), '$[1000]: missing, expected "1000"'),
    ],
)
def test_of_long_histories_of_unequal_length_the_first_other_checkpoint_is_told(
    lost: slice, told: str
) -> None:
    states = 2 * LONGEST_PAGE
    source = [made(n, SOURCE) for n in range(states)]
    copied = [made(n, COPY) for n in range(states)]
    del copied[lost]
    broken = broken_by(Pages(COPY, copied, 400), Pages(SOURCE, source, LONGEST_PAGE))
    assert (broken.diff, broken.kinds) == ((told,), ("length",))
    assert broken.expected == f"a history of {states} states, as the source's"
    assert broken.actual == f"{len(copied)} states"


def test_where_long_histories_part_is_counted_over_their_pages() -> None:
    found = HistoryComparison()
    found.copied = found.expected = LONGEST_PAGE
    right = Page({"checkpoint_id": str(number)} for number in range(3))
    other = Page({"checkpoint_id": str(number if number < 2 else "x")} for number in range(3))
    found.add(right, right, "a", "b")
    assert found.id_differences() == ()
    found.add(other, right, "a", "b")
    assert found.parting is not None
    assert found.parting.path == (LONGEST_PAGE + 3 + 2,)
    assert len(found.id_differences()) == 1


def test_no_more_checkpoint_ids_than_those_of_a_page_are_kept() -> None:
    found = HistoryComparison()
    page = Page({"checkpoint_id": str(number)} for number in range(LONGEST_PAGE - 1))
    for _ in range(2):
        found.add(page, page, "a", "b")
    assert [len(each) for each in found._ids] == [LONGEST_PAGE, LONGEST_PAGE]

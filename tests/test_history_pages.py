"""A history is read page by page until nothing new comes, and no page is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from conformance.checks import history_pages
from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.history_pages import HistoryPages
from conformance.checks.outcomes import Blocked
from conformance.contract.causes import NOT_GRANTED, Cause
from conformance.deployment.client import ThreadsClient
from conformance.deployment.ownership.proof import Ownership
from conformance.deployment.settings import Settings
from conformance.deployment.wire.direct_client import DirectClient

THREAD = {"thread_id": "00000000-0000-4000-8000-00000000000a"}
STATES = [
    {"checkpoint_id": str(number), "created_at": f"2026-01-01T00:00:{number:02}+00:00"}
    for number in range(9, -1, -1)
]
#: Maps `before` and `limit` to a page.
Server = Callable[[str | None, int], Any]


def right(before: str | None, limit: int) -> Any:
    older = STATES if before is None else STATES[10 - int(before) :]
    return older[:limit]


def reading(
    server: Server, *, made: int | None = None, arranging: bool = True
) -> tuple[HistoryPages, list[str | None], list[str]]:
    """The pages of a server, and lists of the `before` sent, and of when evidence was dropped."""
    asked: list[str | None] = []
    forgotten: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        asked.append(query.get("before"))
        page = server(query.get("before"), int(query["limit"]))
        if isinstance(page, httpx.Response):
            return page
        return httpx.Response(200 if isinstance(page, list) else 422, json=page)

    http = DirectClient(
        base_url=httpx.URL("http://deployment"),
        transport=httpx.MockTransport(reply),
        headers=(),
        timeout_s=5.0,
    )
    context = CheckContext(
        Settings("", run_id="", started_at="", run_dir=""),
        {},
        forget=lambda: forgotten.append(str(asked[-1])),
    )
    api = ThreadsApi(ThreadsClient(http, Ownership("a-run")), context, arranging=arranging)
    return HistoryPages(api, THREAD, made, limit=4), asked, forgotten


def ids(pages: HistoryPages) -> list[list[str]]:
    return [[each["checkpoint_id"] for each in page] for page in pages.pages()]


def test_the_pages_of_a_right_server() -> None:
    pages, asked, _ = reading(right)
    assert ids(pages) == [["9", "8", "7", "6"], ["5", "4", "3", "2"], ["1", "0"]]
    assert asked == [None, "6", "2", "0"]
    assert ids(pages) == [["9", "8", "7", "6"], ["5", "4", "3", "2"], ["1", "0"]]


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(lambda _, limit: STATES[:limit], id="ignores before"),
        pytest.param(
            lambda before, limit: right(str(max(int(before or 10), 6)), limit), id="repeats a page"
        ),
    ],
)
def test_a_page_that_shows_nothing_new_is_the_last(server: Server) -> None:
    pages, asked, _ = reading(server)
    shown = ids(pages)
    assert len(asked) == len(shown) + 1
    assert len({each for page in shown for each in page}) == sum(map(len, shown))


def test_a_state_that_the_page_before_held_is_left_out() -> None:
    def includes_before(before: str | None, limit: int) -> Any:
        return right(None if before is None else str(int(before) + 1), limit)

    pages, _, _ = reading(includes_before)
    assert [each for page in ids(pages) for each in page] == [str(n) for n in range(9, -1, -1)]


def test_only_the_last_pages_are_evidence() -> None:
    pages, _, forgotten = reading(lambda before, limit: right(before, min(limit, 2)))
    assert len(ids(pages)) == 5
    assert forgotten == ["6", "4", "2"]


def refuses_before(before: str | None, limit: int) -> Any:
    return right(before, limit) if before is None else {"detail": "no"}


def test_where_before_is_refused_a_page_of_all_that_was_made_is_whole() -> None:
    pages, _, _ = reading(refuses_before, made=4)
    assert ids(pages) == [["9", "8", "7", "6"]]
    pages, _, _ = reading(refuses_before, made=5)
    with pytest.raises(Blocked) as blocked:
        ids(pages)
    assert blocked.value.by == (Cause.refused("history", 422, NOT_GRANTED),)


@pytest.mark.parametrize("arranging", [True, False])
def test_a_prerequisite_must_be_ordered_also_from_page_to_page(arranging: bool) -> None:
    def turned(before: str | None, limit: int) -> Any:
        order = [*STATES[2:6], *STATES[:2]]
        place = 0
        if before is not None:
            place = [each["checkpoint_id"] for each in order].index(before) + 1
        return order[place : place + limit]

    pages, _, _ = reading(turned, arranging=arranging)
    if arranging:
        with pytest.raises(Blocked, match="newest first"):
            ids(pages)
    else:
        assert ids(pages) == [["7", "6", "5", "4"], ["9", "8"]]


def test_a_history_without_an_end_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_pages, "MOST_PAGES", 5)

    def endless(before: str | None, limit: int) -> Any:
        return [{"checkpoint_id": str(int(before or 0) - 1)}]

    pages, asked, _ = reading(endless)
    with pytest.raises(Blocked, match="does not end: 6 states"):
        ids(pages)
    assert len(asked) == 6
    # As many pages as a check made states are read.
    pages, asked, _ = reading(endless, made=20)
    with pytest.raises(Blocked, match="does not end: 41 states"):
        ids(pages)


def test_a_page_keeps_its_text_only_if_nothing_of_it_was_left_out() -> None:
    def overlapping(before: str | None, limit: int) -> Any:
        # The second page begins with the last state of the first.
        return right(before if before != "6" else "7", limit)

    pages, _, _ = reading(overlapping)
    first, second, *_ = pages.pages()
    assert first.text is not None
    assert '"checkpoint_id":"9"' in first.text.replace(" ", "")
    assert second.text is None
    pages, _, _ = reading(right)
    first, second, third = pages.pages()
    assert second.text is not None
    assert '"5"' in second.text
    # Without the first page; an empty list of two characters is the last that is read.
    assert third.text is not None
    assert pages.characters == len(second.text) + len(third.text) + 2


@pytest.mark.parametrize(
    ("oldest", "whole"),
    [
        ({"parent_checkpoint": None}, True),
        ({"parent_checkpoint": {"checkpoint_id": "5"}}, False),
        # Where no parents are shown, nothing says that the first state was read.
        ({}, False),
    ],
)
def test_where_before_is_refused_a_page_that_ends_with_the_first_state_is_whole(
    oldest: dict[str, Any], whole: bool
) -> None:
    def refusing(before: str | None, limit: int) -> Any:
        return [*STATES[: limit - 1], {**STATES[limit - 1], **oldest}] if before is None else {}

    pages, _, _ = reading(refusing)
    if whole:
        assert ids(pages) == [["9", "8", "7", "6"]]
        return
    with pytest.raises(Blocked, match="cannot be read whole"):
        ids(pages)


def test_an_answer_that_is_no_list_is_a_refusal() -> None:
    pages, _, _ = reading(lambda before, limit: STATES[:limit] if before is None else {"a": 1})
    with pytest.raises(Blocked, match="answers 422"):
        ids(pages)
    pages, _, _ = reading(
        lambda before, limit: (
            STATES[:limit] if before is None else httpx.Response(200, json={"a": 1})
        )
    )
    with pytest.raises(Blocked, match="answers 200"):
        ids(pages)


def test_a_history_without_an_end_is_read_while_as_many_states_were_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history_pages, "MOST_PAGES", 1)
    pages, _, _ = reading(right, made=5)
    assert len(ids(pages)) == 3
    pages, _, _ = reading(right)
    with pytest.raises(Blocked, match="does not end"):
        ids(pages)

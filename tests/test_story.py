"""Of a check's requests those are shown that its failure needs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.story import needed_exchanges

A, B, C = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")
OLD, NEW = (f"1f{letter * 6}-0000-6000-8000-000000000000" for letter in "12")
PATHS = {
    "create": ("POST", "/threads"),
    "copy": ("POST", "/threads/{}/copy"),
    "update": ("PATCH", "/threads/{}"),
    "update_state": ("POST", "/threads/{}/state"),
    "get": ("GET", "/threads/{}"),
    "state": ("GET", "/threads/{}/state"),
    "history": ("GET", "/threads/{}/history"),
    "state_at_checkpoint": ("GET", "/threads/{}/state/{}"),
    "search": ("POST", "/threads/search"),
    "assistants_search": ("POST", "/assistants/search"),
}


def asked(
    operation: str, *ids: str, body: Any = None, answer: Any = "same", **more: Any
) -> Exchange:
    method, path = PATHS[operation]
    return Exchange(
        check="c",
        operation=operation,
        method=method,
        url=f"http://127.0.0.1:1{path.format(*ids)}",
        request_headers=(),
        request_body=None if body is None else json.dumps(body),
        started_at="",
        elapsed_ms=1.0,
        status=200,
        response_body=json.dumps(answer),
        **more,
    )


def made(thread: str) -> Exchange:
    return asked("create", body={"thread_id": thread}, answer={"thread_id": thread})


COPIED = asked("copy", A, answer={"thread_id": B})


@pytest.mark.parametrize(
    ("exchanges", "needed"),
    [
        pytest.param([asked("assistants_search"), made(A), asked("get", A)], [1, 2], id="server"),
        pytest.param([made(C), made(A), asked("get", A)], [1, 2], id="another thread"),
        pytest.param([made(A), COPIED, asked("get", B)], [0, 1, 2], id="what it was copied from"),
        pytest.param(
            [made(A), asked("get", A), COPIED, asked("history", B)],
            [0, 2, 3],
            id="other looks before",
        ),
        pytest.param(
            [made(A), asked("history", A), COPIED, asked("history", B)],
            [0, 1, 2, 3],
            id="what it is compared with",
        ),
        pytest.param(
            [made(C), asked("history", C), made(A), asked("history", A)],
            [0, 1, 2, 3],
            id="another thread that it is compared with",
        ),
        pytest.param(
            [made(A), *[asked("state", A, answer=n) for n in range(5)]], [0, 5], id="polls"
        ),
        pytest.param(
            [made(A), made(B), asked("get", A, answer=1), asked("update", B), asked("get", A)],
            [0, 1, 2, 3, 4],
            id="what was changed between unequal looks",
        ),
        pytest.param(
            [made(A), made(C), asked("search", body={"limit": 1})], [0, 1, 2], id="a search"
        ),
        pytest.param(
            [
                made(A),
                asked("history", A, answer=[{"checkpoint_id": NEW}, {"checkpoint_id": OLD}]),
                asked("update_state", A),
                asked("state_at_checkpoint", A, OLD),
            ],
            [0, 1, 2, 3],
            id="whose answer gives an id",
        ),
        pytest.param(
            [
                made(A),
                COPIED,
                asked("state_at_checkpoint", A, NEW),
                asked("state_at_checkpoint", B, NEW),
                asked("state_at_checkpoint", A, OLD),
                asked("state_at_checkpoint", B, OLD),
            ],
            [0, 1, 4, 5],
            id="other checkpoints",
        ),
        pytest.param(
            [
                asked("create", body={"thread_id": C, "metadata": {"run": A}}),
                asked("create", body={"thread_id": B, "metadata": {"run": A}}),
                asked("get", B),
            ],
            [1, 2],
            id="metadata names nothing",
        ),
        pytest.param([made(A), asked("get", A), asked("update", A)], [0, 1, 2], id="a write last"),
        pytest.param([asked("get", A)], [0], id="one"),
        pytest.param([], [], id="none"),
    ],
)
def test_what_the_last_request_needs(exchanges: list[Exchange], needed: list[int]) -> None:
    assert needed_exchanges(exchanges) == [exchanges[each] for each in needed]


def test_a_restart_is_told_where_its_request_is_left_out() -> None:
    again = asked("assistants_search", after_restart=True)
    found = needed_exchanges([made(A), again, asked("get", A)])
    assert [each.after_restart for each in found] == [False, True]

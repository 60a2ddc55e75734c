"""No request that could change a stranger's thread leaves the machine."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from conformance.deployment.guard import GuardRefusal, Ownership, canonical, check_request

STRANGER = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def ours() -> Ownership:
    return Ownership(str(uuid4()))


def send(method: str, path: str, body: Any, ours: Ownership) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    check_request(method, path, raw, ours)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/threads/{}"),
        ("DELETE", "/threads/{}"),
        ("POST", "/threads/{}/copy"),
        ("POST", "/threads/{}/state"),
        ("POST", "/threads/{}/runs"),
        ("POST", "/threads/{}/runs/wait"),
        ("POST", "/threads/{}/runs/stream"),
        ("POST", f"/threads/{{}}/runs/{STRANGER}/cancel"),
    ],
)
def test_only_own_threads_are_changed(method: str, path: str, ours: Ownership) -> None:
    send(method, path.format(ours.new_id()), {}, ours)
    with pytest.raises(GuardRefusal, match=STRANGER):
        send(method, path.format(STRANGER), {}, ours)


@pytest.mark.parametrize(
    "body",
    [
        {"thread_id": STRANGER},
        {"thread_id": STRANGER.upper()},
        {"thread_id": STRANGER.replace("-", "")},
        {"thread_ids": [STRANGER]},
        {"thread_ids": STRANGER},
        {"checkpoint": {"thread_id": STRANGER}},
        [{"deep": [{"in": {"thread_id": STRANGER}}]}],
        f'{{"thread_id": "{STRANGER}", "thread_id": null}}'.encode(),
        f'{{"thread_id": "{STRANGER}"'.encode(),
        b"[" * 100_000 + STRANGER.encode(),
    ],
)
def test_a_body_names_no_stranger(body: Any, ours: Ownership) -> None:
    own = ours.new_id()
    for path in ("/threads", "/threads/prune", f"/threads/{own}/state", f"/threads/{own}/runs"):
        with pytest.raises(GuardRefusal, match="did not make"):
            send("POST", path, body, ours)


def test_a_body_may_name_own_threads(ours: Ownership) -> None:
    own = ours.new_id()
    send("POST", "/threads", {"thread_id": own}, ours)
    send("POST", "/threads/prune", {"thread_ids": [own.upper()]}, ours)
    send("POST", f"/threads/{own}/state", {"checkpoint": {"thread_id": own}}, ours)


def test_reading_may_name_anyone(ours: Ownership) -> None:
    send("GET", f"/threads/{STRANGER}/state", {}, ours)
    send("POST", "/threads/search", {"ids": [STRANGER]}, ours)
    send("POST", f"/threads/{ours.new_id()}/history", {"checkpoint": {"thread_id": STRANGER}}, ours)


@pytest.mark.parametrize(
    "path",
    [
        "/threads/{own}/../{stranger}",
        "/threads/{own}/%2e%2E/{stranger}",
        "/threads/./{stranger}",
        "/threads//{stranger}",
        "/threads/{own}%2F..%2F{stranger}",
        "/threads/{own}/",
        "/runs/crons",
        "/runs/cancel",
        "/threads/{own}/unheard/of",
        "/store/items",
        "threads",
        "/",
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "PUT"])
def test_an_unusual_path_is_refused(method: str, path: str, ours: Ownership) -> None:
    with pytest.raises(GuardRefusal):
        send(method, path.format(own=ours.new_id(), stranger=STRANGER), {}, ours)


def test_a_percent_encoded_id_is_read(ours: Ownership) -> None:
    encoded = STRANGER.replace("1", "%31")
    with pytest.raises(GuardRefusal, match=STRANGER):
        send("DELETE", f"/threads/{encoded}", {}, ours)


def test_what_must_not_exist_is_registered_first(ours: Ownership) -> None:
    send("DELETE", f"/threads/{ours.absent_id()}", {}, ours)
    send("DELETE", f"/threads/{ours.absent_id('no-uuid')}", {}, ours)
    with pytest.raises(GuardRefusal):
        send("DELETE", "/threads/another-one", {}, ours)


def test_absent_ids_are_not_owned(ours: Ownership) -> None:
    absent = ours.absent_id()
    assert ours.may_use(absent)
    assert not ours.owns(absent)
    ours.adopt(absent.upper())
    assert ours.owns(absent)


def test_ids_are_of_the_run_and_of_the_worker() -> None:
    run = str(uuid4())
    drawn = [Ownership(run, worker).new_id() for worker in ("gw0", "gw1", "gw0")]
    assert drawn[0] == drawn[2] != drawn[1]
    assert Ownership(str(uuid4()), "gw0").new_id() != drawn[0]
    twice = Ownership(run)
    assert twice.new_id() != twice.new_id()


@pytest.mark.parametrize(
    "spelled", [STRANGER.upper(), STRANGER.replace("-", ""), f"{{{STRANGER}}}"]
)
def test_canonical_is_one_spelling(spelled: str) -> None:
    assert canonical(spelled) == STRANGER


def test_a_visit_may_read_what_is_absent_and_write_nothing() -> None:
    visit = Ownership(str(uuid4()), visits=[STRANGER])
    absent, malformed = visit.absent_id(), visit.malformed_id()
    for each in (STRANGER, absent, malformed):
        for method, below in (
            ("GET", ""),
            ("GET", "/state"),
            ("GET", f"/state/{absent}"),
            ("GET", "/history"),
            ("POST", "/history"),
            ("POST", "/state/checkpoint"),
        ):
            send(method, f"/threads/{each}{below}", {}, visit)
        for method, below in (("DELETE", ""), ("PATCH", ""), ("POST", "/copy"), ("POST", "/state")):
            with pytest.raises(GuardRefusal, match="only to look at threads"):
                send(method, f"/threads/{each}{below}", {}, visit)
    with pytest.raises(GuardRefusal, match="none of those to be looked at"):
        send("GET", f"/threads/{uuid4()}", {}, visit)

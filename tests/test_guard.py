"""No request that could change a stranger's thread leaves the machine."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from conformance.contract.operations import BY_NAME
from conformance.deployment.ownership.guard import (
    DisposableOnlyRefusal,
    GuardRefusal,
    NotOursRefusal,
    check_request,
    unproved_ids,
)
from conformance.deployment.ownership.proof import RUN_TAG, GetAnswer, Ownership, canonical

STRANGER = "11111111-2222-4333-8444-555555555555"
LATER = "2999-01-01T00:00:00+00:00"


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
    ],
)
def test_only_own_threads_are_changed(method: str, path: str, ours: Ownership) -> None:
    send(method, path.format(ours.new_id()), {}, ours)
    with pytest.raises(NotOursRefusal, match="names a thread that is not proved"):
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
        with pytest.raises(NotOursRefusal, match="names a thread that is not proved"):
            send("POST", path, body, ours)


def test_a_body_may_name_own_threads(ours: Ownership) -> None:
    own = ours.new_id()
    ours.ids_are_kept = True
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


@pytest.mark.parametrize("part", ["..", ".", "%2e%2E", ".%2e", "%2E"])
def test_a_path_that_leads_elsewhere_is_not_even_read(part: str, ours: Ownership) -> None:
    with pytest.raises(GuardRefusal, match=f"POST /threads/{part}/history: .* normal form"):
        send("POST", f"/threads/{part}/history", {}, ours)
    for name in ("...", "a..b", "..a", "%2e%2e%2e"):
        send("POST", f"/threads/{name}/history", {}, ours)


def test_a_refusal_names_the_operation(ours: Ownership) -> None:
    for refusal, body in (
        (NotOursRefusal, {"thread_ids": [STRANGER]}),
        (DisposableOnlyRefusal, {}),
    ):
        with pytest.raises(refusal, match=r"^POST /threads/prune "):
            send("POST", "/threads/prune", body, ours)


def test_the_head_of_any_thread_may_be_read(ours: Ownership) -> None:
    send("HEAD", f"/threads/{STRANGER}", b"", ours)


# ---- what a write names -------------------------------------------------------------------

RUN, CRON = (STRANGER.replace("1", each) for each in "23")


@pytest.mark.parametrize(
    ("operation", "path", "body", "unproved"),
    [
        ("delete", f"/threads/{STRANGER}", None, [("thread", STRANGER, None)]),
        ("delete", f"/threads/{STRANGER.replace('1', '%31')}", None, [("thread", STRANGER, None)]),
        ("delete", "/threads/OWN", None, []),
        (
            "prune",
            "/threads/prune",
            {"thread_ids": ["OWN", STRANGER, " ", "", 5, None]},
            [("thread", STRANGER, None)],
        ),
        (
            "update_state",
            f"/threads/{STRANGER}/state",
            {"checkpoint": {"thread_id": CRON}},
            [("thread", STRANGER, None), ("thread", CRON, None)],
        ),
        ("run_delete", f"/threads/OWN/runs/{RUN}", None, [("run", RUN, "OWN")]),
        (
            "run_cancel",
            f"/threads/{STRANGER}/runs/{RUN}/cancel",
            None,
            [("thread", STRANGER, None), ("run", RUN, STRANGER)],
        ),
        (
            "runs_cancel",
            "/runs/cancel",
            {"thread_id": "OWN", "run_ids": ["OWN", RUN, 5]},
            [("run", RUN, "OWN")],
        ),
        ("runs_cancel", "/runs/cancel", {"run_ids": [RUN]}, [("run", RUN, None)]),
        ("runs_cancel", "/runs/cancel", {"thread_id": 5, "run_ids": RUN}, [("run", RUN, None)]),
        # Only such a body lists runs.
        ("update", "/threads/OWN", {"run_ids": [RUN]}, []),
        ("cron_delete", f"/runs/crons/{CRON}", None, [("cron", CRON, None)]),
        ("cron_delete", "/runs/crons/OWN", None, []),
    ],
)
def test_what_a_write_names_and_is_not_proved(
    operation: str,
    path: str,
    body: Any,
    unproved: list[tuple[str, str, str | None]],
    ours: Ownership,
) -> None:
    own = ours.new_id()
    raw = b"" if body is None else json.dumps(body).replace("OWN", own).encode()
    found = unproved_ids(BY_NAME[operation], path.replace("OWN", own), raw, ours)
    wanted = [(kind, id_, on and on.replace("OWN", own)) for kind, id_, on in unproved]
    assert [(each.kind, each.id, each.thread_id) for each in found] == wanted


def test_in_a_body_that_cannot_be_parsed_the_tag_of_the_run_may_stand(ours: Ownership) -> None:
    raw = f'{{"metadata": {{"{RUN_TAG}": "{ours.run_id}"}}, "of": "{STRANGER}"'.encode()
    found = unproved_ids(BY_NAME["create"], "/threads", b"\xff" + raw, ours)
    assert [each.id for each in found] == [STRANGER]


def test_a_percent_encoded_id_is_read(ours: Ownership) -> None:
    encoded = STRANGER.replace("1", "%31")
    with pytest.raises(NotOursRefusal):
        send("DELETE", f"/threads/{encoded}", {}, ours)


def test_what_must_not_exist_is_drawn(ours: Ownership) -> None:
    send("DELETE", f"/threads/{ours.absent_id()}", {}, ours)
    send("DELETE", f"/threads/{ours.malformed_id('no uuid')}", {}, ours)
    for short in ("no uuid", "another-one", "0"):
        with pytest.raises(NotOursRefusal):
            send("DELETE", f"/threads/{short}", {}, ours)


# ---- what could mean all threads --------------------------------------------------------

ALL_THREADS: list[tuple[str, object]] = [
    ("/threads/prune", {}),
    ("/threads/prune", []),
    ("/threads/prune", b""),
    ("/threads/prune", b"{"),
    ("/threads/prune", b"\xff\xfe"),
    ("/threads/prune", None),
    ("/threads/prune", {"thread_ids": 0}),
    ("/threads/prune", {"thread_ids": None}),
    ("/threads/prune", {"thread_ids": []}),
    ("/threads/prune", {"thread_ids": "OWN"}),
    ("/threads/prune", {"thread_ids": {"OWN": 1}}),
    ("/threads/prune", {"thread_ids": [5]}),
    ("/threads/prune", {"thread_ids": [""]}),
    ("/threads/prune", {"thread_ids": ["OWN", None]}),
    ("/threads/prune", {"strategy": "delete"}),
    ("/threads/prune", {"thread_id": "OWN"}),
    ("/threads/prune", b'{"thread_ids": ["OWN"], "thread_ids": []}'),
    ("/threads/prune", b"[" * 5_000),
    ("/runs/cancel", {}),
    ("/runs/cancel", []),
    ("/runs/cancel", b""),
    ("/runs/cancel", b"{"),
    ("/runs/cancel", {"status": "all"}),
    ("/runs/cancel", {"run_ids": ["OWN"]}),
    ("/runs/cancel", {"thread_id": "OWN", "run_ids": []}),
    ("/runs/cancel", {"thread_id": "OWN", "run_ids": ["OWN"], "status": "all"}),
    ("/runs/cancel", b'{"thread_id": "OWN", "run_ids": ["OWN"], "status": "all"}'),
]


@pytest.mark.parametrize(("path", "body"), ALL_THREADS)
def test_what_names_none_is_sent_to_disposable_deployments_only(path: str, body: Any) -> None:
    for disposable in (False, True):
        ours = Ownership(str(uuid4()), disposable=disposable)
        own = ours.new_id().encode()
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        if disposable:
            send("POST", path, raw.replace(b"OWN", own), ours)
        else:
            with pytest.raises(DisposableOnlyRefusal, match="--disposable"):
                send("POST", path, raw.replace(b"OWN", own), ours)


def test_what_names_its_threads_is_sent(ours: Ownership) -> None:
    own = ours.new_id()
    send("POST", "/threads/prune", {"thread_ids": [own, ours.absent_id()]}, ours)
    send("POST", "/runs/cancel", {"thread_id": own, "run_ids": [ours.absent_id()]}, ours)


@pytest.mark.parametrize("disposable", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/threads/prune", {"thread_ids": [STRANGER]}),
        ("/threads/prune", f'{{"thread_ids": ["{STRANGER}"'.encode()),
        ("/runs/cancel", {"thread_id": STRANGER, "status": "all"}),
    ],
)
def test_strangers_are_safe_on_disposable_deployments_too(
    disposable: bool, path: str, body: Any
) -> None:
    with pytest.raises(NotOursRefusal):
        send("POST", path, body, Ownership(str(uuid4()), disposable=disposable))


# ---- what could not be told from other people's -------------------------------------------


@pytest.mark.parametrize("body", [{}, {"metadata": {}}, {"metadata": {"of": "nobody"}}])
def test_a_thread_that_nobody_could_prove_is_not_created(body: Any, ours: Ownership) -> None:
    with pytest.raises(DisposableOnlyRefusal, match="without its tag"):
        send("POST", "/threads", body, ours)
    send("POST", "/threads", {**body, "metadata": ours.tag}, ours)
    # An id of the run's is enough once the deployment is known to use it.
    named = {**body, "thread_id": ours.new_id()}
    with pytest.raises(DisposableOnlyRefusal):
        send("POST", "/threads", named, ours)
    ours.ids_are_kept = True
    send("POST", "/threads", named, ours)


@pytest.mark.parametrize("body", [[], 5, None, b"{", {"metadata": 5}, {"metadata": []}])
def test_a_creation_that_is_to_be_refused_is_sent(body: Any, ours: Ownership) -> None:
    send("POST", "/threads", body, ours)


# ---- runs and crons -----------------------------------------------------------------------


@pytest.mark.parametrize(("method", "end"), [("DELETE", ""), ("POST", "/cancel")])
def test_only_proved_runs_are_changed(method: str, end: str, ours: Ownership) -> None:
    own, run = ours.new_id(), str(uuid4())
    path = f"/threads/{own}/runs/{run}{end}"
    with pytest.raises(NotOursRefusal, match="names a run"):
        send(method, path, b"", ours)
    shown = {"run_id": run, "thread_id": own, "metadata": {RUN_TAG: ours.run_id}}
    assert ours.own_run_if_proved(GetAnswer(run, 200, {**shown, "created_at": LATER}, own)) == ""
    send(method, path, b"", ours)
    send(method, f"/threads/{own}/runs/{ours.absent_id()}{end}", b"", ours)


def test_only_proved_runs_are_cancelled_together(ours: Ownership) -> None:
    own, run = ours.new_id(), str(uuid4())
    with pytest.raises(NotOursRefusal, match="names a run"):
        send("POST", "/runs/cancel", {"thread_id": own, "run_ids": [ours.new_id(), run]}, ours)


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_only_proved_crons_are_changed(method: str, ours: Ownership) -> None:
    cron = str(uuid4())
    with pytest.raises(NotOursRefusal, match="names a cron"):
        send(method, f"/runs/crons/{cron}", {}, ours)
    shown = {"cron_id": cron, "thread_id": ours.new_id(), "created_at": LATER}
    assert (
        ours.own_cron_if_proved(GetAnswer(cron, 200, {**shown, "payload": {"metadata": ours.tag}}))
        == ""
    )
    send(method, f"/runs/crons/{cron}", {}, ours)
    send(method, f"/runs/crons/{ours.absent_id()}", {}, ours)


@pytest.mark.parametrize("way", ["", "/wait", "/stream", "/batch"])
def test_a_stateless_run_names_no_stranger(way: str, ours: Ownership) -> None:
    body = {"assistant_id": "agent", "config": {"configurable": {"thread_id": STRANGER}}}
    send("POST", f"/runs{way}", {"assistant_id": "agent"}, ours)
    with pytest.raises(NotOursRefusal):
        send("POST", f"/runs{way}", [body] if way == "/batch" else body, ours)


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


def test_a_visit_looks_at_the_openapi_document_and_at_paths_that_are_absent() -> None:
    visit = Ownership(str(uuid4()), visits=[STRANGER])
    absent = visit.absent_id()
    for path in ("/openapi.json", f"/{absent}", f"/no/such/path/{absent}", "/info", "/ok"):
        send("GET", path, b"", visit)
    for method, path in (
        ("POST", "/openapi.json"),
        ("DELETE", f"/{absent}"),
        ("HEAD", f"/{absent}"),
        ("GET", "/OPENAPI.JSON"),
        ("GET", "/store/items"),
        ("GET", f"/{absent}/items"),
        ("GET", f"/threads/{STRANGER}/unheard/of"),
    ):
        with pytest.raises(GuardRefusal, match="only to look at threads"):
            send(method, path, b"", visit)


def test_without_threads_to_visit_none_may_be_looked_at() -> None:
    with pytest.raises(GuardRefusal, match="none of those to be looked at"):
        send("GET", f"/threads/{STRANGER}", b"", Ownership(str(uuid4()), visits=[]))


def test_a_thread_to_visit_may_be_spelled_in_any_way() -> None:
    visit = Ownership(str(uuid4()), visits=[STRANGER.upper()])
    send("GET", f"/threads/{STRANGER.replace('-', '')}", b"", visit)

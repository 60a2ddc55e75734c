"""Right servers that are built otherwise than the reference: their errors are judged, none fails.

What such a server makes untestable is blocked or unsupported, and never a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from starlette.types import ASGIApp

from conformance.contract.operations import load_operations
from conformance.contract.published import load_published
from conformance.contract.schemas import load_schema, violations
from conformance.contract.verdicts import Verdict
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.settings import Settings
from conformance.faults.kit.http_changes import without
from conformance.faults.kit.runs import Event, encode_events, events_in
from conformance.freedoms.refusals import BODIES, declared_members
from conformance.model.store import ThreadStore
from conformance.reference.wire import Wire, WireAnswer, WireRequest, json_answer
from conformance.runner.session import run_suite
from tests.conftest import served

pytestmark = pytest.mark.slow

MakeSettings = Callable[..., Settings]


def plain_text(status: int) -> WireAnswer:
    """What a router says where there is no such route."""
    return WireAnswer(status, b"Not Found", [(b"content-type", b"text/plain")])


def judged(
    differently: Callable[[Wire], None], settings_for: MakeSettings, **options: Any
) -> dict[str, Verdict]:
    """The verdicts on a server that differs from the reference in these ways."""

    def around(app: ASGIApp) -> ASGIApp:
        wire = Wire(app)
        differently(wire)
        return wire

    store = ThreadStore(clock=lambda: datetime.now(UTC), ids=uuid4)
    with served(store, around) as url:
        settings = settings_for(
            url, **{"profile": "extended", **options}, disposable=True, repeat_failures=0
        )
        report = run_suite(settings, identify_deployment(settings))
    return {each.id: each.verdict for each in report.requirements}


def those(verdicts: dict[str, Verdict], *kinds: Verdict) -> set[str]:
    return {each for each, verdict in verdicts.items() if verdict in kinds}


def test_errors_need_no_supersteps_and_no_history(settings_for: MakeSettings) -> None:
    def differently(wire: Wire) -> None:
        wire.before("history", "post_history")(lambda _: plain_text(405))

        # What is wrong in them is refused, but right ones are passed over.
        @wire.before("create", when=lambda request: not violations("thread_create", request.body))
        def ignore(request: WireRequest) -> None:
            request.body = without(request.members, "supersteps")

    verdicts = judged(differently, settings_for, capabilities=("errors",))
    assert those(verdicts, Verdict.FAIL, Verdict.ERROR) == set()
    # By its name, each is about the operation that is not there; refusals of it say nothing.
    about_history = {"ERROR-JSON-08", "ERROR-TYPE-08", "ERROR-TYPE-10", "ERROR-RANGE-05"}
    assert those(verdicts, Verdict.BLOCKED, Verdict.UNSUPPORTED) == {
        *about_history,
        "ERROR-ANY-03",
        "ERROR-BODY-01",
        "ERROR-BODY-02",
    }


def test_a_server_may_draw_the_ids_of_threads_itself(settings_for: MakeSettings) -> None:
    def differently(wire: Wire) -> None:
        @wire.before("create", when=lambda request: "thread_id" in request.members)
        def draw(request: WireRequest) -> None:
            request.body = without(request.members, "thread_id")

    verdicts = judged(differently, settings_for, capabilities=("errors",))
    assert those(verdicts, Verdict.FAIL, Verdict.ERROR) == set()
    assert those(verdicts, Verdict.BLOCKED) == set()


def test_what_a_refused_creation_made_is_found_under_whatever_id(
    settings_for: MakeSettings,
) -> None:
    def differently(wire: Wire) -> None:
        refused: set[int] = set()

        @wire.before("create")
        def make(request: WireRequest) -> None:
            if violations("thread_create", request.body):
                refused.add(id(request))
            metadata = request.members.get("metadata")
            request.body = {"metadata": metadata} if isinstance(metadata, dict) else {}

        @wire.after("create")
        def refuse(request: WireRequest, answer: WireAnswer) -> None:
            if id(request) in refused:
                answer.status, answer.body = 422, {"detail": "that is no thread"}

    verdicts = judged(differently, settings_for, requirements=("ERROR-SAFE-01", "ERROR-SAFE-07"))
    assert those(verdicts, Verdict.FAIL) == {"ERROR-SAFE-01", "ERROR-SAFE-07"}


def test_a_server_may_refuse_what_no_source_declares(settings_for: MakeSettings) -> None:
    queries = dict(_queries())

    def undeclared(request: WireRequest) -> Iterable[str]:
        if schema := BODIES.get(request.operation):
            yield from request.members.keys() - declared_members(load_schema(schema))
        if request.operation in ("get", "state", "history"):
            yield from request.query.keys() - queries[request.operation]

    def differently(wire: Wire) -> None:
        @wire.before(when=lambda request: any(undeclared(request)))
        def refuse(request: WireRequest) -> WireAnswer:
            return json_answer(422, {"detail": f"undeclared: {', '.join(undeclared(request))}"})

    generated = ("CREATE-19", "UPDATE-10", "HISTORY-13", "FILTER-07", "COUNT-07", "LINK-01")
    errors = tuple(f"ERROR-ANY-{number:02}" for number in range(1, 14))
    verdicts = judged(
        differently, settings_for, effort="standard", requirements=(*generated, *errors)
    )
    assert those(verdicts, Verdict.PASS) == {*generated, *errors}


def _queries() -> Iterable[tuple[str, set[str]]]:
    operations = load_operations()
    for name, operation_id in (
        ("get", "get_thread"),
        ("state", "get_state"),
        ("history", "get_history"),
    ):
        parameters = load_published()["operations"][operations[operation_id]["operation"]][
            "parameters"
        ]
        yield name, {each.removeprefix("query ") for each in parameters if each[:6] == "query "}


def test_a_refusal_may_have_another_status_and_say_why_elsewhere(
    settings_for: MakeSettings,
) -> None:
    def differently(wire: Wire) -> None:
        @wire.after(when=lambda request: request.operation not in ("", "prune"))
        def say(request: WireRequest, answer: WireAnswer) -> None:
            if 400 <= answer.status < 500:
                status = 400 if answer.status == 422 else answer.status
                other = json_answer(status, {"error": {"message": "that cannot be done"}})
                answer.status, answer.raw = other.status, other.raw

        wire.before("update_state", "prune")(lambda _: plain_text(404))

    verdicts = judged(differently, settings_for, capabilities=("errors",))
    # That there is a detail is published; that operations are missing has no requirement here.
    assert those(verdicts, Verdict.FAIL, Verdict.ERROR) == {"ERROR-BODY-02"}
    assert verdicts["ERROR-BODY-01"] is Verdict.UNSUPPORTED


def test_a_stream_may_tell_of_checkpoints_unasked(settings_for: MakeSettings) -> None:
    def differently(wire: Wire) -> None:
        @wire.after("run_stream", "run_join_stream")
        def tell(_request: WireRequest, answer: WireAnswer) -> None:
            told: list[Event] = []
            for number, name, data in events_in(answer.raw):
                if name.partition("|")[0] == "values":
                    told.append((number, name.replace("values", "checkpoints"), {"step": 0}))
                told.append((number, name, data))
            answer.raw = encode_events(told)

    requirements = ("STREAM-15", "STREAM-16")
    verdicts = judged(differently, settings_for, profile="full", requirements=requirements)
    assert those(verdicts, Verdict.PASS) == {*requirements}

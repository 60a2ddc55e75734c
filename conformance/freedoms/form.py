"""Freedoms of HTTP and JSON: other encodings of the same content, and other statuses."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

from conformance.deployment.ownership.proof import is_uuid
from conformance.faults.kit.http_changes import STATES, change_answer, change_shown
from conformance.freedoms.kit import OUTPUTS, with_success_status
from conformance.freedoms.registry import freedom
from conformance.reference.altered import Altered, Apply
from conformance.reference.wire import Json, WireAnswer, WireRequest

_JSON = b"application/json"


def _type_of(answer: WireAnswer) -> bytes:
    return dict(answer.headers).get(b"content-type", b"")


def _written(write: Callable[[Json], bytes]) -> Apply:
    """Encode the JSON of every answer by `write`."""

    def apply(altered: Altered) -> None:
        @altered.wire.after(rewrites_bytes=True)
        def rewrite(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.raw and _type_of(answer).startswith(_JSON):
                answer.raw = write(json.loads(answer.raw))

    return apply


def _indented(value: Json) -> bytes:
    return json.dumps(value, indent=2).replace("\n", "\r\n").encode() + b"\r\n"


def _plain(value: Json) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate must be escaped
        return json.dumps(value).encode()


def _in_order(value: Json) -> Json:
    """Sort the members of objects by length and then by name, as PostgreSQL's jsonb does."""
    if isinstance(value, list):
        return [_in_order(each) for each in value]
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode(errors="replace")), name))
        return {name: _in_order(value[name]) for name in names}
    return value


def _whole(value: Json) -> Json:
    """Write numbers without a zero fraction: 1.0 becomes 1."""
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


freedom(
    "answers-are-indented",
    layer=1,
    allowed_by="RFC 8259: whitespace around tokens means nothing.",
    choice="whitespace of JSON",
)(_written(_indented))
freedom(
    "texts-are-not-escaped",
    layer=1,
    allowed_by="RFC 8259: a character may stand as itself or escaped; UTF-8 is the encoding.",
    choice="whitespace of JSON",
)(_written(_plain))
freedom(
    "members-stand-in-another-order",
    layer=1,
    allowed_by="RFC 8259: the members of an object have no order.",
)(_written(lambda value: json.dumps(_in_order(value)).encode()))


@freedom(
    "members-stand-in-another-order-each-time",
    layer=1,
    allowed_by="RFC 8259: the members of an object have no order.",
)
def another_order_each_time(altered: Altered) -> None:
    chance = random.Random(0)

    def shuffled(value: Json) -> Json:
        if isinstance(value, list):
            return [shuffled(each) for each in value]
        if isinstance(value, dict):
            names = chance.sample(list(value), len(value))
            return {name: shuffled(value[name]) for name in names}
        return value

    _written(lambda value: json.dumps(shuffled(value)).encode())(altered)


def _stepping_by_fractions(state: Json) -> Json:
    metadata = state.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("step"), int):
        return state
    return {**state, "metadata": {**metadata, "step": float(metadata["step"])}}


@freedom(
    "integers-have-a-zero-fraction",
    allowed_by="JSON Schema: any number with a zero fraction is an integer, as 1.0.",
)
def integers_have_a_zero_fraction(altered: Altered) -> None:
    change_answer("count", to=lambda _, number: float(number))(altered)
    for operation in STATES:
        change_shown(operation, to=_stepping_by_fractions)(altered)


freedom(
    "whole-numbers-have-no-fraction",
    allowed_by="RFC 8259 does not tell 1.0 from 1.",
)(_written(lambda value: json.dumps(_whole(value)).encode()))


def _with_header(change: Callable[[list[tuple[bytes, bytes]]], list[tuple[bytes, bytes]]]) -> Apply:
    def apply(altered: Altered) -> None:
        @altered.wire.after()
        def rewrite(_request: WireRequest, answer: WireAnswer) -> None:
            answer.headers = change(answer.headers)

    return apply


freedom(
    "content-types-name-a-charset",
    layer=2,
    allowed_by="RFC 9110: a media type may have parameters, and its case means nothing.",
)(
    _with_header(
        lambda headers: [
            (name, b"Application/JSON; Charset=UTF-8" if value == _JSON else value)
            if name == b"content-type"
            else (name, value)
            for name, value in headers
        ]
    )
)
freedom(
    "runs-are-not-located",
    allowed_by="The published responses declare no headers; the SDK takes a run without "
    "Content-Location.",
    may_block="STATELESS-02 STATELESS-08",
)(_with_header(lambda headers: [each for each in headers if each[0] != b"content-location"]))


@freedom(
    "answers-are-compressed",
    layer=3,
    allowed_by="RFC 9110: a content coding that the request's Accept-Encoding names may be used.",
)
def answers_are_compressed(altered: Altered) -> None:
    @altered.wire.after(rewrites_bytes=True)
    def compress(request: WireRequest, answer: WireAnswer) -> None:
        accepted = dict(request.headers).get(b"accept-encoding", b"")
        if answer.raw and b"gzip" in accepted:
            answer.raw = gzip.compress(answer.raw)
            answer.headers = [*answer.headers, (b"content-encoding", b"gzip")]


@freedom(
    "answers-that-are-waited-for-begin-with-newlines",
    layer=2,
    allowed_by="RFC 8259: whitespace before a value means nothing; so a connection is kept open.",
)
def answers_that_are_waited_for_begin_with_newlines(altered: Altered) -> None:
    @altered.wire.after(*OUTPUTS, rewrites_bytes=True)
    def begin(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.ok:
            answer.raw = b"\n\n" + answer.raw


def _refusals(change: Callable[[Any, int], Any]) -> Apply:
    def apply(altered: Altered) -> None:
        @altered.wire.after()
        def rewrite(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.status >= 400 and isinstance(answer.body, dict):
                answer.body = change(answer.body, answer.status)

    return apply


freedom(
    "refusals-have-more-members",
    allowed_by="Rules of fairness: a JSON body that says why is right, and schemas are open.",
)(
    _refusals(
        lambda body, status: {**body, "status": status, "type": "about:blank", "instance": None}
    )
)


@freedom(
    "refusals-are-problem-json",
    layer=2,
    allowed_by="RFC 9457, which no source excludes; rules of fairness: a JSON body that says why "
    "is right.",
)
def refusals_are_problem_json(altered: Altered) -> None:
    @altered.wire.after()
    def rewrite(_request: WireRequest, answer: WireAnswer) -> None:
        if answer.status >= 400:
            answer.headers = [
                (name, b"application/problem+json" if name == b"content-type" else value)
                for name, value in answer.headers
            ]


def _deletions_answering(raw: bytes) -> Apply:
    def apply(altered: Altered) -> None:
        @altered.wire.after("delete", "run_delete", "cron_delete")
        def answer_so(_request: WireRequest, answer: WireAnswer) -> None:
            if answer.ok:
                answer.status, answer.raw = 200, raw
                answer.headers = [(b"content-type", b"application/json")]

    return apply


freedom(
    "creations-answer-201",
    allowed_by="Rules of fairness: any 2xx is right for a success.",
    choice="status of a creation",
)(with_success_status(201, "create", "copy", "cron_create"))

freedom(
    "creations-answer-202",
    allowed_by="Rules of fairness: any 2xx is right for a success.",
    choice="status of a creation",
)(
    with_success_status(
        202, "create", "copy", "run_background", "stateless_background", "stateless_batch"
    )
)

freedom(
    "runs-answer-201",
    allowed_by="Rules of fairness: any 2xx is right for a success.",
    choice="status of a run",
)(with_success_status(201, "run_background", "run_wait", "run_stream", "stateless_background"))

freedom(
    "deletions-answer-200-and-null",
    allowed_by="Rules of fairness: any 2xx is right for a success; the published response "
    "of a deletion is {}, any JSON.",
    choice="answer to a deletion",
)(_deletions_answering(b"null"))
freedom(
    "deletions-answer-200-and-the-id",
    allowed_by="Rules of fairness: any 2xx is right for a success; the published response "
    "of a deletion is {}, any JSON.",
    choice="answer to a deletion",
)(_deletions_answering(b'["deleted"]'))
freedom(
    "cancellations-answer-202",
    allowed_by="Rules of fairness: any 2xx is right for a success.",
    profile="full",
)(with_success_status(202, "run_cancel", "runs_cancel"))


def _status(was: int, becomes: int, *operations: str, malformed: bool | None = None) -> Apply:
    def when(request: WireRequest) -> bool:
        return malformed is None or is_uuid(request.thread_id) is not malformed

    def apply(altered: Altered) -> None:
        @altered.wire.after(*operations, when=when, status=was)
        def answer_otherwise(_request: WireRequest, answer: WireAnswer) -> None:
            answer.status = becomes

    return apply


_ANY_4XX = (
    "Rules of fairness: for a bad request any 4xx that says why is right, unless a "
    "particular one is declared."
)
freedom("bad-bodies-answer-400", allowed_by=_ANY_4XX, choice="status of a refusal")(
    _status(422, 400)
)
freedom("malformed-ids-answer-404", allowed_by=_ANY_4XX, choice="status of a refusal")(
    _status(422, 404, malformed=True)
)
freedom(
    "states-of-unknown-threads-answer-422",
    allowed_by=f"{_ANY_4XX} For states, histories and copies 422 is, and 404 is not.",
)(_status(404, 422, *STATES, "copy", "update_state", malformed=False))


freedom(
    "content-types-of-streams-name-a-charset",
    layer=2,
    allowed_by="RFC 9110: a media type may have parameters, and its case means nothing.",
)(
    _with_header(
        lambda headers: [
            (name, b"Text/Event-Stream; Charset=UTF-8")
            if name == b"content-type" and value.startswith(b"text/event-stream")
            else (name, value)
            for name, value in headers
        ]
    )
)

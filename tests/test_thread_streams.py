"""What checks see of a stream of a thread that is still being read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from conformance.checks.outcomes import Blocked
from conformance.checks.thread_streams import Joined, mode_of, named_data, of_modes
from conformance.deployment.client import Answer
from conformance.deployment.wire.stream_reading import Reader

STREAM = "text/event-stream"


def reading(body: bytes) -> tuple[Joined, Reader]:
    reader = Reader()
    reader.open(STREAM)
    reader.add(body)
    api: Any = SimpleNamespace(ensure_success=lambda answer, _thread: answer)
    return Joined(api, {"thread_id": "t"}, reader), reader


def answered(joined: Joined, kind: str = STREAM) -> Joined:
    joined.send(lambda _: Answer("thread_stream", 200, httpx.Headers({"content-type": kind}), ""))
    joined.leave()
    return joined


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_that_is_still_to_come_is_left_out(end: bytes) -> None:
    lines = [b"event: values", b'data: {"a": "\xc3\xa9"}', b"", b"event: updates", b"data: {"]
    joined, reader = reading(end.join(lines))
    assert named_data(joined.events) == [["values", {"a": "é"}]]
    reader.add(b"}" + end + end)
    assert named_data(joined.events) == [["values", {"a": "é"}], ["updates", {}]]


def test_what_is_cut_within_a_character_is_left_out() -> None:
    joined, _ = reading(b'event: a\ndata: 1\n\nevent: b\ndata: "\xc3')
    assert named_data(joined.events) == [["a", 1]]


def test_the_modes_of_events() -> None:
    joined, _ = reading(b"".join(b"event: %s\ndata: 1\n\n" % n for n in (b"values|x:1", b"end")))
    assert [mode_of(each) for each in joined.events] == ["values", "end"]
    assert len(of_modes(joined.events, ("values",))) == 1


@pytest.mark.parametrize("body", [b"event: a\ndata: {\n\n", b"data: 1\n\n", b"what: 1\n\n"])
def test_events_that_are_malformed_block(body: bytes) -> None:
    joined, _ = reading(body)
    with pytest.raises(Blocked) as blocked:
        _ = joined.events
    assert blocked.value.by[0].requirement == "THREAD-STREAM-31"


def test_what_ends_and_is_no_stream_blocks() -> None:
    joined, _ = reading(b"{}")
    joined = answered(joined, "application/json")
    assert joined.has_ended
    with pytest.raises(Blocked) as blocked:
        _ = joined.events
    assert blocked.value.by[0].requirement == "THREAD-STREAM-01"


def test_what_is_left_or_late_has_not_ended() -> None:
    joined, reader = reading(b"")
    assert answered(joined).has_ended
    reader.late = True
    assert not joined.has_ended
    reader.late = False
    reader.leave()
    assert not joined.has_ended

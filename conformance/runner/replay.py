"""Replay: the requests of a failure are sent again, in their order, and the answers compared.

They go through the guarded client of a run of their own: under new ids, with that run's tag, and
what they make is removed. Nothing in a report widens what may be written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import httpx

from conformance.contract.operations import BY_NAME
from conformance.deployment.connect import Connection, connect
from conformance.deployment.delivery.circuit_breaker import GivenUpError
from conformance.deployment.delivery.interruption import signals_as_interrupt
from conformance.deployment.ownership.guard import GuardRefusal
from conformance.deployment.ownership.ledger import claim, ledgers_dir
from conformance.deployment.record.exchange import Exchange
from conformance.deployment.record.redaction import REDACTED
from conformance.deployment.record.story import (
    asked_text,
    ids_of_check,
    needed_exchanges,
    needed_positions,
)
from conformance.deployment.settings import Settings
from conformance.json_differences import differences
from conformance.json_text import json_or_none
from conformance.report.record import CheckResult, Cleanup, Report
from conformance.runner.cleanup import clean_up
from conformance.safe_text import excerpt
from conformance.waiting import wait_until

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_CUT = re.compile(r"… \(\d+ characters in all\)$")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"\$(?:THREAD|CHECKPOINT|METADATA|VALUE)\b|\[not-ours\]|\[not recorded")
#: A string as a whole, so that nothing in it is taken for structure, or a mark of structure.
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]')
#: What may not end, or is sent over a connection of its own.
_ENDLESS = frozenset({"thread_stream", "thread_events"})
_OF_ACCESS = "access"
_PAUSE_S = 0.1


class NotRepeatableError(Exception):
    """The requests of a failure cannot be sent again; the message says why, and what to do."""


@dataclass(frozen=True)
class ReplayedStep:
    """One request with the answer in the report and the answer now.

    `status` is None and the answer says why, where there was none. `differences` are the smallest
    differences of the answers, ids and times aside; a request that was not sent has `refused`.
    """

    method: str
    path: str
    before: tuple[int | None, str]
    now: tuple[int | None, str]
    differences: tuple[str, ...]
    refused: bool = False

    @property
    def same(self) -> bool:
        """Whether the answer is as it was."""
        return self.before[0] == self.now[0] and not self.differences and not self.refused


@dataclass(frozen=True)
class Replay:
    """The steps that were sent, and what became of the threads that they made."""

    steps: tuple[ReplayedStep, ...]
    cleanup: Cleanup

    @property
    def same(self) -> bool:
        """Whether the last answer, the one that the check failed by, is as it was."""
        return bool(self.steps) and self.steps[-1].same


def repeated_positions(check: CheckResult) -> list[int]:
    """Return the positions of the exchanges of a failure that `replay` sends, in their order."""
    return needed_positions(_recorded(check))


def replay(
    check: CheckResult,
    report: Report,
    settings: Settings,
    go_on: Callable[[], bool] = lambda: True,
) -> Replay:
    """Send again what the failure of a check needs, to the deployment of `settings`.

    No further request is sent once `go_on` is false. Raises `NotRepeatableError` where the report
    does not hold the requests.
    """
    story = _story(check, report)
    with claim(ledgers_dir() / settings.run_id), signals_as_interrupt():
        steps: list[ReplayedStep] = []
        try:
            with (
                connect(settings, "replay", record=False) as connection,
                connection.recorder.check("replay") as recorded,
            ):
                sender = _Sender(connection, recorded, settings)
                sender.rename(story, report.run.id)
                base = _base(report)
                for exchange in story:
                    if not go_on():
                        break
                    steps.append(sender.send(exchange, base))
                    if steps[-1].refused:
                        break
        finally:
            cleanup = clean_up(settings)
    return Replay(tuple(steps), cleanup)


def _base(report: Report) -> str:
    return report.deployment.url.rstrip("/")


def _story(check: CheckResult, report: Report) -> list[Exchange]:
    """Return the exchanges to repeat; raise `NotRepeatableError` if the report lacks any."""
    recorded = _recorded(check)
    if not recorded:
        raise NotRepeatableError("the report holds no requests of this check")
    story = needed_exchanges(recorded)
    again = f"run the check again, with `threads-conformance run --requirement {_named(check)}`"
    if report.run.read_only or any(_PLACEHOLDER.search(asked_text(each)) for each in story):
        raise NotRepeatableError(f"the report leaves out what could be other people's: {again}")
    if check.capability == _OF_ACCESS:
        raise NotRepeatableError(
            f"this check is about who sends a request, which no report holds: {again}"
        )
    for each in story:
        if _CUT.search(each.request_body or ""):
            raise NotRepeatableError(f"a request is too long for the report: {again}")
        if each.operation in _ENDLESS or each.after_restart:
            raise NotRepeatableError(f"a stream or a restart is part of it: {again}")
        if not each.url.startswith(f"{_base(report)}/"):
            raise NotRepeatableError(f"a request went elsewhere than to {_base(report)}: {again}")
    return story


def _named(check: CheckResult) -> str:
    return ",".join(check.requirements) or "ID"


def _recorded(check: CheckResult) -> list[Exchange]:
    return [_exchange(each) for each in check.failure.exchanges] if check.failure else []


def _exchange(summary: Mapping[str, Any]) -> Exchange:
    """Return an exchange as a report quotes it; its headers are those of its command."""
    try:
        words = shlex.split(str(summary.get("curl") or ""))
    except ValueError:
        words = []
    headers = [
        (name, value.strip())
        for option, text in pairwise(words)
        if option == "-H"
        for name, _, value in [text.partition(":")]
    ]
    body = summary.get("request_body")
    if body and _CUT.search(body):
        # The command has it whole.
        body = next((text for option, text in pairwise(words) if option == "--data-raw"), body)
    return Exchange(
        check="",
        operation=str(summary.get("operation") or "other"),
        method=str(summary.get("method") or "GET"),
        url=str(summary.get("url") or ""),
        request_headers=tuple(headers),
        request_body=body,
        started_at="",
        elapsed_ms=0.0,
        status=summary.get("status"),
        response_body=summary.get("response_body"),
        error=summary.get("error"),
    )


class _Sender:
    """Sends recorded requests under new ids, and compares the answers."""

    def __init__(
        self, connection: Connection, recorded: list[Exchange], settings: Settings
    ) -> None:
        self._client = connection.client
        self._redactor = connection.recorder.redactor
        # What is shown of an answer is what the record has of it: nothing of other people's.
        self._recorded = recorded
        self._settings = settings
        #: New ids by the recorded ones.
        self._names: dict[str, str] = {}

    def rename(self, story: Sequence[Exchange], run_id: str) -> None:
        """Choose a new id for each that the check chose, and for its run."""
        self._names[run_id] = self._settings.run_id
        for name in ids_of_check(story):
            if name not in self._names:
                self._names[name] = self._client.ownership.new_id()

    def send(self, exchange: Exchange, base: str) -> ReplayedStep:
        """Send a request again; a question is asked until the answer is as it was, for a while."""
        known = BY_NAME.get(exchange.operation)
        reads = known is not None and not known.writes
        if not reads:
            return self._send_once(exchange, base)
        return wait_until(
            lambda: self._send_once(exchange, base),
            lambda step: step.same or step.refused,
            within_s=self._settings.visible_within_s,
            pause_s=_PAUSE_S,
        )

    def _send_once(self, exchange: Exchange, base: str) -> ReplayedStep:
        parts = urlsplit(self._renamed(exchange.url.removeprefix(base)))
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        step = ReplayedStep(
            exchange.method,
            target,
            (exchange.status, exchange.response_body or exchange.error or ""),
            (None, ""),
            (),
        )
        asked = self._renamed(exchange.request_body or "")
        if self._is_unknown(f"{target} {asked}"):
            why = "not sent: no answer has given the id that it names"
            return replace(step, now=(None, why), refused=True)
        body = asked.encode("utf-8", "surrogatepass")
        try:
            answer = self._client.forward(
                exchange.method,
                target,
                body,
                {
                    name: self._renamed(value)
                    for name, value in exchange.request_headers
                    if REDACTED not in value
                },
                private=(exchange.response_body or "").startswith("[not recorded"),
            )
        except GuardRefusal as refused:
            return replace(step, now=(None, f"not sent: {refused}"), refused=True)
        except (httpx.HTTPError, GivenUpError) as broken:
            return replace(step, now=(None, self._redactor.text(str(broken) or repr(broken))))
        text = self._recorded[-1].response_body or ""
        if text.startswith("[not recorded"):
            return replace(step, now=(answer.status_code, text))
        self._learn(exchange.response_body or "", answer.text)
        return replace(
            step,
            now=(answer.status_code, text),
            differences=self._differences(exchange.response_body or "", text),
        )

    def _is_unknown(self, asked: str) -> bool:
        """Return whether a request names an id that this replay neither chose nor learned.

        Such an id would be that of a thread which is not the replay's, or of one of its states.
        """
        known = {each.lower() for each in self._names.values()}
        return not known.issuperset(_UUID.findall(asked.lower()))

    def _renamed(self, text: str) -> str:
        for old, new in self._names.items():
            text = text.replace(old, new).replace(old.upper(), new.upper())
        return text

    def _learn(self, before: str, now: str) -> None:
        """Learn which new id stands for which recorded one: that at the same place."""
        recorded = json_or_none(_completed(before) if _CUT.search(before) else before)
        for old, new in _ids_at_equal_places(recorded, json_or_none(now)):
            if old != new:
                self._names.setdefault(old, new)

    def _differences(self, before: str, now: str) -> tuple[str, ...]:
        if _CUT.search(before):
            # Of a long answer only the beginning is known.
            known = self._masked(_CUT.sub("", before))
            shown = self._masked(now)[: len(known)]
            return () if shown == known else ("$: a long answer begins in another way",)
        if before.startswith("[not recorded"):
            return ()
        one, other = self._masked(before), self._masked(now)
        if one == other:
            return ()
        parsed = json_or_none(one), json_or_none(other)
        if None in parsed:
            return (f"$: expected {excerpt(one, 160)}, got {excerpt(other, 160)}",)
        return differences(*parsed)

    def _masked(self, text: str) -> str:
        return _TIME.sub("<time>", self._renamed(text))


def _completed(cut: str) -> str:
    """Return JSON that was cut, up to its last whole member, with what is open closed."""
    closing = {"{": "}", "[": "]"}
    marks = [each for each in _STRUCTURE.finditer(_CUT.sub("", cut)) if each[0][0] != '"']
    last = next((each for each in reversed(marks) if each[0] not in closing), None)
    if last is None:
        return ""
    end = last.start() if last[0] == "," else last.end()
    open_brackets: list[str] = []
    for mark in marks:
        if mark.end() > end:
            break
        if mark[0] in closing:
            open_brackets.append(closing[mark[0]])
        elif mark[0] != "," and open_brackets:
            open_brackets.pop()
    return cut[:end] + "".join(reversed(open_brackets))


def _ids_at_equal_places(one: Any, other: Any) -> Iterator[tuple[str, str]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() & other.keys():
            yield from _ids_at_equal_places(one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list):
        for each in zip(one, other, strict=False):
            yield from _ids_at_equal_places(*each)
    elif (
        isinstance(one, str)
        and isinstance(other, str)
        and _UUID.fullmatch(one)
        and _UUID.fullmatch(other)
    ):
        yield one, other

"""Verification: every question about a plant is sent again, and the answers are compared."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import httpx

from conformance.deployment.cleanup.removal import delete_thread
from conformance.deployment.client import ThreadsClient
from conformance.deployment.connect import Connection, connect, redactor_of
from conformance.deployment.ownership.proof import GetAnswer, canonical
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import ServerInfo, UnreachableError
from conformance.deployment.record.reproduction import reproduction
from conformance.deployment.settings import Settings
from conformance.plant.comparing import Difference, Kind, compare_answers, without_threads
from conformance.plant.plant_file import Plant
from conformance.plant.probes import Prober, ReadRequest, RecordedAnswer
from conformance.plant.promises import promise_of
from conformance.plant.scenarios import carries_tag
from conformance.waiting import wait_until

#: After so many questions in a row without an answer, the deployment counts as gone.
_MOST_UNANSWERED = 3
_PAUSE_S = 0.1
_GONE = (404, 410)


@dataclass(frozen=True)
class Finding:
    """One difference: its question, the promise that it breaks, and curl commands."""

    question: ReadRequest
    thread_id: str | None
    difference: Difference
    promise: str
    curl: str


@dataclass(frozen=True)
class Swept:
    """How many threads of a plant were removed, and which stay, each with the reason."""

    removed: int
    left: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Verification:
    """The result of a verification; `compared` is the number of recorded successes compared.

    `gone` are the kinds of threads that do not exist any more, or not with the plant's tag.
    """

    plant: Plant
    url: str
    server: ServerInfo
    compared: int
    findings: tuple[Finding, ...]
    gone: tuple[str, ...]
    swept: Swept | None = None

    @property
    def losses(self) -> tuple[Finding, ...]:
        """The findings that are losses."""
        return tuple(each for each in self.findings if each.difference.kind.is_loss)

    @property
    def identical(self) -> bool:
        """Whether nothing is lost."""
        return not self.losses


def verify_plant(plant: Plant, settings: Settings, *, sweep: bool = False) -> Verification:
    """Send all questions again and return the result; with `sweep`, then remove the threads.

    `settings` come from `settings_for_plant`. Raises `UnreachableError` if the deployment does not
    answer.
    """
    server = identify_deployment(settings)
    ids = [each.thread_id for each in plant.threads]
    with connect(settings, "verify", record=False, visits=ids) as connection:
        verifier = _Verifier(plant, connection, settings)
        findings = verifier.findings()
    return Verification(
        plant=plant,
        url=redactor_of(settings).url(settings.url),
        server=server,
        compared=verifier.compared,
        findings=tuple(findings),
        gone=tuple(each.kind for each in plant.threads if each.kind in verifier.gone),
        swept=_sweep(plant, settings) if sweep else None,
    )


class _Verifier:
    """The verification of one plant. `gone` are the kinds of threads that are not read any more."""

    def __init__(self, plant: Plant, connection: Connection, settings: Settings) -> None:
        self._plant = plant
        self._recorder = connection.recorder
        self._ids = {each.kind: each.thread_id for each in plant.threads}
        self._prober = Prober(
            connection.client, connection.recorder.redactor, plant.id, plant.threads
        )
        self._searches = [each for each in plant.answers if each.question.operation == "search"]
        self._visible_by = time.monotonic() + settings.visible_within_s
        self._unanswered = 0
        self.compared = 0
        self.gone: set[str] = set()

    def findings(self) -> list[Finding]:
        """Find out which threads are gone, then send the questions; return every difference."""
        answers = list(self._plant.answers)
        shown = [each.question.kind for each in answers if each.question.operation == "get"]
        found = [each for kind in self._ids if kind not in shown for each in self._look_up(kind)]
        # GETs come first (False sorts first): a thread that is gone is reported once, then skipped.
        for before in sorted(answers, key=lambda each: each.question.operation != "get"):
            if before.question.kind not in self.gone:
                found += self._verify_answer(before)
        return found

    def _look_up(self, kind: str) -> list[Finding]:
        """Send GET for a thread of which no GET is recorded; return a finding if it is gone."""
        question = ReadRequest("get", kind)
        with self._recorder.check(str(question)) as exchanges:
            now = self._send(question)
            commands = reproduction(exchanges)
        if self._is_ours(now):
            return []
        self.gone.add(kind)
        seen = now if isinstance(now, str) else now.status
        gone = Difference(Kind.MISSING, "$", "a thread with the plant's tag", seen)
        return [Finding(question, self._ids[kind], gone, promise_of(question, gone), commands)]

    def _verify_answer(self, before: RecordedAnswer) -> list[Finding]:
        question = before.question
        with self._recorder.check(str(question)) as exchanges:
            expected = without_threads(before, self._gone_ids(), self._searches)

            def read() -> tuple[RecordedAnswer | str, tuple[Difference, ...]]:
                self._recorder.forget()
                now = self._send(question)
                return now, self._differences(expected, now)

            now, differences = wait_until(
                read,
                lambda seen: not _may_be_late(question, seen[1]),
                within_s=self._visible_by - time.monotonic(),
                pause_s=_PAUSE_S,
            )
            commands = reproduction(exchanges)
        self.compared += before.ok
        if question.operation == "get" and not self._is_ours(now):
            self.gone.add(str(question.kind))
        thread_id = self._ids.get(str(question.kind))
        return [
            Finding(question, thread_id, each, promise_of(question, each), commands)
            for each in differences
        ]

    def _send(self, question: ReadRequest) -> RecordedAnswer | str:
        """Return the answer, or a sentence on why there is none.

        Raises `UnreachableError` if the deployment does not answer any more.
        """
        try:
            answer = self._prober.send(question)
        except httpx.HTTPError as broken:
            self._unanswered += 1
            reason = self._recorder.redactor.text(str(broken)) or type(broken).__name__
            if self._unanswered >= _MOST_UNANSWERED or isinstance(broken, httpx.ConnectError):
                raise UnreachableError(
                    f"the deployment answers no more ({reason}): "
                    "verify again once it is there; the plant file is as it was"
                ) from broken
            return reason
        self._unanswered = 0
        return answer

    def _differences(
        self, before: RecordedAnswer, now: RecordedAnswer | str
    ) -> tuple[Difference, ...]:
        if isinstance(now, str):
            return (Difference(Kind.MISSING, "$", before.status, now),)
        return compare_answers(before, now)

    def _is_ours(self, now: RecordedAnswer | str) -> bool:
        """Return whether a thread may be read further: it is neither gone nor someone else's."""
        if isinstance(now, str) or not now.ok:
            return not isinstance(now, str) and now.status not in _GONE
        return carries_tag(now.answer, self._plant.id)

    def _gone_ids(self) -> list[str]:
        return [canonical(self._ids[kind]) for kind in self.gone]


def _may_be_late(question: ReadRequest, differences: tuple[Difference, ...]) -> bool:
    """Return whether a search or count may only be late in showing a thread."""
    visible_later = question.operation in ("search", "count")
    return visible_later and any(each.kind.is_loss for each in differences)


def _sweep(plant: Plant, settings: Settings) -> Swept:
    """Remove the threads that the plant names and that carry its tag, and no others."""
    removed, left = 0, []
    with connect(settings, "sweep", record=False) as connection:
        for thread in plant.threads:
            fate = _remove(connection.client, thread.thread_id, plant.id)
            if fate == "removed":
                removed += 1
            elif fate is not None:
                left.append((thread.thread_id, fate))
    return Swept(removed, tuple(left))


def _remove(client: ThreadsClient, thread_id: str, plant_id: str) -> str | None:
    """Remove a thread; return `removed`, why it stays, or None if it does not exist."""
    try:
        shown = client.get(thread_id)
    except httpx.HTTPError:
        return "the deployment does not answer"
    if shown.status in _GONE:
        return None
    if not (shown.ok and carries_tag(shown.body, plant_id)):
        return "it does not carry the plant's tag: look whose it is, and delete it by hand"
    if doubt := client.ownership.own_thread_if_proved(
        GetAnswer(thread_id, shown.status, shown.body)
    ):
        return f"{doubt}: look whose it is, and delete it by hand"
    reason = delete_thread(client, thread_id)
    return f"it could not be deleted: {reason}" if reason else "removed"


def settings_for_plant(settings: Settings, plant: Plant) -> Settings:
    """Return the settings to verify a plant with: the run id and start of its planting."""
    return replace(settings, run_id=plant.id, started_at=plant.planted_at)

"""Verifying: every answer about a plant is asked for again, and compared."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import httpx

from conformance.deployment.cleanup import delete_thread
from conformance.deployment.client import ThreadsClient
from conformance.deployment.connect import Connection, connect, redactor_for
from conformance.deployment.identify import identify_deployment
from conformance.deployment.ownership import GetAnswer, canonical
from conformance.deployment.preflight import ServerInfo, UnreachableError
from conformance.deployment.repro import reproduction
from conformance.deployment.settings import Settings
from conformance.plant.comparing import Difference, Kind, compared, without
from conformance.plant.plant_file import Plant
from conformance.plant.probes import Interviewer, Question, Recorded
from conformance.plant.promises import written
from conformance.plant.scenarios import carries_tag

#: So many questions in a row without an answer: there is no deployment any more.
_PATIENCE = 3
_PAUSE_S = 0.1
_GONE = (404, 410)


@dataclass(frozen=True)
class Finding:
    """One difference: of which answer, where it is written, and how to see it."""

    question: Question
    thread_id: str | None
    difference: Difference
    written: str
    curl: str


@dataclass(frozen=True)
class Swept:
    """Threads of a plant that were removed, and those that stay, each with the reason."""

    removed: int
    left: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Verification:
    """What became of a plant. `asked` is the number of recorded successes that were compared.

    `gone` are the kinds of threads that do not stand any more, or not as the plant's.
    """

    plant: Plant
    url: str
    server: ServerInfo
    asked: int
    findings: tuple[Finding, ...]
    gone: tuple[str, ...]
    swept: Swept | None = None

    @property
    def losses(self) -> tuple[Finding, ...]:
        """The findings by which the plant is no longer what it was."""
        return tuple(each for each in self.findings if each.difference.kind.is_loss)

    @property
    def identical(self) -> bool:
        """Whether nothing is lost."""
        return not self.losses


def verify_plant(plant: Plant, settings: Settings, *, sweep: bool = False) -> Verification:
    """Ask everything again; with `sweep`, then remove the plant's threads.

    `settings` are those of the plant's own id. `UnreachableError` where the deployment
    does not answer.
    """
    server = identify_deployment(settings)
    ids = [each.thread_id for each in plant.trees]
    with connect(settings, "verify", record=False, visits=ids) as connection:
        verifier = _Verifier(plant, connection, settings)
        findings = verifier.findings()
    return Verification(
        plant=plant,
        url=redactor_for(settings.url, settings.headers).url(settings.url),
        server=server,
        asked=verifier.asked,
        findings=tuple(findings),
        gone=tuple(each.kind for each in plant.trees if each.kind in verifier.gone),
        swept=_swept(plant, settings) if sweep else None,
    )


class _Verifier:
    """Asks about one plant. `gone` are the kinds of which nothing more can be asked."""

    def __init__(self, plant: Plant, connection: Connection, settings: Settings) -> None:
        self._plant = plant
        self._recorder = connection.recorder
        self._ids = {each.kind: each.thread_id for each in plant.trees}
        self._interviewer = Interviewer(
            connection.client, connection.recorder.redactor, plant.id, plant.trees
        )
        self._searches = [each for each in plant.answers if each.question.operation == "search"]
        self._visible_by = time.monotonic() + settings.visible_within_s
        self._broken = 0
        self.asked = 0
        self.gone: set[str] = set()

    def findings(self) -> list[Finding]:
        """Every difference. First of all, which threads stand and are the plant's."""
        answers = list(self._plant.answers)
        shown = [each.question.kind for each in answers if each.question.operation == "get"]
        found = [each for kind in self._ids if kind not in shown for each in self._stands(kind)]
        # `False` comes first: what is gone is told once, and not asked about any further.
        for before in sorted(answers, key=lambda each: each.question.operation != "get"):
            if before.question.kind not in self.gone:
                found += self._about(before)
        return found

    def _stands(self, kind: str) -> list[Finding]:
        """A thread that GET never showed twice alike is asked for all the same."""
        question = Question("get", kind)
        with self._recorder.check(str(question)) as exchanges:
            now = self._answer(question)
            commands = reproduction(exchanges)
        if self._is_ours(now):
            return []
        self.gone.add(kind)
        seen = now if isinstance(now, str) else now.status
        gone = Difference(Kind.MISSING, "$", "a thread with the plant's tag", seen)
        return [Finding(question, self._ids[kind], gone, written(question, gone), commands)]

    def _about(self, before: Recorded) -> list[Finding]:
        question = before.question
        with self._recorder.check(str(question)) as exchanges:
            now = self._answer(question)
            expected = without(before, self._gone_ids(), self._searches)
            differences = self._differences(expected, now)
            while _late(question, differences) and time.monotonic() < self._visible_by:
                time.sleep(_PAUSE_S)
                self._recorder.forget()
                now = self._answer(question)
                differences = self._differences(expected, now)
            commands = reproduction(exchanges)
        self.asked += before.ok
        if question.operation == "get" and not self._is_ours(now):
            self.gone.add(str(question.kind))
        thread_id = self._ids.get(str(question.kind))
        return [
            Finding(question, thread_id, each, written(question, each), commands)
            for each in differences
        ]

    def _answer(self, question: Question) -> Recorded | str:
        """The answer, or in words why there is none."""
        try:
            answer = self._interviewer.ask(question)
        except httpx.HTTPError as broken:
            self._broken += 1
            said = self._recorder.redactor.text(str(broken)) or type(broken).__name__
            if self._broken >= _PATIENCE or isinstance(broken, httpx.ConnectError):
                raise UnreachableError(
                    f"the deployment answers no more ({said}): "
                    "verify again once it is there; the plant file is as it was"
                ) from broken
            return said
        self._broken = 0
        return answer

    def _differences(self, before: Recorded, now: Recorded | str) -> tuple[Difference, ...]:
        if isinstance(now, str):
            return (Difference(Kind.MISSING, "$", before.status, now),)
        return compared(before, now)

    def _is_ours(self, now: Recorded | str) -> bool:
        """Whether more may be asked about a thread: it is not gone, nor someone else's."""
        if isinstance(now, str) or not now.ok:
            return not isinstance(now, str) and now.status not in _GONE
        return carries_tag(now.answer, self._plant.id)

    def _gone_ids(self) -> list[str]:
        return [canonical(self._ids[kind]) for kind in self.gone]


def _late(question: Question, differences: tuple[Difference, ...]) -> bool:
    """Whether a search or count may only be late in showing what stands."""
    visible_later = question.operation in ("search", "count")
    return visible_later and any(each.kind.is_loss for each in differences)


def _swept(plant: Plant, settings: Settings) -> Swept:
    """Remove the threads that the plant names and that carry its tag, and no other."""
    removed, left = 0, []
    with connect(settings, "sweep", record=False) as connection:
        for tree in plant.trees:
            fate = _removed(connection.client, tree.thread_id, plant.id)
            if fate == "removed":
                removed += 1
            elif fate is not None:
                left.append((tree.thread_id, fate))
    return Swept(removed, tuple(left))


def _removed(client: ThreadsClient, thread_id: str, plant_id: str) -> str | None:
    """`removed`, or why the thread stays; None where there is none."""
    try:
        shown = client.get(thread_id)
    except httpx.HTTPError:
        return "the deployment does not answer"
    if shown.status in _GONE:
        return None
    if not (shown.ok and carries_tag(shown.body, plant_id)):
        return "it does not carry the plant's tag: look whose it is, and delete it by hand"
    if doubt := client.ownership.adopt_thread(GetAnswer(thread_id, shown.status, shown.body)):
        return f"{doubt}: look whose it is, and delete it by hand"
    reason = delete_thread(client, thread_id)
    return f"it could not be deleted: {reason}" if reason else "removed"


def for_plant(settings: Settings, plant: Plant) -> Settings:
    """The settings under which a plant is verified: as the job that planted it."""
    return replace(settings, run_id=plant.id, started_at=plant.planted_at)

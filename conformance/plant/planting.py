"""Planting: threads are made, then read until the answers settle, and the file is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from conformance.deployment.cleanup.removal import remove_all
from conformance.deployment.connect import Connection, connect, redactor_of
from conformance.deployment.delivery.interruption import signals_as_interrupt
from conformance.deployment.ownership.ledger import claim, ledgers_dir, read_ledger, remove_ledger
from conformance.deployment.ownership.proof import canonical
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.plant.plant_file import Plant, check_writable, write_plant
from conformance.plant.probes import Prober, ReadRequest, RecordedAnswer
from conformance.plant.scenarios import LONG_STATES, LeftOut, ThreadPlanter
from conformance.runner.cleanup import clean_up
from conformance.waiting import wait_until

_PAUSE_S = 0.1

OnKind = Callable[[str], None]


class PlantingFailedError(Exception):
    """Nothing was planted; the message says why, and what became of the threads made."""


def plant_threads(
    settings: Settings,
    path: Path,
    long_states: int = LONG_STATES,
    on_kind: OnKind = lambda kind: None,
) -> Plant:
    """Plant threads on the deployment, write them to `path`, and return the plant.

    `long_states` is the number of states of the long thread; `on_kind` is called with each kind
    of thread before it is made. Since the threads are to stay, the ledger, by which `sweep` removes
    what an interrupted run left, is removed once the file is written; if planting fails before
    that, the threads are removed. Raises `PlantFileError` if `path` cannot be written,
    `UnreachableError` if no Threads server answers, and `PlantingFailedError` if nothing could be
    planted.
    """
    check_writable(path)
    server = identify_deployment(settings)
    with claim(ledgers_dir() / settings.run_id), signals_as_interrupt():
        try:
            with connect(settings, "plant", record=False) as connection:
                plant = _make_plant(connection, settings, server, long_states, on_kind)
                plant = _without_leftovers(connection, settings, plant)
            write_plant(plant, path)
        except BaseException as broken:
            fate = _remove_all(settings)
            if isinstance(broken, KeyboardInterrupt):
                raise PlantingFailedError(f"interrupted; {fate}") from broken
            if isinstance(broken, httpx.HTTPError | PlantingFailedError):
                reason = redactor_of(settings).text(str(broken))
                raise PlantingFailedError(f"{reason or type(broken).__name__}; {fate}") from broken
            raise
        remove_ledger(ledgers_dir() / settings.run_id)
    return plant


def _make_plant(
    connection: Connection,
    settings: Settings,
    server: ServerInfo,
    long_states: int,
    on_kind: OnKind,
) -> Plant:
    redactor = connection.recorder.redactor
    planter = ThreadPlanter(connection.client, settings, long_states)
    planter.plant(on_kind)
    if not planter.threads:
        raise PlantingFailedError(f"no thread can be planted: {planter.left_out[0].reason}")
    on_kind("answers")
    prober = Prober(connection.client, redactor, settings.run_id, planter.threads)
    answers, unsettled = _settled_answers(prober, settings, [each.kind for each in planter.threads])
    return Plant(
        id=settings.run_id,
        planted_at=settings.started_at,
        url=redactor.url(settings.url),
        server=server,
        graph_id=settings.graph.id,
        threads=tuple(planter.threads),
        left_out=tuple(
            LeftOut(each.what, redactor.text(each.reason))
            for each in [*planter.left_out, *unsettled]
        ),
        answers=answers,
    )


def _settled_answers(
    prober: Prober, settings: Settings, kinds: Sequence[str]
) -> tuple[tuple[RecordedAnswer, ...], list[LeftOut]]:
    """Send all questions until no answer changes; return the answers, and what never settled.

    A search may show a thread late, and a status may change after the end of a run.
    """
    histories = {kind: prober.send(ReadRequest("history", kind)) for kind in kinds}
    states = {kind: recorded.answer for kind, recorded in histories.items()}
    questions = [each.question for each in histories.values()]
    questions += prober.questions(states)
    answers = [prober.send(each) for each in questions]

    def read_again() -> tuple[list[ReadRequest], float]:
        nonlocal answers
        again = [prober.send(each) for each in questions]
        changed = [
            each.question for each, before in zip(again, answers, strict=True) if each != before
        ]
        answers = again
        return changed, len(kinds) - _found_threads(answers)

    unsettled, hidden = wait_until(
        read_again,
        lambda seen: not seen[0] and seen[1] <= 0,
        within_s=settings.visible_within_s,
        pause_s=_PAUSE_S,
    )
    left_out = [
        LeftOut(_question_text(each), "two answers differ, though nothing was done")
        for each in unsettled
    ]
    if hidden > 0:
        unsettled += [each for each in questions if each.operation in ("search", "count")]
        left_out.append(
            LeftOut("search and count", f"a search for the tag of the plant lacks {hidden} threads")
        )
    return tuple(each for each in answers if each.question not in unsettled), left_out


def _found_threads(answers: Sequence[RecordedAnswer]) -> float:
    """Return how many threads the search for the plant's tag shows; infinity if it fails."""
    for each in answers:
        if each.question.operation == "search" and not each.question.filters and each.ok:
            return len(each.answer["threads"])
    return float("inf")


def _question_text(question: ReadRequest) -> str:
    return f"{question} of {question.kind}" if question.kind else str(question)


def _without_leftovers(connection: Connection, settings: Settings, plant: Plant) -> Plant:
    """Remove threads of kinds that were left out; return the plant, which notes those that stay."""
    ids = [each.thread_id for each in plant.threads]
    ledger = read_ledger(ledgers_dir() / settings.run_id)
    removal = remove_all(connection.client, ledger, keep={*ids, *map(canonical, ids)})
    stays = [
        LeftOut(f"the thread {each.thread_id}", f"it could not be removed: {each.reason}")
        for each in removal.left
    ]
    # Its id is left out, since the thread is not proved to be this run's.
    stays += [LeftOut("a thread that may stand", each.reason) for each in removal.possible]
    return replace(plant, left_out=(*plant.left_out, *stays))


def _remove_all(settings: Settings) -> str:
    """Remove the threads that were made; return a sentence on what became of them."""
    cleanup = clean_up(settings)
    sentence = "nothing was planted"
    if cleanup.created:
        sentence = f"of the {cleanup.created} threads that were made {cleanup.removed} are removed"
    if (ledgers_dir() / settings.run_id).exists():
        url = redactor_of(settings).url(settings.url)
        sentence += f"; `threads-conformance sweep --url {url}` removes what is left"
    return sentence

"""What the checks of conditions do to the threads that they make, as the benchmarks count it.

The checks of the profile `full` that name a condition are run on the reference, in process, while
their requests, and the functions that judge, are watched.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any

import pytest

from conformance.checks import conditions
from conformance.checks.acts import SUBJECT
from conformance.contract.catalogue import HTTP, PROFILES, load_catalogue
from conformance.deployment.settings import Settings
from conformance.reference.altered import Altered
from conformance.reference.wire import WireAnswer, WireRequest
from conformance.selftest.asgi import InProcess
from conformance.selftest.impact import Impact, ImpactRecorder, SentRequest
from conformance.selftest.processes import Results, Tasks
from conformance.selftest.worker import Worker, deployment, run_worker

#: The status under which a command that is refused by 200 is counted.
REFUSED_COMMAND = 400
#: How deep in the arguments of a judging function its threads are looked for.
_DEPTH = 4


@dataclass(frozen=True)
class Judged:
    """A judgement that held: the function, the threads in its arguments, and when.

    `at` is the number of requests that had been sent when it returned.
    """

    function: str
    threads: frozenset[str]
    at: int


@dataclass
class Story:
    """One check: its condition, the threads in that condition, and what was done with them.

    `threads` has the number of requests sent when each thread was made. `sent` are the requests
    about threads with their numbers, those that made a thread left out.
    """

    condition: str
    threads: dict[str, int]
    sent: list[tuple[int, SentRequest]]
    judged: list[Judged] = field(default_factory=list)

    def of(self, thread_id: str) -> list[tuple[int, SentRequest]]:
        """Return the requests about that thread since it was made, or that find or count any."""
        since = self.threads[thread_id]
        return [
            (number, each)
            for number, each in self.sent
            if number >= since and _is_of(each, thread_id)
        ]


def _is_of(sent: SentRequest, thread_id: str) -> bool:
    """Return whether a request is about that thread, or counts or finds threads."""
    request = sent.request
    named = request.members.get("thread_ids") or [request.members.get("thread_id")]
    return (
        request.thread_id == thread_id
        or thread_id in named
        or request.operation in ("search", "count")
    )


def stories(judging: Iterable[Callable[..., Any]] = ()) -> list[Story]:
    """Run the checks that name a condition, and return what each did.

    Calls of the functions in `judging` are noted where they return. An error ends the program.
    """
    tasks, rows = _Once(), _Rows()
    watched = tuple(judging)

    def make(settings: Settings, host: InProcess) -> Worker:
        return _Watching(settings, host, tasks, rows, watched)

    wanted = tuple(each.id for each in load_catalogue().in_profile(PROFILES[-1], (HTTP,)))
    run_worker(
        make,
        rows,
        profile=PROFILES[-1],
        clients=(HTTP,),
        requirements=wanted,
        visible_within_s=1.0,
    )
    return rows.found


class _Watching(Worker):
    """A worker that runs the checks of conditions once, and notes what each does."""

    def __init__(
        self,
        settings: Settings,
        host: InProcess,
        tasks: Tasks,
        results: Results[Any],
        judging: Sequence[Callable[..., Any]],
    ) -> None:
        super().__init__(settings, host, tasks, results)
        self._judging = judging

    def alterations(self) -> Iterable[Altered]:
        """Yield none: requests and judgements are only watched."""
        return ()

    def row(self, name: str, items: Sequence[pytest.Item]) -> list[Story]:
        """Return the story of each check that names a condition."""
        right, self.host.app = deployment(None, with_tenants=False)
        watcher = ImpactRecorder(right, ())
        made: dict[str, int] = {}
        making: list[range] = []
        judged: list[Judged] = []

        @right.wire.after("thread_command")
        def note_error(request: WireRequest, answer: WireAnswer) -> None:
            # A command may be refused by 200 with an error; it counts as refused.
            if isinstance(answer.body, dict) and answer.body.get("type") == "error":
                for each in watcher.current.requests:
                    each.status = REFUSED_COMMAND if each.request is request else each.status

        def watched(
            right_make: conditions.Make, maker: conditions.Maker
        ) -> conditions.ThreadInCondition:
            begun = len(watcher.current.requests)
            thread = right_make(maker)
            ended = len(watcher.current.requests)
            making.append(range(begun, ended))
            made[str(thread.thread["thread_id"])] = ended
            return thread

        for each, right_make in conditions.MAKERS.items():
            conditions.MAKERS[each] = partial(watched, right_make)
        for function in self._judging:
            watch(function, lambda one: judged.append(one), lambda: len(watcher.current.requests))
        found = []
        for item in items:
            condition = _condition_of(item)
            if condition is None:
                continue
            watcher.current = Impact()
            made.clear()
            making.clear()
            judged.clear()
            self.result(item)
            sent = [
                (number, each)
                for number, each in enumerate(watcher.current.requests)
                if each.request.operation in SUBJECT and not any(number in one for one in making)
            ]
            found.append(Story(condition, dict(made), sent, list(judged)))
        self.host.abandon()
        return found


def watch(
    function: Callable[..., Any], note: Callable[[Judged], None], now: Callable[[], int]
) -> None:
    """Note each call of a function that returns, wherever a module of the suite holds it."""

    @wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        threads = frozenset(_thread_ids([*arguments, *named.values()], _DEPTH))
        note(Judged(function.__name__, threads, now()))
        return result

    for name, module in list(sys.modules.items()):
        if name.startswith("conformance."):
            for attribute, value in list(vars(module).items()):
                if value is function:
                    setattr(module, attribute, watched)


def _thread_ids(value: Any, depth: int) -> Iterator[str]:
    """Yield the ids of the threads that a value holds, down to some depth."""
    if dataclasses.is_dataclass(value):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, dict):
        if isinstance(value.get("thread_id"), str):
            yield value["thread_id"]
        value = list(value.values())
    if isinstance(value, list | tuple) and depth:
        for each in value:
            yield from _thread_ids(each, depth - 1)


def _condition_of(item: pytest.Item) -> str | None:
    callspec: Any = getattr(item, "callspec", None)
    named = callspec.params.get("condition") if callspec else None
    return named if named in conditions.MAKERS else None


class _Once(Tasks):
    """A queue with one task."""

    def __init__(self) -> None:
        self._left: list[str | None] = ["count", None]

    def get(self) -> str | None:
        """Return the task, and then None."""
        return self._left.pop(0)


class _Rows(Results[Any]):
    """A queue that keeps the only row; an error text ends the program."""

    found: list[Story]

    def put(self, result: Any) -> None:
        """Keep the row."""
        if isinstance(result, str):
            raise SystemExit(result)
        self.found = result

"""Random concurrent programs: the requests that each client sends, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from random import Random

from conformance.checks.linearizability.threads import Request

#: How many clients a program has, and how many requests each of them sends.
CLIENTS, LENGTH = 3, 4
#: How many programs are tried.
ROUNDS = {"quick": 4, "standard": 8, "thorough": 40}
#: The members of metadata that programs write.
KEYS = ("colour", "shape", "size")
#: The share of the programs that begin with threads that exist.
_SHARE_EXISTING = 0.8
#: The requests of a program about metadata, without deletions and with some.
_WITHOUT_DELETIONS = ("update",) * 5 + ("get",) * 4 + ("do_nothing",) * 2 + ("raise",)
_WITH_DELETIONS = (
    ("update",) * 4 + ("get",) * 3 + ("do_nothing",) * 2 + ("raise",) + ("delete",) * 2
)


@dataclass(frozen=True)
class Step:
    """A request for one of the threads of a program."""

    thread: int
    request: Request


@dataclass(frozen=True)
class Program:
    """The requests of each client; `exists` says whether the threads exist at the start.

    If `in_step`, each client sends its next request only after the last requests of all clients
    were answered, so that one request of each client is in progress at a time. Otherwise a client
    may be several requests ahead of another.
    """

    threads: int
    clients: tuple[tuple[Step, ...], ...]
    in_step: bool
    exists: bool = True


def metadata_program(seed: int, number: int) -> Program:
    """Return the program of that number: creations, updates, reads and deletions of threads.

    Every third program uses two threads, the others use one.
    """
    chosen = _random("metadata", seed, number)
    threads = 2 if number % 3 == 2 else 1
    kinds = chosen.sample(_WITH_DELETIONS if number % 2 else _WITHOUT_DELETIONS, CLIENTS * LENGTH)
    # Every value is written once, so that a read shows which write it saw.
    steps = iter(
        [
            Step(chosen.randrange(threads), _about_metadata(kind, mark, chosen))
            for mark, kind in enumerate(kinds, 1)
        ]
    )
    return Program(
        threads,
        tuple(tuple(islice(steps, LENGTH)) for _ in range(CLIENTS)),
        in_step=_in_step(number),
        exists=chosen.random() < _SHARE_EXISTING,
    )


def _about_metadata(kind: str, mark: int, chosen: Random) -> Request:
    if kind in ("get", "delete"):
        return Request(kind)
    keys = sorted(chosen.sample(KEYS, chosen.choice((1, 1, 2))))
    metadata = tuple((key, mark) for key in keys)
    if kind == "update":
        return Request(kind, metadata)
    return Request("create", metadata, if_exists=kind)


def state_program(seed: int, number: int) -> Program:
    """Return the program of that number: state updates and reads of one thread's state.

    In every second program, the last request of one client deletes the thread.
    """
    chosen = _random("state", seed, number)
    marks = iter(range(1, CLIENTS * LENGTH + 1))
    kinds = ["update_state"] * 5 + ["state"] * 4
    clients = []
    for _ in range(CLIENTS):
        drawn = [(chosen.choice(kinds), next(marks)) for _ in range(LENGTH)]
        clients.append([_about_state(*each) for each in drawn])
    if number % 2:
        clients[chosen.randrange(CLIENTS)][-1] = Step(0, Request("delete"))
    return Program(1, tuple(map(tuple, clients)), in_step=_in_step(number))


def copy_program(seed: int, number: int) -> Program:
    """Return the program of that number: one client updates the state, the others copy."""
    chosen = _random("copy", seed, number)
    kinds = ["update_state"] * 2 + ["copy"]
    marks = range(1, LENGTH + 1)
    updating = [_about_state("update_state", 1)]
    updating += [_about_state(chosen.choice(kinds), mark) for mark in marks[1:]]
    copying = [_about_state("copy", 0)] * LENGTH
    clients = [updating, *([copying] * (CLIENTS - 1))]
    return Program(1, tuple(map(tuple, clients)), in_step=_in_step(number))


def _in_step(number: int) -> bool:
    """Return whether the program of that number is in step: two of four, one odd and one even."""
    return number % 4 < 2


def _about_state(kind: str, mark: int) -> Step:
    return Step(0, Request(kind, message=mark if kind == "update_state" else 0))


def _random(name: str, seed: int, number: int) -> Random:
    return Random(f"{name} {seed} {number}")

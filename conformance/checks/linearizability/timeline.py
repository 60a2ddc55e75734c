"""A history drawn as text: one line for each operation, with its duration as a bar."""

from __future__ import annotations

from collections.abc import Callable

from conformance.checks.linearizability.history import History, Operation, Outcome, Request

#: The columns from one event to the next.
_WIDTH = 2


def timeline(
    history: History[Request, Outcome], describe: Callable[[Operation[Request, Outcome]], str]
) -> tuple[str, ...]:
    """Return the lines, in the order of the calls.

    A bar begins at the call and ends at the return. A bar without an end stands for an operation
    that did not return: it is unknown whether it took effect.
    """
    events = sorted(
        event for each in history for event in (each.called, each.returned) if event is not None
    )
    column = {event: place * _WIDTH for place, event in enumerate(events)}
    width = len(events) * _WIDTH
    clients = max((len(str(each.client)) for each in history), default=0)
    return tuple(
        f"client {each.client:>{clients}}  {_bar(each, column, width)}  {describe(each)}"
        for each in sorted(history, key=lambda one: one.called)
    )


def _bar(operation: Operation[Request, Outcome], column: dict[int, int], width: int) -> str:
    begin = " " * column[operation.called]
    if operation.returned is None:
        return f"{begin}├{'─' * (width - len(begin) - 2)}…"
    middle = "─" * (column[operation.returned] - len(begin) - 1)
    return f"{begin}├{middle}┤".ljust(width)

"""The part of a check's requests that a failure needs: what led to its last answer.

What is left out has no part in it as far as requests show: threads that nothing connects with the
last request, questions that were asked again later with nothing changed between, and looks at a
thread before it was changed that no later look repeats. In doubt a request is kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from conformance.contract.operations import BY_NAME
from conformance.deployment.record.exchange import Exchange
from conformance.json_text import json_or_none

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
#: Members of an answer to a write that name what it made or changed.
_NAMING = ("thread_id", "run_id", "cron_id")
#: Operations that ask for the server itself.
_OF_THE_SERVER = frozenset(
    {"info", "ok", "openapi", "assistants_search", "assistant_schemas", "assistant_graph"}
)


def needed_exchanges(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Return the exchanges that led to the last one, in their order; it is one of them."""
    kept = needed_positions(exchanges)
    found = []
    restarted = False
    for position, each in enumerate(exchanges):
        restarted |= each.after_restart
        if position in kept:
            found.append(replace(each, after_restart=restarted))
            restarted = False
    return found


def needed_positions(exchanges: Sequence[Exchange]) -> list[int]:
    """Return the positions of `needed_exchanges`, in their order."""
    return sorted(_needed(exchanges)) if len(exchanges) > 1 else list(range(len(exchanges)))


def ids_of_check(exchanges: Sequence[Exchange]) -> list[str]:
    """Return the ids that the check itself chose: those that no answer before had shown."""
    names = dict.fromkeys(name for each in exchanges for name in _UUID.findall(asked_text(each)))
    return [name for name in names if _source(name, exchanges) is None]


def _needed(exchanges: Sequence[Exchange]) -> set[int]:
    """Return the positions of the exchanges that are needed."""
    last = len(exchanges) - 1
    named = [_named(each) for each in exchanges]
    writes = [position for position, each in enumerate(exchanges) if _writes(each)]
    connected = _connected(exchanges, named, writes)
    kept = {last, *(each for each in writes if connected is None or named[each] & connected)}
    if not named[last]:
        # Nothing tells which threads the last request is about.
        kept.update(writes)
    before_last = [each for each in kept if each in writes and each < last]
    changed = max(before_last, default=-1)
    asked_later = {exchanges[each].operation for each in range(changed + 1, last + 1)}
    for position in range(last):
        each = exchanges[position]
        if position in kept or position in writes or each.operation in _OF_THE_SERVER:
            continue
        about = connected is None or not named[position] or bool(named[position] & connected)
        if _asks_for_another(each, exchanges[last]):
            continue
        if about and (position > changed or each.operation in asked_later):
            kept.add(position)
    kept -= _asked_again(exchanges, kept, writes)
    return kept | _that_give_ids(exchanges, kept)


def _asks_for_another(exchange: Exchange, last: Exchange) -> bool:
    """Return whether the same question is asked about another part of a thread than by `last`.

    Such as about another checkpoint: what is compared with the last answer names the same.
    """
    if exchange.operation != last.operation:
        return False
    parts, own = _parts(exchange), _parts(last)
    return bool(parts and own) and not parts & own


def _parts(exchange: Exchange) -> set[str]:
    """Return the ids in the path but the first, which is that of the thread."""
    return set(_UUID.findall(exchange.url.partition("?")[0])[1:])


def _connected(
    exchanges: Sequence[Exchange], named: Sequence[set[str]], writes: Sequence[int]
) -> set[str] | None:
    """Return the ids that belong to the last request, by what other requests name together.

    None: all may belong to it, because it names none.
    """
    last = exchanges[-1]
    if not named[-1]:
        return None
    # What is asked by the same operation may be what the last answer is compared with.
    found = {
        each
        for exchange, ids in zip(exchanges, named, strict=True)
        if exchange.operation == last.operation
        for each in ids
    }
    while True:
        size = len(found)
        for position in writes:
            if named[position] & found:
                found |= named[position]
        for position in _between_equal_looks(exchanges, named, writes, found):
            found |= named[position]
        if len(found) == size:
            return found


def _between_equal_looks(
    exchanges: Sequence[Exchange],
    named: Sequence[set[str]],
    writes: Sequence[int],
    connected: set[str],
) -> set[int]:
    """Return the writes between two equal questions with unequal answers: one may be why."""
    first: dict[tuple[str, ...], int] = {}
    found: set[int] = set()
    for position, each in enumerate(exchanges):
        if _writes(each) or not named[position] & connected:
            continue
        question = _question(each)
        start = first.setdefault(question, position)
        if _answer(exchanges[start]) != _answer(each):
            found.update(write for write in writes if start < write < position)
    return found


def _asked_again(exchanges: Sequence[Exchange], kept: set[int], writes: Sequence[int]) -> set[int]:
    """Return the kept questions that were asked again with no kept write between."""
    dropped: set[int] = set()
    seen: dict[tuple[str, ...], int] = {}
    for position in sorted(kept):
        if position in writes:
            seen.clear()
            continue
        question = _question(exchanges[position])
        if question in seen:
            dropped.add(seen[question])
        seen[question] = position
    return dropped


def _that_give_ids(exchanges: Sequence[Exchange], kept: set[int]) -> set[int]:
    """Return further exchanges, whose answers give ids that kept requests name."""
    found: set[int] = set()
    wanted = sorted(kept)
    while wanted:
        position = wanted.pop()
        for name in set(_UUID.findall(asked_text(exchanges[position]))):
            have = (each for each in kept | found if each < position)
            if any(name in (exchanges[each].response_body or "") for each in have):
                continue
            source = _source(name, exchanges[:position])
            if source is not None and source not in kept | found:
                found.add(source)
                wanted.append(source)
    return found


def _source(name: str, exchanges: Sequence[Exchange]) -> int | None:
    """Return the position of the answer from which an id comes; None if the check chose it."""
    for position, each in enumerate(exchanges):
        if name in asked_text(each):
            return None
        if name in (each.response_body or ""):
            return position
    return None


def _writes(exchange: Exchange) -> bool:
    operation = BY_NAME.get(exchange.operation)
    # What is not known to be a read may be a write.
    return operation.writes if operation else exchange.method != "GET"


def asked_text(exchange: Exchange) -> str:
    """Return the URL and the body of a request, in which it names ids."""
    return f"{exchange.url} {exchange.request_body or ''}"


def _question(exchange: Exchange) -> tuple[str, ...]:
    return exchange.method, exchange.url, exchange.request_body or ""


def _answer(exchange: Exchange) -> tuple[int | None, str]:
    return exchange.status, exchange.response_body or ""


def _named(exchange: Exchange) -> set[str]:
    """Return the ids in the request, and those of what it made; metadata names nothing."""
    body = json_or_none(exchange.request_body or "")
    if isinstance(body, dict):
        asked = "".join(str(value) for name, value in body.items() if name != "metadata")
    else:
        asked = exchange.request_body or ""
    found = {each.lower() for each in _UUID.findall(f"{exchange.url} {asked}")}
    if _writes(exchange):
        answer = json_or_none(exchange.response_body or "")
        made = answer if isinstance(answer, dict) else {}
        found |= {str(made[name]).lower() for name in _NAMING if isinstance(made.get(name), str)}
    return found

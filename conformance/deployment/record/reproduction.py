"""Shell commands that repeat the exchanges of a check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from conformance.deployment.record.exchange import Exchange
from conformance.json_text import parse_json

#: Most requests in a reproduction that can be pasted; of more, only the last are shown.
MOST_COMMANDS = 12
#: Longest command that can be pasted, in characters.
LONGEST_COMMAND = 20_000
#: The line for a restart, which no command here can repeat.
_RESTARTED = "# here the deployment was restarted"


def reproduction(exchanges: Sequence[Exchange]) -> str:
    """Return commands that send the last requests again, one per line, oldest first.

    Where the deployment chose an id that a later request uses, a shell variable takes it
    from the answer, with `jq` as in the documents.
    """
    shown = list(exchanges)[-MOST_COMMANDS:]
    lines = list(_commands(shown))
    if left_out := list(exchanges)[: len(exchanges) - len(shown)]:
        restart = ", and a restart" if any(each.after_restart for each in left_out) else ""
        lines.insert(0, f"# {len(left_out)} earlier requests{restart}: see exchanges.har")
    return "\n".join(lines)


def numbered_commands(exchanges: Sequence[Exchange]) -> str:
    """Return all requests as commands, each with its number, request line and status."""
    return "\n".join(
        f"# {number}. {each.method} {urlsplit(each.url).path} answers {each.status}\n{command}"
        for number, (each, command) in enumerate(
            zip(exchanges, _commands(exchanges), strict=True), start=1
        )
    )


def _commands(exchanges: Sequence[Exchange]) -> Iterator[str]:
    """Yield one command for each exchange; it may have several lines."""
    names: dict[str, str] = {}
    for position, exchange in enumerate(exchanges):
        command = exchange.curl()
        restarted = f"{_RESTARTED}\n" if exchange.after_restart else ""
        if len(command) > LONGEST_COMMAND:
            line = f"{exchange.method} {exchange.url}"
            yield f"{restarted}# {line}: too long to show, see exchanges.har"
            continue
        for chosen, name in names.items():
            command = command.replace(chosen, f"'\"${name}\"'")
        later = "".join(each.url + (each.request_body or "") for each in exchanges[position + 1 :])
        taken: dict[str, str] = {}
        for path, kind, chosen in _ids_chosen_by_deployment(exchange):
            if chosen in later and chosen not in names:
                number = sum(name.startswith(kind) for name in names.values()) + 1
                names[chosen] = f"{kind}_{number}"
                taken[names[chosen]] = path
        yield restarted + _with_assignments(command, taken, position + 1)


def _with_assignments(command: str, taken: dict[str, str], number: int) -> str:
    """Return the command with assignments of variables to `jq` paths in its answer."""
    if not taken:
        return command
    if len(taken) == 1:
        ((name, path),) = taken.items()
        return f"{name}=$({command} | jq -r '{path}')"
    whole = f"ANSWER_{number}"
    lines = [f"{name}=$(jq -r '{path}' <<< \"${whole}\")" for name, path in taken.items()]
    return "\n".join([f"{whole}=$({command})", *lines])


def _ids_chosen_by_deployment(exchange: Exchange) -> Iterator[tuple[str, str, str]]:
    """Yield the ids that the deployment chose in this exchange.

    Each comes with its path in the syntax of jq, and the prefix of the variable that holds
    it.
    """
    try:
        answer = parse_json(exchange.response_body or "")
    except ValueError:
        return
    asked = exchange.url + (exchange.request_body or "")
    for path, key, value in _members(answer):
        made = exchange.operation in ("create", "copy") and path == ".thread_id"
        if (made or key == "checkpoint_id") and isinstance(value, str) and value not in asked:
            yield path, "THREAD" if made else "CHECKPOINT", value


def _members(value: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield path, name and value of all members, except those whose names jq needs quoted."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _members(each, f"{path or '.'}[{index}]")
    elif isinstance(value, dict):
        for key, each in value.items():
            if key.isidentifier():
                yield f"{path}.{key}", key, each
                yield from _members(each, f"{path}.{key}")

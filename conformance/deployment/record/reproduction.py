"""Shell commands that repeat the exchanges of a check."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from conformance.deployment.record.exchange import SENT_BY_CURL_ITSELF, Exchange, shell_quote
from conformance.deployment.record.redaction import REDACTED
from conformance.deployment.record.story import ids_of_check, needed_exchanges
from conformance.json_text import json_or_none, parse_json

#: Most requests in a reproduction that can be pasted; of more, only the last are shown.
MOST_COMMANDS = 12
#: Longest command that can be pasted, in characters.
LONGEST_COMMAND = 20_000
#: Tells the status beside the answer, and leaves what a program reads of it alone.
_TELLS_STATUS = ("-w", shell_quote(r"%{stderr} -> %{http_code}\n"))
_REMOVAL = "# to end with: removes what these commands made, so that they can be sent again"
_LEFT = "# what was made under an id that the server chose stays: see whose it is, then DELETE it"
#: The line for a restart, which no command here can repeat.
_RESTARTED = "# here the deployment was restarted"
#: A URL that a shell takes as it is between double quotes.
_PLAIN = re.compile(r"[\w/.~%?=&:,+@-]*", re.ASCII)
#: Members of answers that hold an id which a later request may name, and the prefix of the
#: variable that takes it.
_IDS = {"checkpoint_id": "CHECKPOINT", "run_id": "RUN", "cron_id": "CRON"}
_SUCCESS = 2
_VARIABLE = re.compile(r"\$[A-Z]+(?:_\d+)?\b")


def reproduction(
    exchanges: Sequence[Exchange],
    base: str = "",
    *,
    placeholders: bool = False,
    removes: bool = True,
) -> str:
    """Return commands that send again what a failure needs, one per line, oldest first.

    `base` is the deployment's URL, which the variable `URL` holds, so that the commands can be sent
    elsewhere too; a variable for each secret header has to be set by the user. Where the deployment
    chose an id that a later request uses, a variable takes it from the answer, with `jq` as in the
    documents. With `placeholders`, names such as `$THREAD` in the exchanges are variables that the
    user sets. The last commands remove the threads that those before made under ids of their own,
    unless `removes` is false.
    """
    needed = needed_exchanges(exchanges)
    shown = needed[-MOST_COMMANDS:]
    lines = [*_assignments(shown, base), *_commands(shown, base, placeholders=placeholders)]
    if removes and (made := list(_removals(shown, ids_of_check(exchanges), base))):
        lines += [_REMOVAL, *made]
    if left_out := needed[: len(needed) - len(shown)]:
        restart = ", and a restart" if any(each.after_restart for each in left_out) else ""
        lines.insert(0, f"# {len(left_out)} earlier requests{restart}: see exchanges.har")
    return "\n".join(lines)


def numbered_commands(exchanges: Sequence[Exchange], base: str = "") -> str:
    """Return all requests as commands, each with its number, request line and status."""
    return "\n".join(
        [
            *_assignments(exchanges, base),
            *(
                f"# {number}. {each.method} {urlsplit(each.url).path} answers {each.status}"
                f"\n{command}"
                for number, (each, command) in enumerate(
                    zip(exchanges, _commands(exchanges, base), strict=True), start=1
                )
            ),
        ]
    )


def _assignments(exchanges: Sequence[Exchange], base: str) -> Iterator[str]:
    """Yield the lines that set the variable `URL`, and demand those of secrets."""
    if base and any(_is_below(each.url, base) for each in exchanges):
        yield f"URL={shell_quote(base.rstrip('/'))}"
    for header, variable in _secrets(exchanges).items():
        shown = re.sub(r"[^\w-]", "_", header)
        yield f': "${{{variable}:?set it to the secret of the header {shown}}}"'


def _secrets(exchanges: Sequence[Exchange]) -> dict[str, str]:
    """Return the variables of secret headers, by the name of the header; one alone is `TOKEN`."""
    names = dict.fromkeys(
        name.lower()
        for each in exchanges
        for name, value in each.request_headers
        if REDACTED in value and name.lower() not in SENT_BY_CURL_ITSELF
    )
    if len(names) == 1:
        return dict.fromkeys(names, "TOKEN")
    return {name: re.sub(r"\W", "_", name).upper() for name in names}


def _is_below(url: str, base: str) -> bool:
    return url.startswith(f"{base.rstrip('/')}/")


def _commands(
    exchanges: Sequence[Exchange], base: str, *, placeholders: bool = False
) -> Iterator[str]:
    """Yield one command for each exchange; it may have several lines."""
    secrets = _secrets(exchanges)
    names: dict[str, str] = {}
    for position, exchange in enumerate(exchanges):
        command = _command(exchange, base, names, secrets, placeholders)
        restarted = f"{_RESTARTED}\n" if exchange.after_restart else ""
        if len(command) > LONGEST_COMMAND:
            line = f"{exchange.method} {exchange.url}"
            yield f"{restarted}# {line}: too long to show, see exchanges.har"
            continue
        later = "".join(each.url + (each.request_body or "") for each in exchanges[position + 1 :])
        taken: dict[str, str] = {}
        for path, kind, chosen in _ids_chosen_by_deployment(exchange):
            if chosen in later and chosen not in names:
                number = sum(name.startswith(kind) for name in names.values()) + 1
                names[chosen] = f"{kind}_{number}"
                taken[names[chosen]] = path
        yield restarted + _with_assignments(command, taken, position + 1)


def _removals(exchanges: Sequence[Exchange], own_ids: Collection[str], base: str) -> Iterator[str]:
    """Yield a command for each thread that was made under one of `own_ids`, and not removed.

    What was made under an id that the deployment chose is not removed: a deployment that answers
    with the id of somebody else's thread would have that deleted.
    """
    secrets = _secrets(exchanges)
    done = [each for each in exchanges if (each.status or 0) // 100 == _SUCCESS]
    gone = {each.url.rpartition("/")[2] for each in done if each.method == "DELETE"}
    left = False
    for each in done:
        if each.operation not in ("create", "copy"):
            continue
        body = json_or_none(each.request_body or "")
        own_id = str(body.get("thread_id")) if isinstance(body, dict) else ""
        if own_id not in own_ids:
            left = True
        elif own_id not in gone:
            gone.add(own_id)
            removal = replace(each, method="DELETE", url=f"{each.url}/{own_id}", request_body=None)
            yield _command(removal, base, {}, secrets, placeholders=False)
    if left:
        yield _LEFT


def _command(
    exchange: Exchange,
    base: str,
    names: Mapping[str, str],
    secrets: Mapping[str, str],
    placeholders: bool,
) -> str:
    """Return the command of one exchange, with variables for what is in `names`."""
    parts = ["curl", "-sS", "-X", exchange.method, _quoted_url(exchange.url, base, names)]
    for name, value in exchange.request_headers:
        if name.lower() in SENT_BY_CURL_ITSELF:
            continue
        if variable := secrets.get(name.lower()) if REDACTED in value else None:
            before, _, after = value.partition(REDACTED)
            parts += ["-H", _joined([f"{name}: {before}", variable, after])]
        else:
            parts += ["-H", shell_quote(f"{name}: {value}")]
    if exchange.request_body is not None:
        parts += ["--data-raw", _joined(_pieces(exchange.request_body, names))]
    command = " ".join([*parts, *_TELLS_STATUS])
    if not placeholders:
        return command
    own = {"$URL", *(f"${each}" for each in secrets.values())}
    return _VARIABLE.sub(
        lambda found: found[0] if found[0] in own else f"'\"{found[0]}\"'", command
    )


def _quoted_url(url: str, base: str, names: Mapping[str, str]) -> str:
    """Return a URL for a shell, with `$URL` in place of `base`."""
    if not base or not _is_below(url, base):
        return _joined(_pieces(url, names))
    rest = url.removeprefix(base.rstrip("/"))
    if not _PLAIN.fullmatch(rest):
        return f'"$URL"{_joined(_pieces(rest, names))}'
    shown = "".join(
        f"${{{piece}}}" if number % 2 else piece
        for number, piece in enumerate(_pieces(rest, names))
    )
    return f'"$URL{shown}"'


def _pieces(text: str, names: Mapping[str, str]) -> list[str]:
    """Split a text at the ids that have a variable: texts and variables by turns."""
    if not names:
        return [text]
    pattern = "|".join(map(re.escape, names))
    return [
        names[piece] if number % 2 else piece
        for number, piece in enumerate(re.split(f"({pattern})", text))
    ]


def _joined(pieces: Sequence[str]) -> str:
    """Return texts and variables by turns as one word of a shell."""
    quoted = [
        f'"${piece}"' if number % 2 else shell_quote(piece) if piece else ""
        for number, piece in enumerate(pieces)
    ]
    return "".join(quoted) or "''"


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
        kind = "THREAD" if made else _IDS.get(key)
        if kind and isinstance(value, str) and value and value not in asked:
            yield path, kind, value


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

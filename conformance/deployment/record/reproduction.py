"""Shell commands that repeat the exchanges of a check."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from conformance.deployment.record.exchange import SENT_BY_CURL_ITSELF, Exchange, shell_quote
from conformance.deployment.record.redaction import REDACTED
from conformance.deployment.record.story import needed_exchanges
from conformance.json_text import json_or_none, parse_json

#: Most requests in a reproduction that can be pasted; of more, only the last are shown.
MOST_COMMANDS = 12
#: Longest command that can be pasted, in characters.
LONGEST_COMMAND = 20_000
#: Tells the status beside the answer, and leaves what a program reads of it alone.
_TELLS_STATUS = ("-w", shell_quote(r"%{stderr} -> %{http_code}\n"))
_REMOVAL = "# to end with: removes what these commands made, so that they can be sent again"
#: The line for a restart, which no command here can repeat.
_RESTARTED = "# here the deployment was restarted"
#: A URL that a shell takes as it is between double quotes.
_UUID = re.compile(r"[0-9a-fA-F-]{32,36}")
_PLAIN = re.compile(r"[\w/.~%?=&:,+@-]*", re.ASCII)
#: Members of answers that hold an id which a later request may name, and the prefix of the
#: variable that takes it.
_IDS = {"checkpoint_id": "CHECKPOINT", "run_id": "RUN", "cron_id": "CRON"}
_MADE = "THREAD"
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
    user sets. The last commands remove the threads that those before made, unless `removes` is
    false.
    """
    needed = needed_exchanges(exchanges)
    shown = needed[-MOST_COMMANDS:]
    names: dict[str, str] = {}
    lines = [
        *_assignments(shown, base),
        *_commands(shown, base, names, placeholders=placeholders, takes_threads=removes),
    ]
    if removes and (made := list(_removals(shown, base, names))):
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
                    zip(exchanges, _commands(exchanges, base, {}), strict=True), start=1
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
    exchanges: Sequence[Exchange],
    base: str,
    names: dict[str, str],
    *,
    placeholders: bool = False,
    takes_threads: bool = False,
) -> Iterator[str]:
    """Yield one command for each exchange; it may have several lines.

    `names` gets the variable of each id that one takes from an answer: of those that a later one
    names and, with `takes_threads`, of each thread that was made.
    """
    secrets = _secrets(exchanges)
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
            wanted = chosen in later or (takes_threads and kind == _MADE)
            if wanted and chosen not in names:
                number = sum(name.startswith(kind) for name in names.values()) + 1
                names[chosen] = f"{kind}_{number}"
                taken[names[chosen]] = path
        yield restarted + _with_assignments(command, taken, position + 1)


def _removals(exchanges: Sequence[Exchange], base: str, names: Mapping[str, str]) -> Iterator[str]:
    """Yield a command for each thread that these requests made, and did not remove."""
    secrets = _secrets(exchanges)
    gone = {
        each.url.rpartition("/")[2]
        for each in exchanges
        if each.method == "DELETE" and (each.status or 0) // 100 == _SUCCESS
    }
    for each in exchanges:
        root, threads, _ = each.url.partition("/threads")
        own_id = _made_by(each)
        is_known = own_id in names or own_id in (each.request_body or "")
        if not (own_id and threads and is_known) or own_id in gone:
            continue
        gone.add(own_id)
        # An empty variable must not make the URL one of all threads.
        shown = f"${{{names[own_id]}:?}}" if own_id in names else own_id
        url = f"{root}/threads/"
        begins = '"$URL/threads/' if base and _is_below(url, base) else f'"{url}'
        parts = ["curl", "-sS", "-X", "DELETE", f'{begins}{shown}"']
        parts += _headers(each, secrets, without="content-type")
        yield " ".join([*parts, *_TELLS_STATUS])


def _made_by(exchange: Exchange) -> str:
    """Return the id of the thread that was made by a request; an empty string if none was."""
    if exchange.operation not in ("create", "copy") or (exchange.status or 0) // 100 != _SUCCESS:
        return ""
    answer = json_or_none(exchange.response_body or "")
    own_id = answer.get("thread_id") if isinstance(answer, dict) else None
    return own_id if isinstance(own_id, str) and _UUID.fullmatch(own_id) else ""


def _headers(exchange: Exchange, secrets: Mapping[str, str], without: str = "") -> Iterator[str]:
    """Yield the words for the headers of a request that curl does not send by itself."""
    for name, value in exchange.request_headers:
        if name.lower() in SENT_BY_CURL_ITSELF or name.lower() == without:
            continue
        yield "-H"
        if variable := secrets.get(name.lower()) if REDACTED in value else None:
            before, _, after = value.partition(REDACTED)
            yield _joined([f"{name}: {before}", variable, after])
        else:
            yield shell_quote(f"{name}: {value}")


def _command(
    exchange: Exchange,
    base: str,
    names: Mapping[str, str],
    secrets: Mapping[str, str],
    placeholders: bool,
) -> str:
    """Return the command of one exchange, with variables for what is in `names`."""
    parts = ["curl", "-sS", "-X", exchange.method, _quoted_url(exchange.url, base, names)]
    parts += _headers(exchange, secrets)
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
        kind = _MADE if made else _IDS.get(key)
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

"""From the exchanges of a check to shell commands that do the same."""

from __future__ import annotations

import json
from collections.abc import Sequence

from conformance.deployment.exchange import Exchange

#: More requests than this are not one paste any more: the last ones are shown.
MOST_COMMANDS = 12
#: A longer command cannot be pasted.
LONGEST_COMMAND = 20_000


def reproduction(exchanges: Sequence[Exchange]) -> str:
    """Commands that send the requests again, one a line, oldest first.

    Where the deployment chose a thread id that a later request uses, the shell takes
    it from the answer, with `jq` as in the documents.
    """
    shown = list(exchanges)[-MOST_COMMANDS:]
    lines = []
    if left_out := len(exchanges) - len(shown):
        lines.append(f"# {left_out} earlier requests: see exchanges.har")
    names: dict[str, str] = {}
    for position, exchange in enumerate(shown):
        command = exchange.curl()
        if len(command) > LONGEST_COMMAND:
            lines.append(f"# {exchange.method} {exchange.url}: too long to show, see exchanges.har")
            continue
        for thread_id, name in names.items():
            command = command.replace(thread_id, f"'\"${name}\"'")
        later = "".join(each.url + (each.request_body or "") for each in shown[position + 1 :])
        made = _chosen_by_deployment(exchange)
        if made and made in later:
            names[made] = f"THREAD_{len(names) + 1}"
            command = f"{names[made]}=$({command} | jq -r .thread_id)"
        lines.append(command)
    return "\n".join(lines)


def _chosen_by_deployment(exchange: Exchange) -> str | None:
    """The id of a thread that the deployment made and named in this exchange."""
    if exchange.operation not in ("create", "copy") or not exchange.response_body:
        return None
    try:
        thread_id = json.loads(exchange.response_body).get("thread_id")
    except (ValueError, AttributeError):
        return None
    asked_for = isinstance(thread_id, str) and thread_id in (exchange.request_body or "")
    return thread_id if isinstance(thread_id, str) and not asked_for else None

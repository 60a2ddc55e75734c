"""Faults of commands in supersteps."""

from __future__ import annotations

from typing import Any

from conformance.faults.kit.http_changes import (
    refusing,
    without,
)
from conformance.faults.prepopulate import updates, updates_sent
from conformance.faults.registry import fault
from conformance.reference.wire import WireRequest

Update = dict[str, Any]


def _command(update: Update) -> Update:
    command = update.get("command")
    return command if isinstance(command, dict) else {}


def _lacks_goto(request: WireRequest) -> bool:
    commands = map(_command, updates_sent(request))
    return any("update" in command and "goto" not in command for command in commands)


def _without_update(update: Update) -> Update:
    command = _command(update)
    return {**update, "command": without(command, "update")} if "update" in command else update


def _without_update_beside_goto(update: Update) -> Update:
    return _without_update(update) if "goto" in _command(update) else update


def _without_listed_goto(update: Update) -> Update:
    command = _command(update)
    listed = isinstance(command.get("goto"), list)
    return {**update, "command": without(command, "goto")} if listed else update


fault("superstep-with-an-update-and-no-goto-is-500", breaks=["PREPOP-26"])(
    refusing("create", _lacks_goto, status=500)
)
fault("superstep-loses-the-update-of-its-command", breaks=["PREPOP-26", "PREPOP-27"])(
    updates(lambda given: [*map(_without_update, given)])
)
fault("superstep-goes-somewhere-and-writes-nothing", breaks=["PREPOP-27"])(
    updates(lambda given: [*map(_without_update_beside_goto, given)])
)
fault("superstep-goes-nowhere-by-a-list", breaks=["PREPOP-27"])(
    updates(lambda given: [*map(_without_listed_goto, given)])
)


fault("superstep-is-refused-beside-a-null-command", breaks=["PREPOP-30"])(
    refusing(
        "create",
        lambda request: any(
            "values" in each and each.get("command", 0) is None for each in updates_sent(request)
        ),
    )
)
fault("superstep-loses-its-command-beside-null-values", breaks=["PREPOP-30"])(
    updates(
        lambda given: [
            without(each, "command") if _command(each) and each.get("values", 0) is None else each
            for each in given
        ]
    )
)

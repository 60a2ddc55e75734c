"""Faults of breakpoints at every node, at several nodes, and of a run that continues."""

from __future__ import annotations

from typing import Any

from conformance.faults.kit.http_changes import change_request, without
from conformance.faults.kit.runs import RUN_STARTS, runs_on, where
from conformance.faults.registry import Apply, FaultyDeployment, fault
from conformance.reference.wire import WireRequest

_OPTIONS = ("interrupt_before", "interrupt_after")


def _breakpoints(option: str, change: Any) -> Apply:
    """Replace the nodes in `option` by `change(nodes)`; leave the option out where that is None."""

    def to(body: dict[str, Any]) -> dict[str, Any]:
        changed = change(body[option])
        return without(body, option) if changed is None else {**body, option: changed}

    def valid(request: WireRequest) -> bool:
        nodes = request.members.get(option)
        return nodes == "*" or (isinstance(nodes, list) and all(type(n) is str for n in nodes))

    return change_request(*RUN_STARTS, to=to, when=valid)


for _option in _OPTIONS:
    _name = _option.replace("_", "-")
    fault(f"{_name}-every-node-is-ignored", breaks="INTERRUPT-20")(
        _breakpoints(_option, lambda nodes: None if nodes == "*" else nodes)
    )
    fault(f"{_name}-every-node-knows-the-entry-alone", breaks="INTERRUPT-20")(
        _breakpoints(_option, lambda nodes: ["__start__"] if nodes == "*" else nodes)
    )
fault("interrupt-before-several-nodes-takes-the-first", breaks="INTERRUPT-21")(
    _breakpoints("interrupt_before", lambda nodes: nodes if nodes == "*" else nodes[:1])
)
fault("interrupt-after-several-nodes-takes-the-last", breaks="INTERRUPT-21")(
    _breakpoints("interrupt_after", lambda nodes: nodes if nodes == "*" else nodes[-1:])
)

# Continuing


def _continues(request: WireRequest) -> bool:
    members = request.members
    return members.get("input") is None and not members.get("command")


for _option in _OPTIONS:
    fault(f"run-that-goes-on-has-no-{_option.replace('_', '-')}", breaks="INTERRUPT-22")(
        change_request(
            *RUN_STARTS,
            to=lambda body, option=_option: without(body, option),  # type: ignore[misc]
            when=where(_continues, lambda request, option=_option: option in request.members),  # type: ignore[misc]
        )
    )


@fault("run-that-goes-on-has-the-breakpoints-of-the-one-before", breaks="INTERRUPT-22")
def run_that_goes_on_has_other_breakpoints(broken: FaultyDeployment) -> None:
    def concerned(request: WireRequest) -> bool:
        return _continues(request) and any(each in request.members for each in _OPTIONS)

    @broken.wire.before(*RUN_STARTS, when=concerned)
    def take_over(request: WireRequest) -> None:
        runs = runs_on(broken.store, request.thread_id)
        stopped = runs[-1].kwargs if runs else {}
        earlier = {name: stopped[name] for name in _OPTIONS if name in stopped}
        request.body = {**without(request.members, *_OPTIONS), **earlier}

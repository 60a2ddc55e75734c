"""The selection: which checks a run makes, and which requirements each decides."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

from conformance.contract.catalogue import HTTP, SCALE_CAPABILITY, Catalogue
from conformance.deployment.settings import Settings


def check_id(item: pytest.Item) -> str:
    """Return an id like `test_copy.py::test_a_copy_is_answered`, with the parameters if any."""
    name = escaped_once(item.nodeid.partition("::")[2])
    return f"{item.path.name}::{name}"


def escaped_once(node_id: str) -> str:
    """Return a node id as the first collection of a process makes it.

    pytest escapes an id again each time that it collects in the same process.
    """
    return re.sub(r"\\+", r"\\", node_id)


def is_check(item: pytest.Item) -> bool:
    """Return whether a test is a check of the suite; a user's own may carry a mark `requires`."""
    return any("offers" in mark.kwargs for mark in item.iter_markers("requires"))


def requirements_of(item: pytest.Item) -> tuple[str, ...]:
    """Return the ids of requirements that a check names in its decorator and parameters."""
    return tuple(
        dict.fromkeys(each for mark in item.iter_markers("requires") for each in mark.args)
    )


def client_of(item: pytest.Item) -> str:
    """Return the name of the client that a check uses: our own, or a documented one."""
    mark = item.get_closest_marker("client")
    return str(mark.args[0]) if mark else HTTP


def reads_only(item: pytest.Item) -> bool:
    """Return whether a check belongs to a read-only run."""
    return item.get_closest_marker("reads_only") is not None


def restarts(item: pytest.Item) -> bool:
    """Return whether a check ends the deployment and starts it again."""
    return item.get_closest_marker("restarts") is not None


class Part(StrEnum):
    """A part of the selected checks; a run with workers makes one after the other."""

    ALL = "all"
    SIDE_BY_SIDE = "side by side"
    ALONE = "alone"

    def has(self, item: pytest.Item) -> bool:
        """Return whether a check belongs to this part."""
        return self is Part.ALL or (self is Part.ALONE) is is_made_alone(item)


def is_made_alone(item: pytest.Item) -> bool:
    """Return whether a run with workers makes a check after the others, with none beside it."""
    return restarts(item) or item.get_closest_marker("alone") is not None


def is_of_capability(item: pytest.Item, catalogue: Catalogue, capability: str) -> bool:
    """Return whether a check decides a requirement of that capability."""
    return any(
        catalogue.requirements[each].capability == capability for each in requirements_of(item)
    )


def selected_requirements(settings: Settings, catalogue: Catalogue) -> frozenset[str]:
    """Return the ids that a run judges, by its profile, effort, clients and selection.

    A requirement that is selected by its id is judged at any effort. Those of scale are
    selected only with a scale, or by id or capability: what was not asked for leaves no run
    incomplete.
    """
    return frozenset(
        each.id
        for each in catalogue.in_profile(settings.profile, settings.clients)
        if (
            each.id in settings.requirements
            if settings.requirements
            else settings.allows_effort(each.effort)
        )
        and (not settings.capabilities or each.capability in settings.capabilities)
        and (
            each.capability != SCALE_CAPABILITY
            or bool(settings.scale or settings.requirements or settings.capabilities)
        )
    )


def is_selected(item: pytest.Item, settings: Settings, wanted: frozenset[str]) -> bool:
    """Return whether a run makes a check: one of a `wanted` requirement, by a client of the run.

    Only checks that read are made in a read-only run, and only there.
    """
    return (
        bool(wanted.intersection(requirements_of(item)))
        and client_of(item) in settings.clients
        and reads_only(item) is settings.read_only
    )

"""What holds for every fault, before any check is tried on it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from conformance.contract.catalogue import load_catalogue
from conformance.faults.registry import (
    FaultError,
    FaultyDeployment,
    all_faults,
    fault,
    faulty_deployment,
)

CATALOGUE = load_catalogue().requirements


@pytest.mark.parametrize("name", all_faults())
def test_what_is_broken_is_in_the_catalogue_and_told_once(name: str) -> None:
    breaks = all_faults()[name].breaks
    assert breaks
    assert set(breaks) <= CATALOGUE.keys()
    assert len(set(breaks)) == len(breaks)


@pytest.mark.parametrize(
    ("name", "breaks", "told"),
    [
        ("new", "GET-01 GET-66", "the fault new breaks the unknown requirement GET-66"),
        (next(iter(all_faults())), ["GET-01"], "there are two faults"),
    ],
)
def test_a_slip_in_a_fault_is_told(name: str, breaks: str | list[str], told: str) -> None:
    with pytest.raises(FaultError, match=told):
        fault(name, breaks=breaks)


@pytest.mark.parametrize("name", all_faults())
def test_a_replaced_decision_is_asked_as_the_right_one_is(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = []
    override = FaultyDeployment.override

    def watched(broken: FaultyDeployment, decision: Callable[..., Any]) -> Callable[..., Any]:
        right = inspect.signature(getattr(broken.owner_of(decision), decision.__name__))
        register = override(broken, decision)

        def look(wrong: Callable[..., Any]) -> Any:
            lacking.extend(lacking_parameters(right, inspect.signature(wrong)))
            return register(wrong)

        return look

    monkeypatch.setattr(FaultyDeployment, "override", watched)
    faulty_deployment(all_faults()[name])
    assert lacking == []


def lacking_parameters(right: inspect.Signature, wrong: inspect.Signature) -> list[str]:
    """The parameters of `right` that `wrong` could not be given, after its first one."""
    taken = list(wrong.parameters.values())[1:]
    kinds = {each.kind for each in taken}
    by_place = [each for each in taken if each.kind is each.POSITIONAL_OR_KEYWORD]
    lacking = []
    for place, each in enumerate(right.parameters.values()):
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue  # replaced twice: the first replacement takes all
        if each.kind is each.KEYWORD_ONLY:
            named = each.name in {one.name for one in taken}
            fits = named or inspect.Parameter.VAR_KEYWORD in kinds
        else:
            fits = place < len(by_place) or inspect.Parameter.VAR_POSITIONAL in kinds
        if not fits:
            lacking.append(str(each))
    return lacking

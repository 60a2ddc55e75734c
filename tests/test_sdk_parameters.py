"""The public SDK reference of threads is accounted for, parameter by parameter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from conformance.contract.catalogue import load_catalogue
from conformance.data import fixtures_dir


def entries() -> Iterator[tuple[str, dict[str, Any]]]:
    (file,) = (fixtures_dir() / "published").glob("langgraph-sdk-*.json")
    for method, entry in json.loads(file.read_text(encoding="utf-8"))["methods"].items():
        for parameter, account in entry.get("parameters", {"": entry}).items():
            yield f"{method}({parameter})", account


def test_every_parameter_has_a_requirement_or_a_reason() -> None:
    for name, account in entries():
        assert account.get("requirements") or account.get("left_out"), name


def test_the_requirements_named_exist() -> None:
    named = {each for _, account in entries() for each in account.get("requirements", [])}
    assert len(named) > 30
    assert named <= load_catalogue().requirements.keys()

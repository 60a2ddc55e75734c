"""The promises that a loss of something planted breaks, from `promises.toml`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import load_catalogue
from conformance.plant.comparing import Difference
from conformance.plant.probes import ReadRequest
from conformance.typed_data import read_toml

_INDEX_OR_ID = re.compile(r"\[[^\]]*\]")


def generalized(path: str) -> str:
    """Return a JSON path with every index and id as `[*]`: the same for similar places."""
    return _INDEX_OR_ID.sub("[*]", path)


def promise_of(question: ReadRequest, difference: Difference) -> str:
    """Return the requirement that a loss breaks, or else the sentence of `promises.toml` for it."""
    path = generalized(difference.path)
    if question.operation == "search":
        path = path.replace("$[*]", "$", 1)
    for each in load_promises()["promise"]:
        if (
            question.operation in each["operation"].split("|")
            and re.fullmatch(each["path"], path)
            and each.get("change", difference.kind) == difference.kind
            and question.kind in each.get("threads", (question.kind,))
        ):
            if "requirement" not in each:
                return str(load_promises()["unwritten"])
            requirement = load_catalogue().requirements[each["requirement"]]
            return f"{requirement.id} ({requirement.level}): {requirement.statement}"
    return str(load_promises()["persisted"])


@cache
def load_promises() -> dict[str, Any]:
    """Return the content of `promises.toml`."""
    return read_toml(Path(__file__).parent / "promises.toml")

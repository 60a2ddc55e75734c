"""Where it is written that what was planted must still be there: `promises.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import load_catalogue
from conformance.plant.comparing import Difference
from conformance.plant.probes import Question

_INDEX_OR_ID = re.compile(r"\[[^\]]*\]")


def general(path: str) -> str:
    """A JSON path with every index and id as `[*]`: equal for alike places."""
    return _INDEX_OR_ID.sub("[*]", path)


def written(question: Question, difference: Difference) -> str:
    """The requirement that a loss breaks, else the documents' sentence, if any speaks of it."""
    path = general(difference.path)
    if question.operation == "search":
        path = path.replace("$[*]", "$", 1)
    for each in promises()["promise"]:
        if (
            question.operation in each["operation"].split("|")
            and re.fullmatch(each["path"], path)
            and each.get("change", difference.kind) == difference.kind
            and question.kind in each.get("threads", (question.kind,))
        ):
            if "requirement" not in each:
                return str(promises()["unwritten"])
            requirement = load_catalogue().requirements[each["requirement"]]
            return f"{requirement.id} ({requirement.level}): {requirement.statement}"
    return str(promises()["persisted"])


@cache
def promises() -> dict[str, Any]:
    """What `promises.toml` holds."""
    text = (Path(__file__).parent / "promises.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)

"""What is mutated, which tests try it, and which survivors are explained: `mutation.toml`."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.mutation.mutants import Mutant, Texts

FILE = Path(__file__).with_name("mutation.toml")


@dataclass(frozen=True)
class Explained:
    """A mutant that no test can or need kill, and why."""

    function: str
    was: str
    becomes: str
    reason: str


@dataclass(frozen=True)
class Settings:
    """The content of `mutation.toml`; modules and tests are paths below the repository."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    left_out: tuple[str, ...]
    text_arguments: Mapping[str, tuple[int, ...]]
    text_functions: tuple[str, ...]
    explained: tuple[Explained, ...]

    @property
    def texts(self) -> Texts:
        """What of the modules is a text for people."""
        return Texts(self.text_arguments, self.text_functions)

    def unexplained(self, mutants: Iterable[Mutant]) -> list[Mutant]:
        """Return the survivors among some mutants that are neither texts nor explained."""
        left = Counter((each.function, each.was, each.becomes) for each in self.explained)
        found = []
        for mutant in mutants:
            if not mutant.survived or mutant.in_text:
                continue
            known = (mutant.function, mutant.was, mutant.becomes)
            if left[known] <= 0:
                found.append(mutant)
            left[known] -= 1
        return found

    def outdated(self, mutants: Iterable[Mutant]) -> list[Explained]:
        """Return what is explained though it does not survive (any more)."""
        survivors = {(each.function, each.was, each.becomes) for each in mutants if each.survived}
        return [
            each
            for each in self.explained
            if (each.function, each.was, each.becomes) not in survivors
        ]


def read_settings(file: Path = FILE) -> Settings:
    """Read `mutation.toml`."""
    data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    texts = data["texts"]
    return Settings(
        modules=tuple(data["modules"]),
        tests=tuple(data["tests"]),
        left_out=tuple(data["left_out"]),
        text_arguments={name: tuple(each) for name, each in texts["arguments"].items()},
        text_functions=tuple(texts["functions"]),
        explained=tuple(
            Explained(each["function"], was, becomes, each["reason"])
            for each in data["explained"]
            for was, becomes in each["changes"]
        ),
    )


def module_of(function: str, modules: Iterable[str]) -> str:
    """Return the path of the module, among `modules`, that holds a function; empty if none does."""
    name = function.replace(".", "/")
    return next((each for each in modules if name.startswith(each.removesuffix(".py") + "/")), "")

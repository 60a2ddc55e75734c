"""Mutants as mutmut leaves them on disk: what each changes, and how the tests took it.

mutmut writes every variant of a function into one mutated module (`x_f__mutmut_orig`,
`x_f__mutmut_1`, …), and beside it a `.meta` file with the exit status of pytest for each variant.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

_VARIANT = re.compile(r"x(?:ǁ(?P<owner>\w+)ǁ|_)(?P<name>\w+?)__mutmut_(?P<number>orig|\d+)")
#: Exit statuses of pytest under which nothing noticed the mutant; 33 is mutmut's: no test calls it.
_SURVIVED = (0, 5, 33)
#: A text with two words side by side is a sentence; all others may be names, which are data.
_SENTENCE = re.compile(r"[A-Za-z]{2},? [A-Za-z]{2}")
_Shown = ast.expr | ast.stmt | ast.match_case | ast.arguments | ast.keyword


@dataclass(frozen=True)
class Mutant:
    """One changed function.

    `function` is its full name, `was` the smallest piece of it that differs, and `becomes` what
    stands there instead. `in_text` says that only a sentence differs. `tried` is False where mutmut
    has not run it yet.
    """

    name: str
    function: str
    was: str
    becomes: str
    in_text: bool
    survived: bool
    tried: bool = True


class Texts:
    """What of a function is a text for people.

    `arguments` gives, for the name of a callable, the positions of the arguments that are texts;
    `functions` are the full names of functions that make nothing but texts.
    """

    def __init__(
        self, arguments: Mapping[str, Iterable[int]] = {}, functions: Iterable[str] = ()
    ) -> None:
        self._arguments = {name: frozenset(each) for name, each in arguments.items()}
        self._functions = frozenset(functions)

    def hold_all_of(self, function: str, one: ast.AST, other: ast.AST) -> bool:
        """Return whether two variants of a function differ in texts only."""
        return function in self._functions or self._dump(one) == self._dump(other)

    def _dump(self, node: Any) -> Any:
        """Return a comparable form of a tree, in which all texts are equal."""
        if isinstance(node, list):
            return [self._dump(each) for each in node]
        if not isinstance(node, ast.AST):
            return node
        if _is_sentence(node):
            return "a text"
        shown = {name: self._dump(value) for name, value in ast.iter_fields(node)}
        if isinstance(node, ast.Call):
            texts = self._arguments.get(_called(node), frozenset())
            shown["args"] = [
                "a text" if position in texts else each
                for position, each in enumerate(shown["args"])
            ]
        return type(node).__name__, shown


def mutants_of(root: Path, module: Path, texts: Texts) -> Iterator[Mutant]:
    """Yield the mutants of a module of mutmut's folder `root`; `module` is its path in there."""
    tree = ast.parse((root / module).read_text(encoding="utf-8"))
    meta = json.loads((root / f"{module}.meta").read_text(encoding="utf-8"))
    statuses: dict[str, int | None] = meta["exit_code_by_key"]
    prefix = ".".join(module.with_suffix("").parts)
    originals: dict[str, ast.AST] = {}
    for function, number, mangled, node in _variants(tree):
        if number == "orig":
            originals[function] = node
            continue
        name, full = f"{prefix}.{mangled}", f"{prefix}.{function}"
        if name not in statuses:
            continue
        was, becomes = smallest_change(originals[function], node)
        yield Mutant(
            name,
            full,
            was,
            becomes,
            in_text=texts.hold_all_of(full, originals[function], node),
            survived=statuses[name] in _SURVIVED,
            tried=statuses[name] is not None,
        )


def functions_in(source: str) -> dict[str, str]:
    """Return the source of each function of a module, and of its classes, by mutmut's names."""
    found = {}
    for node in ast.parse(source).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"x\u01c1{node.name}\u01c1" if isinstance(node, ast.ClassDef) else "x_"
        for each in inner:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{owner}{each.name}"] = ast.get_source_segment(source, each) or ""
    return found


def smallest_change(one: ast.AST, other: ast.AST) -> tuple[str, str]:
    """Return the smallest pieces of two variants of a function that differ, as source.

    A name or constant is shown with what it stands in, and a case of a `match` that
    is left out as that case and nothing.
    """
    path = list(_way_to_change(one, other))
    while len(path) > 1 and isinstance(path[-1][0], ast.Constant | ast.Name):
        path.pop()
    was, becomes = path[-1]
    if isinstance(was, ast.Match) and isinstance(becomes, ast.Match):
        for case, kept in zip_longest(was.cases, becomes.cases):
            if kept is None or ast.dump(case) != ast.dump(kept):
                return _source(case), ""
    return _source(was), _source(becomes)


def _variants(tree: ast.Module) -> Iterator[tuple[str, str, str, ast.AST]]:
    """Yield name, number, mangled name and tree of each variant, the original of each first."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if known := _VARIANT.fullmatch(node.name):
            owner = f"{known['owner']}." if known["owner"] else ""
            found.append((f"{owner}{known['name']}", known["number"], node.name, node))
            node.name = known["name"]
    mangled = {id(node): name for _, _, name, node in found}
    for function, number, _, node in sorted(found, key=lambda each: each[1] != "orig"):
        yield function, number, mangled[id(node)], node


def _way_to_change(one: ast.AST, other: ast.AST) -> Iterator[tuple[_Shown, _Shown]]:
    """Yield the pairs of pieces that hold all differences, from the largest to the smallest."""
    if type(one) is not type(other):
        if isinstance(one, _Shown) and isinstance(other, _Shown):
            yield one, other
        return
    if isinstance(one, _Shown) and isinstance(other, _Shown):
        yield one, other
    inner = [
        (mine, theirs)
        for name, value in ast.iter_fields(one)
        for mine, theirs in _paired(value, getattr(other, name))
        if not _same(mine, theirs)
    ]
    if len(inner) == 1 and all(isinstance(each, ast.AST) for each in inner[0]):
        yield from _way_to_change(*inner[0])


def _paired(one: Any, other: Any) -> list[tuple[Any, Any]]:
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return list(zip(one, other, strict=True))
    return [(one, other)]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, ast.AST) and isinstance(other, ast.AST):
        return ast.dump(one) == ast.dump(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _source(node: _Shown) -> str:
    return ast.unparse(node)


def _is_sentence(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(map(_is_sentence, node.values))
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and bool(_SENTENCE.search(node.value))
    )


def _called(call: ast.Call) -> str:
    """Return the last part of the name of what is called."""
    of = call.func
    return of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else ""

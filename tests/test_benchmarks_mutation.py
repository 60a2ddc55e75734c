"""What mutants change, how they are counted, and whether what is explained is there at all."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutation import __main__ as program
from benchmarks.mutation.mutants import Mutant, Texts, mutants_of, smallest_change
from benchmarks.mutation.settings import Explained, Settings, module_of, read_settings

SETTINGS = read_settings()
ROOT = program.ROOT


def named(function: str) -> Any:
    """Return what stands in a mutated module under the full name of a function."""
    module = module_of(function, SETTINGS.modules)
    found: Any = importlib.import_module(".".join(Path(module).with_suffix("").parts))
    for name in function.split(".")[len(Path(module).parts) :]:
        # Not `getattr`: a property is a function of its class.
        found = vars(found)[name]
    return found


@pytest.mark.parametrize("path", [*SETTINGS.modules, *SETTINGS.tests])
def test_what_is_mutated_and_what_tries_it_is_there(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(
    "function", sorted({*SETTINGS.text_functions, *(each.function for each in SETTINGS.explained)})
)
def test_what_is_explained_is_a_function_of_a_mutated_module(function: str) -> None:
    assert callable(named(function))


def test_each_explanation_says_what_changes_and_why() -> None:
    for each in SETTINGS.explained:
        assert each.reason.strip()
        assert each.was != each.becomes


# What differs


def function(body: str) -> ast.stmt:
    return ast.parse(f"def f(a=1):\n    {body}").body[0]


@pytest.mark.parametrize(
    ("one", "other", "was", "becomes"),
    [
        ("return a < b", "return a <= b", "a < b", "a <= b"),
        ("return g(h(a, b))", "return g(h(a, None))", "h(a, b)", "h(a, None)"),
        ("return g(h(a, b))", "return g(h(a))", "h(a, b)", "h(a)"),
        ("return g(a, b=1)", "return g(a, b=2)", "b=1", "b=2"),
        ("return g(a, b=h(c))", "return g(a, b=h(None))", "h(c)", "h(None)"),
        ("x = not a", "x = a", "not a", "a"),
        ("x = a + 1", "x = None", "a + 1", "None"),
        ("if a:\n        x = 1", "if a:\n        x = 2", "x = 1", "x = 2"),
        ("x += 1", "x -= 1", "x += 1", "x -= 1"),
        (
            "match a:\n        case 1:\n            b()\n        case _:\n            c()",
            "match a:\n        case _:\n            c()",
            "case 1:\n    b()",
            "",
        ),
    ],
)
def test_the_smallest_piece_that_differs_is_told(
    one: str, other: str, was: str, becomes: str
) -> None:
    found = smallest_change(function(one), function(other))
    assert tuple(each.strip() for each in found) == (was, becomes)


def test_of_a_default_the_parameters_are_told() -> None:
    one, other = ast.parse("def f(a=1): g()").body[0], ast.parse("def f(a=2): g()").body[0]
    assert smallest_change(one, other) == ("a=1", "a=2")


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ("raise Blocked(f'{a}')", "raise Blocked(None)", True),
        ("raise Blocked('a', by=b)", "raise Blocked('a', by=None)", False),
        ("raise Blocked('a', by=b)", "raise Blocked(by=b)", False),
        ("raise x.Blocked('a')", "raise x.Blocked('XXaXX')", True),
        ("x = 'two words'", "x = 'XXtwo wordsXX'", True),
        ("x = f'{a} of them'", "x = f'{None} of them'", True),
        ("x = 'one, two'", "x = 'ONE, TWO'", True),
        ("x = 'flaky = true'", "x = 'FLAKY = TRUE'", False),
        ("x = f'{a}: {b} 1'", "x = f'{a}: {None} 1'", False),
        ("x = 'name'", "x = 'NAME'", False),
        ("x = ' '", "x = 'XX XX'", False),
        ("x = f'{a} {b}'", "x = f'{a} {None}'", False),
        ("x = 'two words'", "x = None", False),
    ],
)
def test_what_differs_in_a_sentence_differs_in_a_text(one: str, other: str, text: bool) -> None:
    known = Texts({"Blocked": [0]})
    assert known.hold_all_of("m.f", function(one), function(other)) is text


def test_functions_may_be_nothing_but_texts() -> None:
    one, other = function("x = 1"), function("x = 2")
    assert Texts(functions=["m.f"]).hold_all_of("m.f", one, other)
    assert not Texts(functions=["m.f"]).hold_all_of("m.g", one, other)


# What mutmut leaves

MUTATED = """
def x_f__mutmut_orig(a):
    return a < 1 or Blocked('a')
def x_f__mutmut_1(a):
    return a <= 1 or Blocked('a')
def x_f__mutmut_2(a):
    return a < 2 or Blocked('a')
def x_f__mutmut_3(a):
    return a < 1 or Blocked(None)
class C:
    def xǁCǁm__mutmut_1(self):
        return 2
    def xǁCǁm__mutmut_orig(self):
        return 1
"""
STATUSES = {"x_f__mutmut_1": 0, "x_f__mutmut_2": 1, "x_f__mutmut_3": 33, "xǁCǁm__mutmut_1": None}


@pytest.fixture
def found(tmp_path: Path) -> list[Mutant]:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "m.py").write_text(MUTATED, encoding="utf-8")
    meta = {"exit_code_by_key": {f"p.m.{name}": status for name, status in STATUSES.items()}}
    (tmp_path / "p" / "m.py.meta").write_text(json.dumps(meta), encoding="utf-8")
    return list(mutants_of(tmp_path, Path("p/m.py"), Texts({"Blocked": [0]})))


def test_mutants_are_read_with_what_became_of_them(found: list[Mutant]) -> None:
    read = {each.name.partition("__mutmut_")[::2][1] + each.function[3:]: each for each in found}
    assert set(read) == {"1.f", "2.f", "3.f", "1.C.m"}
    first, second, text, untried = (read[each] for each in ("1.f", "2.f", "3.f", "1.C.m"))
    assert (first.was, first.becomes, first.survived, first.tried) == (
        "a < 1",
        "a <= 1",
        True,
        True,
    )
    assert (second.survived, second.tried) == (False, True)
    assert (text.survived, text.in_text, first.in_text) == (True, True, False)
    assert (untried.was, untried.tried) == ("return 1", False)


def settings(*explained: Explained) -> Settings:
    return Settings(("p/m.py",), (), (), {}, (), explained)


KNOWN = Explained("p.m.f", "a < 1", "a <= 1", "a is never 1")


def test_survivors_are_explained_or_not(found: list[Mutant]) -> None:
    (survivor,) = settings().unexplained(found)
    assert survivor.becomes == "a <= 1"
    assert settings(KNOWN).unexplained(found) == []
    # One explanation is of one mutant.
    assert settings(KNOWN).unexplained([*found, *found]) == [survivor]
    assert settings().unexplained([*found, *found]) == [survivor, survivor]
    assert settings(KNOWN).outdated(found) == []
    gone = Explained("p.m.f", "a < 1", "a < 2", "it is killed")
    assert settings(KNOWN, gone).outdated(found) == [gone]


def test_texts_are_counted_apart(found: list[Mutant]) -> None:
    score = program.score_of("p/m.py", found, settings(KNOWN))
    assert (score.mutants, score.killed, score.explained, score.unexplained) == (3, 1, 1, 0)
    assert (score.untried, score.in_texts, score.in_texts_killed) == (1, 1, 0)
    assert f"{score.rate:.1f}" == "50.0"


def test_the_report_ends_with_the_survivors(
    found: list[Mutant], capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.report({"p/m.py": found}, settings()) == 1
    assert capsys.readouterr().out.endswith("was      a < 1\n  becomes  a <= 1\n")
    assert program.report({"p/m.py": found}, settings(KNOWN)) == 0
    assert "becomes" not in capsys.readouterr().out


def test_a_module_is_chosen_by_its_name() -> None:
    assert program.chosen_modules([], SETTINGS) == list(SETTINGS.modules)
    assert program.chosen_modules(["guard", "conformance/report/baseline/*"], SETTINGS) == [
        each for each in SETTINGS.modules if "baseline" in each or each.endswith("guard.py")
    ]
    with pytest.raises(SystemExit, match="there are"):
        program.chosen_modules(["unheard-of"], SETTINGS)


def test_without_mutmut_what_to_install_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install"):
        program.main([])


def test_only_functions_that_were_changed_are_tried_again() -> None:
    before = "def f():\n    return 1\n\nclass C:\n    def m(self):\n        return 1\n"
    assert program.changed_since(before, f"import a\n{before}", "p/m.py") == []
    now = before.replace("        return 1", "        return 2") + "\ndef g():\n    return 1\n"
    assert program.changed_since(before, now, "p/m.py") == [
        "p.m.xǁCǁm__mutmut_*",
        "p.m.x_g__mutmut_*",
    ]
    assert program.changed_since("", now, "p/m.py") == ["p.m.*"]


@pytest.mark.slow
def test_a_copy_is_made_once_and_only_what_changed_is_copied_again(tmp_path: Path) -> None:
    made = program.copy_tree(tmp_path, SETTINGS)
    assert list(made) == list(SETTINGS.modules)
    assert made["conformance/runner/judging.py"] == ["conformance.runner.judging.*"]
    pyproject = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    assert pyproject.count("[tool.mutmut]") == 1
    module = tmp_path / SETTINGS.modules[0]
    before = module.stat().st_mtime_ns
    assert not any(program.copy_tree(tmp_path, SETTINGS).values())
    assert module.stat().st_mtime_ns == before
    assert (tmp_path / "pyproject.toml").read_text(encoding="utf-8") == pyproject
    module.write_text("pass")
    assert program.copy_tree(tmp_path, SETTINGS)[SETTINGS.modules[0]]

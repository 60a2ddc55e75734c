"""Mutate the modules in which the suite judges, and count the mutants that the tests kill.

    python -m benchmarks.mutation [--module NAME]... [--folder FOLDER] [-n PROCESSES]

The tree is copied to a folder (a temporary one by default), where mutmut changes one small thing
after the other and runs the fast tests that call the changed function. With `--folder` the copy is
kept: a further run tries only what was not killed, or was changed, since the last one. Exit status
1 says that a survivor is not explained in `mutation.toml`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.mutation.mutants import Mutant, functions_in, mutants_of
from benchmarks.mutation.settings import Settings, read_settings

ROOT = Path(__file__).parents[2]
_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".work", ".*_cache", ".hypothesis", "__pycache__", "reports", "dist", "build"
)
_WHAT_TO_INSTALL = "mutmut is not installed: pip install 'mutmut>=3.8'"


@dataclass(frozen=True)
class Score:
    """How many mutants of a module, or of all, were killed; those in texts are counted apart."""

    module: str
    mutants: int
    killed: int
    explained: int
    unexplained: int
    untried: int
    in_texts: int
    in_texts_killed: int

    @property
    def rate(self) -> float:
        """The part that was killed, of the mutants tried that are no texts, in per cent."""
        tried = self.mutants - self.untried
        return 100.0 * self.killed / tried if tried else 100.0

    def __str__(self) -> str:
        return (
            f"{self.module:56}{self.mutants:6}{self.killed:8}{self.rate:7.1f} %"
            f"{self.explained:8}{self.unexplained:8}{self.untried:8}"
            f"{self.in_texts:8}{self.in_texts_killed:8}"
        )


HEAD = (
    f"{'module':56}{'mutants':>6}{'killed':>8}{'score':>8}"
    f"{'expl.':>9}{'unexpl.':>8}{'untried':>8}{'texts':>8}{'killed':>8}"
)


def score_of(module: str, mutants: Sequence[Mutant], settings: Settings) -> Score:
    """Count the mutants of a module, or of all modules."""
    judging = [each for each in mutants if not each.in_text]
    tried = [each for each in judging if each.tried]
    survivors = [each for each in tried if each.survived]
    unexplained = settings.unexplained(judging)
    texts = [each for each in mutants if each.in_text]
    return Score(
        module,
        mutants=len(judging),
        killed=len(tried) - len(survivors),
        explained=len(survivors) - len(unexplained),
        unexplained=len(unexplained),
        untried=len(judging) - len(tried),
        in_texts=len(texts),
        in_texts_killed=sum(each.tried and not each.survived for each in texts),
    )


def copy_tree(folder: Path, settings: Settings) -> dict[str, list[str]]:
    """Copy the repository and write mutmut's settings; return what was changed of each module.

    What was changed is given as patterns of the names of mutants.
    """
    before = {each: _text_of(folder / each) for each in settings.modules}
    shutil.copytree(ROOT, folder, ignore=_NOT_COPIED, dirs_exist_ok=True, copy_function=_copy)
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(mutmut_settings(settings))
    return {
        each: changed_since(text, _text_of(folder / each), each) for each, text in before.items()
    }


def _text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def changed_since(before: str, now: str, module: str) -> list[str]:
    """Return patterns for the mutants of the functions of a module that were changed."""
    prefix = ".".join(Path(module).with_suffix("").parts)
    if not before:
        return [f"{prefix}.*"]
    known = functions_in(before)
    return [
        f"{prefix}.{name}__mutmut_*"
        for name, source in functions_in(now).items()
        if known.get(name) != source
    ]


def _copy(source: str, target: str) -> None:
    """Copy a file unless it is there already: mutmut knows by the time what was changed."""
    if not Path(target).exists() or Path(source).read_bytes() != Path(target).read_bytes():
        shutil.copyfile(source, target)


def mutmut_settings(settings: Settings) -> str:
    """Return the table of mutmut for `pyproject.toml`."""
    table = {
        "source_paths": ["conformance"],
        "only_mutate": settings.modules,
        "also_copy": [
            each.name for each in sorted(ROOT.iterdir()) if not each.name.startswith(".git")
        ],
        # One process, since mutmut starts several; the order is mutmut's.
        "pytest_add_cli_args": ["-n0", "-q", "-m", "not slow", *_deselected(settings)],
        "pytest_add_cli_args_test_selection": settings.tests,
    }
    # Lists of texts are the same in JSON and in TOML.
    lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
    return "\n[tool.mutmut]\n" + "\n".join(lines) + "\n"


def _deselected(settings: Settings) -> list[str]:
    return [part for each in settings.left_out for part in ("--deselect", each)]


def to_try(folder: Path, module: str, settings: Settings, changed: list[str]) -> list[str]:
    """Return the names or patterns of the mutants of a module that are to be tried."""
    known = _mutants(folder, module, settings)
    if not any(each.tried for each in known):
        return [f"{'.'.join(Path(module).with_suffix('').parts)}.*"]
    left = [each.name for each in known if each.survived or not each.tried]
    return changed + [each for each in left if not any(fnmatch(each, of) for of in changed)]


def _mutants(folder: Path, module: str, settings: Settings) -> list[Mutant]:
    root = folder / "mutants"
    if not (root / f"{module}.meta").exists():
        return []
    return list(mutants_of(root, Path(module), settings.texts))


def run(folder: Path, modules: Iterable[str], settings: Settings, processes: int) -> int:
    """Try the mutants of some modules in `folder`, print the scores, and return the exit status."""
    changed = copy_tree(folder, settings)
    chosen = list(modules)
    names = [
        name for module in chosen for name in to_try(folder, module, settings, changed[module])
    ]
    if names:
        # Which tests call which function is found out anew: both may have changed.
        (folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(processes), *names]
        with (folder / "mutmut.log").open("w", encoding="utf-8") as log:
            ended = subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        if ended.returncode:
            print((folder / "mutmut.log").read_text(encoding="utf-8")[-4000:], file=sys.stderr)
            return ended.returncode
    return report({each: _mutants(folder, each, settings) for each in chosen}, settings)


def report(found: dict[str, list[Mutant]], settings: Settings) -> int:
    """Print the scores and the survivors that are not explained; return the exit status."""
    everything = [each for mutants in found.values() for each in mutants]
    print(HEAD)
    for module, mutants in found.items():
        print(score_of(module.removeprefix("conformance/"), mutants, settings))
    print(score_of("all", everything, settings))
    unexplained = settings.unexplained(everything)
    for each in unexplained:
        print(f"\n{each.name}\n  was      {each.was}\n  becomes  {each.becomes}")
    tried = tuple(each.name.rpartition(".")[0] for each in everything)
    for known in settings.outdated(everything):
        if known.function.startswith(tried):
            print(
                f"\nexplained, but killed or changed: {known.function}\n  becomes  {known.becomes}"
            )
    return 1 if unexplained else 0


def chosen_modules(patterns: Sequence[str], settings: Settings) -> list[str]:
    """Return the modules whose path or last name matches one of the patterns; all without any."""
    if not patterns:
        return list(settings.modules)
    found = [
        each
        for each in settings.modules
        if any(fnmatch(each, of) or fnmatch(Path(each).stem, of) for of in patterns)
    ]
    if not found:
        names = ", ".join(Path(each).stem for each in settings.modules)
        raise SystemExit(f"no such module is mutated; there are {names}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutation", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--module", action="append", default=[], help="only this one; may be given again"
    )
    parser.add_argument("--folder", type=Path, help="where to keep the copy and its mutants")
    parser.add_argument("-n", type=int, default=2, help="processes at once, by default 2")
    given = parser.parse_args(arguments)
    settings = read_settings()
    modules = chosen_modules(given.module, settings)
    if importlib.util.find_spec("mutmut") is None:
        raise SystemExit(_WHAT_TO_INSTALL)
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
        return run(given.folder, modules, settings, given.n)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        return run(Path(folder), modules, settings, given.n)


if __name__ == "__main__":
    sys.exit(main())

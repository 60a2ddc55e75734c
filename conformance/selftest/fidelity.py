"""A comparison of the model with a real server: both get the same sequences of operations.

    python -m conformance.selftest.fidelity --url URL [--sequences N] [--seed S]

The answers are compared after masking. Known differences are listed in `differences.toml`, where
each entry names the requirement that the server breaks, or says why the server is free to differ.
Exit status: 0 no other differences, 1 other differences, 2 wrong usage or no server.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import httpx

from conformance.contract.catalogue import load_catalogue
from conformance.deployment.connect import Connection, connect
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.record.reproduction import numbered_commands
from conformance.deployment.settings import DEFAULT_SEED, GraphSettings, Settings, SettingsError
from conformance.json_differences import differences
from conformance.reference.process import ReferenceProcess
from conformance.runner.cleanup import clean_up
from conformance.runner.settings import new_settings
from conformance.selftest.fidelity_side import Masks, Side
from conformance.selftest.fidelity_steps import Sequence, Step, sequences, shorter
from conformance.typed_data import read_toml, typed

LISTED = Path(__file__).parent / "differences.toml"


class ListError(Exception):
    """The list of known differences is inconsistent; the message names the entry."""


@dataclass(frozen=True)
class KnownDifference:
    """A known difference: the operations, and a pattern for the line that describes it.

    It has either a `requirement`, which the server breaks, or a `freedom`, the reason why it may
    differ. With `ends` the threads differ from then on, so that the sequence ends there.
    """

    operations: tuple[str, ...]
    line: str
    requirement: str = ""
    freedom: str = ""
    ends: bool = False

    def covers(self, operation: str, line: str) -> bool:
        """Return whether the line describes this difference."""
        return operation in self.operations and fnmatch.fnmatchcase(line, self.line)


@dataclass(frozen=True)
class UnknownDifference:
    """An unknown difference: the step, the smallest differing lines, and the sequence."""

    sequence: Sequence
    step: Step
    lines: tuple[str, ...]
    story: str

    def alike(self, other: UnknownDifference) -> bool:
        """Return whether both are the same difference of the same operation."""
        return self.step.operation == other.step.operation and self.lines[0] == other.lines[0]


@dataclass(frozen=True)
class Outcome:
    """The result of a comparison. `stale` are entries whose difference never occurred."""

    compared: int
    occurred: dict[KnownDifference, int]
    unlisted: tuple[UnknownDifference, ...]
    stale: tuple[KnownDifference, ...]


def read_differences(file: Path = LISTED) -> tuple[KnownDifference, ...]:
    """Return the known differences; ListError if an entry has neither requirement nor freedom."""
    known = load_catalogue().requirements
    listed = []
    for made in typed(read_toml(file)["difference"], tuple[KnownDifference, ...]):
        if bool(made.requirement) == bool(made.freedom):
            raise ListError(f"{made.line}: name the requirement, or the freedom and its reason")
        if made.requirement and made.requirement not in known:
            raise ListError(f"{made.line}: there is no requirement {made.requirement}")
        listed.append(made)
    return tuple(listed)


class Comparison:
    """Two deployments that get the same requests. The caller removes the threads."""

    def __init__(
        self,
        reference: Connection,
        server: Connection,
        listed: Iterable[KnownDifference],
        graph: GraphSettings,
    ) -> None:
        self._reference, self._server = reference, server
        self._listed = tuple(listed)
        self._graph = graph
        self.occurred = dict.fromkeys(self._listed, 0)
        self.compared = 0

    def judge(self, sequence: Sequence) -> UnknownDifference | None:
        """Return the first unknown difference of a sequence, with the shortest sequence for it."""
        found = self.play(sequence)
        while found:
            for candidate in shorter(found.sequence):
                again = self.play(candidate)
                if again and again.step.operation == found.step.operation:
                    found = again
                    break
            else:
                break
        return found

    def play(self, sequence: Sequence) -> UnknownDifference | None:
        """Return the first unknown difference of a sequence, or None."""
        reference = Side(self._reference.client, self._graph)
        server = Side(self._server.client, self._graph)
        masks = Masks(reference, server)
        with self._server.recorder.check("fidelity") as exchanges:
            for position, step in enumerate(sequence):
                expected, actual = reference.play(step), server.play(step)
                if expected is None or actual is None:
                    continue
                self.compared += 1
                lines = differences(*masks.masked(step, expected, actual))
                explained = [self._explained(step, line) for line in lines]
                if None in explained:
                    text = numbered_commands(exchanges)
                    new = [line for line, known in zip(lines, explained, strict=True) if not known]
                    return UnknownDifference(sequence[: position + 1], step, tuple(new), text)
                if any(each and each.ends for each in explained):
                    break
        return None

    def _explained(self, step: Step, line: str) -> KnownDifference | None:
        found = next((each for each in self._listed if each.covers(step.operation, line)), None)
        if found:
            self.occurred[found] += 1
        return found


def compare(
    reference_url: str,
    settings: Settings,
    number: int,
    listed: Iterable[KnownDifference],
    most: int = 5,
) -> Outcome:
    """Play `number` sequences on both deployments; stop after `most` unknown differences."""
    own = new_settings(reference_url, Path(settings.run_dir))
    unlisted: list[UnknownDifference] = []
    with ExitStack() as stack:
        for each in (own, settings):
            stack.callback(clean_up, each)
        reference = stack.enter_context(connect(own, record=False))
        server = stack.enter_context(connect(settings, record=False))
        comparison = Comparison(reference, server, listed, settings.graph)
        for sequence in sequences(number, settings.seed):
            found = comparison.judge(sequence)
            if found and not any(found.alike(each) for each in unlisted):
                unlisted.append(found)
            if len(unlisted) >= most:
                break
    stale = tuple(each for each, times in comparison.occurred.items() if not times)
    return Outcome(comparison.compared, comparison.occurred, tuple(unlisted), stale)


@click.command()
@click.option("--url", required=True, metavar="URL", help="A real server.")
@click.option("--sequences", "number", type=click.IntRange(1), default=60, show_default=True)
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True)
def main(url: str, number: int, seed: int) -> None:
    """Compare the reference with a real server, answer by answer."""
    try:
        listed = read_differences()
        with TemporaryDirectory(prefix="threads-conformance-") as directory:
            settings = new_settings(url, Path(directory), seed=seed)
            server = identify_deployment(settings)
            with ReferenceProcess() as reference:
                outcome = compare(reference.url, settings, number, listed)
    except (SettingsError, UnreachableError, ListError, httpx.HTTPError) as unusable:
        click.echo(f"Error: {unusable}", err=True)
        sys.exit(2)
    shown = Redactor().url(url)
    click.echo(f"{server.name} {server.version} at {shown}, {number} sequences, seed {seed}")
    _print(outcome)
    sys.exit(1 if outcome.unlisted else 0)


def _print(outcome: Outcome) -> None:
    for each in outcome.unlisted:
        click.echo(f"\nUNLISTED: {each.step.operation}, after {len(each.sequence) - 1} steps")
        for line in each.lines:
            click.echo(f"  {line}")
        click.echo(each.story)
    occurred = {each: times for each, times in outcome.occurred.items() if times}
    click.echo(
        f"\n{outcome.compared} answers compared, {len(outcome.unlisted)} unlisted differences"
    )
    for listed, times in occurred.items():
        click.echo(f"  {times} times {_entry(listed)}")
    for listed in outcome.stale:
        click.echo(f"  stale, never occurred: {_entry(listed)}")


def _entry(listed: KnownDifference) -> str:
    reason = listed.requirement or f"freedom: {listed.freedom}"
    return f"{', '.join(listed.operations)} {listed.line} ({reason})"


if __name__ == "__main__":
    main()

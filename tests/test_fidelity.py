"""The comparison of the model with a server, between two references of which one is faulty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conformance.deployment.settings import Settings
from conformance.model.entities import Checkpoint, Thread
from conformance.model.search import Searches
from conformance.model.threads import Threads
from conformance.selftest import fidelity
from conformance.selftest.fidelity import (
    KnownDifference,
    ListError,
    Outcome,
    compare,
    read_differences,
)
from conformance.selftest.fidelity_steps import sequences, shorter
from tests.conftest import served, threads_of
from tests.store_variants import store_of

MakeSettings = Callable[..., Settings]
NUMBER = 12


class CopiesLackTheOldest(Threads):
    def copied_checkpoints(self, source: Thread) -> Sequence[Checkpoint]:
        return super().copied_checkpoints(source)[1:]


class CountsOneTooMany(Searches):
    def count(self, *given: Any) -> int:
        return super().count(*given) + 1


class DropsUpdates(Threads):
    def merged(self, metadata: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("as a server breaks")


def outcome_of(
    parts: tuple[type, ...], settings_for: MakeSettings, reference: str, *listed: KnownDifference
) -> Outcome:
    with served(store_of(*parts)) as url:
        outcome = compare(reference, settings_for(url), NUMBER, listed)
        assert threads_of(url) == {}
    assert threads_of(reference) == {}
    return outcome


@pytest.mark.slow
def test_two_references_answer_alike(reference: str, settings_for: MakeSettings) -> None:
    outcome = outcome_of((), settings_for, reference)
    assert outcome.unlisted == ()
    assert outcome.compared > NUMBER * 5


@pytest.mark.slow
def test_what_is_not_listed_is_told_in_its_shortest_form(
    reference: str, settings_for: MakeSettings
) -> None:
    outcome = outcome_of((CopiesLackTheOldest,), settings_for, reference)
    assert {each.step.operation for each in outcome.unlisted} <= {
        "history",
        "post_history",
        "copy",
        "get",
    }
    found = outcome.unlisted[0]
    assert found.lines[0].startswith("$.body")
    assert "copy" in {each.operation for each in found.sequence}
    assert len(found.sequence) <= 4
    assert found.story.startswith("# 1. POST /threads answers 200\ncurl ")


@pytest.mark.slow
def test_what_is_listed_is_counted(reference: str, settings_for: MakeSettings) -> None:
    known = KnownDifference(("count",), "$.body: expected *", requirement="COUNT-01")
    other = KnownDifference(("get",), "$.body.status: *", freedom="none")
    outcome = outcome_of((CountsOneTooMany,), settings_for, reference, known, other)
    assert outcome.unlisted == ()
    assert outcome.occurred[known] > 0
    assert outcome.stale == (other,)


@pytest.mark.slow
def test_a_pattern_covers_only_what_it_says(reference: str, settings_for: MakeSettings) -> None:
    other = KnownDifference(("search",), "$.body: expected *", requirement="COUNT-01")
    outcome = outcome_of((CountsOneTooMany,), settings_for, reference, other)
    assert [each.step.operation for each in outcome.unlisted][:1] == ["count"]
    assert outcome.stale == (other,)


@pytest.mark.slow
def test_an_answer_of_5xx_is_a_difference(reference: str, settings_for: MakeSettings) -> None:
    outcome = outcome_of((DropsUpdates,), settings_for, reference)
    assert [each.lines for each in outcome.unlisted] == [('$.outcome: expected "done", got "5xx"',)]


@pytest.mark.slow
def test_a_sequence_ends_where_the_threads_are_not_alike(
    reference: str, settings_for: MakeSettings
) -> None:
    ends = KnownDifference(("copy",), "$.body*", requirement="COPY-03", ends=True)
    goes_on = KnownDifference(("copy",), "$.body*", requirement="COPY-03")
    shown = [
        outcome_of((CopyIsRenamed,), settings_for, reference, each).compared
        for each in (ends, goes_on)
    ]
    assert shown[0] < shown[1]


class CopyIsRenamed(Threads):
    def copy(self, thread_id: str) -> dict[str, Any]:
        return {**super().copy(thread_id), "status": "copied"}


# ---- the sequences -------------------------------------------------------------------


def test_sequences_are_the_same_for_the_same_seed() -> None:
    once = list(sequences(5, 1))
    assert once == list(sequences(5, 1))
    assert once != list(sequences(5, 2))
    assert list(sequences(3, 1)) == once[:3]


def test_all_operations_occur() -> None:
    seen = {step.operation for sequence in sequences(30, 1) for step in sequence}
    assert seen >= {"create", "create_again", "copy", "run_wait", "prune", "delete", "count"}


def test_a_shorter_sequence_names_threads_that_were_made() -> None:
    for sequence in sequences(10, 3):
        for each in shorter(sequence):
            assert len(each) == len(sequence) - 1
            made = 0
            for step in each:
                assert step.makes or step.thread <= max(made - 1, 0)
                assert step.thread >= 0
                made += step.makes


# ---- the list and the command --------------------------------------------------------


def test_the_list_is_tied_to_requirements_or_reasons() -> None:
    listed = read_differences()
    assert listed
    assert all(each.requirement or len(each.freedom) > 20 for each in listed)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("", "name the requirement, or the freedom"),
        ('requirement = "COPY-01"\nfreedom = "both"', "name the requirement, or the freedom"),
        ('requirement = "NONE-01"', "there is no requirement NONE-01"),
    ],
)
def test_an_entry_that_is_tied_to_nothing(entry: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "differences.toml"
    file.write_text(f'[[difference]]\noperations = ["get"]\nline = "*"\n{entry}\n')
    with pytest.raises(ListError, match=told):
        read_differences(file)


@pytest.mark.slow
def test_the_command() -> None:
    for parts, status, told in (
        ((), 0, "0 unlisted differences"),
        ((CountsOneTooMany,), 1, "UNLISTED: count"),
    ):
        with served(store_of(*parts)) as url:
            arguments = ["--url", url, "--sequences", "4"]
            ended = CliRunner().invoke(fidelity.main, arguments)
        assert (ended.exit_code, told in ended.output) == (status, True), ended.output
        assert "stale, never occurred: " in ended.output


@pytest.mark.slow
@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nowhere"])
def test_a_server_that_is_not_there(url: str) -> None:
    ended = CliRunner().invoke(fidelity.main, ["--url", url])
    assert ended.exit_code == 2, ended.output
    assert "Error: " in ended.output

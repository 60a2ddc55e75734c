"""Since when a requirement is kept or broken, from the verdicts of versions."""

from __future__ import annotations

import pytest

from conformance.contract.verdicts import Verdict
from conformance.report.board.timeline import Standing, timeline

LETTERS = {
    "k": Verdict.PASS,
    "b": Verdict.FAIL,
    "x": Verdict.BLOCKED,
    "e": Verdict.ERROR,
    "n": Verdict.NOT_RUN,
    "u": Verdict.UNSUPPORTED,
    ".": None,
}


def since(verdicts: str, number: int = -1) -> str:
    names = [f"v{each}" for each in range(len(verdicts))]
    line = timeline(names, [LETTERS[each] for each in verdicts])
    return line.since(number % len(verdicts))


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ("kkb", "broken since v2"),
        ("kbb", "broken since v1"),
        ("bbb", "broken since v0 (the oldest judged)"),
        ("bkk", "kept since v1"),
        ("bxbk", "kept since v3"),
        # Versions that decide nothing are passed over where both sides agree.
        ("kbxb", "broken since v1"),
        ("b.b", "broken since v0 (the oldest judged)"),
        # Where they do not agree, nobody knows when it changed.
        ("kxb", "broken since v2 or a version after v0"),
        ("kx.bb", "broken since v3 or a version after v0"),
        ("xxb", "broken; no version before v2 decides it"),
        ("x.bb", "broken since v2; no version before it decides it"),
        ("ukk", "kept since v1"),
        ("kuu", "not offered since v1"),
        ("kkx", "undecided"),
        ("kke", "undecided"),
        ("kkn", "undecided"),
        ("kk.", "not judged"),
    ],
)
def test_since_when(verdicts: str, said: str) -> None:
    assert since(verdicts) == said


@pytest.mark.parametrize(
    ("verdicts", "number", "said"),
    [
        ("kbbk", 2, "broken since v1, kept again since v3"),
        ("bbk", 1, "broken since v0 (the oldest judged), kept since v2"),
        ("kbxk", 1, "broken since v1, kept again since v3"),
        ("bkb", 1, "kept since v1, broken again since v2"),
        ("kkx", 1, "kept since v0 (the oldest judged)"),
    ],
)
def test_what_became_of_it_later(verdicts: str, number: int, said: str) -> None:
    assert since(verdicts, number) == said


def test_versions_with_one_standing_make_one_span() -> None:
    line = timeline(["1", "2", "3", "4"], [Verdict.FAIL, Verdict.FAIL, Verdict.ERROR, None])
    assert [(each.standing, each.first, each.length) for each in line.spans] == [
        (Standing.BROKEN, 0, 2),
        (Standing.UNDECIDED, 2, 1),
        (Standing.UNJUDGED, 3, 1),
    ]
    assert line.told() == "broken in 1 to 2, undecided in 3, not judged since 4"
    assert not line.changes
    assert timeline(["1", "2"], [Verdict.FAIL, Verdict.PASS]).changes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.causes import Cause, fingerprint, kinds_of_changes
from conformance.contract.verdicts import Verdict
from conformance.report.run.grouping import failure_groups, undecided_groups, unmet_optional_groups
from conformance.safe_text import masked
from tests.report_examples import CHECKS, RICH, THREAD, check, exchange, failure, report_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "thread 3f0c5f6e-8a54-4a52-9a35-0d7a3f1c2b11",
            "thread 3a8f8a0a-ec51-46ae-9d6d-7667c2979993",
        ),
        ("made 2026-11-21T10:48:31.509533+00:00", "made 2024-09-26T15:46:20.123Z"),
        ("http://127.0.0.1:2024/threads", "http://127.0.0.1:43117/threads"),
        ("hash 9f86d081884c7d65", "hash 2c26b46b68ffc68f"),
        ("3 states, the source has 4", "11 states, the source has 12"),
        ("$[3].metadata.step: -1", "$[17].metadata.step: 4"),
        ("after 0.52 s", "after 12.7 s"),
    ],
)
def test_what_changes_from_run_to_run_is_masked(one: str, other: str) -> None:
    assert masked(one) == masked(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("answered with 404", "answered with 500"),
        ("$.metadata.step", "$.metadata.source"),
        ("COPY-03 failed", "COPY-04 failed"),
        ("expected a list", "expected an object"),
    ],
)
def test_what_tells_failures_apart_is_not(one: str, other: str) -> None:
    assert masked(one) != masked(other)


@given(st.lists(st.text() | st.integers() | st.none()))
def test_any_parts_have_a_fingerprint(parts: list[str | int | None]) -> None:
    assert len(fingerprint(*parts)) == 16
    assert fingerprint(*parts) == fingerprint(*parts)
    assert fingerprint(*parts, "one more") != fingerprint(*parts)


def test_kinds_of_differences_know_places_and_types_and_no_values() -> None:
    def kinds(path: str, expected: object, actual: object) -> tuple[str, ...]:
        return kinds_of_changes([(path, expected, actual)])

    seen = kinds("$[3].values.messages[0].id", "one", "another")
    assert kinds("$[17].values.messages[2].id", "a third", "a fourth") == seen
    assert kinds("$[3].values.messages[0].id", "one", None) != seen
    assert kinds("$[3].values.messages[0].id", "one", 1) != seen
    assert kinds("$[3].values.messages[0].type", "one", "another") != seen
    assert kinds("$.ok", True, False) != kinds("$.ok", False, True)
    # Interrupts stand under the ids of the tasks that asked.
    under = "$.interrupts['{}'][0].value".format
    one, other = (under(each) for each in (THREAD, "9c2b6a1e-53f1-4d56-8c7e-61c1b0a9d7aa"))
    assert kinds(one, "a", 1) == kinds(other, "b", 2)


def test_failures_of_one_cause_stand_together_the_highest_level_first() -> None:
    found = failure_groups(RICH)
    assert [group.requirements for group in found] == [
        ("COPY-03", "COPY-05"),
        ("COPY-04",),
        ("CREATE-03",),
    ]
    assert [group.level for group in found] == ["MUST", "MUST", "SHOULD"]
    assert found[0].cause == "the copy has 3 states, its source has 4"


def test_what_is_optional_is_no_failure() -> None:
    assert [group.requirements for group in unmet_optional_groups(RICH)] == [("COPY-09",)]


def test_one_operation_that_answers_with_one_server_error_is_one_cause() -> None:
    broken = exchange(status=500)
    checks = [
        check("test_a", "COPY-01", "fail", failure=failure("no id", broken)),
        check("test_b", "COPY-03", "fail", failure=failure("no history", exchange(), broken)),
        check("test_c", "COPY-04", "fail", failure=failure("no", exchange(status=503))),
    ]
    found = failure_groups(report_of(checks))
    assert [(group.cause, len(group.checks)) for group in found] == [
        ("copy answers 500", 2),
        ("copy answers 503", 1),
    ]


def test_what_the_baseline_accepts_comes_last() -> None:
    found = failure_groups(report_of(CHECKS, baselined=frozenset({"COPY-03", "COPY-05"})))
    assert found[-1].requirements == ("COPY-03", "COPY-05")
    assert found[-1].baselined
    assert not any(group.baselined for group in found[:-1])


@pytest.mark.parametrize(("accepted", "is_accepted"), [({"COPY-03"}, True), (set(), False)])
def test_a_may_of_the_same_cause_needs_no_entry(accepted: set[str], is_accepted: bool) -> None:
    found = failure("the copy has 3 states", fingerprint="a" * 16)
    checks = [
        check("test_history", "COPY-03", "fail", failure=found),
        check("test_recipe", "COPY-09", "fail", failure=found),
    ]
    (group,) = failure_groups(report_of(checks, baselined=frozenset(accepted)))
    assert group.requirements == ("COPY-03", "COPY-09")
    assert group.baselined is is_accepted


def test_a_failure_without_evidence_is_shown_by_its_reason() -> None:
    found = failure_groups(report_of([check("test_a", "COPY-01", "fail", reason="it said no")]))
    assert [group.cause for group in found] == ["it said no"]


def test_what_was_not_decided_stands_by_verdict_and_cause() -> None:
    refused = Cause.refused("create", 503, "not granted")
    checks = [
        check("test_a", "COPY-01", "blocked", reason="no thread", blocked_by=(refused,)),
        check("test_b", "COPY-03", "blocked", reason="in other words", blocked_by=(refused,)),
        check("test_c", "COPY-04", "error", reason="reset"),
    ]
    found = undecided_groups(report_of(checks))
    assert [(group.verdict, group.requirements) for group in found[:2]] == [
        (Verdict.ERROR, ("COPY-04",)),
        (Verdict.BLOCKED, ("COPY-01", "COPY-03")),
    ]
    assert found[2].verdict is Verdict.NOT_RUN
    assert found[2].reason == "no check of it gave a result"

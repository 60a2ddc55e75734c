"""The assertions of the checks: what they let pass, what they fail, and what they block."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from conformance.checks import comparison_count, expect
from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.comparison_count import ComparisonCount
from conformance.checks.outcomes import Blocked, PromiseBroken
from conformance.checks.views import History
from conformance.contract.api_constants import LONGEST_PAGE
from conformance.contract.causes import NOT_GRANTED, Cause
from conformance.deployment.client import Answer, ThreadsClient
from conformance.deployment.ownership.proof import Ownership
from conformance.deployment.settings import Settings
from conformance.deployment.wire.direct_client import DirectClient

SOURCE, COPY = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
EARLY, LATE = "2026-01-01T00:00:00.5+00:00", "2026-01-01T00:00:01.5+00:00"
THREAD = {
    "thread_id": SOURCE,
    "created_at": EARLY,
    "updated_at": EARLY,
    "metadata": {"color": "red"},
    "status": "idle",
    "values": {"n": 1},
}
STATE = {"values": {"n": 1}, "next": [], "tasks": [], "checkpoint_id": "c"}


def broken_by(assertion: Callable[[], object]) -> PromiseBroken:
    """What a check tells that fails in this assertion."""
    with pytest.raises(PromiseBroken) as broken:
        assertion()
    return broken.value


def blocked_by(assertion: Callable[[], object]) -> Blocked:
    """What a check tells that is blocked in this assertion."""
    with pytest.raises(Blocked) as blocked:
        assertion()
    return blocked.value


def counted(assertion: Callable[[], object]) -> ComparisonCount:
    """What a check compared that made nothing but this assertion."""
    count = comparison_count.begin()
    assertion()
    return count


def answer(status: int = 200, body: Any = None, *, text: str | None = None, of: str = "") -> Answer:
    return Answer(of, status, httpx.Headers(), json.dumps(body) if text is None else text)


# Values


@pytest.mark.parametrize("assertion", [expect.assert_equal, expect.assert_is])
def test_equal_values_pass(assertion: Callable[..., None]) -> None:
    assertion({"a": [1, None]}, {"a": [1.0, None]}, "the values")


@pytest.mark.parametrize("assertion", [expect.assert_equal, expect.assert_is])
def test_a_difference_is_told_by_its_place_and_the_expected_type_first(
    assertion: Callable[..., None],
) -> None:
    broken = broken_by(lambda: assertion({"a": "1"}, {"a": 1}, "the values"))
    assert broken.kinds == ("$.a number str",)
    assert broken.diff == ('$.a: expected 1, got "1"',)
    assert (broken.expected, broken.actual) == ('the values to be {"a": 1}', '{"a": "1"}')


@pytest.mark.parametrize("assertion", [expect.assert_equal, expect.assert_is])
def test_true_is_not_1(assertion: Callable[..., None]) -> None:
    broken_by(lambda: assertion(True, 1, "the value"))


def test_equal_values_are_evidence_only_if_they_hold_something() -> None:
    assert counted(lambda: expect.assert_equal({"a": 1}, {"a": 1}, "")) == ComparisonCount(
        1, 2, {"a"}
    )
    assert counted(lambda: expect.assert_equal([], [], "")).saw_nothing
    # What a requirement itself states is evidence, even if it is empty.
    assert counted(lambda: expect.assert_is([], [], "")) == ComparisonCount(1, 1)


def test_a_condition_fails_in_the_words_of_the_check() -> None:
    assert counted(lambda: expect.assert_that(True, "", "")) == ComparisonCount(1, 1)
    broken = broken_by(lambda: expect.assert_that(False, "at most 3", 5))
    assert (broken.expected, broken.actual) == ("at most 3", "5")


# Histories


def state(thread_id: str, step: int, **members: Any) -> dict[str, Any]:
    return {
        "values": {"messages": ["hello"] * step},
        "checkpoint": {"thread_id": thread_id, "checkpoint_id": str(step)},
        "metadata": {"source": "loop", "step": step, "thread_id": thread_id},
        **members,
    }


def history(thread_id: str, *states: dict[str, Any]) -> History:
    return History(thread_id, list(states))


WHOLE = history(SOURCE, state(SOURCE, 2), state(SOURCE, 1))
IDENTITY = [expect.assert_identical_history, expect.require_identical_history]


@pytest.mark.parametrize("assertion", IDENTITY)
@pytest.mark.parametrize("named", [SOURCE, COPY])
def test_a_copy_has_an_identical_history(named: str, assertion: Callable[..., None]) -> None:
    copy = history(COPY, state(named, 2), state(named, 1))
    made = counted(lambda: assertion(copy, WHOLE))
    assert (made.comparisons, made.values) == (1, 3)


WRONG_COPIES = [
    pytest.param(
        history(COPY, state(COPY, 2)),
        ("length",),
        ('$[1]: missing, expected "1"',),
        id="shorter",
    ),
    pytest.param(
        history(COPY, state(COPY, 2), state(COPY, 1, values={"messages": []})),
        ("$[*].values.messages[*] str absent",),
        ('$[1].values.messages[0]: missing, expected "hello"',),
        id="other-values",
    ),
    pytest.param(
        history(COPY, *(state("a-third", step) for step in (2, 1))),
        ("$[*].checkpoint.thread_id str str",),
        (
            '$[0].checkpoint.thread_id: expected "<this thread>", got "a-third"',
            '$[1].checkpoint.thread_id: expected "<this thread>", got "a-third"',
        ),
        id="names-a-third-thread",
    ),
]


@pytest.mark.parametrize(("copy", "kinds", "diff"), WRONG_COPIES)
def test_a_copy_with_another_history_fails(
    copy: History, kinds: tuple[str, ...], diff: tuple[str, ...]
) -> None:
    broken = broken_by(lambda: expect.assert_identical_history(copy, WHOLE))
    assert (broken.kinds, broken.diff) == (kinds, diff)


@pytest.mark.parametrize("copy", [each.values[0] for each in WRONG_COPIES])
def test_where_another_history_is_judged_elsewhere_it_blocks(copy: History) -> None:
    blocked = blocked_by(lambda: expect.require_identical_history(copy, WHOLE))
    assert blocked.by == (Cause.broken("COPY-03"),)
    assert str(blocked)


def test_a_source_without_values_shows_nothing_to_compare() -> None:
    bare = history(SOURCE, state(SOURCE, 1, values={"messages": []}), state(SOURCE, 0, values=None))
    blocked_by(lambda: expect.assert_identical_history(bare, bare))
    one_shows = history(SOURCE, *WHOLE, state(SOURCE, 0, values=None))
    expect.assert_identical_history(one_shows, one_shows)


def test_two_empty_histories_are_identical_and_no_evidence() -> None:
    empty = history(SOURCE)
    assert counted(lambda: expect.assert_identical_history(empty, empty)).saw_nothing


def moment(number: int, **members: Any) -> dict[str, Any]:
    return {"checkpoint_id": number, "values": {"n": number}, "next": [], "tasks": [], **members}


def task(result: Any = None, **members: Any) -> dict[str, Any]:
    return {"id": "t", "name": "n", "result": result, "interrupts": [], **members}


GROWN = history(
    SOURCE, moment(4), moment(3, tasks=[task(3)], interrupts=[]), moment(2, tasks=[task(1)])
)


@pytest.mark.parametrize(
    "copies",
    [
        pytest.param([GROWN], id="whole"),
        pytest.param([history(COPY, moment(2, tasks=[task()])), GROWN], id="one-state-then-all"),
        pytest.param([history(COPY, *GROWN.states[1:])] * 2, id="the-same-twice"),
        pytest.param(
            [
                history(
                    COPY,
                    moment(3, next=["n"], tasks=[task(interrupts=[1])], interrupts=[1]),
                    *GROWN.states[2:],
                )
            ],
            id="a-task-without-its-result",
        ),
    ],
)
def test_a_copy_may_be_the_source_at_any_time(copies: list[History]) -> None:
    made = counted(lambda: expect.assert_copies_at_times(GROWN, copies, 1))
    assert not made.saw_nothing


@pytest.mark.parametrize(
    ("copies", "least"),
    [
        pytest.param([history(COPY)], 1, id="nothing"),
        pytest.param([history(COPY, *GROWN.states[1:])], 3, id="fewer-than-were-there"),
        pytest.param([GROWN, history(COPY, *GROWN.states[1:])], 1, id="back-in-time"),
        pytest.param([history(COPY, moment(4), *GROWN.states[2:])], 1, id="a-hole"),
        pytest.param([history(COPY, moment(5), *GROWN.states)], 1, id="more"),
        pytest.param(
            [history(COPY, moment(3, values={"n": 0}, tasks=[task()]), *GROWN.states[2:])],
            1,
            id="newest-differs",
        ),
        pytest.param([history(COPY, *GROWN.states[:2], moment(2))], 1, id="a-task-is-lost"),
        pytest.param([history(COPY, moment(2, tasks=[task(id="another")]))], 1, id="another-task"),
        pytest.param(
            [history(COPY, moment(2, tasks=[task(name="another")]))], 1, id="a-renamed-task"
        ),
        pytest.param(
            [history(COPY, *GROWN.states[:2], moment(2, tasks=[task(9)]))],
            1,
            id="an-older-result-differs",
        ),
    ],
)
def test_a_copy_must_be_the_source_at_some_time(copies: list[History], least: int) -> None:
    broken_by(lambda: expect.assert_copies_at_times(GROWN, copies, least))


@pytest.mark.parametrize("member", ["id", "name"])
def test_of_a_task_that_differs_the_member_is_told(member: str) -> None:
    copy = history(COPY, moment(2, tasks=[task(**{member: "another"})]))
    broken = broken_by(lambda: expect.assert_copies_at_times(GROWN, [copy], 1))
    assert broken.kinds == (f"$.tasks[*].{member} str str",)


def test_a_copy_at_some_time_may_name_its_source() -> None:
    source = history(SOURCE, state(SOURCE, 2), state(SOURCE, 1))
    expect.assert_copies_at_times(source, [history(COPY, state(SOURCE, 1))], 1)
    broken = broken_by(
        lambda: expect.assert_copies_at_times(source, [history(COPY, state("a-third", 1))], 1)
    )
    assert broken.kinds == ("$.checkpoint.thread_id str str",)


def test_of_metadata_what_was_sent_is_kept() -> None:
    thread = {"metadata": {"color": "red", "graph_id": "agent"}}
    assert expect.kept_metadata(thread, {"color": "blue", "size": 1}) == {"color": "red"}
    assert expect.kept_metadata({"metadata": None}, {"color": "red"}) is None
    assert expect.kept_metadata({"metadata": ["color"]}, {"color": "red"}) == ["color"]


@pytest.mark.parametrize(
    "parents",
    [
        {"parent_checkpoint": {"checkpoint_id": "1"}, "parent_checkpoint_id": "1"},
        {"parent_checkpoint_id": "1"},
    ],
)
def test_the_parents_of_a_history_are_in_it(parents: dict[str, Any]) -> None:
    rooted = history(SOURCE, state(SOURCE, 2, **parents), state(SOURCE, 1, parent_checkpoint=None))
    assert not counted(lambda: expect.assert_parents_in_history(rooted)).saw_nothing
    uprooted = history(SOURCE, *rooted.states[:1])
    broken = broken_by(lambda: expect.assert_parents_in_history(uprooted))
    assert broken.actual == "1"


def test_where_no_state_names_its_parent_there_is_nothing_to_look_for() -> None:
    blocked_by(lambda: expect.assert_parents_in_history(WHOLE))


# What an act leaves as it was


Reads = list[tuple[int, Any]]


class Deployment:
    """Answers each read of one thread by turns; the last answer of each stays."""

    def __init__(self, **reads: Reads) -> None:
        self.reads: dict[str, Reads] = {
            "get": [(200, THREAD)],
            "state": [(200, STATE)],
            "history": [(200, [STATE])],
            **reads,
        }
        self.asked: list[str] = []
        self.api = api_of(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        thread_id, _, rest = request.url.path.removeprefix("/threads/").partition("/")
        assert thread_id == SOURCE
        self.asked.append(rest or "get")
        if rest == "history":
            assert request.url.params["limit"] == str(LONGEST_PAGE)
        turns = self.reads[rest or "get"]
        status, body = turns.pop(0) if len(turns) > 1 else turns[0]
        if isinstance(body, str):
            return httpx.Response(status, text=body)
        return httpx.Response(status, json=body)


def api_of(reply: Callable[[httpx.Request], httpx.Response]) -> ThreadsApi:
    settings = Settings("", run_id="", started_at="", run_dir="")
    http = DirectClient(
        base_url=httpx.URL("http://deployment"),
        transport=httpx.MockTransport(reply),
        headers=(),
        timeout_s=5.0,
    )
    client = ThreadsClient(http, Ownership("a-run"))
    return ThreadsApi(client, CheckContext(settings, {}), arranging=True)


@pytest.fixture(autouse=True)
def hours_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass where something is waited for, without waiting."""
    clock = [0.0]

    def pass_by(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", pass_by)


def changing(operation: str, then: tuple[int, Any]) -> Deployment:
    """A deployment on which one read shows something else after the act."""
    deployment = Deployment()
    first = deployment.reads[operation][0]
    # Two reads before the act: one that settles, one that shows that nothing moves by itself.
    deployment.reads[operation] = [first, first, then]
    return deployment


def test_a_thread_is_untouched_if_all_its_reads_are() -> None:
    deployment, acts = Deployment(), []
    made = counted(
        lambda: expect.assert_untouched(deployment.api, THREAD, lambda: acts.append("act"))
    )
    assert acts == ["act"]
    assert made == ComparisonCount(1, 1)
    assert deployment.asked == ["get", "state", "history"] * 3


@pytest.mark.parametrize("operation", ["get", "state"])
def test_only_the_named_reads_are_made(operation: str) -> None:
    deployment = Deployment()
    expect.assert_untouched(deployment.api, THREAD, lambda: None, [operation])
    assert deployment.asked == [operation] * 3


@pytest.mark.parametrize(
    ("operation", "then", "kinds"),
    [
        ("get", (200, {**THREAD, "status": "error"}), ("$.status str str",)),
        ("state", (200, {**STATE, "next": None}), ("$.next list None",)),
        ("history", (200, []), ("$[*] dict absent",)),
        # What is no JSON, and a refusal, have no places that differ.
        ("state", (200, "no JSON"), ()),
        ("get", (404, {"detail": "gone"}), ()),
        ("history", (500, "broken"), ()),
    ],
)
def test_a_thread_that_one_read_shows_changed_fails(
    operation: str, then: tuple[int, Any], kinds: tuple[str, ...]
) -> None:
    deployment = changing(operation, then)
    broken = broken_by(lambda: expect.assert_untouched(deployment.api, THREAD, lambda: None))
    assert broken.kinds == kinds
    assert operation in broken.expected
    assert broken.actual


@pytest.mark.parametrize(
    ("operation", "then"),
    [
        ("get", (200, {**THREAD, "served_by": 2})),
        ("state", (200, {**STATE, "served_by": 2})),
        ("history", (200, [{**STATE, "served_by": 2}])),
        ("get", (201, THREAD)),
    ],
)
def test_unpublished_members_are_free(operation: str, then: tuple[int, Any]) -> None:
    deployment = changing(operation, then)
    if then[0] == 200:
        expect.assert_untouched(deployment.api, THREAD, lambda: None)
    else:  # another status is another answer
        broken_by(lambda: expect.assert_untouched(deployment.api, THREAD, lambda: None))


@pytest.mark.parametrize("later", [(404, {}), (200, [STATE])])
def test_what_the_deployment_does_not_offer_is_left_out(later: tuple[int, Any]) -> None:
    deployment = Deployment(history=[(404, {}), (404, {}), later])
    expect.assert_untouched(deployment.api, THREAD, lambda: None)


def test_a_read_that_is_refused_before_the_act_blocks() -> None:
    deployment, acts = Deployment(state=[(500, {})]), []
    blocked = blocked_by(
        lambda: expect.assert_untouched(deployment.api, THREAD, lambda: acts.append("act"))
    )
    assert [(each.operation, each.status) for each in blocked.by] == [("state", 500)]
    assert acts == []


def test_a_thread_that_is_gone_before_the_act_blocks_and_is_no_missing_operation() -> None:
    gone: Reads = [(404, {})]
    deployment = Deployment(get=gone, state=gone, history=gone)
    blocked = blocked_by(lambda: expect.assert_untouched(deployment.api, THREAD, lambda: None))
    assert blocked.by == (Cause.refused("get", 404, NOT_GRANTED),)


def test_a_thread_that_moves_by_itself_proves_nothing() -> None:
    deployment = Deployment(state=[(200, STATE), (200, {**STATE, "next": ["n"]}), (200, STATE)])
    acts: list[str] = []
    blocked_by(lambda: expect.assert_untouched(deployment.api, THREAD, lambda: acts.append("act")))
    assert acts == []


def test_the_result_of_a_run_is_waited_for_before_the_act() -> None:
    busy = {**THREAD, "status": "busy"}
    behind = {**THREAD, "values": {"n": 0}}
    deployment = Deployment(get=[(200, busy), (200, behind), (200, THREAD)])
    expect.assert_untouched(deployment.api, THREAD, lambda: None)
    assert deployment.asked.count("get") == 5


def test_what_only_one_answer_shows_is_not_waited_for() -> None:
    deployment = Deployment(get=[(200, {**THREAD, "status": "busy"})])
    expect.assert_untouched(deployment.api, THREAD, lambda: None, ["get", "history"])
    assert deployment.asked == ["get", "history"] * 3


# Times


def advance(*moments: Any, member: str | None = None, acts: list[str] | None = None) -> None:
    """Judge a time that every act moves to the next of these moments; the last one stays."""
    left = list(moments)

    def act() -> None:
        if acts is not None:
            acts.append("act")
        if len(left) > 1:
            left.pop(0)

    given = api_of(lambda _: httpx.Response(500))
    if member is None:
        expect.assert_advances_timestamp(given, lambda: {"updated_at": left[0]}, act)
    else:
        expect.assert_advances_timestamp(given, lambda: {member: left[0]}, act, member)


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param([EARLY, LATE], id="at once"),
        pytest.param([EARLY, EARLY, EARLY, LATE], id="in the end"),
        pytest.param([EARLY, "2026-01-01T01:00:00.6+01:00"], id="in another notation"),
        pytest.param(["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"], id="in whole seconds"),
    ],
)
@pytest.mark.parametrize("member", [None, "state_updated_at"])
def test_a_time_advances(moments: list[str], member: str | None) -> None:
    acts: list[str] = []
    assert not counted(lambda: advance(*moments, member=member, acts=acts)).saw_nothing
    # Once it is later, the act is not repeated.
    assert len(acts) == len(moments) - 1


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param([LATE, LATE], id="it stands still"),
        pytest.param([LATE, EARLY], id="it goes back"),
        pytest.param([EARLY, "2026-01-01T01:00:00.5+01:00"], id="only its notation changes"),
    ],
)
def test_a_time_that_does_not_advance_fails(moments: list[str]) -> None:
    broken = broken_by(lambda: advance(*moments))
    assert "updated_at" in broken.expected
    assert broken.actual == moments[-1]


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(["2026-01-01T00:00:00Z"], id="whole seconds are longer than the wait"),
        pytest.param([None, LATE], id="no time before"),
        pytest.param([EARLY, "soon"], id="no time after"),
    ],
)
def test_a_time_that_cannot_be_compared_blocks(moments: list[Any]) -> None:
    blocked_by(lambda: advance(*moments))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02t03:04:05.5z", datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)),
        (
            "2026-01-02T03:04:05+02:00",
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_a_time_is_read(text: str, moment: datetime) -> None:
    assert counted(lambda: expect.parse_timestamp(text, "a time")) == ComparisonCount(1, 1)
    assert expect.parse_timestamp(text, "a time") == moment
    assert expect.timestamp_or_blocked(text, "a time") == moment


@pytest.mark.parametrize("text", [None, 5, "", "yesterday", "2026-01-02T03:04:05", "2026-01-02"])
def test_what_is_no_time_with_an_offset_fails_or_blocks(text: Any) -> None:
    broken = broken_by(lambda: expect.parse_timestamp(text, "the end"))
    assert "the end" in broken.expected
    assert broken.actual == json.dumps(text)
    blocked = blocked_by(lambda: expect.timestamp_or_blocked(text, "the end"))
    assert "the end" in str(blocked)
    assert "the end" in str(blocked_by(lambda: expect.in_utc(text, "the end")))


@pytest.mark.usefixtures("far_away")
def test_a_time_is_told_in_utc() -> None:
    assert expect.in_utc("2026-01-01T01:00:00+01:00", "") == "2026-01-01T00:00:00+00:00"


# Schemas


def test_what_fits_a_schema_passes() -> None:
    assert counted(lambda: expect.assert_valid("thread", THREAD)).values == 5


def test_every_violation_of_a_schema_is_told() -> None:
    wrong = {**THREAD, "status": "asleep", "metadata": 1, "thread_id": None}
    broken = broken_by(lambda: expect.assert_valid("thread", wrong))
    assert broken.kinds == ("$.metadata type", "$.status enum", "$.thread_id type")
    assert [line.partition(":")[0] for line in broken.diff] == [
        "$.metadata",
        "$.status",
        "$.thread_id",
    ]
    assert "thread" in broken.expected
    assert broken.actual == broken.diff[0].partition(": ")[2]


def test_violations_in_items_of_a_list_are_one_kind() -> None:
    wrong = {**THREAD, "values": {"messages": [{"type": "ai", "id": "1", "content": 1}] * 2}}
    broken = broken_by(lambda: expect.assert_valid("thread", wrong))
    assert len(broken.diff) == 2
    assert broken.kinds == ("$.values.messages[*].content type",)


@pytest.mark.parametrize("name", expect.REQUIRED_OF_A_THREAD)
def test_a_thread_has_its_required_members(name: str) -> None:
    expect.assert_thread({**THREAD, "values": 5, "config": 5})
    broken_by(lambda: expect.assert_thread({**THREAD, name: 5}))
    broken_by(lambda: expect.assert_thread({key: THREAD[key] for key in THREAD if key != name}))


# Refusals


@pytest.mark.parametrize(
    ("status", "is_refusal", "is_server_error"),
    [
        (200, False, False),
        (399, False, False),
        (400, True, False),
        (499, True, False),
        (500, False, True),
        (503, False, True),
    ],
)
def test_a_refusal_is_a_4xx_and_a_server_error_a_5xx(
    status: int, is_refusal: bool, is_server_error: bool
) -> None:
    given = answer(status, {"detail": "why"})
    if is_refusal:
        assert counted(lambda: expect.assert_refused(given)) == ComparisonCount(1, 1)
        expect.require_refused(given)
    else:
        assert str(status) in broken_by(lambda: expect.assert_refused(given)).actual
        assert str(status) in str(blocked_by(lambda: expect.require_refused(given)))
        blocked_by(lambda: expect.assert_says_why(given))
    if is_server_error:
        assert str(status) in broken_by(lambda: expect.assert_no_server_error(given)).actual
    else:
        assert counted(lambda: expect.assert_no_server_error(given)) == ComparisonCount(1, 1)


@pytest.mark.parametrize("body", ["why", {"detail": "why"}, [{"loc": [], "msg": {"a": "why"}}]])
def test_a_refusal_says_why_by_any_text_in_json(body: Any) -> None:
    expect.assert_says_why(answer(422, body))


@pytest.mark.parametrize("body", [None, "", "  ", 7, {}, [], {"detail": None}, [{"code": 5}, ""]])
def test_a_refusal_without_a_text_does_not_say_why(body: Any) -> None:
    broken = broken_by(lambda: expect.assert_says_why(answer(422, body)))
    assert "422" in broken.actual


def test_a_refusal_that_is_no_json_does_not_say_why() -> None:
    broken_by(lambda: expect.assert_says_why(answer(422, text="<p>why</p>")))


# Two views of a thread


@pytest.mark.parametrize(
    "other",
    [
        {"served_by": 2},
        {"created_at": "2026-01-01T01:00:00.5+01:00"},
        {"values": {"n": 1.0}},
        {"config": {"configurable": {"user": 1}}},
    ],
)
def test_views_of_a_thread_may_differ_in_form(other: dict[str, Any]) -> None:
    for one, two in ((THREAD, {**THREAD, **other}), ({**THREAD, **other}, THREAD)):
        assert counted(lambda: expect.assert_same_thread(one, two, "")).members >= {"status"}  # noqa: B023
        assert expect.same_thread(one, two)


@pytest.mark.parametrize("name", ["values", "state_updated_at", "interrupts"])
def test_a_view_may_lack_optional_members(name: str) -> None:
    lacking = {key: value for key, value in THREAD.items() if key != name}
    assert expect.same_thread(lacking, THREAD)
    assert expect.same_thread(THREAD, lacking)


@pytest.mark.parametrize(
    ("name", "forms"),
    [("values", [None, {}]), ("config", [None, {}, {"configurable": {}}])],
)
def test_nothing_has_several_forms(name: str, forms: list[Any]) -> None:
    for one in forms:
        for other in forms:
            assert expect.same_thread({**THREAD, name: one}, {**THREAD, name: other})
        assert not expect.same_thread({**THREAD, name: one}, {**THREAD, name: {"a": 1}})


@pytest.mark.parametrize(
    ("other", "kinds"),
    [
        ({"status": "error"}, ("$.status str str",)),
        ({"created_at": LATE}, ("$.created_at str str",)),
        ({"updated_at": None}, ("$.updated_at None str",)),
        ({"values": {"n": "1"}}, ("$.values.n str number",)),
        ({"values": None}, ("$.values.n absent number",)),
        ({"metadata": None}, ("$.metadata None dict",)),
        # Only values and configuration may be null for nothing.
        ({"metadata": {}}, ("$.metadata.color absent str",)),
    ],
)
def test_views_of_a_thread_must_agree(other: dict[str, Any], kinds: tuple[str, ...]) -> None:
    differing = {**THREAD, **other}
    broken = broken_by(lambda: expect.assert_same_thread(THREAD, differing, "the thread"))
    assert broken.kinds == kinds
    assert "the thread" in broken.expected
    assert not expect.same_thread(THREAD, differing)
    assert not expect.same_thread(differing, THREAD)


@pytest.mark.parametrize("name", ["created_at", "updated_at", "state_updated_at"])
def test_a_malformed_time_blocks_a_comparison_of_threads(name: str) -> None:
    blocked = blocked_by(lambda: expect.same_thread({**THREAD, name: "soon"}, {**THREAD, name: ""}))
    assert name in str(blocked)


@pytest.mark.parametrize(
    ("empty", "other"), [(None, {}), ({"configurable": {}}, {}), (None, {"configurable": {}})]
)
def test_metadata_has_one_form(empty: Any, other: Any) -> None:
    assert not expect.same_thread({**THREAD, "metadata": empty}, {**THREAD, "metadata": other})


# Threads that are not there


def absence(known: Iterable[str], always: int = 404) -> ThreadsApi:
    def reply(request: httpx.Request) -> httpx.Response:
        thread_id = request.url.path.rpartition("/")[2]
        return httpx.Response(200 if thread_id in known else always, json={"thread_id": thread_id})

    return api_of(reply)


@pytest.mark.parametrize("status", [404, 410, 500])
def test_a_thread_is_absent_if_get_does_not_find_it(status: int) -> None:
    assert counted(lambda: expect.assert_no_thread(absence([], status), SOURCE)) == ComparisonCount(
        1, 1
    )


def test_a_thread_that_get_finds_is_there() -> None:
    broken = broken_by(lambda: expect.assert_no_thread(absence([SOURCE]), SOURCE))
    assert broken.actual.startswith("200 ")
    assert SOURCE in broken.actual


def test_where_get_finds_every_thread_absence_cannot_be_judged() -> None:
    blocked = blocked_by(lambda: expect.assert_no_thread(absence([], 200), SOURCE))
    assert blocked.by == (Cause.broken("GET-02"),)


# Pages


def test_a_page_may_be_short_but_not_empty_nor_too_long() -> None:
    made = counted(lambda: expect.assert_page([1], [1, 2], "numbers", 1))
    assert (made.comparisons, made.values) == (3, 4)
    expect.assert_page([1, 2], [1, 2], "numbers", 2)
    expect.assert_page([], [], "numbers", 2)
    for wrong in ([], [2], [2, 1], [1, 2, 3], [1, 3]):
        broken = broken_by(lambda: expect.assert_page(wrong, [1, 2], "numbers", 3))  # noqa: B023
        assert "numbers" in broken.expected
    broken = broken_by(lambda: expect.assert_page([1, 2], [1, 2], "numbers", 1))
    assert (broken.expected, broken.actual) == ("numbers: at most 1", "2 states")


def test_of_an_empty_page_the_missing_number_is_told() -> None:
    broken = broken_by(lambda: expect.assert_page([], [1, 2], "numbers", 3))
    assert (broken.expected, broken.actual) == ("numbers: 2 states", "an empty page")


def test_states_of_a_page_are_compared_by_their_published_members() -> None:
    expect.assert_page([{**STATE, "served_by": 1}], [{**STATE, "served_by": 2}], "states", 1)
    broken = broken_by(
        lambda: expect.assert_page([{**STATE, "next": "n"}], [STATE, STATE], "states", 2)
    )
    assert broken.kinds == ("$[*].next list str",)


@pytest.mark.parametrize(
    ("given", "published"),
    [
        (answer(of="get", body={**THREAD, "served_by": 1}), THREAD),
        (answer(of="state", body={**STATE, "served_by": 1}), STATE),
        (answer(of="post_history", body=[{**STATE, "served_by": 1}]), [STATE]),
        # Of other operations nothing is known, so that all of it counts.
        (answer(of="search", body=[{**THREAD, "served_by": 1}]), [{**THREAD, "served_by": 1}]),
        (answer(of="get", text="no JSON"), "no JSON"),
    ],
)
def test_the_published_part_of_an_answer(given: Answer, published: Mapping[str, Any]) -> None:
    assert expect.published_part(given) == published

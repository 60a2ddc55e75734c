"""Every freedom against the checks."""

from __future__ import annotations

import inspect
import json
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from conformance.checks.expect import same_thread
from conformance.cli import cli
from conformance.commands.serve import ServedProcess
from conformance.contract.catalogue import PROFILES
from conformance.contract.causes import Cause
from conformance.deployment.settings import GraphSettings
from conformance.freedoms import registry
from conformance.freedoms.registry import (
    Freedom,
    FreedomError,
    all_freedoms,
    free_deployment,
    freedom,
)
from conformance.model.search import Searches
from conformance.model.threads import Threads
from conformance.model.views import Views
from conformance.reference.altered import Altered
from conformance.reference.process import ReferenceNotStartedError
from conformance.reference.wire import WireRequest
from conformance.selftest import fault_report, freedom_matrix, freedom_report
from conformance.selftest.freedom_pairs import choose_pairs, two_at_a_time
from conformance.selftest.freedom_report import as_line, as_markdown, as_summary
from conformance.selftest.freedom_row import FreedomMatrix, FreedomRow, Outcome, Red, Undecided
from tests.test_faults import lacking_parameters
from tests.test_selftest import KILL, OF_COPIES, Queue, a_matrix

NOTHING = "No source says so."


def rows_of(
    monkeypatch: pytest.MonkeyPatch,
    *tasks: str,
    known: list[Freedom],
    requirements: tuple[str, ...] = OF_COPIES,
    not_alone: bool = False,
) -> list[FreedomRow]:
    monkeypatch.setattr(freedom_matrix, "all_freedoms", lambda: {each.name: each for each in known})
    results = Queue()
    freedom_matrix.work("documented", requirements, not_alone, Queue(*tasks, None), results)
    assert all(isinstance(each, FreedomRow) for each in results.items), results.items
    return results.items


def show_more(altered: Altered) -> None:
    altered.wire.answers("copy")(lambda _, body: {**body, "more": 1})


def forget(altered: Altered) -> None:
    altered.override(Threads.copied_checkpoints)(lambda right, source: right(source)[1:])


def crash(altered: Altered) -> None:
    @altered.wire.before("copy")
    def fail(_request: WireRequest) -> None:
        raise ZeroDivisionError


def never(altered: Altered) -> None:
    altered.wire.before("copy", when=lambda _: False)(lambda _: None)


def show_bare_metadata(altered: Altered) -> None:
    @altered.override(Views.state_view)
    def view(right: Any, *given: Any, **named: Any) -> Any:
        state = right(*given, **named)
        kept = {name: state["metadata"][name] for name in ("source", "step", "parents")}
        return {**state, "metadata": kept}


def search_goes_by_id(altered: Altered) -> None:
    altered.override(Searches.ordered_threads)(
        lambda right, threads, by, order: right(threads, by, order)
    )


@pytest.mark.slow
def test_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    fell = ("COPY-*", "PREPOP-*", "RUN-*")
    other_graph = replace(GraphSettings(), id="no such graph")
    free, red, broken, crashed, unreached, pair, both, blocked, allowed, bare, again = rows_of(
        monkeypatch,
        "more",
        "forgets",
        "breaks",
        "crashes",
        "never",
        "more + ordered",
        "more + forgets",
        "graphless",
        "graphless-as-declared",
        "bare",
        "more",
        known=[
            Freedom("more", NOTHING, show_more),
            Freedom("ordered", NOTHING, search_goes_by_id),
            Freedom("forgets", NOTHING, forget),
            Freedom("breaks", NOTHING, forget, breaks=fell),
            Freedom("crashes", NOTHING, crash),
            Freedom("never", NOTHING, never),
            Freedom("bare", NOTHING, show_bare_metadata),
            Freedom("graphless", NOTHING, show_more, settings={"graph": other_graph}),
            Freedom(
                "graphless-as-declared",
                NOTHING,
                show_more,
                may_block=("*",),
                settings={"graph": other_graph},
            ),
        ],
    )
    assert free.outcome is Outcome.FREE
    assert 0 < free.checks < blocked.checks  # only those that copy
    assert red.outcome is Outcome.RED
    assert any("COPY-03" in each.requirements for each in red.red.values())
    assert all(each.reason for each in red.red.values())
    # What a freedom names as broken beyond its profile does not count, and is told.
    assert broken.outcome is Outcome.FREE
    assert "COPY-03" in broken.broke
    assert crashed.outcome is Outcome.CRASHED
    assert unreached.outcome is Outcome.NEVER_EXERCISED
    assert unreached.unexercised == ("never",)
    # Of a pair the checks that touch both: fewer than either's alone.
    assert pair.freedoms == ("more", "ordered")
    assert pair.outcome is Outcome.FREE
    assert 0 < pair.checks < free.checks
    assert both.outcome is Outcome.RED
    # With other settings every check is made; what a freedom does not name may not be blocked.
    assert blocked.outcome is Outcome.BLOCKED
    assert blocked.checks > free.checks
    assert "RUN-01" in {one for each in blocked.undeclared.values() for one in each.others}
    assert allowed.outcome is Outcome.FREE
    assert "RUN-01" in allowed.blocked
    # What a MAY says of states' metadata does not hold there, which makes nothing red.
    assert bare.outcome is Outcome.FREE
    assert bare.checks > 0
    # One row leaves no trace on the next, such as its settings.
    assert replace(again, duration_s=0.0) == replace(free, duration_s=0.0)


@pytest.mark.parametrize("name", all_freedoms())
def test_a_freedom_says_what_allows_it_and_alters_something(name: str) -> None:
    chosen = all_freedoms()[name]
    assert len(chosen.allowed_by.split()) > 3
    assert chosen.allowed_by.endswith(".")
    ((altered,),), _ = free_deployment([chosen])
    assert altered.overridden or altered.wire.rules_before or altered.wire.rules_after


@pytest.mark.parametrize("name", all_freedoms())
def test_a_replaced_decision_is_asked_as_the_right_one_is(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    override = Altered.override

    def watched(altered: Altered, decision: Callable[..., Any]) -> Callable[..., Any]:
        right = inspect.signature(getattr(altered.owner_of(decision), decision.__name__))
        register = override(altered, decision)

        def look(other: Callable[..., Any]) -> Any:
            found.extend(lacking_parameters(right, inspect.signature(other)))
            return register(other)

        return look

    monkeypatch.setattr(Altered, "override", watched)
    free_deployment([all_freedoms()[name]])
    assert found == []


@pytest.mark.slow
def test_there_are_enough_freedoms_and_pairs() -> None:
    known = all_freedoms().values()
    assert len(known) >= 60
    pairs = choose_pairs(known, 240, seed=1)
    assert len(pairs) == 240
    counted = Counter(each.name for pair in pairs for each in pair)
    assert min(counted[each.name] for each in known) >= 2


def test_a_freedom_contradicts_neither_the_catalogue_nor_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_FREEDOMS", {})
    freedom("one", allowed_by=NOTHING, may_block="COPY-* GET-01")(never)
    assert registry._FREEDOMS["one"].may_leave_undecided("COPY-03")
    assert not registry._FREEDOMS["one"].may_leave_undecided("GET-02")
    with pytest.raises(FreedomError, match="two freedoms 'one'"):
        freedom("one", allowed_by=NOTHING)
    with pytest.raises(FreedomError, match="no requirement is called COPPY"):
        freedom("two", allowed_by=NOTHING, may_block="COPPY-*")
    with pytest.raises(FreedomError, match="no requirement is called GET-99"):
        freedom("two", allowed_by=NOTHING, breaks="GET-99")
    with pytest.raises(FreedomError, match="two: no profile is called whole"):
        freedom("two", allowed_by=NOTHING, profile="whole")


def test_a_profile_tries_the_freedoms_that_its_checks_reach() -> None:
    cancelled = all_freedoms()["cancellations-answer-202"]
    assert [cancelled.within(each) for each in PROFILES] == [False, False, True]
    anywhere = all_freedoms()["times-end-in-z"]
    assert all(map(anywhere.within, PROFILES))


def three() -> list[Freedom]:
    return [
        Freedom("early", NOTHING, never, choices=("when",)),
        Freedom("late", NOTHING, never, choices=("when",)),
        Freedom("green", NOTHING, never),
        Freedom("round", NOTHING, never),
    ]


@pytest.mark.slow
def test_a_pair_is_tried_where_only_one_of_the_two_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both were tried by the checks that both concern, and one of them altered nothing there."""

    def of_malformed_ids(altered: Altered) -> None:
        altered.wire.after("get", status=422)(lambda _request, _answer: None)

    known = [
        Freedom("of-copies", NOTHING, show_more),
        # By its settings it concerns every check.
        Freedom("of-ids", NOTHING, of_malformed_ids, settings={"visible_within_s": 5.0}),
    ]
    (row,) = rows_of(
        monkeypatch, "of-copies + of-ids", known=known, requirements=("COPY-01", "GET-03")
    )
    assert row.outcome is Outcome.FREE, row


@pytest.mark.slow
@pytest.mark.parametrize("not_alone", [False, True])
def test_a_pair_that_is_not_tried_alone_is_judged_by_the_checks_of_either(
    not_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [Freedom("copy", NOTHING, show_more), Freedom("search", NOTHING, find_nothing)]
    (row,) = rows_of(
        monkeypatch,
        "copy + search",
        known=known,
        requirements=("COPY-01", "SEARCH-01"),
        not_alone=not_alone,
    )
    # What only one of them affects is else judged under that one alone.
    assert bool(row.red) is not_alone, row
    assert not row.unexercised


def find_nothing(altered: Altered) -> None:
    altered.wire.answers("copy")(lambda _, body: {**body, "less": 1})
    altered.wire.answers("search")(lambda *_: [])


def test_two_at_a_time_are_all_once() -> None:
    known = [Freedom(f"{each:02}", NOTHING, never) for each in range(7)]
    groups = two_at_a_time(known, 1)
    assert sorted(each.name for some in groups for each in some) == [each.name for each in known]
    assert [len(some) for some in groups] == [2, 2, 2, 1]
    assert groups == two_at_a_time(known[::-1], 1) != two_at_a_time(known, 2)


def test_two_at_a_time_make_no_choice_twice() -> None:
    groups = [{each.name for each in some} for some in two_at_a_time(three(), 1)]
    assert [len(each) for each in groups] == [2, 2]
    assert {"early", "late"} not in groups


def test_freedoms_that_make_one_choice_are_no_pair() -> None:
    pairs = [{one.name, other.name} for one, other in choose_pairs(three(), 99, seed=1)]
    assert len(pairs) == 5
    assert {"early", "late"} not in pairs


def test_the_seed_chooses_the_pairs() -> None:
    known = [Freedom(f"{each:02}", NOTHING, never) for each in range(20)]

    def names(seed: int) -> list[tuple[str, str]]:
        return [(one.name, other.name) for one, other in choose_pairs(known, 30, seed)]

    assert names(1) == names(1)
    assert names(1) != names(2)
    assert len(set(names(1))) == 30
    # Thirty pairs of twenty are three for each.
    assert set(Counter(each for pair in names(1) for each in pair).values()) == {3}


def test_the_order_of_the_freedoms_does_not_choose_the_pairs() -> None:
    known = [Freedom(f"{each:02}", NOTHING, never) for each in range(20)]
    assert choose_pairs(known, 30, 1) == choose_pairs(known[::-1], 30, 1)


def test_pairs_of_an_earlier_run_are_kept() -> None:
    earlier = [("round", "early"), ("late", "gone"), ("early", "late"), ("green", "late")]

    def names(number: int) -> list[tuple[str, str]]:
        chosen = choose_pairs(three(), number, 1, earlier)
        return [(one.name, other.name) for one, other in chosen]

    assert names(2) == [("round", "early"), ("green", "late")]
    assert names(1) == [("round", "early")]
    assert names(4)[:2] == names(2)
    assert len(set(map(frozenset, names(99)))) == 5


def test_two_freedoms_alter_one_deployment() -> None:
    def owned(altered: Altered) -> None:
        @altered.override(Threads.new_thread)
        def new_thread(right: Any, thread_id: str, metadata: Any, ttl: Any = None) -> Any:
            return right(thread_id, {**metadata, "owner": "me"}, ttl)

    def marked(altered: Altered) -> None:
        altered.wire.answers("create")(lambda _, body: {**body, "mark": 1})

    chosen = [Freedom("owned", NOTHING, owned), Freedom("marked", NOTHING, marked)]
    altered, app = free_deployment(chosen)
    made = asked(app, "POST", "/threads", {"metadata": {"a": 1}}).json()
    assert made["metadata"] == {"a": 1, "owner": "me"}
    assert made["mark"] == 1
    assert [[each.exercised for each in one] for one in altered] == [[True], [True]]


def test_values_of_a_thread_without_a_state_are_an_object_or_null() -> None:
    assert same_thread({"values": None}, {"values": {}})
    assert not same_thread({"values": None}, {"values": {"messages": []}})
    assert not same_thread({"metadata": None}, {"metadata": {}})


def test_bytes_are_written_outside_of_what_reads_them() -> None:
    names = ("answers-are-compressed", "answers-are-indented", "times-end-in-z")
    _, app = free_deployment([all_freedoms()[name] for name in names])
    made = asked(app, "POST", "/threads", {})
    assert made.headers["content-encoding"] == "gzip"
    assert made.text.startswith("{\r\n")
    assert made.json()["created_at"].endswith("Z")


def test_every_tenant_has_the_freedom() -> None:
    chosen = all_freedoms()["metadata-gets-an-owner"]
    altered, app = free_deployment([chosen], tenants={"one": "a", "two": "b"})
    assert len(altered[0]) == 2
    for key in ("one", "two"):
        made = asked(app, "POST", "/threads", {}, key=key).json()
        assert "owner" in made["metadata"]


def asked(app: Any, method: str, path: str, body: Any = None, key: str = "") -> httpx.Response:
    from conformance.selftest.asgi import InProcess, InProcessTransport

    with InProcess() as host:
        host.app = app
        http = httpx.Client(transport=InProcessTransport(host), base_url="http://reference.test")
        return http.request(method, path, json=body, headers={"x-api-key": key})


CAUSES = (Cause.broken("GET-02"),)
FREE = FreedomRow(
    ("times-end-in-z",), undecided={"c": Undecided("blocked", "x", CAUSES, ("GET-01",), ())}
)
FELL = FreedomRow(
    ("times-end-in-z", "search-lags"), red={"suite/test_a.py::b": Red("fail", ("GET-01",), "why")}
)


def a_freedom_matrix(*rows: FreedomRow) -> FreedomMatrix:
    return FreedomMatrix(rows=rows, partial=True, profile="full", seed=7, duration_s=1.5)


def test_only_what_stays_as_it_was_counts() -> None:
    assert a_freedom_matrix(FREE).fair
    assert not a_freedom_matrix(FREE, FELL).fair
    # What became undecided without a cause is not as it should be, whoever names it.
    silent = replace(FREE, undecided={"c": Undecided("blocked", "x", (), ("GET-01",), ())})
    assert silent.outcome is Outcome.BLOCKED
    assert replace(FREE, unexercised=("times-end-in-z",)).outcome is Outcome.NEVER_EXERCISED


def test_what_is_wrong_is_told() -> None:
    assert as_line(FREE).endswith("(undecided as declared: GET-01)")
    assert "fail GET-01  test_a.py::b: why" in as_line(FELL)
    summary = as_summary(a_freedom_matrix(FREE, FELL))
    assert "1 freedom alone" in summary
    assert "1 turned checks red" in summary
    page = as_markdown(a_freedom_matrix(FREE, FELL))
    assert "| times-end-in-z | free | 0 | GET-01 | none | 003 prints Z" in page
    assert "| times-end-in-z + search-lags | red | 0 | 0 |" in page
    assert "test_a.py::b: why" in page


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ((FREE, FELL), "alone and in pairs, which the seed 7 has chosen"),
        ((FREE,), "\nalone.\n"),
        ((FELL,), "two at a time and none alone; the seed 7 has chosen"),
    ],
)
def test_a_page_says_how_freedoms_were_tried(rows: tuple[FreedomRow, ...], told: str) -> None:
    assert told in as_markdown(a_freedom_matrix(*rows))


def test_neither_matrix_loses_the_other(tmp_path: Path) -> None:
    def read() -> tuple[dict[str, Any], str]:
        data = json.loads((tmp_path / "selftest.json").read_text())
        return data, (tmp_path / "selftest.md").read_text()

    freedom_report.write(a_freedom_matrix(FREE), tmp_path)
    fault_report.write(a_matrix(KILL), tmp_path)
    data, page = read()
    assert data["outcomes"]["killed"] == 1
    assert data["freedoms"]["outcomes"]["free"] == 1
    assert data["freedoms"]["alone"][0]["allowed_by"].startswith("003")
    assert page.index("# The kill matrix") < page.index("# The freedom matrix")
    # Made again, each replaces its own part.
    freedom_report.write(a_freedom_matrix(FREE, FELL), tmp_path)
    data, page = read()
    assert data["outcomes"]["killed"] == 1
    assert data["freedoms"]["outcomes"]["red"] == 1
    assert page.count("# The freedom matrix") == page.count("# The kill matrix") == 1
    fault_report.write(a_matrix(), tmp_path)
    data, page = read()
    assert data["outcomes"]["killed"] == 0
    assert data["freedoms"]["outcomes"]["red"] == 1
    assert page.count("# The freedom matrix") == page.count("# The kill matrix") == 1


@pytest.mark.slow
def test_the_command_tries_freedoms_and_pairs(own_state: Path, tmp_path: Path) -> None:
    arguments = ["selftest", "--freedoms", "--profile", "documented", "-n", "2", "--pairs", "1"]
    arguments += ["--report-dir", str(tmp_path)]
    names = ["--freedom", "runs-are-not-located", "--freedom", "runs-under-way-fail-at-a-restart"]
    ended = CliRunner().invoke(cli, [*arguments, *names])
    assert "free            runs-are-not-located" in ended.output
    assert "never exercised runs-under-way-fail-at-a-restart" in ended.output
    assert "runs-are-not-located + runs-under-way-fail-at-a-restart" in ended.output.replace(
        "runs-under-way-fail-at-a-restart + runs-are-not-located",
        "runs-are-not-located + runs-under-way-fail-at-a-restart",
    )
    assert "1 pair of them" in ended.output
    # What is never exercised is no proof.
    assert ended.exit_code == 1
    assert (tmp_path / "selftest.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--freedom", "times-end-in"], "did you mean times-end-in-z"),
        (["--freedoms", "--matching", "no such"], "no freedom matches"),
        (["--freedoms", "--fault", "copy-forgets-the-oldest-state"], "either faults or freedoms"),
        (["--pairs", "3"], "give --freedoms as well"),
        (["--two-by-two"], "give --freedoms as well"),
        (["--freedoms", "--two-by-two", "--pairs", "3"], "neither --pairs nor --again"),
        (["--freedoms", "--two-by-two", "--again"], "neither --pairs nor --again"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str) -> None:
    ended = CliRunner().invoke(cli, ["selftest", *arguments])
    assert ended.exit_code == 2
    assert told in ended.output


@pytest.mark.slow
def test_freedoms_are_served() -> None:
    names = ("--freedom", "times-end-in-z", "--freedom", "metadata-gets-an-owner")
    with ServedProcess(*names) as server:
        made = httpx.post(f"{server.url}/threads", json={"thread_id": str(uuid.uuid4())}).json()
    assert made["created_at"].endswith("Z")
    assert made["metadata"] == {"owner": "user-1"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--freedom", "nonsense"), "no freedom 'nonsense'"),
        (
            ("--freedom", "times-end-in-z", "--freedom", "times-in-milliseconds"),
            "times-end-in-z and times-in-milliseconds exclude each other",
        ),
        (
            ("--freedom", "times-end-in-z", "--fault", "supersteps-are-ignored"),
            "--fault and --freedom exclude each other",
        ),
    ],
)
def test_what_cannot_be_served_is_said(options: tuple[str, ...], told: str) -> None:
    with pytest.raises(ReferenceNotStartedError, match=told), ServedProcess(*options):
        pass

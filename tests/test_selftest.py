"""Every fault against the checks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from conformance.cli import cli
from conformance.commands import serve
from conformance.contract.catalogue import HTTP, load_catalogue
from conformance.contract.verdicts import Verdict
from conformance.faults.registry import (
    Fault,
    FaultError,
    FaultyDeployment,
    all_faults,
    faulty_deployment,
)
from conformance.model.persistence import StoreRestart
from conformance.model.threads import Threads
from conformance.reference.app import create_app
from conformance.reference.wire import WireRequest
from conformance.report.record import CheckResult
from conformance.runner.worker import Checks
from conformance.selftest import fault_matrix
from conformance.selftest.asgi import InProcess, InProcessTransport
from conformance.selftest.fault_matrix import batched
from conformance.selftest.fault_report import as_line, as_markdown, as_summary, write
from conformance.selftest.fault_row import Matrix, Outcome, Row, is_killed
from conformance.selftest.impact import Impact, ImpactRecorder, SentRequest
from conformance.selftest.try_faults import choose_faults, choose_narrow
from conformance.selftest.try_rows import MatrixOptions
from conformance.selftest.worker import Worker

GET_BY_CLIENTS = "clients-get-a-thread-without-values"


class Queue:
    """As much of a queue as the worker needs."""

    def __init__(self, *items: Any) -> None:
        self.items = list(items)

    def get(self) -> Any:
        return self.items.pop(0)

    def put(self, item: Any) -> None:
        self.items.append(item)


#: What is tried: the promises that these faults break, and some that stand beside them.
OF_COPIES = tuple(
    each.id
    for each in load_catalogue().in_profile("documented")
    if each.capability in ("copy", "prepopulate", "runs", "state")
)


def rows_of(
    monkeypatch: pytest.MonkeyPatch,
    *faults: Fault,
    clients: tuple[str, ...] = (HTTP,),
    narrow: tuple[str, ...] = (),
    parts: int = 1,
) -> dict[str, Row]:
    known = {each.name: each for each in faults}
    monkeypatch.setattr(fault_matrix, "all_faults", lambda: known)
    results = Queue()
    requirements = OF_COPIES if clients == (HTTP,) else ()
    tasks = Queue(*known, None)
    some = frozenset(narrow)
    fault_matrix.work("documented", clients, requirements, some, tasks, results, parts=parts)
    assert all(isinstance(each, Row) for each in results.items), results.items
    return {row.fault: row for row in results.items}


def copy_forgets(broken: FaultyDeployment) -> None:
    broken.override(Threads.copied_checkpoints)(lambda right, source: right(source)[1:])


def harmless(broken: FaultyDeployment) -> None:
    broken.wire.answers("copy")(lambda _, body: body)


def crashing(broken: FaultyDeployment) -> None:
    @broken.wire.before("copy")
    def fail(_request: WireRequest) -> None:
        raise ZeroDivisionError


def crashing_by_its_condition(broken: FaultyDeployment) -> None:
    def concerns(_request: WireRequest) -> bool:
        raise ZeroDivisionError

    broken.wire.before("copy", when=concerns)(lambda _: None)


@pytest.mark.slow
def test_a_fault_tried_in_parts_has_the_same_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(broken: FaultyDeployment) -> None:
        broken.wire.before("copy", when=lambda _: False)(lambda _: None)

    def fails_with_500(broken: FaultyDeployment) -> None:
        broken.override(Threads.copied_checkpoints)(lambda right, source: 1 / 0)

    faults = (
        Fault("forgets", ("COPY-03",), copy_forgets),
        Fault("fails", ("COPY-03",), fails_with_500),
        Fault("crashes", ("COPY-01",), crashing),
        Fault("never", ("COPY-01",), never),
    )
    processes: set[int] = set()
    attempt = Checks.attempt

    def noted(self: Checks, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        found = attempt(self, item, nextitem)
        return found[0], replace(found[1], client=str(os.getpid()))

    def results_of_errors(errors: Any, results: Any, catalogue: Any) -> Any:
        processes.update(int(each.client) for each in results)
        return right(errors, results, catalogue)

    right = vars(fault_matrix)["results_of_errors"]
    monkeypatch.setattr(fault_matrix, "results_of_errors", results_of_errors)
    monkeypatch.setattr(Checks, "attempt", noted)
    whole = rows_of(monkeypatch, *faults)
    assert processes == {os.getpid()}
    processes.clear()
    in_parts = rows_of(monkeypatch, *faults, parts=3)
    assert len(processes - {os.getpid()}) >= 3

    def compared(row: Row) -> Row:
        return replace(row, duration_s=0.0, why=dict.fromkeys(row.why or (), ""))

    assert {name: compared(row) for name, row in in_parts.items()} == {
        name: compared(row) for name, row in whole.items()
    }
    assert whole["forgets"].fell


@pytest.mark.slow
def test_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(broken: FaultyDeployment) -> None:
        broken.wire.before("copy", when=lambda _: False)(lambda _: None)

    rows = rows_of(
        monkeypatch,
        Fault("forgets", ("COPY-03",), copy_forgets),
        Fault("crashes", ("COPY-01",), crashing),
        Fault("crashes by its condition", ("COPY-01",), crashing_by_its_condition),
        Fault("never", ("COPY-01",), never),
        Fault("harmless", ("COPY-01",), harmless),
    )
    assert rows["forgets"].outcome is Outcome.INEXACT
    assert "COPY-03" in rows["forgets"].fell
    assert "COPY-04" in rows["forgets"].unnamed
    assert rows["crashes"].outcome is Outcome.CRASHED
    assert rows["crashes by its condition"].outcome is Outcome.CRASHED
    assert "ZeroDivisionError" in rows["crashes by its condition"].crashes[0]
    assert rows["never"].outcome is Outcome.NEVER_EXERCISED
    assert rows["never"].checks == 0
    assert rows["harmless"].outcome is Outcome.SURVIVED
    assert 0 < rows["harmless"].checks < 120  # only those that copy
    # The same fault, with all that it broke, is a kill: one fault leaves no trace on the next.
    whole = Fault("forgets", rows["forgets"].fell, copy_forgets)
    again = rows_of(monkeypatch, Fault("crashes", (), crashing), whole)["forgets"]
    assert again.outcome is Outcome.KILLED


@pytest.mark.slow
def test_a_narrow_fault_is_tried_by_the_checks_of_what_it_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forgets = Fault("forgets", ("COPY-03",), copy_forgets)
    unseen = Fault("harmless", ("COPY-03",), harmless)
    rows = rows_of(monkeypatch, forgets, unseen, narrow=("forgets", "harmless"))
    assert "COPY-03" in rows["forgets"].fell
    assert rows["forgets"].checks < rows_of(monkeypatch, forgets)["forgets"].checks / 3
    assert rows["harmless"].outcome is Outcome.SURVIVED


def test_faults_that_the_same_checks_try_go_to_one_process() -> None:
    known = all_faults()
    names = list(known)
    wide = frozenset(names[::100])
    narrow = frozenset(names) - wide
    batches = list(batched(names, narrow, 2))
    assert sorted(name for batch in batches for name in batch) == sorted(names)
    # Those that take longest first, in batches that keep no process busy to the end.
    assert [set(batch) <= wide for batch in batches] == sorted(
        (set(batch) <= wide for batch in batches), reverse=True
    )
    assert {len(batch) for batch in batches if set(batch) <= wide} <= {1, 2, 3, 4}
    alike = [name for batch in batches for name in batch if name in narrow]
    assert [known[name].breaks for name in alike] == sorted(known[name].breaks for name in alike)
    assert len(batches[-1]) == 1


def test_which_faults_are_narrow_is_decided_by_the_seed() -> None:
    names = list(all_faults())
    some = choose_narrow(names, 25, seed=1)
    assert 0.7 < len(some) / len(names) < 0.8
    assert some == choose_narrow(names, 25, seed=1)
    assert some != choose_narrow(names, 25, seed=2)
    assert not choose_narrow(names, 100, seed=1)
    # What every answer of a run can break is not broken by the checks that name it alone.
    every = {each for each in names if "ERROR-INTERNAL-01" in all_faults()[each].breaks}
    assert every
    assert not every & choose_narrow(names, 0, seed=1)


@pytest.mark.slow
def test_a_matrix_with_narrow_faults_says_so_and_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["selftest", "-n", "1", "--fault", "get-of-a-malformed-id-is-200"]
    arguments += ["--profile", "documented", "--all-checks", "0"]
    ended = CliRunner().invoke(cli, arguments)
    assert ended.exit_code == 0, ended.output
    assert "1 tried only by the checks of what they break" in ended.output
    assert not list(tmp_path.iterdir())
    ended = CliRunner().invoke(cli, ["selftest", "--freedoms", "--all-checks", "0"])
    assert ended.exit_code == 2
    assert "--all-checks is about faults" in ended.output


@pytest.mark.slow
def test_restarts_try_only_the_faults_of_what_outlives_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass
    class Once:
        """A fault that is there only before the first restart, if there is one."""

        restarted: bool = False

        def apply(self, broken: FaultyDeployment) -> None:
            @broken.override(StoreRestart.threads)
            def threads(right: Any) -> Any:
                self.restarted = True
                return right()

            broken.wire.answers("get")(lambda _, body: {**body, "metadata": {"not": "so"}})

    of_get, of_restarts = Once(), Once()
    known = {
        "of get": Fault("of get", ("GET-01",), of_get.apply),
        "of restarts": Fault("of restarts", ("DURABLE-02",), of_restarts.apply),
    }
    monkeypatch.setattr(fault_matrix, "all_faults", lambda: known)
    results = Queue()
    wanted = ("DURABLE-02", "DURABLE-01")
    fault_matrix.work("full", (HTTP,), wanted, frozenset(), Queue(*known, None), results)
    rows = {row.fault: row for row in results.items}
    assert (rows["of get"].checks, of_get.restarted) == (0, False)
    assert (rows["of restarts"].checks, of_restarts.restarted) == (2, True)


@pytest.mark.slow
def test_what_is_known_of_earlier_matrices_changes_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    learnt: list[int] = []
    not_passed: list[int] = []
    ran: list[pytest.Item] = []
    learn, result = Worker.learn, Worker.result

    def counting(worker: Worker, items: Sequence[pytest.Item]) -> None:
        ran.clear()
        learn(worker, items)
        verdicts = [worker.learnt.verdicts[each] for each in ran]
        learnt.append(len(ran))
        not_passed.append(sum(each is not Verdict.PASS for each in verdicts))

    def noting(worker: Worker, item: pytest.Item) -> CheckResult:
        ran.append(item)
        return result(worker, item)

    monkeypatch.setattr(Worker, "learn", counting)
    monkeypatch.setattr(Worker, "result", noting)
    forgets = Fault("forgets", ("COPY-03",), copy_forgets)
    first, again = (rows_of(monkeypatch, forgets)["forgets"] for _ in range(2))
    assert replace(first, duration_s=0, why=None) == replace(again, duration_s=0, why=None)
    assert first.why is not None
    assert again.why is not None
    assert first.why.keys() == again.why.keys()
    assert first.fell
    # One check that had passed is run without the fault all the same, and those that had not.
    assert learnt == [learnt[0], not_passed[0] + 1]
    assert learnt[0] > 20 > learnt[1]


@pytest.mark.slow
def test_until_found_no_check_follows_the_first_that_fails() -> None:
    known = {"forgets": Fault("forgets", ("COPY-08",), copy_forgets)}
    rows = []
    for until_found in (True, False):
        results = Queue()
        tasks = Queue(*known, None)
        fault_matrix.work(
            "documented", (HTTP,), OF_COPIES, frozenset(), tasks, results, known, until_found
        )
        rows += results.items
    first, whole = rows
    assert first.fell
    assert set(first.fell) <= set(whole.fell)
    assert 1 <= first.checks < whole.checks
    assert list(first.why.values())[:-1] == [
        each for each in first.why.values() if not each.startswith("fail")
    ]


@pytest.mark.slow
def test_by_a_client_only_the_faults_of_clients_are_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def idle_no_more(broken: FaultyDeployment) -> None:
        broken.wire.answers("get")(lambda _, thread: {**thread, "status": "busy"})

    rows = rows_of(
        monkeypatch,
        Fault("by-http", ("GET-01",), idle_no_more),
        Fault("names-no-client", ("GET-01",), all_faults()[GET_BY_CLIENTS].apply),
        Fault("by-clients", ("GET-01", "CLIENT-08"), all_faults()[GET_BY_CLIENTS].apply),
        clients=(HTTP, "curl"),
    )
    assert rows["by-http"].fell
    assert not [each for each in rows["by-http"].fell if each.startswith("CLIENT")]
    assert rows["names-no-client"].checks == 0
    assert rows["by-clients"].fell == ("CLIENT-08",)


def test_without_any_client_their_faults_are_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "langgraph_sdk", None)
    ended = CliRunner().invoke(cli, ["selftest", "--fault", GET_BY_CLIENTS])
    # Nothing was judged: 1 is left to faults that nobody notices.
    assert ended.exit_code == 3
    assert "install curl and jq, or pip install" in ended.output


@pytest.mark.slow
def test_a_process_nobody_listens_to_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = SimpleNamespace(is_alive=lambda: False)
    monkeypatch.setattr("multiprocessing.parent_process", lambda: gone)
    assert rows_of(monkeypatch, Fault("copy-forgets", ("COPY-03",), copy_forgets)) == {}


def test_a_check_is_concerned_by_what_it_touches() -> None:
    asked = SentRequest(WireRequest("POST", "/threads", b"", b"{}", []), status=200)
    touched = Impact({Threads.copied_checkpoints}, [asked])

    def concerned(apply: Callable[[FaultyDeployment], Any]) -> bool:
        broken = FaultyDeployment()
        apply(broken)
        return touched.affected_by(broken)

    assert concerned(copy_forgets)
    assert not concerned(lambda b: b.override(Threads.merged)(lambda right, *given: right(*given)))
    assert concerned(lambda b: b.wire.answers("create")(lambda _, body: body))
    assert concerned(lambda b: b.wire.before()(lambda _: None))
    assert not concerned(lambda b: b.wire.answers("get")(lambda _, body: body))
    assert not concerned(
        lambda b: b.wire.before("create", when=lambda r: r.body == {"a": 1})(lambda _: None)
    )
    # By the status of the right answer, if it was answered.
    assert concerned(lambda b: b.wire.after("create", status=200)(lambda *_: None))
    assert not concerned(lambda b: b.wire.after("create", status=409)(lambda *_: None))
    asked.status = 404
    assert not concerned(lambda b: b.wire.answers("create")(lambda _, body: body))
    asked.status = None
    assert concerned(lambda b: b.wire.after("create", status=409)(lambda *_: None))


def test_a_fault_that_begins_with_an_operation_concerns_only_who_asks_for_it() -> None:
    def copy_forgets_after(operation: str) -> FaultyDeployment:
        broken = FaultyDeployment(from_first=frozenset({operation, "run_wait"}))
        copy_forgets(broken)
        return broken

    asked = SentRequest(WireRequest("POST", "/threads", b"", b"{}", []), status=200)
    touched = Impact({Threads.copied_checkpoints}, [asked])
    assert touched.affected_by(copy_forgets_after("create"))
    assert not touched.affected_by(copy_forgets_after("copy"))


def test_a_watcher_sees_decisions_and_requests_and_changes_nothing() -> None:
    deployment = FaultyDeployment()
    watcher = ImpactRecorder(deployment, [Threads.copied_checkpoints, Threads.merged])
    deployment.wire.app = create_app(deployment.store)
    with InProcess() as host:
        host.app = deployment.wire
        http = httpx.Client(transport=InProcessTransport(host), base_url="http://reference.test")
        made = http.post("/threads", json={"metadata": {"a": 1}}).json()
        watcher.current = Impact()
        copy = http.post(f"/threads/{made['thread_id']}/copy").json()
    assert copy["metadata"] == {"a": 1}
    assert watcher.current.decisions == {Threads.copied_checkpoints}
    assert [(each.request.operation, each.status) for each in watcher.current.requests] == [
        ("copy", 200)
    ]


def test_every_fault_names_requirements_that_there_are() -> None:
    known = load_catalogue().requirements
    for each in all_faults().values():
        assert each.breaks, each.name
        assert not set(each.breaks) - known.keys(), each.name
        assert len(set(each.breaks)) == len(each.breaks), each.name


@pytest.mark.slow
def test_every_fault_can_be_served() -> None:
    for each in all_faults().values():
        broken, _ = faulty_deployment(each)
        rules = [*broken.wire.rules_before, *broken.wire.rules_after]
        assert broken.overridden or rules, each.name


def a_matrix(*rows: Row, partial: bool = True) -> Matrix:
    return Matrix(rows=rows, partial=partial, profile="documented", duration_s=1.5)


KILL = Row("one", breaks=("COPY-03",), fell=("COPY-03",))
MISS = Row("two", breaks=("COPY-03", "COPY-04"), fell=("COPY-04", "COPY-05"))


def test_only_an_exact_kill_counts() -> None:
    assert a_matrix(KILL).sharp
    assert not a_matrix(KILL, MISS).sharp
    assert not a_matrix(KILL, partial=False).sharp  # requirements without a fault
    assert a_matrix(KILL, MISS).killers == {"COPY-03": ["one"]}


def test_what_is_wrong_is_told() -> None:
    assert "missed: COPY-03" in as_line(MISS)
    assert "fell unnamed: COPY-05" in as_line(MISS)
    assert "2 faults" in as_summary(a_matrix(KILL, MISS))
    whole = as_summary(a_matrix(KILL, partial=False))
    assert "COPY-01" in whole
    assert "COPY-03" not in whole
    assert "| COPY-03 | MUST | one |" in as_markdown(a_matrix(KILL, MISS))


def test_the_matrix_is_written(tmp_path: Path) -> None:
    write(a_matrix(KILL, MISS, partial=False), tmp_path / "new")
    data = json.loads((tmp_path / "new" / "selftest.json").read_text())
    assert data["outcomes"]["killed"] == 1
    assert data["outcomes"]["inexact"] == 1
    assert "COPY-04" in data["unproved"]["MUST"]
    assert [each["fault"] for each in data["faults"]] == ["one", "two"]
    assert "# The kill matrix" in (tmp_path / "new" / "selftest.md").read_text()


@pytest.mark.slow
def test_the_command_tells_kill_from_miss(own_state: Path) -> None:
    arguments = ["selftest", "--profile", "documented", "-n", "2"]
    ended = CliRunner().invoke(cli, [*arguments, "--fault", "create-refuses-an-empty-body"])
    assert ended.exit_code == 0, ended.output
    assert "killed          create-refuses-an-empty-body" in ended.output
    assert "1 fault in" in ended.output


@pytest.mark.slow
def test_one_requirement_is_tried_by_its_own_checks(
    own_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    of_get = [name for name, each in all_faults().items() if "GET-02" in each.breaks]
    # One of them breaks more than is judged here.
    assert any(len(all_faults()[name].breaks) > 1 for name in of_get)
    ended = CliRunner().invoke(cli, ["selftest", "-n", "1", "--requirement", "get-02"])
    assert ended.exit_code == 0, ended.output
    assert f"{len(of_get)} killed by exactly the named requirements" in ended.output
    assert list(tmp_path.iterdir()) == []
    ended = CliRunner().invoke(
        cli, ["selftest", "--requirement", "GET-02", "--fault", "create-refuses-an-empty-body"]
    )
    assert ended.exit_code == 2
    assert "the fault create-refuses-an-empty-body breaks " in ended.output
    assert ", and not GET-02" in ended.output


def test_every_fault_is_tried_on_the_checks_of_one_requirement() -> None:
    how = MatrixOptions("", ("GET-02",), 0, False, False, 1, "full", None)
    breaks = choose_faults(all_faults().values(), (), how)
    assert all("GET-02" in all_faults()[each].breaks for each in breaks)
    assert choose_faults(all_faults().values(), (), how, every=True) == list(all_faults())
    narrowed = replace(how, matching="create-")
    assert "create-refuses-an-empty-body" in choose_faults(
        all_faults().values(), (), narrowed, every=True
    )


def test_a_fault_that_breaks_none_of_the_requirements_must_not_be_noticed() -> None:
    assert Row("other", (), ()).outcome is Outcome.LEFT_ALONE
    assert is_killed(Row("other", (), (), exercised=False))
    assert Row("other", (), ("GET-02",)).outcome is Outcome.INEXACT
    assert Row("other", (), (), crashes=("KeyError",)).outcome is Outcome.CRASHED


def test_a_requirement_that_was_blocked_is_told_from_one_that_passed() -> None:
    line = as_line(Row("slips", ("GET-01", "GET-02"), (), blocked=("GET-02", "COPY-01")))
    assert line.endswith("missed: GET-01, GET-02  of these blocked: GET-02")


@pytest.mark.parametrize(
    "others",
    [
        [],
        ["--requirement", "GET-02", "--freedoms"],
        ["--requirement", "GET-02", "--fault", "create-refuses-an-empty-body"],
    ],
)
def test_every_fault_needs_a_requirement_and_nothing_else(others: list[str]) -> None:
    ended = CliRunner().invoke(cli, ["selftest", "--every-fault", *others])
    assert ended.exit_code == 2
    assert "--every-fault says which faults are tried" in ended.output


def test_an_unknown_fault_is_wrong_usage() -> None:
    ended = CliRunner().invoke(cli, ["selftest", "--fault", "create-refuses-an-empty"])
    assert ended.exit_code == 2
    assert "did you mean create-refuses-an-empty-body" in ended.output

    def slip() -> None:
        raise FaultError("the fault new breaks the unknown requirement GET-66")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve, "all_faults", slip)
        ended = CliRunner().invoke(cli, ["selftest", "--fault", "new"])
    assert ended.exit_code == 2
    assert "breaks the unknown requirement GET-66" in ended.output
    ended = CliRunner().invoke(cli, ["selftest", "--requirement", "GET-2"])
    assert ended.exit_code == 2
    assert "unknown requirement GET-2; did you mean GET-02" in ended.output
    ended = CliRunner().invoke(cli, ["selftest", "--matching", "no such"])
    assert ended.exit_code == 2
    assert "no fault matches" in ended.output


def test_who_gives_no_answer_is_not_waited_for_longer_than_the_timeout() -> None:
    async def silent(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        await receive()

    with InProcess() as host:
        host.app = silent
        transport = InProcessTransport(host)
        with (
            httpx.Client(transport=transport, base_url="http://x.test", timeout=0.01) as http,
            pytest.raises(httpx.ReadTimeout),
        ):
            http.get("/ok")

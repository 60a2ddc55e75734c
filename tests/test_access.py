"""Access: the reference with keys and tenants, the access checks, and the threads they leave."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from conformance.checks.api import ThreadsApi
from conformance.checks.check_context import CheckContext
from conformance.checks.every_operation import OPEN_TO_ALL, Targets, every_operation
from conformance.cli import cli
from conformance.commands.serve import ServedProcess
from conformance.contract.catalogue import ACCESS_CAPABILITY, HTTP, load_catalogue
from conformance.contract.operations import DOCTOR_OPERATIONS, OPERATIONS
from conformance.contract.verdicts import RunVerdict, Verdict
from conformance.deployment.connect import connect
from conformance.deployment.credential_variants import (
    cut_credentials,
    other_credentials,
    wrong_credentials,
)
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.settings import Settings
from conformance.faults.access import key_of
from conformance.faults.registry import Fault, FaultyDeployment, all_faults, faulty_deployment
from conformance.model.store import ThreadStore
from conformance.reference.app import new_store
from conformance.reference.wire import WireAnswer, WireRequest
from conformance.report.record import Report, load_report
from conformance.runner.cleanup import clean_up
from conformance.runner.session import run_suite
from conformance.selftest import fault_matrix
from conformance.selftest.fault_row import Outcome
from tests.conftest import command, served, written_report
from tests.test_plugin import plain_pytest
from tests.test_selftest import Queue

MakeSettings = Callable[..., Settings]
OURS, THEIRS = "key-of-ours-1a2b", "key-of-theirs-3c4d"
TENANTS = {OURS: "ours", THEIRS: "theirs"}
ALL = tuple(
    each.id
    for each in load_catalogue().requirements.values()
    if each.capability == ACCESS_CAPABILITY
)
DOORS = {
    "headers": (("x-api-key", OURS),),
    "other_headers": (("x-api-key", THEIRS),),
    "protected": True,
}
SERVER = ServerInfo(None, None)


@contextmanager
def with_tenants(chosen: Fault | None = None) -> Iterator[tuple[str, dict[str, ThreadStore]]]:
    """The URL of a reference with two tenants, and their stores by key."""
    broken, app = faulty_deployment(chosen, tenants=TENANTS)
    with served(new_store(), around=lambda _: app) as url:
        yield url, broken.by_key


def as_tenant(url: str, key: str | None) -> httpx.Client:
    return httpx.Client(base_url=url, headers={} if key is None else {"x-api-key": key})


# ---- the reference ------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "", OURS[:-1], f"{OURS}x", OURS.upper()])
def test_without_a_tenants_key_only_what_tells_nothing_is_answered(key: str | None) -> None:
    with with_tenants() as (url, stores), as_tenant(url, key) as nobody:
        assert nobody.post("/threads", json={}).status_code == 401
        assert nobody.post("/threads/search", json={}).status_code == 401
        assert nobody.get("/no-such-path").status_code == 401
        assert nobody.get("/ok").status_code == 200
        assert nobody.get("/info").json()["version"]
        assert [store.searches.count() for store in stores.values()] == [0, 0]


def test_tenants_have_nothing_of_each_other() -> None:
    with with_tenants() as (url, _), as_tenant(url, OURS) as ours, as_tenant(url, THEIRS) as theirs:
        made = ours.post("/threads", json={}).json()["thread_id"]
        assert ours.get(f"/threads/{made}").status_code == 200
        foreign = theirs.get(f"/threads/{made}")
        unknown = theirs.get("/threads/00000000-0000-4000-8000-000000000000")
        assert foreign.status_code == unknown.status_code == 404
        masked = unknown.text.replace("00000000-0000-4000-8000-000000000000", made)
        assert foreign.text == masked
        assert theirs.post("/threads/search", json={}).json() == []
        assert theirs.post("/threads/count", json={}).json() == 0
        cron = ours.post(
            f"/threads/{made}/runs/crons", json={"assistant_id": "agent", "schedule": "0 0 1 1 *"}
        ).json()
        assert theirs.get(f"/runs/crons/{cron['cron_id']}").status_code == 404
        assert theirs.post("/runs/crons/count", json={}).json() == 0
        assert ours.post("/runs/crons/count", json={}).json() == 1


@pytest.mark.slow
def test_a_tenant_may_have_two_keys() -> None:
    options = ("--tenant", "a=one", "--tenant", "a=two", "--tenant", "b=three")
    with ServedProcess(*options) as process:
        counts = []
        for key in ("one", "two", "three"):
            with as_tenant(process.url, key) as tenant:
                if key == "one":
                    tenant.post("/threads", json={}).raise_for_status()
                counts.append(tenant.post("/threads/count", json={}).json())
    assert counts == [1, 1, 0]


@pytest.mark.slow
def test_served_with_a_key_alone() -> None:
    with ServedProcess("--api-key", "one") as process:
        with as_tenant(process.url, "one") as known:
            assert known.post("/threads/count", json={}).json() == 0
        assert httpx.post(f"{process.url}/threads/count", json={}).status_code == 401


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--tenant", "a"), "write a tenant as NAME=KEY"),
        (("--tenant", "=k"), "write a tenant as NAME=KEY"),
        (
            ("--tenant", "a=k", "--tenant", "b=k"),
            "a and b have the same key: give each tenant a key of its own",
        ),
        (("--tenant", "a=k", "--api-key", "k"), "it is also the key of the tenant a"),
        (("--fault", "any-key-is-taken"), "give two tenants with --tenant NAME=KEY"),
    ],
)
def test_what_serve_cannot_do_is_told(options: tuple[str, ...], told: str) -> None:
    ended = CliRunner().invoke(cli, ["serve", "--port", "0", *options])
    assert ended.exit_code == 2
    assert told in " ".join(ended.output.split())


# ---- the checks ---------------------------------------------------------------------


def verdicts(report: Report) -> dict[str, Verdict]:
    return {each.id: each.verdict for each in report.requirements}


def test_every_operation_is_tried(settings_for: MakeSettings) -> None:
    with connect(settings_for("http://127.0.0.1:1")) as connection:
        case = CheckContext(settings_for("http://127.0.0.1:1"), {"tag": "x"})
        given = ThreadsApi(connection.client, case, arranging=True)
        tried = every_operation(given, Targets({"thread_id": "t"}, "c", "r", "n"))
    of_checks = {each.name for each in OPERATIONS} - {*DOCTOR_OPERATIONS}
    assert sorted({*tried, *OPEN_TO_ALL}) == sorted(of_checks)
    assert not {*tried} & {*OPEN_TO_ALL}


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_reference_keeps_its_doors(workers: str, settings_for: MakeSettings) -> None:
    with with_tenants() as (url, stores):
        kept = {key: store.threads.create(metadata={"of": key}) for key, store in stores.items()}
        settings = settings_for(url, capabilities=(ACCESS_CAPABILITY,), **DOORS)
        report = run_suite(settings, identify_deployment(settings), workers=workers)
        assert verdicts(report) == dict.fromkeys(ALL, Verdict.PASS)
        assert report.cleanup.created == report.cleanup.removed > 0
        # What both tenants had before is there, and nothing else.
        assert {key: store.searches.search() for key, store in stores.items()} == {
            key: [thread] for key, thread in kept.items()
        }
        assert [store.crons.count_crons({}) for store in stores.values()] == [0, 0]


@pytest.mark.slow
def test_without_the_options_they_are_not_run_and_the_options_are_named(
    reference: str, settings_for: MakeSettings
) -> None:
    settings = settings_for(reference, requirements=("GET-01", *ALL))
    report = run_suite(settings, SERVER)
    found = verdicts(report)
    assert found.pop("GET-01") is Verdict.PASS
    assert found == dict.fromkeys(ALL, Verdict.NOT_RUN)
    assert report.verdict is RunVerdict.CONFORMANT
    reasons = {each.reason for each in report.checks if each.verdict is Verdict.NOT_RUN}
    assert len(reasons) == 2
    assert any("--protected" in each for each in reasons)
    assert any("--other-api-key" in each for each in reasons)


@pytest.mark.slow
def test_under_plain_pytest_they_are_skipped_unless_asked_for(
    reference: str, tmp_path: Path
) -> None:
    chosen = ("-k", "test_access and (without_a_credential or is_not_copied)")
    ended = plain_pytest(
        tmp_path, "--pyargs", "conformance.suite", "--deployment-url", reference, *chosen
    )
    assert ended.returncode == 0, ended.stdout
    assert "2 skipped" in ended.stdout
    with with_tenants() as (url, _):
        ended = plain_pytest(
            tmp_path,
            *("--pyargs", "conformance.suite", "--deployment-url", url, *chosen),
            *("--deployment-header", f"x-api-key: {OURS}", "--deployment-protected"),
            *("--deployment-other-header", f"x-api-key: {THEIRS}"),
        )
    assert ended.returncode == 0, ended.stdout
    assert "2 passed" in ended.stdout


@pytest.mark.slow
def test_a_deployment_without_doors_fails_only_where_something_is_let_in(
    reference: str, settings_for: MakeSettings
) -> None:
    settings = settings_for(reference, capabilities=(ACCESS_CAPABILITY,), **DOORS)
    report = run_suite(dataclasses.replace(settings, repeat_failures=0), SERVER)
    found = verdicts(report)
    # What is let in changes things, and nothing can be told apart from unknown ids.
    assert found.pop("ACCESS-04") is Verdict.BLOCKED
    assert found.pop("ACCESS-18") is Verdict.BLOCKED
    assert found == dict.fromkeys(found, Verdict.FAIL)
    (first,) = (each for each in report.checks if each.requirements == ("ACCESS-01",))
    assert first.failure is not None
    assert "search answers 200" in first.failure.actual
    assert report.cleanup.created == report.cleanup.removed


@pytest.mark.slow
def test_a_refused_credential_of_the_other_tenant_blocks(settings_for: MakeSettings) -> None:
    with with_tenants() as (url, _):
        others = {**DOORS, "other_headers": (("x-api-key", "nobodys"),)}
        settings = settings_for(url, requirements=("ACCESS-05",), **others)
        report = run_suite(settings, identify_deployment(settings))
    assert {each.verdict for each in report.checks} == {Verdict.BLOCKED}
    assert "credential is answered 401" in report.checks[0].reason


@pytest.mark.slow
def test_an_operation_that_is_not_offered_is_not_called_open(settings_for: MakeSettings) -> None:
    def no_crons(broken: FaultyDeployment) -> None:
        @broken.wire.before(when=lambda request: "crons" in request.path)
        def missing(_request: WireRequest) -> WireAnswer:
            return WireAnswer(404, b'{"detail":"Not Found"}')

    with with_tenants(Fault("no-crons", (), no_crons)) as (url, _):
        settings = settings_for(url, requirements=("ACCESS-01", "ACCESS-04"), **DOORS)
        report = run_suite(settings, identify_deployment(settings))
    assert verdicts(report) == dict.fromkeys(("ACCESS-01", "ACCESS-04"), Verdict.PASS)
    (check,) = (each for each in report.checks if each.requirements == ("ACCESS-01",))
    assert "not offered: cron_create" in check.reason


@pytest.mark.slow
def test_a_state_that_is_refused_later_breaks_no_check(settings_for: MakeSettings) -> None:
    def refuses_later(broken: FaultyDeployment) -> None:
        shown: set[str] = set()

        @broken.wire.after("state")
        def refuse(request: WireRequest, answer: WireAnswer) -> None:
            if request.thread_id in shown and answer.ok:
                answer.status, answer.body = 404, {"detail": "Not Found"}
            shown.add(request.thread_id)

    with with_tenants(Fault("refuses-later", (), refuses_later)) as (url, _):
        settings = settings_for(url, requirements=("ACCESS-04",), **DOORS)
        report = run_suite(settings, identify_deployment(settings))
    assert Verdict.ERROR not in {each.verdict for each in report.checks}


# ---- the kill matrix ----------------------------------------------------------------


@pytest.mark.slow
def test_faults_of_doors_are_tried_behind_doors_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = ("count-needs-no-key", "anothers-thread-is-copied")
    known = {name: all_faults()[name] for name in ours}
    known["other"] = Fault(
        "other", ("GET-01",), lambda broken: broken.wire.answers("get")(lambda _, body: {})
    )
    monkeypatch.setattr(fault_matrix, "all_faults", lambda: known)
    results = Queue()
    fault_matrix.work("documented", (HTTP,), (), frozenset(), Queue(*known, None), results)
    rows = {row.fault: row for row in results.items}
    assert rows["count-needs-no-key"].outcome is Outcome.KILLED
    assert rows["anothers-thread-is-copied"].outcome is Outcome.KILLED
    assert rows["other"].checks > 0
    assert not [each for each in rows["other"].fell if each.startswith("ACCESS")]
    assert not [each for each in rows["other"].blocked if each.startswith("ACCESS")]


# ---- secrets ------------------------------------------------------------------------


def echoing(broken: FaultyDeployment) -> None:
    """Tell whoever asks by which key: in each body that has room, and in a header."""

    @broken.wire.after()
    def echo(request: WireRequest, answer: WireAnswer) -> None:
        answer.headers.append((b"x-echo", key_of(request).encode()))
        if isinstance(answer.body, dict):
            answer.body = {**answer.body, "echo": f"you gave {key_of(request)}!"}


@pytest.mark.slow
def test_no_credential_comes_out(tmp_path: Path, settings_for: MakeSettings) -> None:
    with with_tenants(Fault("echoes", (), echoing)) as (url, _):
        ended = command(
            tmp_path,
            *("run", "--url", url, "--capability", "access", "--protected", "-n", "2"),
            *("--api-key", OURS, "--effort", "quick"),
            THREADS_CONFORMANCE_OTHER_API_KEY=THEIRS,
        )
    latest = written_report(tmp_path).parent
    report = load_report(latest / "report.json")
    assert {each.verdict for each in report.checks} <= {Verdict.PASS, Verdict.FAIL}
    settings = settings_for(url, **DOORS)
    settings = dataclasses.replace(settings, run_id=report.run.id)
    secrets = [
        value
        for make in (cut_credentials, wrong_credentials, other_credentials)
        for _, value in make(settings)
    ]
    assert len({OURS, *secrets}) == 4
    written = [ended.stdout, ended.stderr, *(each.read_text() for each in latest.iterdir())]
    assert "you gave [redacted]!" in (latest / "exchanges.har").read_text()
    for secret in (OURS, *secrets):
        assert not [text for text in written if secret in text]


# ---- what is left -------------------------------------------------------------------


def left_by_a_killed_run(settings: Settings) -> None:
    """A thread for each tenant, and the ledger of a run that has ended without a clean-up."""
    with connect(settings) as connection:
        for client in (
            connection.client,
            connection.client_with(other_credentials(settings)),
        ):
            body: Mapping[str, Any] = {
                "thread_id": client.ownership.new_id(),
                "metadata": dict(client.tag),
            }
            assert client.create(body).ok


def test_each_tenants_threads_are_removed_by_its_credential(settings_for: MakeSettings) -> None:
    with with_tenants() as (url, stores):
        for store in stores.values():
            store.threads.create(metadata={"threads_conformance_run": "of another run"})
        settings = settings_for(url, **DOORS)
        left_by_a_killed_run(settings)
        assert [store.searches.count() for store in stores.values()] == [2, 2]
        cleanup = clean_up(settings)
        assert (cleanup.created, cleanup.removed, cleanup.left) == (2, 2, ())
        assert [store.searches.count() for store in stores.values()] == [1, 1]


def test_what_the_other_tenant_may_not_delete_is_left(settings_for: MakeSettings) -> None:
    def keeps(broken: FaultyDeployment) -> None:
        @broken.wire.before("delete", when=lambda request: key_of(request) == THEIRS)
        def refuse(_request: WireRequest) -> WireAnswer:
            return WireAnswer(403, b'{"detail":"no"}')

    with with_tenants(Fault("keeps", (), keeps)) as (url, stores):
        settings = settings_for(url, **DOORS)
        left_by_a_killed_run(settings)
        cleanup = clean_up(settings)
        (standing,) = stores[THEIRS].searches.search()
        assert cleanup.left == (standing["thread_id"],)
        assert (cleanup.created, cleanup.removed) == (2, 1)


@pytest.mark.slow
def test_sweep_takes_the_credential_of_the_other_tenant(
    tmp_path: Path, settings_for: MakeSettings
) -> None:
    with with_tenants() as (url, stores):
        left_by_a_killed_run(settings_for(url, **DOORS))
        swept = command(
            tmp_path, "sweep", "--url", url, "--api-key", OURS, "--other-api-key", THEIRS
        )
        assert swept.returncode == 0, swept.stdout + swept.stderr
        assert [store.searches.count() for store in stores.values()] == [0, 0]


# ---- wrong usage --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--protected",), "threads-conformance serve --tenant NAME=KEY"),
        (("--other-api-key", "b"), "threads-conformance serve --tenant NAME=KEY"),
        (("--url", "URL", "--protected"), "give it with --api-key KEY"),
        (("--url", "URL", "--other-api-key", "b"), "give it with --api-key KEY"),
        (("--url", "URL", "--api-key", "b", "--other-api-key", "b"), "is the same as yours"),
        (("--url", "URL", "--api-key", "b", "--other-header", "b"), "written 'Name: value'"),
    ],
)
def test_what_cannot_be_judged_is_wrong_usage(
    options: tuple[str, ...], told: str, reference: str, tmp_path: Path
) -> None:
    options = tuple(reference if each == "URL" else each for each in options)
    ended = command(tmp_path, "run", "-k", "is_not_copied", *options)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert told in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def test_the_auth_of_the_fixture_is_loaded_with_the_graphs_of_the_project() -> None:
    project = Path(__file__).parents[1] / "fixtures" / "deployments" / "langgraph-python"
    plain = json.loads((project / "langgraph.json").read_text())
    protected = json.loads((project / "langgraph-auth.json").read_text())
    path, _, name = protected.pop("auth")["path"].partition(":")
    assert protected == plain
    assert f"{name} = Auth()" in (project / path).read_text()

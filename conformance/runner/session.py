"""One run, from its settings to its report.

`run_suite` starts pytest in this process with the suite's own configuration, collects the
results of the workers, removes what the run created, and returns a `Report`.
"""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import nullcontext

from conformance import __version__
from conformance.contract.catalogue import HTTP, load_catalogue
from conformance.defects import SuiteDefectError
from conformance.deployment.connect import redactor_of
from conformance.deployment.delivery.interruption import signals_as_interrupt
from conformance.deployment.ownership.ledger import claim, ledgers_dir
from conformance.deployment.probe.preflight import ServerInfo
from conformance.deployment.restart import Restarter
from conformance.deployment.settings import Settings
from conformance.load.generator import LoadGenerator
from conformance.report.plain_text import counted
from conformance.report.record import Cleanup, Deployment, Report, RunInfo
from conformance.report.score import requirement_results, run_verdict, totals
from conformance.report.suite_digest import suite_digest
from conformance.runner import server_errors
from conformance.runner.cleanup import account_of_kept, clean_up
from conformance.runner.controller import Controller
from conformance.runner.forking.forked_workers import forked_workers
from conformance.runner.operation_timings import by_operation, timings
from conformance.runner.progress_listener import ProgressListener
from conformance.runner.pytest_engine import collect, own_pytest, pytest_arguments, run_pytest
from conformance.runner.selection import Part, selected_requirements
from conformance.runner.shards import digest_of
from conformance.runner.worker_count import AUTO, worker_count
from conformance.time_account import Activity, current_account, spend


class NothingSelectedError(Exception):
    """The options select no check; the message says which ones to change."""


#: How often pytest-xdist replaces a worker that has died: without a limit it would go on for ever
#: with workers that cannot be started.
_MOST_RESTARTS = "4"


def collect_checks(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the checks of a run by id, each with the requirements that it decides."""
    with own_pytest():
        return collect(settings, pytest_arguments()).planned


def run_suite(
    settings: Settings,
    server: ServerInfo,
    view: ProgressListener | None = None,
    *,
    workers: str = "0",
    keyword: str = "",
    keep: bool = False,
    pytest_args: Iterable[str] = (),
    restarter: Restarter | None = None,
    elsewhere: Sequence[str] = (),
) -> Report:
    """Check one deployment and return the report.

    `workers` is a number of processes beside this one, or `auto`: as many as the deployment keeps
    waiting (`worker_count`); `elsewhere` are the execnet specifications of more of them. `keyword`
    is the value of pytest's `-k`. With `keep`, the threads of the run are not removed. `restarter`
    restarts the deployment, if the settings allow that. Raises `NothingSelectedError` if no check
    is selected, and `SuiteDefectError`, with a report of what is known, if the suite itself broke.
    """
    started = time.perf_counter()
    deployment = Deployment(
        url=_redacted_url(settings),
        server_name=server.name,
        server_version=server.version,
        graph_id=settings.graph.id,
    )
    narrowed = bool(
        keyword
        or settings.requirements
        or settings.capabilities
        or HTTP not in settings.clients
        or settings.read_only
    )
    run = RunInfo(
        id=settings.run_id,
        started_at=settings.started_at,
        duration_s=0.0,
        seed=settings.seed,
        profile=settings.profile,
        effort=settings.effort,
        requests=0,
        partial=narrowed or bool(settings.shard),
        narrowed=narrowed,
        shard=settings.shard,
        disposable=settings.disposable,
        read_only=settings.read_only,
        load_users=settings.load_users,
    )
    controller = Controller(
        settings, (lambda checks: view.start(deployment, run, checks)) if view else None, restarter
    )
    controller.view = view
    # The other tenant's threads need its credentials, which only the clean-up uses.
    controller.removes_meanwhile = not (keep or settings.read_only or settings.other_headers)
    arguments = [*pytest_arguments(keyword), *pytest_args]
    load = LoadGenerator(settings) if settings.load_users else None
    with nullcontext() if settings.read_only else claim(ledgers_dir() / settings.run_id):
        with own_pytest(), signals_as_interrupt():
            if workers == "0" and load is None and not elsewhere:
                run_pytest(arguments, controller)
            else:
                # Only the workers collect then, so that this process has to collect separately; and
                # a load is not to begin where nothing is to be checked.
                planning = collect(settings, arguments)
                controller.planned = planning.planned
                controller.undivided = planning.undivided
                controller.interrupted = planning.interrupted
                controller.defects = planning.defects
                controller.part = Part.SIDE_BY_SIDE
                if controller.planned and not controller.interrupted:
                    _run_planned(
                        settings, workers, controller, load, keyword, pytest_args, elsewhere
                    )
                if planning.alone and not controller.interrupted:
                    controller.part = Part.ALONE
                    run_pytest(_arguments(planning.alone, keyword, pytest_args), controller)
                    controller.planned = planning.planned
        defects = controller.defects
        with defects.watched():
            if view:
                view.stop()
        cleanup = Cleanup()
        # A read-only run leaves nothing.
        if not settings.read_only:
            with defects.watched(), spend(Activity.CLEANING):
                cleanup = account_of_kept(settings)
                if not keep:
                    cleanup = clean_up(
                        settings,
                        hurried=controller.interrupted,
                        server_errors=controller.server_errors,
                    )
    if not (controller.planned or controller.interrupted or defects.found):
        if undivided := controller.undivided:
            raise NothingSelectedError(
                f"shard {settings.shard} of {counted(len(undivided), 'check')} is empty: "
                "divide the run into fewer parts"
            )
        raise NothingSelectedError(
            "no check matches these options; widen -k, --requirement, --capability, --profile "
            "or --client"
        )
    with spend(Activity.REPORTING):
        report = _report(settings, controller, deployment, run, cleanup, load, keyword, started)
    if defects.found:
        raise SuiteDefectError(defects.found, report)
    return report


def _report(
    settings: Settings,
    controller: Controller,
    deployment: Deployment,
    run: RunInfo,
    cleanup: Cleanup,
    load: LoadGenerator | None,
    keyword: str,
    started: float,
) -> Report:
    """Return the report of what the controller collected; `started` is by the performance clock."""
    catalogue = load_catalogue()
    checks_of = _checks_by_requirement(controller.planned)
    selected = (
        # With -k, and in a read-only run, only the requirements of the collected checks count.
        frozenset(checks_of)
        if keyword or settings.read_only
        else selected_requirements(settings, catalogue)
    )
    answers = (
        server_errors.results_of_errors(controller.server_errors, controller.results, catalogue)
        if server_errors.INTERNAL_ERROR in selected
        else ()
    )
    if settings.shard:
        # Requirements that only other shards check are not judged here.
        selected &= {*checks_of, *(each for found in answers for each in found.requirements)}
    judged = [each for each in catalogue.requirements.values() if each.id in selected]
    checks = tuple(sorted((*controller.results, *answers), key=lambda each: each.id))
    results = requirement_results(checks, judged, checks_of)
    exchanges = list(timings(settings))
    given_up = any(each.given_up for each in checks)
    return Report(
        suite_version=__version__,
        catalogue_digest=catalogue.digest,
        suite_digest=suite_digest(),
        deployment=deployment,
        run=dataclasses.replace(
            run,
            duration_s=round(time.perf_counter() - started, 3),
            requests=len(exchanges),
            partial=run.partial or controller.interrupted or given_up,
            interrupted=controller.interrupted,
            given_up=given_up,
            divided=digest_of(controller.undivided, keyword) if settings.shard else "",
        ),
        verdict=run_verdict(results),
        totals=totals(results),
        cleanup=cleanup,
        operations=by_operation(exchanges),
        requirements=results,
        checks=checks,
        load=load.result if load else None,
        timings=controller.times,
    )


def _run_planned(
    settings: Settings,
    workers: str,
    controller: Controller,
    load: LoadGenerator | None,
    keyword: str,
    pytest_args: Iterable[str],
    elsewhere: Sequence[str],
) -> None:
    """Run the planned checks, but for those that are made alone, in so many worker processes.

    With `auto`, in as many as the deployment keeps waiting; and in those `elsewhere`.
    """
    arguments = _arguments(controller.planned, keyword, pytest_args)
    with nullcontext("") if workers == "0" else forked_workers() as worker:
        if workers == AUTO:
            try:
                workers = str(worker_count(settings, len(controller.planned)))
            except KeyboardInterrupt:
                # Threads may have been made already: the clean-up follows.
                controller.interrupted = True
                return
        specifications = [f"{workers}*{worker}"] if int(workers) else []
        spread = [word for each in (*specifications, *elsewhere) for word in ("--tx", each)]
        spread += ["--dist", "worksteal", "--max-worker-restart", _MOST_RESTARTS] if spread else []
        if spread and (account := current_account()):
            account.has_started()
        with spend(Activity.WAITING) if spread else nullcontext():
            _run_under_load(load, [*arguments, *spread], controller)


def _arguments(checks: Iterable[str], keyword: str, pytest_args: Iterable[str]) -> list[str]:
    """Return the arguments of pytest that collect the files of these checks and no others."""
    files = sorted({each.partition("::")[0] for each in checks})
    return [*pytest_arguments(keyword, files=files), *pytest_args]


def _run_under_load(
    load: LoadGenerator | None, arguments: Sequence[str], controller: Controller
) -> None:
    """Run the checks while the load lasts, if there is one; none if it does not begin."""
    if load is None:
        run_pytest(arguments, controller)
        return
    try:
        with load:
            if load.start():
                run_pytest(arguments, controller)
            load.hurried = controller.interrupted
    except KeyboardInterrupt:
        # Threads may have been made already: the clean-up follows.
        controller.interrupted = True
    for found in load.server_errors:
        controller.server_errors += server_errors.errors_of_load(found.times, found.exchanges)


def _checks_by_requirement(planned: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    checks_of: dict[str, list[str]] = defaultdict(list)
    for check, requirements in planned.items():
        for requirement in requirements:
            checks_of[requirement].append(check)
    return dict(checks_of)


def _redacted_url(settings: Settings) -> str:
    return redactor_of(settings).url(settings.url)

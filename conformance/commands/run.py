"""`threads-conformance run`: check a deployment and say whether it keeps its promises."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Unpack

import click
from _pytest.mark.expression import Expression
from click.core import ParameterSource

from conformance.commands import completion
from conformance.commands.access_check_options import (
    access_options,
    check_access_options,
    refuse_access_options,
)
from conformance.commands.defect_handling import report_defects, suite_defect
from conformance.commands.doctor import warn_about_graph
from conformance.commands.export_option import export_option, write_exports
from conformance.commands.format_option import format_option
from conformance.commands.load_options import check_load_options, load_options
from conformance.commands.options import (
    chosen_graphs,
    credentials_options,
    disposable_option,
    graph_option,
    launcher_option,
    max_body_option,
    outage_within_option,
    reference_within_option,
    report_dir_option,
    run_timeout_option,
    server_option,
    timeout_option,
    trust_options,
    verbose_option,
    visible_within_option,
)
from conformance.commands.read_only import check_read_only, read_only_options, with_threads_to_visit
from conformance.commands.reference_answers import ask_reference
from conformance.commands.requirements import find_requirements
from conformance.commands.restart_options import (
    check_restart_options,
    restart_options,
    restarter_of,
)
from conformance.commands.run_again import run_again
from conformance.commands.run_baseline import RunBaseline, baseline_options
from conformance.commands.run_schema_comparison import compare_schemas
from conformance.commands.scale_option import check_scale, scale_option
from conformance.commands.server_options import open_target, print_progress
from conformance.commands.url_option import one_url, url_argument, url_option
from conformance.contract.catalogue import ALL_CLIENTS, EFFORTS, HTTP, PROFILES, load_catalogue
from conformance.defects import DEFECT_FILE, SuiteDefectError
from conformance.deployment.connect import redactor_of
from conformance.deployment.probe.identify import identify_deployment
from conformance.deployment.probe.own_openapi import AUTO, read_own_openapi
from conformance.deployment.probe.preflight import UnreachableError
from conformance.deployment.record.redaction import Redactor
from conformance.deployment.restart import Restarter
from conformance.deployment.run_folder import run_folder
from conformance.deployment.settings import DEFAULT_SEED, Settings, SettingsError
from conformance.report.export.formats import Export
from conformance.report.record import Report, ReportError
from conformance.report.run.folders import SELECTION_DIR, holds_whole_report
from conformance.report.run.terminal import TerminalView, uncaptured_console
from conformance.report.run.write import report_json, write_all
from conformance.report.schema.terminal import comparison_line
from conformance.report.score import exit_status
from conformance.runner.check_durations import expected_s
from conformance.runner.elsewhere import WorkerCommandError, check_worker, worker_specification
from conformance.runner.operation_timings import all_exchanges
from conformance.runner.pytest_engine import import_engine
from conformance.runner.session import NothingSelectedError, run_suite
from conformance.runner.settings import SettingsOptions, client_names, new_settings
from conformance.runner.shards import parse_shard
from conformance.runner.worker_count import AUTO as AUTO_WORKERS
from conformance.safe_text import harmless
from conformance.time_account import Activity, close_account, current_account, open_account

#: Exit status where the deployment was not judged.
_INCOMPLETE = 3
#: What to install where a program of a client is missing.
_INSTALL = {"js-sdk": "Node.js 20 or newer", "curl": "bash, curl and jq"}


def _workers_option(_context: click.Context, _option: click.Parameter, given: str) -> str:
    """Validate a number of worker processes, or `auto`."""
    if given != AUTO_WORKERS and not given.isdecimal():
        raise click.BadParameter("give a number of processes, or auto")
    return given


def _worker_commands_option(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    """Validate the commands that start workers on other machines."""
    _specifications(given)
    return given


def _specifications(commands: tuple[str, ...], *, tried: bool = False) -> tuple[str, ...]:
    """Return the execnet specifications of workers, each tried first if that is wanted."""
    try:
        found = tuple(map(worker_specification, commands))
        for each, command in zip(found, commands, strict=True):
            if tried:
                check_worker(each, command)
    except WorkerCommandError as unusable:
        raise click.BadParameter(str(unusable), param_hint="--worker-command") from unusable
    return found


def _shard_option(_context: click.Context, _option: click.Parameter, given: str) -> str:
    """Validate a part of the checks, such as 2/5."""
    try:
        return str(parse_shard(given)) if given else ""
    except ValueError as unusable:
        raise click.BadParameter(str(unusable)) from unusable


@click.command("run")
@url_argument
@url_option("The same as the argument URL.")
@server_option
@launcher_option
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="documented",
    show_default=True,
    help="How much of the Threads API to check.",
)
@graph_option
@credentials_options
@access_options
@click.option(
    "-n",
    "--workers",
    "workers",
    default="0",
    metavar="N|auto",
    callback=_workers_option,
    show_default=True,
    help="Number of worker processes; 0 runs the checks in this process; auto takes as many as the "
    "deployment keeps waiting, measured by one run of the graph.",
)
@click.option(
    "--worker-command",
    "worker_commands",
    multiple=True,
    metavar="[N*]CMD",
    callback=_worker_commands_option,
    help="Add a worker, or N, of another machine: a command that starts a Python with this version "
    "at the same path there, such as 'ssh build2 /opt/venv/bin/python'; may be repeated.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63),
    default=DEFAULT_SEED,
    show_default=True,
    help="Seed of the generated requests.",
)
@click.option(
    "--effort",
    type=click.Choice(EFFORTS),
    default="standard",
    show_default=True,
    help="How many requests the property checks generate.",
)
@click.option(
    "--client",
    "clients",
    type=click.Choice((*ALL_CLIENTS, "all")),
    default=HTTP,
    show_default=True,
    callback=lambda _context, _option, given: client_names(given),
    help="Client that sends the requests: http is the suite's own; python-sdk, js-sdk and curl run "
    "the code of the documents; all is every client.",
)
@click.option(
    "--shard",
    default="",
    metavar="I/N",
    callback=_shard_option,
    help="Make only the I-th of N parts of the checks, such as 2/5, one on each machine; "
    "`threads-conformance merge` makes one report of theirs.",
)
@click.option(
    "-k",
    "keyword",
    metavar="EXPR",
    default="",
    help="Run only the checks whose name matches this pytest -k expression.",
)
@click.option(
    "--requirement",
    "requirements",
    multiple=True,
    metavar="ID",
    shell_complete=completion.requirement_ids,
    help="Check only this requirement; may be repeated. Also COPY-01,COPY-08 and 'COPY-*'.",
)
@click.option(
    "--capability",
    "capabilities",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.capabilities,
    help="Check only this capability; may be repeated.",
)
@report_dir_option
@export_option
@format_option("json: report.json on standard output, and all else on standard error.")
@reference_within_option(10)
@verbose_option
@click.option(
    "--timings",
    is_flag=True,
    help="Tell where the time of each process went: the server, the wire, making data, judging, "
    "reporting, clean-up.",
)
@click.option(
    "--schema-url",
    metavar="[URL]",
    is_flag=False,
    flag_value=AUTO,
    help="Compare an OpenAPI document with what the deployment does and with the contract; "
    "without a URL, the deployment's own /openapi.json.",
)
@disposable_option
@click.option(
    "--keep",
    is_flag=True,
    help="Do not remove the threads of the run; `threads-conformance sweep` removes them later.",
)
@read_only_options
@restart_options
@load_options
@scale_option
@timeout_option
@run_timeout_option
@outage_within_option
@max_body_option
@trust_options
@visible_within_option(
    "search and count must show a change: the declared deadline of the requirements"
)
@baseline_options
@click.pass_context
def run_command(
    context: click.Context,
    /,
    address: str | None,
    url: str | None,
    server: str | None,
    launcher_files: tuple[Path, ...],
    graph_id: str | None,
    headers: tuple[tuple[str, str], ...],
    workers: str,
    worker_commands: tuple[str, ...],
    keyword: str,
    report_dir: Path,
    exports: tuple[Export, ...],
    output_format: str,
    reference_within_s: float,
    verbose: bool,
    schema_url: str | None,
    keep: bool,
    restart_command: tuple[str, ...],
    baseline: Path | None,
    strict_baseline: bool,
    write_baseline: Path | None,
    **options: Unpack[SettingsOptions],
) -> None:
    """Check a deployment and say whether it keeps its promises.

    URL names one that runs, --server one to install and start; without either the
    embedded reference deployment is started and checked. The report of a selection
    (-k, --requirement, --capability, --shard), and of a run that was interrupted, goes to
    reports/selection where it would replace that of a whole run, unless --report-dir says
    where.

    Exit status: 0 conformant, or the baseline accepts every deviation, 1 non-conformant,
    2 wrong usage, 3 incomplete or not reachable, 4 a defect of this suite.
    """
    if options["timings"]:
        context.call_on_close(close_account)
        open_account()
    url = one_url(context, address, url)
    check_read_only(url, context.params)
    check_restart_options(url, context.params)
    check_load_options(context.params)
    if options["shard"] and restart_command:
        raise click.UsageError(
            "--shard with --restart-command would restart the deployment under the other shards: "
            "run the checks of restarts by themselves, with --capability durability"
        )
    _warn_of_missing_programs(options["clients"])
    _check_keyword(keyword)
    selects = keyword or options["requirements"] or options["capabilities"] or options["shard"]
    if selects and context.get_parameter_source("report_dir") is ParameterSource.DEFAULT:
        report_dir = SELECTION_DIR
    _check_writable(report_dir)
    options["requirements"] = find_requirements(load_catalogue(), options["requirements"])
    options["profile"] = _profile_of(context, options["profile"], options["requirements"])
    options["capabilities"] = tuple(map(_known_capability, options["capabilities"]))
    check_scale(options)
    if not (url or server):
        refuse_access_options(options)
    options["scale"] = options["scale"] or 0
    options["graph"], options["graphs"] = chosen_graphs(context, graph_id)
    elsewhere = _specifications(worker_commands, tried=True)
    baselining = RunBaseline.from_options(baseline, write_baseline, strict=strict_baseline)
    redact = Redactor(headers).text
    with ExitStack() as stack:
        as_json = output_format == "json"
        console = stack.enter_context(uncaptured_console(sys.stderr if as_json else sys.stdout))
        view = TerminalView(
            console, verbose=verbose, live=console.file.isatty(), expected_s=expected_s
        )
        stack.enter_context(report_defects(report_dir, lambda text: redact(text)))
        defects: tuple[str, ...] = ()
        restarter: Restarter | None = None
        try:
            # With a restart command the user need not say whether it stops or kills.
            options["restart"] = options["restart"] or ("stop" if restart_command else "")
            deployment = stack.enter_context(
                open_target(
                    url,
                    server,
                    launcher_files,
                    restarts=bool(options["restart"]),
                    meanwhile=import_engine,
                )
            )
            # A deployment that was started for the run ends with it.
            options["disposable"] |= deployment.disposable
            options["launched"] = deployment.disposable
            settings = new_settings(
                deployment.url,
                run_dir=stack.enter_context(run_folder()),
                headers=headers,
                **options,
            )
            redact = redactor_of(settings).text
            check_access_options(settings)
            restarter = restarter_of(settings, deployment, restart_command)
            info = deployment.known_as(identify_deployment(settings))
            warn_about_graph(settings)
            if settings.read_only:
                settings = with_threads_to_visit(settings)
            published = read_own_openapi(settings, schema_url) if schema_url else None
            report = run_suite(
                settings,
                info,
                view,
                workers=workers,
                keyword=keyword,
                keep=keep,
                restarter=restarter,
                elsewhere=elsewhere,
            )
        except (SettingsError, NothingSelectedError) as unusable:
            raise click.UsageError(str(unusable)) from unusable
        except UnreachableError as unreachable:
            click.echo(f"Error: {unreachable}", err=True)
            sys.exit(_INCOMPLETE)
        except KeyboardInterrupt:
            view.stop()
            click.echo(f"Error: {_interruption_message(url, options['read_only'])}", err=True)
            sys.exit(_INCOMPLETE)
        except SuiteDefectError as broken:
            report, defects = broken.report, broken.found
        if account := current_account():
            account.begin(Activity.REPORTING)
        judgement = baselining.apply(report, keyword=keyword or settings.shard)
        report = judgement.report if judgement else report
        catalogue = load_catalogue().requirements
        exchanges = _join_exchanges(settings)
        comparison = compare_schemas(published, exchanges) if published else None
        # Who interrupts a run, or found a defect, wants to see what there is.
        hurried = report.run.interrupted or defects
        reference = {} if hurried else ask_reference(report, reference_within_s, print_progress)
        report = _with_times(report)
        is_default = context.get_parameter_source("report_dir") is ParameterSource.DEFAULT
        if report.run.interrupted and is_default and holds_whole_report(report_dir):
            report_dir = SELECTION_DIR
        try:
            files = write_all(report, catalogue, exchanges, report_dir, comparison, reference)
        except ReportError as refused:
            # The results are still printed.
            click.echo(f"Error: {refused}", err=True)
            files = ()
        notes = baselining.lines(judgement)
        notes += write_exports(exports, report, catalogue)
        if comparison is not None:
            notes.append(comparison_line(comparison))
        # What is printed includes the writing of the files.
        view.finish(_with_times(report), catalogue, files, run_again(context, url), notes)
        if as_json:
            click.echo(report_json(report), nl=False)
        if defects:
            raise suite_defect(defects, report_dir, redact)
    status = exit_status(report.verdict)
    if restarter and restarter.problem:
        click.echo(f"Error: {harmless(redact(restarter.problem))}", err=True)
        status = status or _INCOMPLETE
    if report.load and report.load.problem:
        click.echo(f"Error: {harmless(redact(report.load.problem))}", err=True)
        status = status or _INCOMPLETE
    sys.exit(baselining.finish(judgement, status, err=as_json))


def _interruption_message(url: str | None, read_only: bool) -> str:
    """Return the message for a run that was interrupted before its clean-up was done."""
    if read_only:
        return "interrupted; the run was read-only, so nothing is left on the deployment"
    if url is None:
        return (
            "interrupted; the server that was started for the run is stopped, and its threads "
            "are removed with it"
        )
    return (
        "interrupted before the clean-up was finished; to remove what the run may have left, run "
        f"`threads-conformance sweep --url {Redactor().url(url)}`"
    )


def _profile_of(context: click.Context, profile: str, requirements: tuple[str, ...]) -> str:
    """Return the profile in which the requirements that the user named are judged.

    Without a profile from the user it is the narrowest that holds all of them. A profile from the
    user is kept, and leaves out the requirements beyond it; raises a usage error if it leaves out
    all.
    """
    known = load_catalogue().requirements
    beyond = [
        each
        for each in requirements
        if PROFILES.index(known[each].profile) > PROFILES.index(profile)
    ]
    if not beyond:
        return profile
    needed = max((known[each].profile for each in beyond), key=PROFILES.index)
    if context.get_parameter_source("profile") is not ParameterSource.DEFAULT:
        if len(beyond) < len(requirements):
            return profile
        raise click.UsageError(
            f"{beyond[0]} is not judged in the profile {profile}: add --profile {needed}"
        )
    return needed


def _warn_of_missing_programs(clients: tuple[str, ...]) -> None:
    """Tell before the run which programs a client lacks, so that its checks will be undecided."""
    needed = {"js-sdk": ("node", "npm"), "curl": ("bash", "curl", "jq")}
    for client in clients:
        missing = [each for each in needed.get(client, ()) if shutil.which(each) is None]
        if missing:
            click.echo(
                f"Warning: --client {client} needs {' and '.join(missing)}, which cannot be found: "
                f"its checks will not be decided; install {_INSTALL[client]}",
                err=True,
            )


def _check_keyword(keyword: str) -> None:
    if keyword:
        try:
            Expression.compile(keyword)
        except SyntaxError as broken:
            raise click.BadParameter(
                f"{keyword!r} is not an expression of names with and, or, not ({broken})",
                param_hint="-k",
            ) from broken


def _check_writable(directory: Path) -> None:
    """Raise a usage error before the run if the report folder cannot be written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / DEFECT_FILE).unlink(missing_ok=True)
        probe = directory / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as broken:
        raise click.BadParameter(
            f"cannot write to {directory} ({broken.strerror}): name another folder",
            param_hint="--report-dir",
        ) from broken


def _known_capability(name: str) -> str:
    known = load_catalogue().capabilities()
    if name not in known:
        raise click.BadParameter(
            f"unknown capability {name!r}: use one of {', '.join(known)}",
            param_hint="--capability",
        )
    return name


def _with_times(report: Report) -> Report:
    """Return the report with the times of this process so far, if they are counted."""
    account = current_account()
    if account is None:
        return report
    return dataclasses.replace(report, timings={**report.timings, "main": account.seconds()})


def _join_exchanges(settings: Settings) -> Path:
    joined = Path(settings.run_dir) / "all.jsonl"
    with joined.open("wb") as file:
        file.writelines(all_exchanges(settings))
    return joined

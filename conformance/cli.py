"""The command line: `threads-conformance`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from conformance import __version__
from conformance.commands.exit_handling import run_command_line
from conformance.commands.lazy import LazyGroup, setting_names

#: The commands, each in its module of `conformance.commands`, with a short help.
_COMMANDS = {
    "baselines": "Tell what the servers on the board are known to break.",
    "bisect": "Find the version of a server at which a requirement changed.",
    "board": "Compare several deployments, requirement by requirement.",
    "contract": "Tell what a newer release adds to the published contract.",
    "compare": "Tell what changed from one report to another.",
    "doctor": "Find out whether the [graph] settings fit a deployment.",
    "export": "Write a report in the format of another program: SARIF, CTRF, Allure, a badge.",
    "explain": "Explain a failure, with the requests to reproduce it.",
    "github": "Show a report on GitHub Actions: annotations, job summary, outputs.",
    "merge": "Make one report of those of all shards of a run.",
    "plant": "Leave threads on a deployment, for `verify`.",
    "render": "Make report.html of a report.",
    "requirements": "Print the requirements, or one of them.",
    "run": "Check a deployment and say whether it keeps its promises.",
    "schemas": "Derive, check and use the JSON Schemas of the contract.",
    "selftest": "Test the checks against faults and freedoms.",
    "serve": "Serve the reference deployment.",
    "servers": "List, install and start the servers of --server.",
    "submission": "Tell whether a server can be added to the board.",
    "sweep": "Remove what interrupted runs left on a deployment.",
    "verify": "Check what `plant` left, after an upgrade.",
}

#: How alike a misspelt name and the right one are, at least; 1 is equal.
_CLOSE = 0.8


@click.group(
    cls=LazyGroup,
    package="conformance.commands",
    short_helps=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `threads-conformance run`: it needs nothing set up. Exit statuses are in "
    "the help of each command. NO_COLOR=1 turns colours off. Completion in a shell: eval "
    '"$(_THREADS_CONFORMANCE_COMPLETE=bash_source threads-conformance)", also with zsh_source, and '
    "fish_source piped to source.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _option, asked: _show_version(context) if asked else None,
    help="Show the version, and the digest of the requirements that it checks, and exit.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Does a LangGraph Server keep the promises of its Threads API?

    Every option is also read from THREADS_CONFORMANCE_* (such as
    THREADS_CONFORMANCE_URL), from threads-conformance.toml, and from
    [tool.threads-conformance] in pyproject.toml, in this order.
    """
    # The list of commands is shown without reading settings, and sooner.
    from conformance.deployment.settings import SettingsError, read_config

    try:
        config = read_config(Path.cwd())
    except SettingsError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    context.obj = {name: config.pop(name, {}) for name in ("graph", "graphs")}
    context.default_map = _defaults(config, str(context.invoked_subcommand))
    _warn_of_unknown_variables(str(context.invoked_subcommand))


def _show_version(context: click.Context) -> None:
    # Read only when asked for: everything else of this module comes faster.
    from conformance.contract.catalogue import load_catalogue

    click.echo(f"threads-conformance, version {__version__}, catalogue {load_catalogue().digest}")
    context.exit()


def _warn_of_unknown_variables(command: str) -> None:
    """Tell variables that are nearly a setting of the command, and none of any command."""
    from conformance.deployment.settings import ENVIRONMENT

    prefix = f"{ENVIRONMENT}_"
    given = {
        name.removeprefix(prefix).lower(): name for name in os.environ if name.startswith(prefix)
    }
    own = sorted(_known_settings(command, ()))
    for setting in sorted(given.keys() - set(own)):
        close = difflib.get_close_matches(setting, own, n=1, cutoff=_CLOSE)
        if close and setting not in _known_settings(command, (setting,)):
            meant = f"{prefix}{close[0].upper()}"
            click.echo(
                f"Warning: the variable {given[setting]} sets no option; did you mean {meant}?",
                err=True,
            )


def _known_settings(command: str, wanted: Collection[str]) -> set[str]:
    """Return the names of the settings of a command.

    Other commands are imported, and theirs added, only if some of `wanted` are not among them.
    """
    known: set[str] = set()
    for name in (command, *_COMMANDS.keys() - {command}):
        known |= {each for one in cli.load(name).params for each in setting_names(one)}
        if known.issuperset(wanted):
            break
    return known


def _defaults(config: dict[str, Any], command: str) -> dict[str, Any]:
    """Return the defaults of a command from the configuration file.

    `click.UsageError` for settings that no command has.
    """
    options = {name.replace("-", "_"): value for name, value in config.items()}
    if not options:
        return {}
    if unknown := options.keys() - _known_settings(command, options.keys()):
        raise click.UsageError(
            f"unknown setting {', '.join(sorted(unknown))} in the configuration file: "
            "write a setting like its option, without the leading dashes"
        )
    return {
        command: {
            str(one.name): options[each]
            for one in cli.load(command).params
            for each in setting_names(one) & options.keys()
        }
    }


def main() -> None:
    """Run the command line."""
    run_command_line(cli, "threads-conformance")

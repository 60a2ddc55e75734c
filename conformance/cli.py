"""The command line: `threads-conformance`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conformance import __version__
from conformance.commands.bisect import bisect_command
from conformance.commands.board import board_command
from conformance.commands.compare import compare_command
from conformance.commands.doctor import doctor_command
from conformance.commands.exit_handling import EndingGroup, run_command_line
from conformance.commands.explain import explain_command
from conformance.commands.plant import plant_command
from conformance.commands.requirements import requirements_command
from conformance.commands.run import run_command
from conformance.commands.schemas import schemas_group
from conformance.commands.selftest import selftest_command
from conformance.commands.serve import serve_command
from conformance.commands.servers import servers_group
from conformance.commands.sweep import sweep_command
from conformance.commands.verify import verify_command
from conformance.deployment.credentials import ENVIRONMENT
from conformance.deployment.settings import SettingsError, read_config


@click.group(
    cls=EndingGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `threads-conformance run`: it needs nothing set up.",
)
@click.version_option(__version__, prog_name="threads-conformance")
@click.pass_context
def cli(context: click.Context) -> None:
    """Does a LangGraph Server keep the promises of its Threads API?

    Every option is also read from THREADS_CONFORMANCE_* (such as
    THREADS_CONFORMANCE_URL), from threads-conformance.toml, and from
    [tool.threads-conformance] in pyproject.toml, in this order.
    """
    try:
        config = read_config(Path.cwd())
    except SettingsError as unusable:
        raise click.UsageError(str(unusable)) from unusable
    context.obj = {name: config.pop(name, {}) for name in ("graph", "graphs")}
    context.default_map = _defaults(config)


def _defaults(config: dict[str, Any]) -> dict[str, Any]:
    """Return defaults from the configuration file, by command; raise for unknown options."""
    options = {name.replace("-", "_"): value for name, value in config.items()}
    known: set[str] = set()
    defaults = {}
    for name, command in cli.commands.items():
        own: dict[str, Any] = {}
        for parameter in command.params:
            spelled = _setting_names(parameter)
            known |= spelled
            for each in spelled & options.keys():
                own[str(parameter.name)] = options[each]
        defaults[name] = own
    if unknown := options.keys() - known:
        raise click.UsageError(
            f"the configuration has no setting {', '.join(sorted(unknown))}; "
            "a setting is named like its option, without the dashes in front"
        )
    return defaults


def _setting_names(parameter: click.Parameter) -> set[str]:
    """Return the names by which a configuration file may set an option."""
    if not isinstance(parameter, click.Option):
        return set()
    long = {name[2:].replace("-", "_") for name in parameter.opts if name.startswith("--")}
    return long or {str(parameter.name)}


def _read_environment(group: click.Group) -> None:
    """Let every option be read from `THREADS_CONFORMANCE_<OPTION>`."""
    for command in group.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name != "help":
                parameter.envvar = [
                    f"{ENVIRONMENT}_{name.upper()}" for name in sorted(_setting_names(parameter))
                ]


for _command in (
    run_command,
    doctor_command,
    serve_command,
    requirements_command,
    schemas_group,
    compare_command,
    board_command,
    explain_command,
    sweep_command,
    plant_command,
    verify_command,
    selftest_command,
    servers_group,
    bisect_command,
):
    cli.add_command(_command)
_read_environment(cli)


def main() -> None:
    """Run the command line."""
    run_command_line(cli, "threads-conformance")

"""A command group whose commands are imported only when they are used.

The commands need pytest, hypothesis and a web server, which take longer to import than many
commands take to run.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from conformance.commands.exit_handling import PipeSafeGroup


class LazyGroup(PipeSafeGroup):
    """A command group that imports a command when it is invoked or looked up.

    The command NAME is `NAME_command` in the module NAME of `package`. `short_helps` are shown in
    the list of commands. Every option of a command is also read from
    `THREADS_CONFORMANCE_<OPTION>`.
    """

    def __init__(
        self, *given: Any, package: str, short_helps: Mapping[str, str], **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self._package, self._short_helps = package, short_helps

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in alphabetical order."""
        return sorted(self._short_helps)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, and import it if needed; return None if unknown."""
        return self.load(cmd_name) if cmd_name in self._short_helps else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name; a misspelt one is told with what is close."""
        name = str(args[0])
        if name not in self._short_helps and not ctx.resilient_parsing:
            close = difflib.get_close_matches(name, self._short_helps, n=1)
            if close and not name.startswith("-"):
                ctx.fail(f"No such command {name!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def load(self, name: str) -> click.Command:
        """Return the command of that name, and import it if needed; raise `KeyError` if unknown."""
        if name not in self.commands:
            if name not in self._short_helps:
                raise KeyError(name)
            command = getattr(import_module(f"{self._package}.{name}"), f"{name}_command")
            assert isinstance(command, click.Command)
            _read_environment(command)
            self.commands[name] = command
        return self.commands[name]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self._short_helps.items()))


def setting_names(parameter: click.Parameter) -> set[str]:
    """Return the names by which a configuration file may set an option."""
    if not isinstance(parameter, click.Option):
        return set()
    long = {name[2:].replace("-", "_") for name in parameter.opts if name.startswith("--")}
    return long or {str(parameter.name)}


def _read_environment(command: click.Command) -> None:
    # Needed by no command that is only listed.
    from conformance.deployment.settings import ENVIRONMENT

    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            parameter.envvar = [
                f"{ENVIRONMENT}_{name.upper()}" for name in sorted(setting_names(parameter))
            ]

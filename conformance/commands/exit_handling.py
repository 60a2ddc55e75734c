"""The exit status of every command, also after signals, closed pipes and defects."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import click

from conformance.commands.defect_handling import suite_defect
from conformance.defects import format_traceback

#: The usual exit statuses (128 + signal) after Ctrl-C, and after a closed output pipe.
INTERRUPTED, NO_READER = 130, 141


class PipeSafeGroup(click.Group):
    """A command group whose commands end quietly if their output pipe is closed."""

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke the command; if the output pipe is closed, exit with `NO_READER`, not 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Python flushes standard output at exit, which must not fail.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(NO_READER) from None


def run_command_line(command: click.Command, name: str) -> None:
    """Run the command line and exit; never with 1 unless a command itself does so.

    By default click exits with 1 after Ctrl-C, and Python after an uncaught exception.
    """
    try:
        status = command.main(prog_name=name, standalone_mode=False)
    except click.ClickException as failed:
        failed.show()
        sys.exit(failed.exit_code)
    except (click.Abort, EOFError, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except Exception as unexpected:
        broken = suite_defect([format_traceback(unexpected)])
        broken.show()
        sys.exit(broken.exit_code)
    sys.exit(status if isinstance(status, int) else 0)

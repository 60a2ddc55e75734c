"""The end of every command: an exit status that means what the documentation says."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import click

from conformance.commands.defects import suite_broken
from conformance.defects import told_whole

#: What a shell gives for a command that Ctrl-C ended, and for one whose reader went away.
INTERRUPTED, NO_READER = 130, 141


class EndingGroup(click.Group):
    """A group whose commands end quietly where nobody reads what they say."""

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke the command; click alone would end with 1 where its output is not read."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What is still to be written out at the end of the process goes nowhere.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(NO_READER) from None


def run_to_its_end(command: click.Command, name: str) -> None:
    """Run the command line and exit: 1 is left to what a command itself says with it.

    click alone would end with 1 after Ctrl-C, and Python after an exception that nobody
    expected.
    """
    try:
        status = command.main(prog_name=name, standalone_mode=False)
    except click.ClickException as told:
        told.show()
        sys.exit(told.exit_code)
    except (click.Abort, EOFError, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except Exception as unexpected:
        broken = suite_broken([told_whole(unexpected)])
        broken.show()
        sys.exit(broken.exit_code)
    sys.exit(status if isinstance(status, int) else 0)

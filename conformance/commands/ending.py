"""The end of every command: an exit status that means what the documentation says."""

from __future__ import annotations

import sys

import click

from conformance.commands.defects import suite_broken
from conformance.defects import told_whole

#: What a shell gives for a command that Ctrl-C ended, and for one whose reader went away.
INTERRUPTED, NO_READER = 130, 141


def run_to_its_end(command: click.Command, name: str) -> None:
    """Run the command line and exit: 1 is left to what a command itself says with it.

    click alone would end with 1 after Ctrl-C and where nobody reads on, and Python after
    an exception that nobody expected.
    """
    try:
        status = command.main(prog_name=name, standalone_mode=False)
    except click.ClickException as told:
        told.show()
        sys.exit(told.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            sys.exit(NO_READER)
        raise
    except Exception as unexpected:
        broken = suite_broken([told_whole(unexpected)])
        broken.show()
        sys.exit(broken.exit_code)
    sys.exit(status if isinstance(status, int) else 0)

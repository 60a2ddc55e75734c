"""`threads-conformance`, and `python -m conformance`, which is the same."""

import sys

from conformance.output import guard_streams

#: The exit status of a shell for a command that Ctrl-C ended.
_INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C shows no traceback, even while modules are being loaded."""
    guard_streams()
    try:
        from conformance.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()

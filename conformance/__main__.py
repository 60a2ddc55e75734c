"""`threads-conformance`, and `python -m conformance`, which is the same."""

import sys

#: The exit status of a shell for a command that Ctrl-C ended.
_INTERRUPTED = 130
_OLDEST_PYTHON = (3, 11)


def _check_python(version: "tuple[int, ...]" = sys.version_info[:3]) -> None:
    """Exit with what to do if this Python is too old; written so that an old one can read it."""
    if version < _OLDEST_PYTHON:
        sys.exit(
            "Error: threads-conformance needs Python {}.{} or newer, and this is {}.{}.{}: "
            "make its environment with another, such as python3.12 -m venv .venv".format(
                *_OLDEST_PYTHON, *version
            )
        )


def main() -> None:
    """Run the command line; Ctrl-C shows no traceback, even while modules are being loaded."""
    _check_python()
    # After the check: what is older cannot even read the modules.
    from conformance.garbage_collection import collect_rarely_from_the_start
    from conformance.output import guard_streams

    collect_rarely_from_the_start()
    guard_streams()
    try:
        from conformance.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()

"""Starts the command of a worker elsewhere, with words that a remote shell leaves as they are.

    python start_elsewhere.py COMMAND... -u -c PROGRAM

execnet appends the last three words; in place of them the command gets those that start
`gateway_on_stdin`.
"""

from __future__ import annotations

import os
import sys

_OF_EXECNET = 3
_STARTS_GATEWAY = ("-u", "-m", "conformance.runner.gateway_on_stdin")


def main() -> None:
    """Become the command, or end with status 127 if there is none of that name."""
    words = sys.argv[1:-_OF_EXECNET]
    try:
        os.execvp(words[0], [*words, *_STARTS_GATEWAY])
    except OSError as missing:
        sys.exit(f"{words[0]} cannot be started: {missing.strerror}")


if __name__ == "__main__":
    main()

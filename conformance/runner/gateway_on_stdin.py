"""The Python of a worker elsewhere: it runs the program that execnet sends on standard input.

It is started by `python -u -m conformance.runner.gateway_on_stdin`. execnet itself would start it
with a program text, of which the shell at the other end of ssh leaves nothing as it is.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # As execnet starts a Python of this machine: the first line is the program, as a literal.
    exec(eval(sys.stdin.readline()))

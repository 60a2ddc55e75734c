"""What the command line does before any command has begun."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import environment_of

#: Ctrl-C, just as the commands are being loaded.
INTERRUPTED = """
import sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "conformance.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from conformance.__main__ import main
main()
"""


def test_an_interrupt_while_it_is_loaded_leaves_no_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, env=environment_of()
    )
    assert (ended.returncode, ended.stderr, ended.stdout) == (130, "", "")

"""Whether an operation is there, asked with the simplest thread there is.

What a check says of an unknown thread, or of an empty one, needs no history: it is not to
be blocked on a deployment that makes none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from conformance.checks.api import ThreadsApi
from conformance.checks.outcomes import Blocked, Unsupported
from conformance.checks.views import Thread


def show_offered(given: ThreadsApi, client: Callable[[Thread], object]) -> None:
    """See that an operation is granted: for an empty thread, or else for one with a history."""
    try:
        client(given.empty())
    except (Blocked, Unsupported):
        client(given.prepopulated())


def try_with_history(given: ThreadsApi, client: Callable[[Thread], object]) -> None:
    """Let it be known whether an operation is granted, where a history can be made.

    What is then refused for another thread is not missing.
    """
    with suppress(Blocked, Unsupported):
        client(given.prepopulated())

"""An altered reference with a store that is kept in a file, beyond the end of the process."""

from __future__ import annotations

from pathlib import Path

from conformance.reference.altered import Altered
from conformance.reference.journal import attach_journal


def persist_in(altered: Altered, file: Path) -> None:
    """Load the threads from the file, if there are any, and write every later change to it."""
    if attach_journal(altered.store, file) and altered.app is not None:
        altered.app.restart()

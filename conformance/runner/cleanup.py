"""Clean-up after a run, and its account in the report."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable

from conformance.deployment.cleanup.by_tenant import remove_for_each_tenant
from conformance.deployment.cleanup.removal import Leftover
from conformance.deployment.connect import connect
from conformance.deployment.ownership.ledger import ledgers_dir, read_ledger, remove_ledger
from conformance.deployment.settings import Settings
from conformance.report.record import Cleanup, LeftThreads
from conformance.runner.server_errors import CLEAN_UP, ServerError, server_error
from conformance.safe_text import excerpt

#: Time limit of an answer in the clean-up of a run that was interrupted, in seconds.
HURRIED_TIMEOUT_S = 3.0


def clean_up(
    settings: Settings, *, hurried: bool = False, server_errors: list[ServerError] | None = None
) -> Cleanup:
    """Remove what the run created; keep its ledger while anything is left, or may be.

    `hurried` shortens the time limits, since the user has interrupted the run and waits.
    Requests of the clean-up that are answered by 500 are added to `server_errors`.
    """
    if hurried:
        settings = dataclasses.replace(
            settings, timeout_s=min(settings.timeout_s, HURRIED_TIMEOUT_S), outage_within_s=0.0
        )
    directory = ledgers_dir() / settings.run_id
    ledger = read_ledger(directory)
    if ledger.is_empty:
        remove_ledger(directory)
        return Cleanup()
    with connect(settings, "cleanup", record=False, ledger=ledger) as connection:
        removal = remove_for_each_tenant(connection, settings, ledger)
        if removal.is_complete:
            remove_ledger(directory)
        if server_errors is not None:
            server_errors += [
                server_error(CLEAN_UP, each) for each in connection.recorder.server_errors
            ]
        return Cleanup(
            created=removal.created,
            removed=removal.removed,
            left=tuple(sorted(excerpt(each.thread_id) for each in removal.left)),
            reasons=_counted_reasons(removal.left),
            possibly_left=_counted_reasons(removal.possible),
        )


def account_of_kept(settings: Settings) -> Cleanup:
    """Return the account of a run that keeps its threads.

    The account lists the ids that the run generated, and counts the ids that only answers named.
    """
    ledger = read_ledger(ledgers_dir() / settings.run_id)
    named = LeftThreads(len(ledger.named), "an answer named it, as a copy, say; kept")
    return Cleanup(
        created=len(ledger.created),
        left=tuple(map(excerpt, sorted(ledger.created))),
        possibly_left=(named,) if ledger.named else (),
    )


def _counted_reasons(left: Iterable[Leftover]) -> tuple[LeftThreads, ...]:
    """Count the threads for each reason."""
    counts = Counter(excerpt(each.reason) for each in left)
    return tuple(LeftThreads(threads, reason) for reason, threads in sorted(counts.items()))

"""Removal of what a run created, for the user and for the other tenant."""

from __future__ import annotations

from collections.abc import Collection

from conformance.deployment.cleanup.removal import Leftover, Removal, remove_all
from conformance.deployment.connect import Connection
from conformance.deployment.credential_variants import other_credentials
from conformance.deployment.ownership.ledger import LedgerState
from conformance.deployment.ownership.proof import canonical
from conformance.deployment.settings import Settings


def remove_for_each_tenant(
    connection: Connection, settings: Settings, ledger: LedgerState, keep: Collection[str] = ()
) -> Removal:
    """Delete the threads of a run, except those in `keep`, with the credentials that created them.

    The other tenant's threads are those that its own search for the run's tag finds. The
    ids of the ledger are deleted with the user's credentials, since most are the user's.
    """
    disposable = settings.disposable
    if not settings.other_headers:
        return remove_all(connection.client, ledger, keep, disposable=disposable)
    tagged = LedgerState(ledger.run_id, ledger.url, opened_at=ledger.opened_at)
    others = remove_all(connection.client_with(other_credentials(settings)), tagged, keep)
    own = remove_all(connection.client, ledger, keep, disposable=disposable)
    return Removal(
        existed=own.existed | others.existed,
        left=_without_duplicates((*own.left, *others.left)),
        possible=_without_duplicates((*own.possible, *others.possible)),
    )


def _without_duplicates(left: tuple[Leftover, ...]) -> tuple[Leftover, ...]:
    """Return one entry for each id, since both tenants may have failed to remove a thread."""
    return tuple({canonical(each.thread_id): each for each in left}.values())

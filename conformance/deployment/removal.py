"""Removing what a run made for the user and for the other tenant."""

from __future__ import annotations

from collections.abc import Collection

from conformance.deployment.cleanup import Left, Removal, remove_all
from conformance.deployment.connect import Connection
from conformance.deployment.credential_variants import other_credentials
from conformance.deployment.ledger import LedgerState
from conformance.deployment.ownership import canonical
from conformance.deployment.settings import Settings


def remove_as_each(
    connection: Connection, settings: Settings, ledger: LedgerState, keep: Collection[str] = ()
) -> Removal:
    """Delete every thread of a run, each by the credential that it was made with.

    The other tenant's threads are those that a search for the run's tag shows to it: the
    ids of the ledger are asked for by the user, since most are the user's.
    """
    if not settings.other_headers:
        return remove_all(connection.client, ledger, keep)
    tagged = LedgerState(ledger.run_id, ledger.url, opened_at=ledger.opened_at)
    others = remove_all(connection.client_with(other_credentials(settings)), tagged, keep)
    own = remove_all(connection.client, ledger, keep)
    return Removal(
        existed=own.existed | others.existed,
        left=_each_once((*own.left, *others.left)),
        possible=_each_once((*own.possible, *others.possible)),
    )


def _each_once(left: tuple[Left, ...]) -> tuple[Left, ...]:
    """One of each id: what neither credential could remove is left once."""
    return tuple({canonical(each.thread_id): each for each in left}.values())

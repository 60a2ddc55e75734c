"""Removing what a run made for the user and for the other tenant."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from conformance.deployment.cleanup import Removal, remove_all
from conformance.deployment.connect import Connection
from conformance.deployment.credentials import other_credentials
from conformance.deployment.ledger import Account
from conformance.deployment.settings import Settings


def remove_as_each(
    connection: Connection, settings: Settings, account: Account, keep: Collection[str] = ()
) -> Removal:
    """Delete every thread of a run, each by the credential that it was made with.

    The other tenant's threads are those that a search for the run's tag shows to it: the
    ids of the ledger are asked for by the user, since most are the user's.
    """
    if not settings.other_headers:
        return remove_all(connection.client, account, keep)
    tagged = Account(account.run_id, account.url, (), frozenset(), (), opened_at=account.opened_at)
    others = remove_all(connection.client_with(other_credentials(settings)), tagged, keep)
    own = remove_all(connection.client, account, keep)
    left = tuple(dict.fromkeys((*own.left, *others.left)))
    # What the other tenant made is in the ledger as well, and is gone when the user asks.
    created = max(own.created, others.created)
    return dataclasses.replace(
        own,
        created=created,
        removed=created - len(left),
        left=left,
        unknown=tuple(dict.fromkeys((*own.unknown, *others.unknown))),
    )

"""JSON values, ids and timestamps of the model.

JSON that the model holds is never changed in place: every operation makes new objects, so that
checkpoints and threads may share parts.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from conformance.model.errors import InvalidError

JsonObject = dict[str, Any]

#: The sources of a store's times and ids: the current time (with its UTC offset), a fresh UUID.
Clock = Callable[[], datetime]
Ids = Callable[[], uuid.UUID]

_UUID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.I)
_GREGORIAN = datetime(1582, 10, 15, tzinfo=UTC)


def deep_copy(value: Any) -> Any:
    """Return a deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: deep_copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [deep_copy(item) for item in value]
    return value


def canonical_id(text: object, what: str) -> str:
    """Return `text`, a UUID, in lower case with dashes.

    InvalidError if it is not a UUID; the message calls it `what`.
    """
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        raise InvalidError(f"{what} must be a UUID, such as {uuid.NAMESPACE_DNS}")
    return str(uuid.UUID(text))


def timestamp(moment: datetime) -> str:
    """Return `moment` in RFC 3339, UTC, microseconds: `2025-05-12T15:37:08.935038+00:00`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def time_ordered_id(moment: datetime, tail: uuid.UUID) -> str:
    """Return a UUID of version 6 for `moment`: ids of later microseconds sort after it.

    Its last 62 bits are those of `tail`.
    """
    passed = moment - _GREGORIAN
    ticks = (passed.days * 86_400 + passed.seconds) * 10_000_000 + passed.microseconds * 10
    high, low = ticks >> 12, ticks & 0xFFF
    number = high << 80 | 6 << 76 | low << 64 | 2 << 62 | tail.int & ((1 << 62) - 1)
    return str(uuid.UUID(int=number))

"""Shards: the parts of a run that several machines make, each with its own report."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

from conformance.runner.check_durations import balanced

_FORM = re.compile(r"([1-9]\d{0,3})/([1-9]\d{0,3})", re.ASCII)


class Shard(NamedTuple):
    """The part `number` of `parts`, counted from 1."""

    number: int
    parts: int

    def __str__(self) -> str:
        return f"{self.number}/{self.parts}"

    def of(self, ids: Iterable[str]) -> frozenset[str]:
        """Return the checks of this shard: each check is in exactly one.

        They depend on nothing but the ids, so that every machine divides them alike.
        """
        return frozenset(balanced(ids, self.parts)[self.number - 1])


def digest_of(undivided: Iterable[str], keyword: str) -> str:
    """Return a digest of what is divided: the ids of the checks, and the value of `-k`.

    Shards with another digest were made with other options, and are not of one run.
    """
    text = "\n".join([*sorted(undivided), keyword])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def parse_shard(text: str) -> Shard:
    """Return the shard of a text such as `2/5`; raise `ValueError` for anything else."""
    found = _FORM.fullmatch(text.strip())
    shard = Shard(*map(int, found.groups())) if found else None
    if shard is None or shard.number > shard.parts:
        raise ValueError("give it as NUMBER/PARTS, such as 2/5: the second of five parts")
    return shard

"""What the reference answered to the requests of a failure, to be shown beside the failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReferenceAnswer:
    """The reference's answer to one request.

    Without a status there was none, and `body` says why. `same`: it is as the deployment's, ids
    and times aside; else `paths` are the JSON paths of the first differences.
    """

    status: int | None
    body: str
    same: bool
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReferenceAnswers:
    """The answers to the requests of one check, by the position of the exchange in its failure.

    Requests that the failure does not need are left out. `problem` says why none was sent, or not
    all; empty: all were.
    """

    by_position: Mapping[int, ReferenceAnswer] = field(default_factory=dict)
    problem: str = ""

"""What goes back: JSON that carries every text and number, and errors that say why."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from conformance.model.errors import ConflictError, InvalidError, NotFoundError

_STATUSES = {NotFoundError: 404, ConflictError: 409, InvalidError: 422}


def encoded(value: Any) -> str:
    """JSON in ASCII: lone surrogates and NUL travel as escapes and come out unchanged."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(encoded(value), status, headers, media_type="application/json")


def no_content() -> Response:
    """A success that has nothing to say."""
    return Response(status_code=204)


def refused(_request: Request, problem: Exception) -> Response:
    """What a ModelError becomes: `{"detail": why}`."""
    status = next(s for kind, s in _STATUSES.items() if isinstance(problem, kind))
    return answer({"detail": str(problem)}, status)


def not_routed(_request: Request, problem: Exception) -> Response:
    """What an unknown path or method becomes."""
    assert isinstance(problem, HTTPException)
    headers = dict(problem.headers or {})
    return answer({"detail": problem.detail}, problem.status_code, headers)


def broken(_request: Request, _problem: Exception) -> Response:
    """What an unexpected exception becomes; the store has not changed."""
    return answer({"detail": "Internal Server Error"}, 500)

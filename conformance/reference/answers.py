"""HTTP responses: JSON that carries every text and number, and errors with a reason."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from conformance.model.errors import ConflictError, InvalidError, NotFoundError

_STATUSES = {NotFoundError: 404, ConflictError: 409, InvalidError: 422}


def encode(value: Any) -> str:
    """Encode JSON in ASCII, so that lone surrogates and NUL are preserved as escapes."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(encode(value), status, headers, media_type="application/json")


def no_content() -> Response:
    """Return an empty response with status 204."""
    return Response(status_code=204)


def answer_model_error(_request: Request, problem: Exception) -> Response:
    """Turn a ModelError into a response `{"detail": reason}` with its status."""
    status = next(s for kind, s in _STATUSES.items() if isinstance(problem, kind))
    return answer({"detail": str(problem)}, status)


def answer_not_routed(_request: Request, problem: Exception) -> Response:
    """Turn an unknown path or method into a JSON response."""
    assert isinstance(problem, HTTPException)
    headers = dict(problem.headers or {})
    return answer({"detail": problem.detail}, problem.status_code, headers)


def answer_server_error(_request: Request, _problem: Exception) -> Response:
    """Turn an unexpected exception into a response with status 500; the store is unchanged."""
    return answer({"detail": "Internal Server Error"}, 500)

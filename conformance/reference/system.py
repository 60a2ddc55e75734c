"""Information about the deployment: health, name and version, its API, its assistants."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conformance import __version__
from conformance.contract.schemas import load_openapi
from conformance.data import schemas_dir
from conformance.model.containment import contains
from conformance.model.errors import InvalidError, NotFoundError
from conformance.model.store import ThreadStore
from conformance.reference.answers import answer
from conformance.reference.bodies import parse_json
from conformance.reference.newer_members import with_newer_members

#: The server name in `/info`.
NAME = "threads-conformance-reference"


def system_routes(store: ThreadStore) -> list[Route]:
    """Return the routes that concern no thread."""

    async def ok(_request: Request) -> Response:
        return answer({"ok": True})

    async def info(_request: Request) -> Response:
        flags = {"assistants": True, "crons": True}
        metadata = {"name": NAME, "graphs": list(store.assistants.graphs)}
        described = {"name": NAME, "version": __version__, "langgraph_py_version": ""}
        return answer({**described, "flags": flags, "metadata": metadata})

    async def openapi(_request: Request) -> Response:
        if not (schemas_dir() / "openapi.json").is_file():
            raise NotFoundError("openapi.json has not been derived yet: `schemas derive`")
        return answer(with_newer_members(load_openapi()))

    async def search(request: Request) -> Response:
        body = parse_json(await request.body())
        if not isinstance(body, dict):
            raise InvalidError("the body must be an object")
        wanted = body.get("graph_id")
        found = [
            assistant
            for assistant in store.assistants.assistant_views()
            if wanted in (None, assistant["graph_id"])
            and contains(assistant["metadata"], body.get("metadata") or {})
        ]
        return answer(found)

    async def get(request: Request) -> Response:
        graph = store.assistants.assistant(request.path_params["assistant_id"])
        same = (
            one for one in store.assistants.assistant_views() if one["graph_id"] == graph.graph_id
        )
        return answer(next(same))

    async def schemas(request: Request) -> Response:
        return answer(store.assistants.assistant(request.path_params["assistant_id"]).schemas())

    async def structure(request: Request) -> Response:
        return answer(store.assistants.assistant(request.path_params["assistant_id"]).structure())

    return [
        Route("/ok", ok, methods=["GET"]),
        Route("/info", info, methods=["GET"]),
        Route("/openapi.json", openapi, methods=["GET"]),
        Route("/assistants/search", search, methods=["POST"]),
        Route("/assistants/{assistant_id}", get, methods=["GET"]),
        Route("/assistants/{assistant_id}/schemas", schemas, methods=["GET"]),
        Route("/assistants/{assistant_id}/graph", structure, methods=["GET"]),
    ]

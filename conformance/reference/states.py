"""Operations on the states of a thread: state, state at a checkpoint, update, history."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conformance.model.ids_and_times import canonical_id
from conformance.model.store import ThreadStore
from conformance.reference.answers import answer
from conformance.reference.bodies import checkpoint_of, query_flag, query_integer, read_body
from conformance.reference.newer_members import newer_member
from conformance.reference.run_driver import RunDriver
from conformance.reference.state_select import selected_state

_GET_LIMIT, _POST_LIMIT = 10, 1


def state_routes(store: ThreadStore, driver: RunDriver) -> list[Route]:
    """Return the routes under `/threads/{thread_id}` for checkpoints."""

    async def state(request: Request) -> Response:
        subgraphs = query_flag(request, "subgraphs")
        shown = store.states.state(request.path_params["thread_id"], subgraphs=subgraphs)
        return answer(selected_state(shown, request.query_params.getlist("select")))

    async def state_at(request: Request) -> Response:
        checkpoint = {"checkpoint_id": request.path_params["checkpoint_id"]}
        subgraphs = query_flag(request, "subgraphs")
        thread_id = request.path_params["thread_id"]
        return answer(store.states.state(thread_id, checkpoint, subgraphs=subgraphs))

    async def state_checkpoint(request: Request) -> Response:
        body = await read_body(request, "state_checkpoint")
        found = store.states.state(
            request.path_params["thread_id"],
            body["checkpoint"],
            subgraphs=body.get("subgraphs", False),
        )
        return answer(found)

    async def update(request: Request) -> Response:
        body = await read_body(request, "state_update")
        updated = store.states.update_state(
            request.path_params["thread_id"],
            body.get("values"),
            as_node=body.get("as_node"),
            checkpoint=checkpoint_of(body),
        )
        thread_id = canonical_id(request.path_params["thread_id"], "the thread id in the path")
        store.thread_streams.add_state(thread_id)
        driver.wake(thread_id)
        return answer(updated)

    async def history(request: Request) -> Response:
        before = request.query_params.get("before")
        found = store.states.history(
            request.path_params["thread_id"],
            limit=query_integer(request, "limit", _GET_LIMIT),
            before=None if before is None else {"checkpoint_id": before},
        )
        query = {"select": request.query_params.getlist("select")}
        select = newer_member(query, "ThreadStateSearch", "select")
        return answer([selected_state(each, select) for each in found])

    async def history_search(request: Request) -> Response:
        body = await read_body(request, "history_search")
        found = store.states.history(
            request.path_params["thread_id"],
            limit=int(body.get("limit", _POST_LIMIT)),
            before=body.get("before"),
            metadata=body.get("metadata"),
            checkpoint=body.get("checkpoint"),
        )
        select = newer_member(body, "ThreadStateSearch", "select")
        return answer([selected_state(each, select or ()) for each in found])

    return [
        Route("/threads/{thread_id}/state", state, methods=["GET"]),
        Route("/threads/{thread_id}/state", update, methods=["POST"]),
        Route("/threads/{thread_id}/state/checkpoint", state_checkpoint, methods=["POST"]),
        Route("/threads/{thread_id}/state/{checkpoint_id}", state_at, methods=["GET"]),
        Route("/threads/{thread_id}/history", history, methods=["GET"]),
        Route("/threads/{thread_id}/history", history_search, methods=["POST"]),
    ]

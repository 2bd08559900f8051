"""Asking over HTTP: the answer as it is written, or whole."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from omnilive.errors import BackendError
from omnilive.serving.wire import Json
from omnilive.web.context import Served
from omnilive.web.models import AskRequest
from omnilive.web.sse import Turn, events

router = APIRouter(prefix="/v1", tags=["memory"])

_LOOK_EVERY_S = 1.0
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Messages of docs/protocol.md: question, answer_started, answer_text..., "
        "answer; or with `Accept: application/json` the last one alone.",
        "content": {"text/event-stream": {}, "application/json": {}},
    }
}


@router.post("/ask", response_class=Response, responses=_RESPONSES)
async def ask(asked: AskRequest, request: Request, served: Served) -> Response:
    """Answer a question from everything remembered; leaving cuts the answer."""
    turn = Turn(served, asked.question, asked.stream)
    try:
        first = await turn.begin()
        if not _wants_json(request):
            return StreamingResponse(
                events(turn, first),
                media_type="text/event-stream",
                headers={"X-Accel-Buffering": "no"},
            )
        return JSONResponse(await _whole(turn, request))
    except BaseException:
        turn.end()
        raise


async def _whole(turn: Turn, request: Request) -> Json:
    """Wait for the answer as long as somebody waits for us."""
    last: Json = {}
    try:
        while True:
            try:
                message = await turn.next(_LOOK_EVERY_S)
            except TimeoutError:
                if await request.is_disconnected():
                    turn.end()
                continue
            if message is None:
                break
            last = message
    finally:
        turn.end()
    if last.get("event") != "answer" or last.get("outcome") == "failed":
        raise BackendError(str(last.get("error") or "The question got no answer."))
    return last


def _wants_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/event-stream" not in accepted

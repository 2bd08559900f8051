"""Moments as clips that a player plays, in the parts it asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from omnilive.errors import MediaError
from omnilive.web import ranges
from omnilive.web.clip_cache import Clip
from omnilive.web.context import Served
from omnilive.web.errors import Refusal, answer
from omnilive.web.views import parse_id

router = APIRouter(prefix="/v1", tags=["memory"])

_CHUNK = 256 * 1024
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole clip.", "content": {"video/mp4": {}}},
    206: {"description": "The part that was asked for."},
    416: {"description": "The part lies outside the clip."},
}


@router.head("/clips/{id}.mp4", response_class=Response, include_in_schema=False)
@router.get("/clips/{id}.mp4", response_class=Response, responses=_RESPONSES)
def play(id: str, request: Request, served: Served) -> Response:
    """Return a moment as a clip; it begins at the key frame before it."""
    moment = parse_id(id)
    with served.memories.looking() as memory:
        clip = served.clips.get(memory, moment)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": "inline",
        "ETag": clip.etag,
    }
    known = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    if clip.etag in known:
        clip.close()
        return Response(status_code=304, headers=headers)
    try:
        part = ranges.wanted(
            request.headers.get("range"), request.headers.get("if-range"), clip.etag, clip.size
        )
    except ranges.NotSatisfiable:
        headers["Content-Range"] = f"bytes */{clip.size}"
        clip.close()
        return answer(
            Refusal(416, "bad_range", "That part lies outside the clip.", headers=headers)
        )
    if part is None:
        part = ranges.ByteRange(0, clip.size)
        return _ClipResponse(clip, part, 200, headers, head=request.method == "HEAD")
    headers["Content-Range"] = part.content_range(clip.size)
    return _ClipResponse(clip, part, 206, headers, head=request.method == "HEAD")


class _ClipResponse(StreamingResponse):
    """Sends a part of a clip and gives the clip back, however it ends."""

    def __init__(
        self,
        clip: Clip,
        part: ranges.ByteRange,
        status: int,
        headers: dict[str, str],
        *,
        head: bool,
    ) -> None:
        self._clip = clip
        headers = headers | {"Content-Length": str(part.stop - part.start)}
        content = _nothing() if head else _parts(clip, part)
        super().__init__(content, status, headers, clip.media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._clip.close()


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def _parts(clip: Clip, part: ranges.ByteRange) -> AsyncIterator[bytes]:
    at = part.start
    while at < part.stop:
        piece = await run_in_threadpool(clip.read, at, min(_CHUNK, part.stop - at))
        if not piece:
            raise MediaError("The clip was forgotten while it was being sent.")
        at += len(piece)
        yield piece

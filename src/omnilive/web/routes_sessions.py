"""Sessions: opening, listing and ending them, and how a page's media come and go."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from omnilive.errors import OmniLiveError, ProtocolError, UnknownSession
from omnilive.serving.conversation import LiveConversation
from omnilive.serving.messages import PROTOCOL
from omnilive.web import errors
from omnilive.web.context import Context, Served
from omnilive.web.errors import Refusal
from omnilive.web.models import SessionRequest, Sessions, SessionView
from omnilive.web.websocket import carry

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

SessionId = Annotated[str, Path(description="Of an open session.", max_length=200)]
_SDP = "application/sdp"
_FRAGMENT = "application/trickle-ice-sdpfrag"


@router.post("", status_code=201)
def open_session(served: Served, wanted: SessionRequest | None = None) -> SessionView:
    """Open a session; 429 when as many are open as may be, 409 while another process writes."""
    name = wanted.name.strip() if wanted is not None else ""
    conversation = served.house.conversations().open(name)
    return SessionView.model_validate(
        conversation.snapshot()
        | {
            "id": conversation.id,
            "stream": conversation.stream_name,
            "protocol": PROTOCOL,
            "limits": {
                "sessions": served.config.live.max_sessions,
                "grace_s": served.config.live.grace_s,
            },
            "settings": conversation.settings.as_json(),
        }
    )


@router.get("")
def list_sessions(served: Served) -> Sessions:
    """List the open sessions."""
    return Sessions(sessions=[each.snapshot() for each in served.house.open_ones()])


@router.get("/{id}")
def show_session(id: SessionId, served: Served) -> dict[str, object]:
    """Show one session."""
    return _find(served, id).snapshot()


@router.delete("/{id}", status_code=204, response_class=Response)
def end_session(id: SessionId, served: Served) -> Response:
    """End a session; what it perceived stays remembered."""
    _find(served, id)
    served.house.conversations().close(id)
    return Response(status_code=204)


@router.post("/{id}/whip", status_code=201, response_class=Response)
async def offer(id: SessionId, request: Request, served: Served) -> Response:
    """Offer a WebRTC connection (WHIP, RFC 9725); it takes the place of the one before."""
    sdp = await _text(request, _SDP)
    conversation = await run_in_threadpool(_find, served, id)
    peers = await run_in_threadpool(served.house.peers)
    answer = await run_in_threadpool(peers.offer, conversation, sdp)
    headers = {"Location": f"/v1/sessions/{conversation.id}/whip/{answer.peer_id}"}
    return Response(answer.sdp, 201, headers, _SDP)


@router.patch("/{id}/whip/{peer}", status_code=204, response_class=Response)
async def add_candidates(id: SessionId, peer: str, request: Request, served: Served) -> Response:
    """Take candidates that the browser found later (trickle ICE)."""
    fragment = await _text(request, _FRAGMENT)
    await run_in_threadpool(_check_peer, served, id, peer)
    peers = await run_in_threadpool(served.house.peers)
    await run_in_threadpool(peers.candidates, peer, fragment)
    return Response(status_code=204)


@router.delete("/{id}/whip/{peer}", status_code=204, response_class=Response)
def end_connection(id: SessionId, peer: str, served: Served) -> Response:
    """End a connection; the session waits for the next one."""
    _check_peer(served, id, peer)
    served.house.peers().end(peer)
    return Response(status_code=204)


@router.websocket("/{id}/ws")
async def connect(websocket: WebSocket, id: str, served: Served) -> None:
    """Carry a session over a WebSocket, where WebRTC finds no way."""
    try:
        conversation = await run_in_threadpool(_find, served, id)
        peers = await run_in_threadpool(served.house.peers)
    except OmniLiveError as error:
        await websocket.send_denial_response(errors.answer(error))
        return
    await carry(websocket, conversation, peers.pictures, peers.reception)


def _find(served: Context, id: str) -> LiveConversation:
    found = next((each for each in served.house.open_ones() if each.id == id), None)
    if found is None:
        raise UnknownSession("There is no such session; it may have ended, so open a new one.")
    return found


def _check_peer(served: Context, id: str, peer: str) -> None:
    if not served.house.peers().belongs(peer, _find(served, id)):
        raise UnknownSession("There is no such connection; it may have ended already.")


async def _text(request: Request, media_type: str) -> str:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != media_type:
        raise Refusal(415, "unsupported_media_type", f"The body must be {media_type}.")
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise ProtocolError("The body is not UTF-8 text.") from None

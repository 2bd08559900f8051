"""WebRTC by WHIP (RFC 9725): offers in, answers out, a peer for each page.

All peers share one loop in one thread of their own: it carries packets and paces the answers, so
nothing else may run there. Its face is plain functions that may be called from any thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import secrets
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from omnilive.errors import ProtocolError, UnknownSession
from omnilive.serving.wire import Json
from omnilive.web.intake import Reception
from omnilive.web.peer import Peer
from omnilive.web.sdp import read_fragment, read_offer

if TYPE_CHECKING:
    from omnilive.serving.conversation import LiveConversation

_T = TypeVar("_T")

_LAST_WORDS_S = 0.02
_CALL_S = 10.0
_PICTURE_THREADS = 2
_OPUS_THREADS = 4
_MOST_PEERS = 64


class Answer(NamedTuple):
    """The answer to an offer, and the name of the connection it begins."""

    sdp: str
    peer_id: str


class Peers:
    """The WebRTC connections of a server.

    Args:
        reception: how media are taken in.
    """

    def __init__(self, reception: Reception | None = None) -> None:
        self._reception = reception or Reception()
        self._peers: dict[str, Peer] = {}
        self._ended = 0
        self._closed = False
        self._pictures = ThreadPoolExecutor(_PICTURE_THREADS, "omnilive pictures")
        self._opus = ThreadPoolExecutor(_OPUS_THREADS, "omnilive opus")
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(self._opus)
        self._thread = threading.Thread(target=self._run, name="omnilive webrtc", daemon=True)
        self._thread.start()

    @property
    def pictures(self) -> ThreadPoolExecutor:
        """Where pictures of pages are converted."""
        return self._pictures

    @property
    def reception(self) -> Reception:
        """How media are taken in."""
        return self._reception

    def offer(self, conversation: LiveConversation, sdp: str) -> Answer:
        """Answer an offer. Blocks for as long as that takes (tens of milliseconds).

        The peer takes the place of the conversation's earlier client once its connection stands;
        an earlier offer that has not come so far is given up.

        Raises:
            ProtocolError: the offer is no SDP, or cannot be answered.
            UnsupportedMedia: it offers what cannot be received.
        """
        return self._call(self._offer(conversation, sdp))

    def candidates(self, peer_id: str, fragment: str) -> None:
        """Take candidates that a browser found after its offer.

        Raises:
            UnknownSession: there is no such connection.
            ProtocolError: the fragment cannot be read, or belongs to another offer.
        """
        self._call(self._candidates(peer_id, fragment))

    def end(self, peer_id: str) -> None:
        """End a connection: the page said goodbye; its conversation waits for the next one.

        Raises:
            UnknownSession: there is no such connection.
        """
        self._call(self._end(peer_id))

    def belongs(self, peer_id: str, conversation: LiveConversation) -> bool:
        """Whether this connection is one of that conversation."""
        peer = self._peers.get(peer_id)
        return peer is not None and peer.conversation is conversation

    def stats(self) -> Json:
        """Return figures for `/metrics`: of all connections that are open now."""
        peers = list(self._peers.values())
        counts = [peer.intake.health.counts for peer in peers]
        pictures = [peer.intake.pictures.counts for peer in peers]
        return {
            "peers": len(peers),
            "connected": sum(peer.is_attached for peer in peers),
            "ended": self._ended,
            "loop_lag_ms": round(max((peer.lag_ms for peer in peers), default=0.0), 1),
            "sound_received_ms": sum(each.received_ms for each in counts),
            "sound_lost_ms": sum(each.lost_ms for each in counts),
            "sound_unsent_ms": sum(each.unsent_ms for each in counts),
            "sound_stalled_ms": sum(each.stalled_ms for each in counts),
            "pictures_received": sum(each.received for each in pictures),
            "pictures_taken": sum(each.taken for each in pictures),
            "pictures_left_out": sum(each.left_out for each in pictures),
        }

    def close(self) -> None:
        """End all connections with `bye` and stop the loop. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._call(self._end_all(), allow_closed=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._pictures.shutdown()
        self._opus.shutdown()

    # --- in the loop ----------------------------------------------------------------------

    async def _offer(self, conversation: LiveConversation, sdp: str) -> Answer:
        offer = read_offer(sdp)
        for peer in list(self._peers.values()):
            if peer.conversation is conversation and not peer.is_attached:
                await peer.end("Another offer took its place.")
        if len(self._peers) >= _MOST_PEERS:
            raise ProtocolError("Too many connections are open; close a page first.", "busy")
        peer = Peer(
            secrets.token_urlsafe(16),
            conversation,
            offer,
            self._reception,
            self._pictures,
            self._forget,
        )
        self._peers[peer.id] = peer
        return Answer(await peer.answer(), peer.id)

    async def _candidates(self, peer_id: str, text: str) -> None:
        await self._find(peer_id).add_candidates(read_fragment(text))

    async def _end(self, peer_id: str) -> None:
        await self._find(peer_id).end("The page said goodbye.")

    async def _end_all(self) -> None:
        ends = [peer.end("The server is stopping.") for peer in list(self._peers.values())]
        await asyncio.gather(*ends)

    def _find(self, peer_id: str) -> Peer:
        peer = self._peers.get(peer_id)
        if peer is None:
            raise UnknownSession("There is no such connection; it may have ended already.")
        return peer

    def _forget(self, peer: Peer) -> None:
        self._ended += 1
        self._peers.pop(peer.id, None)

    # --- the loop -------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, _T], *, allow_closed: bool = False) -> _T:
        if self._closed and not allow_closed:
            work.close()
            raise ProtocolError("The server is stopping.", "stopping")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(_CALL_S)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise ProtocolError("The server is busy; offer that again.", "busy") from None

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            # A decoder that has just ended still wants to say so here.
            self._loop.run_until_complete(asyncio.sleep(_LAST_WORDS_S))
            rest = asyncio.all_tasks(self._loop)
            for task in rest:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
            self._loop.close()

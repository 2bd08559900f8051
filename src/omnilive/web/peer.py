"""One page over WebRTC: its connection, its tracks, its data channel."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Literal

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.sdp import candidate_from_sdp
from av import AudioFrame, VideoFrame

from omnilive.errors import OmniLiveError, ProtocolError
from omnilive.events import NS_PER_S
from omnilive.serving import messages
from omnilive.serving.playout import Taken
from omnilive.serving.wire import Json
from omnilive.web.errands import Errands
from omnilive.web.inbound_messages import read_message
from omnilive.web.intake import Intake, Reception
from omnilive.web.outbound_audio import AnswerTrack
from omnilive.web.outbox import Outbox
from omnilive.web.placing import Unwrapped
from omnilive.web.sdp import Fragment, Offer, set_answer, ufrag_of

if TYPE_CHECKING:
    from omnilive.serving.conversation import LiveConversation

_log = logging.getLogger(__name__)

CHANNEL = "omnilive"
_GATHER_S = 1.5
_TICK_S = 0.1
_MOST_BUFFERED = 256 << 10
_LOW_BUFFERED = 64 << 10
_GOODBYE_S = 1.0
_LAST_WORD_S = 0.05  # what SCTP has taken still has to go out
_MOST_CANDIDATES = 64


class Peer:
    """A page that offered a connection. Made, and used except where said, in the media loop.

    It is the conversation's `Client` from the moment its connection stands until it ends.
    """

    def __init__(
        self,
        id_: str,
        conversation: LiveConversation,
        offer: Offer,
        reception: Reception,
        pool: Executor,
        on_end: Callable[[Peer], None],
    ) -> None:
        self.id = id_
        self.conversation = conversation
        self._offer = offer
        self._reception = reception
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._errands = Errands("omnilive page")
        self._outbox = Outbox()
        self._channel: RTCDataChannel | None = None
        self._track = AnswerTrack()
        self._audio_receiver: RTCRtpReceiver | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._attached = False
        self._over = asyncio.Event()
        self._ended = False
        self._said_goodbye = False
        self._num_candidates = 0
        self.lag_ms = 0.0
        """By how much the loop was late at worst in the last second."""
        self.intake = Intake(
            conversation,
            self,
            reception,
            pool,
            has_audio=offer.has_audio,
            has_video=offer.has_video,
        )
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("track", self._on_track)
        self._connection.on("connectionstatechange", self._on_state)

    # --- the client of a conversation (any thread) ----------------------------------------

    @property
    def kind(self) -> Literal["webrtc"]:
        """How it is connected."""
        return "webrtc"

    def send(self, message: Json) -> None:
        """Send a message, in order; from any thread, without waiting."""
        if not self._offer.has_channel:
            return
        self._said_goodbye = self._said_goodbye or message.get("event") == "bye"
        self._outbox.put(message)
        self._soon(self._flush)

    def close(self, reason: str) -> None:
        """End the connection with `bye`; from any thread, without waiting, and twice."""
        # At once, not when the loop comes to it: the next client may be taking sound already.
        self._track.connect(None)
        self._soon(lambda: self._spawn(self.end(reason)))

    # --- connecting -----------------------------------------------------------------------

    @property
    def is_attached(self) -> bool:
        """Whether its connection stands."""
        return self._attached

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self._ended

    async def answer(self) -> str:
        """Return the answer to the offer; the connection then comes about by itself.

        Raises:
            ProtocolError: aiortc cannot make sense of the offer.
        """
        try:
            text = await self._negotiate()
        except Exception as error:  # whatever aiortc's parser stumbles over comes from outside
            await self.end("")
            raise ProtocolError(
                f"The offer could not be answered ({type(error).__name__}); send what the "
                "browser's createOffer gave."
            ) from error
        self._spawn(self._watch())
        return text

    async def _negotiate(self) -> str:
        pc = self._connection
        if self._offer.wants_audio or self._offer.has_audio:
            heard = self._track if self._offer.wants_audio else "audio"
            transceiver = pc.addTransceiver(
                heard, direction="sendrecv" if self._offer.wants_audio else "recvonly"
            )
            codecs = RTCRtpSender.getCapabilities("audio").codecs
            transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "audio/opus"])
        await pc.setRemoteDescription(RTCSessionDescription(self._offer.sdp, "offer"))
        self._allow_addresses()
        answer = await pc.createAnswer()
        async with asyncio.timeout(_GATHER_S):
            await pc.setLocalDescription(answer)
        return set_answer(pc.localDescription.sdp)

    def _allow_addresses(self) -> None:
        """Gather candidates only at the allowed addresses; aioice would take every interface.

        aioice leaves out loopback and has no setting for addresses; what a connection gathers is
        told to it here, one instance at a time.
        """
        transports = {
            transceiver.receiver.transport for transceiver in self._connection.getTransceivers()
        }
        if self._connection.sctp is not None:
            transports.add(self._connection.sctp.transport)
        for transport in transports:
            ice = transport.transport.iceGatherer._connection
            gather = ice.get_component_candidates

            def limited(
                component: int,
                addresses: list[str],
                timeout: int = 5,
                gather: Callable[..., Coroutine[Any, Any, Any]] = gather,
            ) -> Coroutine[Any, Any, Any]:
                allowed = list(self._reception.ice_addresses)
                return gather(component=component, addresses=allowed, timeout=timeout)

            ice.get_component_candidates = limited  # type: ignore[method-assign]

    async def add_candidates(self, fragment: Fragment) -> None:
        """Take candidates that came after the offer.

        Raises:
            ProtocolError: they belong to another offer, are too many, or cannot be read.
        """
        if fragment.ufrag and fragment.ufrag != ufrag_of(self._offer.sdp):
            raise ProtocolError("These candidates belong to another offer; post the new offer.")
        self._num_candidates += len(fragment.candidates)
        if self._num_candidates > _MOST_CANDIDATES:
            raise ProtocolError(f"More than {_MOST_CANDIDATES} candidates were sent.")
        for text in fragment.candidates:
            try:
                candidate = candidate_from_sdp(text)
            except (ValueError, AssertionError, IndexError):
                raise ProtocolError("A candidate cannot be read.") from None
            candidate.sdpMid = self._offer.mid
            await self._connection.addIceCandidate(candidate)

    # --- ending ---------------------------------------------------------------------------

    async def end(self, reason: str) -> None:
        """End the connection; returns when it is closed. Twice does no harm."""
        if self._ended:
            await self._over.wait()
            return
        self._ended = True
        try:
            self._track.connect(None)
            await self._say_goodbye(reason)
            for task in self._tasks - {asyncio.current_task()}:
                task.cancel()
            self.intake.end()
            self._errands.finish(lambda: self._detach(reason))
            await self._connection.close()
            self._track.stop()
        finally:
            self._over.set()
            self._on_end(self)

    async def _say_goodbye(self, reason: str) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return
        if not self._said_goodbye:
            self._outbox.put({"event": "bye", "reason": reason})
        end_s = self._loop.time() + _GOODBYE_S
        self._flush()
        while (
            channel.bufferedAmount
            and self._loop.time() < end_s
            and channel.readyState == "open"
            and self._connection.connectionState == "connected"
        ):
            await asyncio.sleep(0.01)
            self._flush()
        await asyncio.sleep(_LAST_WORD_S)

    def _detach(self, reason: str) -> None:
        if self._attached:
            self.conversation.detach(self, reason)

    # --- what happens ---------------------------------------------------------------------

    def _on_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected" and not self._attached and not self._ended:
            self._attached = True
            self._track.connect(self._take)
            self._errands.do(self._attach)
        elif state in ("failed", "closed") and not self._ended:
            self._spawn(self.end("The connection was lost."))

    def _attach(self) -> None:
        try:
            self.conversation.attach(self, self.intake.reader)
            if not self._offer.wants_audio:
                self.conversation.configure(speak=False)
        except OmniLiveError as error:
            self.close(str(error))

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL or self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = _LOW_BUFFERED
        channel.on("bufferedamountlow", self._flush)
        channel.on("message", self._on_message)
        self._flush()

    def _on_message(self, data: str | bytes) -> None:
        message = read_message(data)
        if isinstance(message, ProtocolError):
            self.send(messages.error(message))
            return
        self.intake.message_came(message)
        if not self._errands.do(lambda: self.conversation.receive(self, message)):
            busy = ProtocolError("The server is busy; send that again.", "busy")
            self.send(messages.error(busy))

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            receivers = self._connection.getReceivers()
            self._audio_receiver = next(each for each in receivers if each.track is track)
        self._spawn(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        """Take everything that a track gives, for aiortc's queue has no bound."""
        times = Unwrapped()
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if frame.pts is None or frame.time_base is None:
                continue
            sent_ns = round(times.count(frame.pts) * NS_PER_S * frame.time_base)
            if isinstance(frame, AudioFrame):
                self.intake.sound_came(frame, sent_ns)
            elif isinstance(frame, VideoFrame):
                self.intake.picture_came(frame, sent_ns)

    def _take(self) -> Taken:
        piece = self.conversation.playout.take()
        self._errands.do(lambda: self.conversation.taken(piece))
        return piece

    # --- once in a while ------------------------------------------------------------------

    async def _watch(self) -> None:
        """Look after the connection: our own loop, packets lost, a page that is gone."""
        start_s = checked_s = self._loop.time()
        worst_s = 0.0
        while True:
            due_s = self._loop.time() + _TICK_S
            await asyncio.sleep(_TICK_S)
            now_s = self._loop.time()
            worst_s = max(worst_s, now_s - due_s)
            if now_s - checked_s < 1.0:
                continue
            checked_s = now_s
            self.lag_ms, worst_s = worst_s * 1000, 0.0
            self.intake.health.loop_lag(self.lag_ms, time.monotonic_ns())
            if not self._attached:
                if now_s - start_s > self._reception.connect_within_s:
                    await self.end("No connection came about.")
                    return
                continue
            await self._count_packets()
            if not self.intake.check():
                await self.end("Nothing came from the page any more.")
                return
            if self._outbox.is_full:
                await self.end("The page reads too slowly.")
                return

    async def _count_packets(self) -> None:
        if self._audio_receiver is None:
            return
        report = await self._audio_receiver.getStats()
        inbound = [each for each in report.values() if each.type == "inbound-rtp"]
        lost = sum(max(0, each.packetsLost) for each in inbound)
        self.intake.health.packets(lost, time.monotonic_ns())

    def _flush(self) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return
        while channel.bufferedAmount < _MOST_BUFFERED:
            text = self._outbox.take()
            if text is None:
                return
            try:
                channel.send(text)
            except ValueError:  # longer than the page said it takes
                _log.warning("A message of %d characters was too long for the page.", len(text))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _soon(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: so is the connection
            return

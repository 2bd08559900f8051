"""The way in and out where WebRTC does not come about: everything over one WebSocket.

Same messages, same sound, same pictures (`docs/protocol.md`). It is TCP: nothing is lost on the
way, but a network that stands still delays everything behind it.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Literal

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from omnilive.errors import OmniLiveError, ProtocolError
from omnilive.events import NS_PER_S, SAMPLE_RATE, Samples
from omnilive.serving import messages
from omnilive.serving.playout import Pcm, Taken
from omnilive.serving.wire import Json
from omnilive.web.errands import Errands
from omnilive.web.inbound_messages import read_message
from omnilive.web.intake import Intake, Reception
from omnilive.web.outbound_audio import Speaker
from omnilive.web.outbox import Outbox

if TYPE_CHECKING:
    from omnilive.serving.conversation import LiveConversation

SOUND_IN, PICTURE_IN, SOUND_OUT = 1, 2, 3
_HEAD = struct.Struct("<BQ")
_MOST_SAMPLES = SAMPLE_RATE
_MOST_JPEG = 1 << 20
_MOST_WAITING = 100  # pieces of our sound: 2 s
_JITTER_NS = 60_000_000
_NORMAL, _GOING_AWAY, _TOO_BIG = 1000, 1001, 1009


class SampleClock:
    """The times of a page's sound: by its clock, but exact from sample to sample in between.

    A page's times jitter by milliseconds; sound that is as good as unbroken is unbroken.
    """

    def __init__(self) -> None:
        self._start_ns = 0
        self._num_samples: int | None = None

    def place(self, at_ns: int, num_samples: int) -> int:
        """Return the time of a piece that the page places at `at_ns`."""
        if self._num_samples is not None:
            expected_ns = self._start_ns + self._num_samples * NS_PER_S // SAMPLE_RATE
            if abs(at_ns - expected_ns) <= _JITTER_NS:
                self._num_samples += num_samples
                return expected_ns
        self._start_ns, self._num_samples = at_ns, num_samples
        return at_ns


class SocketClient:
    """A conversation's client behind a WebSocket."""

    def __init__(
        self,
        websocket: WebSocket,
        conversation: LiveConversation,
        reception: Reception,
        pool: Executor,
        *,
        has_audio: bool,
        has_video: bool,
    ) -> None:
        self._socket = websocket
        self._conversation = conversation
        self._loop = asyncio.get_running_loop()
        self._errands = Errands("omnilive page")
        self._outbox = Outbox()
        self._sound: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()
        self._closing: str | None = None
        self._said_goodbye = False
        self._clock = SampleClock()
        self._reception = reception
        self.num_dropped = 0
        """Pieces of our sound that the page did not take in time."""
        self.intake = Intake(
            conversation, self, reception, pool, has_audio=has_audio, has_video=has_video
        )
        self._speaker = Speaker(self._take, self._speak)

    # --- the client of a conversation (any thread) ----------------------------------------

    @property
    def kind(self) -> Literal["websocket"]:
        """How it is connected."""
        return "websocket"

    def send(self, message: Json) -> None:
        """Send a message, in order; from any thread, without waiting."""
        self._said_goodbye = self._said_goodbye or message.get("event") == "bye"
        self._outbox.put(message)
        self._soon(self._wake.set)

    def close(self, reason: str) -> None:
        """End the connection with `bye`; from any thread, without waiting, and twice."""
        self._soon(lambda: self._close(reason))

    # --- the connection -------------------------------------------------------------------

    async def carry(self) -> None:
        """Carry the conversation until either side ends."""
        self._errands.do(self._attach)
        self._speaker.start()
        tasks = [asyncio.create_task(work) for work in (self._write(), self._read(), self._watch())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await asyncio.to_thread(self._speaker.stop)
            await self._finish(tasks)

    async def _finish(self, tasks: list[asyncio.Task[None]]) -> None:
        reason = self._closing or "The page is gone."
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.intake.end()
        self._errands.finish(lambda: self._conversation.detach(self, reason))
        if self._socket.application_state is WebSocketState.CONNECTED:
            try:
                async with asyncio.timeout(1.0):
                    await self._socket.close(_NORMAL if self._closing else _GOING_AWAY)
            except (TimeoutError, RuntimeError, WebSocketDisconnect, OSError):
                return

    def _attach(self) -> None:
        try:
            self._conversation.attach(self, self.intake.reader)
        except OmniLiveError as error:
            self.close(str(error))

    def _close(self, reason: str) -> None:
        if self._closing is None:
            self._closing = reason
            if not self._said_goodbye:
                self._outbox.put({"event": "bye", "reason": reason})
            self._wake.set()

    async def _write(self) -> None:
        """Send what waits, sound first; ends with the goodbye."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while True:
                    if self._sound and self._closing is None:
                        await self._socket.send_bytes(self._sound.popleft())
                        continue
                    text = self._outbox.take()
                    if text is None:
                        break
                    await self._socket.send_text(text)
                if self._closing is not None:
                    return
        except (WebSocketDisconnect, RuntimeError, OSError):
            return

    async def _read(self) -> None:
        while True:
            frame = await self._socket.receive()
            if frame["type"] != "websocket.receive":
                return
            text, data = frame.get("text"), frame.get("bytes")
            if text is not None:
                self._message(text)
            elif data is not None:
                problem = self._media(data)
                if problem:
                    self.send(messages.error(ProtocolError(problem, "bad_media")))

    def _message(self, text: str) -> None:
        message = read_message(text)
        if isinstance(message, ProtocolError):
            self.send(messages.error(message))
            return
        self.intake.message_came(message)
        if not self._errands.do(lambda: self._conversation.receive(self, message)):
            busy = ProtocolError("The server is busy; send that again.", "busy")
            self.send(messages.error(busy))

    def _media(self, data: bytes) -> str:
        """Take a binary frame; returns what is wrong with it, "" if nothing."""
        if len(data) < _HEAD.size:
            return "A binary frame begins with one byte of kind and eight of time."
        kind, time_us = _HEAD.unpack_from(data)
        body = data[_HEAD.size :]
        at_ns = time_us * 1000
        if kind == SOUND_IN:
            if len(body) % 2 or len(body) > 2 * _MOST_SAMPLES:
                return "Sound is 16-bit samples, at most one second of them."
            sound: Samples = np.frombuffer(body, "<i2").astype(np.float32)
            sound /= np.float32(32768.0)
            if sound.size:
                self.intake.sound_came(sound, self._clock.place(at_ns, sound.size))
            return ""
        if kind == PICTURE_IN:
            if len(body) > _MOST_JPEG:
                return "A picture is a JPEG of at most 1 MB."
            self.intake.picture_came(body, at_ns)
            return ""
        return ""  # kinds of a later version are ignored, as messages are

    async def _watch(self) -> None:
        checked_s = self._loop.time()
        while True:
            due_s = self._loop.time() + 0.25
            await asyncio.sleep(0.25)
            now_s = self._loop.time()
            self.intake.health.loop_lag((now_s - due_s) * 1000, time.monotonic_ns())
            if now_s - checked_s < 1.0:
                continue
            checked_s = now_s
            if not self.intake.check():
                self._closing = "Nothing came from the page any more."
                return
            if self._outbox.is_full:
                self._closing = "The page reads too slowly."
                return

    # --- our sound (the speaker's thread) -------------------------------------------------

    def _take(self) -> Taken:
        piece = self._conversation.playout.take()
        self._errands.do(lambda: self._conversation.taken(piece))
        return piece

    def _speak(self, first: int, samples: Pcm) -> None:
        data = _HEAD.pack(SOUND_OUT, first) + samples.astype("<i2").tobytes()
        self._soon(lambda: self._queue_sound(data))

    def _queue_sound(self, data: bytes) -> None:
        if len(self._sound) == _MOST_WAITING:
            self.num_dropped += 1
        self._sound.append(data)
        self._wake.set()

    def _soon(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: so is the connection
            return


async def carry(
    websocket: WebSocket,
    conversation: LiveConversation,
    pool: Executor,
    reception: Reception | None = None,
) -> None:
    """Carry a conversation over a WebSocket until either side ends.

    Who may come in has been decided; the socket may be accepted already or not. The query says
    which media will come: `microphone`, `camera`, each 0 or 1 (1 if not said).
    """
    if websocket.application_state is WebSocketState.CONNECTING:
        await websocket.accept()
    query = websocket.query_params
    client = SocketClient(
        websocket,
        conversation,
        reception or Reception(),
        pool,
        has_audio=query.get("microphone") != "0",
        has_video=query.get("camera") != "0",
    )
    await client.carry()

"""Pages without a browser: one over WebRTC (aiortc), one over WebSocket, with the same face."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler, VideoFrame

from omnilive.events import AudioChunk, Samples, StreamGap
from omnilive.events import VideoFrame as Frame
from omnilive.media.contract import MediaEvent, MediaReader
from omnilive.media.espeak import Espeak
from omnilive.media.resampling import resample
from omnilive.serving.client import Client
from omnilive.serving.playout import Playout, Taken
from omnilive.serving.settings import Settings
from omnilive.web.intake import Reception
from omnilive.web.webrtc import Answer, Peers

RATE = 48_000
PIECE = 960
PATIENCE_S = 120.0  # a bound that is never reached, not a promise
LOCAL = Reception(ice_addresses=("127.0.0.1",))


def spoken(text: str, rate: int = 16_000) -> Samples:
    """Return a sentence."""
    said = Espeak().synthesize(text, voice="en-us", rate_wpm=165, pitch=50)
    return resample(said.samples, said.sample_rate, rate)


def wait_for(truth: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait until something is true; fails if it does not come true."""
    end = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


class FakeConversation:
    """A conversation that only notes what the transports do with it."""

    def __init__(self, name: str = "s1") -> None:
        self.id = name
        self.stream_name = name
        self.playout = Playout()
        self.settings = Settings()
        self.clients: list[Client] = []
        self.readers: list[MediaReader] = []
        self.received: list[dict[str, object]] = []
        self.detached: list[tuple[Client, str]] = []
        self.pieces: list[Taken] = []
        self.media: list[list[MediaEvent]] = []
        self._threads: list[threading.Thread] = []

    def attach(self, client: Client, reader: MediaReader) -> None:
        if self.clients:
            self.clients[-1].close("Another page took over.")
        self.clients.append(client)
        self.readers.append(reader)
        events: list[MediaEvent] = []
        self.media.append(events)
        thread = threading.Thread(target=self._read, args=(reader, events), daemon=True)
        thread.start()
        self._threads.append(thread)
        client.send({"event": "hello", "protocol": 1, "session": self.id})

    def _read(self, reader: MediaReader, events: list[MediaEvent]) -> None:
        events.extend(reader.events(stream=1, at_ns=0, wall_ns=0))

    def detach(self, client: Client, reason: str) -> None:
        self.detached.append((client, reason))

    def receive(self, client: Client, message: dict[str, object]) -> None:
        self.received.append(message)
        if message.get("command") == "ping":
            client.send({"event": "pong", "time": message["time"]})

    def taken(self, piece: Taken) -> None:
        self.pieces.append(piece)

    def configure(self, **changes: object) -> None:
        self.settings = self.settings.changed(changes)

    def chunks(self, connection: int = -1) -> list[AudioChunk]:
        return [each for each in self.media[connection] if isinstance(each, AudioChunk)]

    def gaps(self, connection: int = -1) -> list[StreamGap]:
        return [each for each in self.media[connection] if isinstance(each, StreamGap)]

    def frames(self, connection: int = -1) -> list[Frame]:
        return [each for each in self.media[connection] if isinstance(each, Frame)]

    def sound(self, connection: int = -1) -> Samples:
        """All that was heard; asserts that it is in one piece."""
        chunks = self.chunks(connection)
        position = chunks[0].at_ns
        for chunk in chunks:
            assert chunk.at_ns == position
            position += chunk.samples.size * 62_500
        return np.concatenate([chunk.samples for chunk in chunks])

    def ended(self) -> None:
        """Wait until every reader was read to its end."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


class Page(Protocol):
    """What a test does with a page."""

    messages: list[dict[str, Any]]

    def say(self, samples: Samples) -> None:
        """Speak 16 kHz sound from now on, at the pace of the clock; silence behind it."""
        ...

    def show(self, picture: np.ndarray) -> None: ...

    def send(self, message: dict[str, object]) -> None: ...

    def heard(self) -> tuple[Samples, int]:
        """Return all sound that arrived, and its rate."""
        ...

    @property
    def said(self) -> int:
        """Samples of sound (16 kHz) that were sent."""
        ...

    def leave(self) -> None: ...

    def vanish(self) -> None:
        """Be gone without goodbye."""
        ...


class _Microphone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, script: Samples) -> None:
        super().__init__()
        self.script = script
        self.at = 0
        self.start: float | None = None
        self.number = 0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if self.start is None:
            self.start = loop.time()
        wait = self.start + self.number * 0.02 - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        part = self.script[self.at : self.at + PIECE]
        self.at += PIECE
        piece = np.zeros(PIECE, np.int16)
        piece[: part.size] = np.rint(part * 32767)
        frame = AudioFrame.from_ndarray(piece[np.newaxis], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = RATE, fractions.Fraction(1, RATE)
        frame.pts = self.number * PIECE
        self.number += 1
        return frame


class _Camera(MediaStreamTrack):
    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.picture = np.zeros((240, 320, 3), np.uint8)
        self.number = 0

    async def recv(self) -> VideoFrame:
        await asyncio.sleep(0.05)
        frame = VideoFrame.from_ndarray(self.picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = self.number * 4500, fractions.Fraction(1, 90_000)
        self.number += 1
        return frame


class RtcPage:
    """A page over WebRTC; its own loop in its own thread."""

    def __init__(
        self,
        peers: Peers,
        conversation: Any,
        *,
        camera: bool = False,
        offer_only: bool = False,
        pieces: list[np.ndarray] | None = None,
    ) -> None:
        self.messages: list[dict[str, Any]] = []
        self.pieces: list[np.ndarray] = [] if pieces is None else pieces
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._microphone = _Microphone(np.zeros(0, np.float32))
        self._camera = _Camera()
        self._pc: RTCPeerConnection
        self.offer = self._call(self._make_offer(camera))
        self.answer: Answer | None = None
        if not offer_only:
            self.answer = peers.offer(conversation, self.offer)
            self._call(self._take_answer(self.answer.sdp))
            wait_for(lambda: self.messages)

    async def _make_offer(self, camera: bool) -> str:
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.addTrack(self._microphone)
        if camera:
            self._pc.addTransceiver(self._camera, direction="sendonly")
        self._channel = self._pc.createDataChannel("omnilive")
        self._channel.on("message", lambda text: self.messages.append(json.loads(text)))
        self._pc.on("track", lambda track: asyncio.ensure_future(self._listen(track)))
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return self._pc.localDescription.sdp

    async def _take_answer(self, sdp: str) -> None:
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def _listen(self, track: MediaStreamTrack) -> None:
        mono = AudioResampler("s16", "mono", RATE)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            self.pieces += [part.to_ndarray().reshape(-1) for part in mono.resample(frame)]

    def say(self, samples: Samples) -> None:
        wide = resample(samples, 16_000, RATE)

        def begin() -> None:
            self._microphone.script, self._microphone.at = wide, 0

        self._loop.call_soon_threadsafe(begin)

    def show(self, picture: np.ndarray) -> None:
        self._camera.picture = picture

    def send(self, message: dict[str, object]) -> None:
        self._loop.call_soon_threadsafe(self._channel.send, json.dumps(message))

    def send_raw(self, data: str | bytes) -> None:
        self._loop.call_soon_threadsafe(self._channel.send, data)

    def heard(self) -> tuple[Samples, int]:
        if not self.pieces:
            return np.zeros(0, np.float32), RATE
        return np.concatenate(self.pieces).astype(np.float32) / 32768, RATE

    @property
    def said(self) -> int:
        return self._microphone.number * 320

    @property
    def state(self) -> str:
        return self._pc.connectionState

    def leave(self) -> None:
        self._call(self._pc.close())
        self._stop()

    def vanish(self) -> None:
        for transceiver in self._pc.getTransceivers():
            ice = transceiver.receiver.transport.transport._connection
            for protocol in list(ice._protocols):
                self._loop.call_soon_threadsafe(protocol.transport.abort)

    def close(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(Exception):
                self._call(self._pc.close())
            self._stop()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def _stop(self) -> None:
        async def rest() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.get_running_loop().shutdown_default_executor()

        self._call(rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


_HEAD = struct.Struct("<BQ")


class SocketPage:
    """A page over WebSocket."""

    def __init__(
        self, port: int, *, camera: bool = False, pieces: list[np.ndarray] | None = None
    ) -> None:
        from websockets.sync.client import connect

        self.messages: list[dict[str, Any]] = []
        self.pieces: list[np.ndarray] = [] if pieces is None else pieces
        self.indices: list[int] = []
        self._said = 0
        self._script = np.zeros(0, np.float32)
        self._at = 0
        self._picture: np.ndarray | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._camera = camera
        self._opened = contextlib.ExitStack()
        address = f"ws://127.0.0.1:{port}/ws?camera={int(camera)}"
        self.socket = self._opened.enter_context(connect(address))
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._listen, self._speak)
        ]
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.messages)

    def _listen(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            for data in self.socket:
                if isinstance(data, str):
                    self.messages.append(json.loads(data))
                    continue
                kind, index = _HEAD.unpack_from(data)
                assert kind == 3
                self.indices.append(index)
                self.pieces.append(np.frombuffer(data[_HEAD.size :], "<i2"))
        except (ConnectionClosed, OSError):
            pass
        self._stop.set()

    def _speak(self) -> None:
        from websockets.exceptions import ConnectionClosed

        start = time.monotonic()
        number = 0
        while not self._stop.wait(max(0.0, start + number * 0.1 - time.monotonic())):
            with self._lock:
                part = self._script[self._at : self._at + 1600]
                self._at += 1600
            piece = np.zeros(1600, "<i2")
            piece[: part.size] = np.rint(part * 32767)
            time_us = 5_000_000 + number * 100_000
            number += 1
            try:
                self.socket.send(_HEAD.pack(1, time_us) + piece.tobytes())
                if self._camera and self._picture is not None and number % 2 == 0:
                    from omnilive.media.pictures import to_jpeg

                    self.socket.send(_HEAD.pack(2, time_us) + to_jpeg(self._picture))
            except (ConnectionClosed, OSError):
                return
            self._said += 1600

    def say(self, samples: Samples) -> None:
        with self._lock:
            self._script, self._at = samples, 0

    def show(self, picture: np.ndarray) -> None:
        self._picture = picture

    def send(self, message: dict[str, object]) -> None:
        self.socket.send(json.dumps(message))

    def send_raw(self, data: str | bytes) -> None:
        self.socket.send(data)

    def heard(self) -> tuple[Samples, int]:
        pieces = list(self.pieces)
        if not pieces:
            return np.zeros(0, np.float32), 24_000
        return np.concatenate(pieces).astype(np.float32) / 32768, 24_000

    @property
    def said(self) -> int:
        return self._said

    def leave(self) -> None:
        self._stop.set()
        self._opened.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def vanish(self) -> None:
        self._stop.set()
        self.socket.socket.shutdown(socket.SHUT_RDWR)

    close = leave


@contextlib.contextmanager
def socket_server(conversation: Any, peers: Peers) -> Iterator[int]:
    """Serve one conversation by WebSocket and WHIP; yields the port."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    from omnilive.web.websocket import carry

    async def ws(websocket: WebSocket) -> None:
        await carry(websocket, conversation, peers.pictures, peers.reception)

    async def whip(request: Request) -> PlainTextResponse:
        offer = (await request.body()).decode()
        answer = await asyncio.to_thread(peers.offer, conversation, offer)
        return PlainTextResponse(answer.sdp, 201)

    app = Starlette(routes=[WebSocketRoute("/ws", ws), Route("/whip", whip, methods=["POST"])])
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", lifespan="off", ws="websockets-sansio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listening.close()


def best_match(needle: Samples, hay: Samples) -> tuple[int, float]:
    """Return where `needle` lies in `hay` and how alike they are there (1: the same shape)."""
    size = 1 << int(np.ceil(np.log2(needle.size + hay.size)))
    product = np.fft.rfft(hay, size) * np.conj(np.fft.rfft(needle, size))
    lags = np.fft.irfft(product, size)[: max(1, hay.size - needle.size + 1)]
    at = int(lags.argmax())
    part = hay[at : at + needle.size]
    return at, float(np.dot(part, needle) / (np.linalg.norm(part) * np.linalg.norm(needle)))

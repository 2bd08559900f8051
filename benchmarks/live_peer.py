"""A page without a browser, for the live benchmarks: aiortc, a scripted microphone, a camera."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from machine import ROOT, environment

from omnilive.events import SAMPLE_RATE, Samples
from omnilive.media.espeak import Espeak
from omnilive.media.resampling import resample

RATE = 48_000
PIECE = 960
LOUD = 0.005
PATIENCE_S = 120.0
Json = dict[str, Any]


def say(text: str, *, voice: str = "en-us", rate_wpm: int = 165, rate: int = RATE) -> Samples:
    """Return speech of usual loudness without silence at its ends."""
    spoken = Espeak().synthesize(text, voice, rate_wpm=rate_wpm)
    return as_said(spoken.samples, spoken.sample_rate, rate)


def as_said(spoken: Samples, sample_rate: int, rate: int = RATE) -> Samples:
    """Return speech at another rate, of usual loudness, without silence at its ends."""
    samples = np.asarray(resample(spoken, sample_rate, rate), np.float32)
    samples = 0.25 * samples / float(np.abs(samples).max())
    loud = np.flatnonzero(np.abs(samples) > LOUD)
    return samples[loud[0] : loud[-1] + 1]


def silence(seconds: float, rate: int = RATE) -> Samples:
    return np.zeros(round(seconds * rate), np.float32)


class Mailbox:
    """What the server told, with the time it came; waited for from any thread."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, Json]] = []
        self._changed = threading.Condition()

    def put(self, message: Json) -> None:
        with self._changed:
            self.messages.append((time.monotonic_ns(), message))
            self._changed.notify_all()

    def wait(self, so: Callable[[Json], bool], after: int = 0, patience_s: float = 20.0) -> bool:
        """Wait for a message behind the first `after`; False if none came."""
        with self._changed:
            return self._changed.wait_for(
                lambda: any(so(message) for _, message in self.messages[after:]), patience_s
            )


class Microphone(MediaStreamTrack):
    """Speaks what it is given, over hiss; notes when each loud beginning and end was sent."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.spoken: list[tuple[int, int]] = []  # monotonic: first and last loud sample sent
        self._script: Samples = np.zeros(0, np.float32)
        self._begun = 0
        self._lock = threading.Condition()
        self._noise = np.random.default_rng(3)
        self._start: float | None = None
        self._number = 0

    def say(self, samples: Samples) -> None:
        """Begin with the next 20 ms; from any thread. The first and last sample are loud."""
        with self._lock:
            self._script, self._begun = samples, 0

    def wait_said(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: not self._script.size, PATIENCE_S)

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        if self._start is None:
            self._start = loop.time()
        wait = self._start + self._number * 0.02 - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        sound = 0.0008 * self._noise.standard_normal(PIECE).astype(np.float32)
        with self._lock:
            part, self._script = self._script[:PIECE], self._script[PIECE:]
            if part.size:
                if not self._begun:
                    self._begun = time.monotonic_ns()
                if not self._script.size:
                    self.spoken.append((self._begun, time.monotonic_ns()))
                    self._begun = 0
                    self._lock.notify_all()
        sound[: part.size] += part
        data = np.clip(np.rint(sound * 32767), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(data[np.newaxis], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = RATE, fractions.Fraction(1, RATE)
        frame.pts = self._number * PIECE
        self._number += 1
        return frame


class Encoded(MediaStreamTrack):
    """Packets that were encoded before, over and over, at their own pace: costs next to nothing."""

    def __init__(self, kind: str, packets: list[bytes], step: fractions.Fraction) -> None:
        super().__init__()
        self.kind = kind
        self._packets = packets
        self._step = step  # seconds a packet
        self._base = fractions.Fraction(1, RATE if kind == "audio" else 90_000)
        self._start: float | None = None
        self._number = 0

    async def recv(self) -> av.Packet:
        loop = asyncio.get_running_loop()
        if self._start is None:
            self._start = loop.time()
        wait = self._start + float(self._number * self._step) - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        packet = av.Packet(self._packets[self._number % len(self._packets)])
        packet.pts = packet.dts = round(self._number * self._step / self._base)
        packet.time_base = self._base
        self._number += 1
        return packet


def encode_video(
    path: Path,
    codec: str,
    *,
    fps: int,
    seconds: float,
    bit_rate: int = 1_500_000,
    noise: float = 0.0,
) -> list[bytes]:
    """Return a file's pictures as a browser would send them, a keyframe a second.

    `noise` is what a camera's sensor adds: the standard deviation of the luma, of 255.
    """
    name = {"VP8": "libvpx", "H264": "libx264"}[codec]
    packets: list[bytes] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        encoder = av.CodecContext.create(name, "w")
        encoder.width, encoder.height = stream.width, stream.height
        encoder.pix_fmt, encoder.bit_rate = "yuv420p", bit_rate
        encoder.time_base, encoder.framerate = fractions.Fraction(1, fps), fractions.Fraction(fps)
        encoder.gop_size = fps
        encoder.options = (
            {"deadline": "realtime", "cpu-used": "8", "keyint_max": str(fps)}
            if codec == "VP8"
            else {"preset": "veryfast", "tune": "zerolatency", "profile": "baseline"}
        )
        number, rng = 0, np.random.default_rng(4)
        grain = np.rint(noise * rng.standard_normal((stream.height, stream.width)))
        grain = grain.astype(np.int16)
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= seconds:
                break
            if frame.time is None or frame.time < number / fps:
                continue
            plain = frame.reformat(format="yuv420p")
            if noise:
                shifted = np.roll(grain, rng.integers(0, 400, 2), (0, 1))
                yuv = plain.to_ndarray()
                luma = yuv[: plain.height].astype(np.int16) + shifted
                yuv[: plain.height] = np.clip(luma, 16, 235)
                plain = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
            plain.pts, plain.time_base = number, fractions.Fraction(1, fps)
            packets += [bytes(each) for each in encoder.encode(plain)]
            number += 1
        packets += [bytes(each) for each in encoder.encode(None)]
    return packets


def encode_sound(samples: Samples) -> list[bytes]:
    """Return 48 kHz sound as Opus packets of 20 ms."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "s16"
    encoder.bit_rate, encoder.time_base = 40_000, fractions.Fraction(1, RATE)
    packets: list[bytes] = []
    data = np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)
    for first in range(0, data.size - PIECE + 1, PIECE):
        piece = data[np.newaxis, first : first + PIECE]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="s16", layout="mono")
        frame.sample_rate, frame.time_base = RATE, fractions.Fraction(1, RATE)
        frame.pts = first
        packets += [bytes(each) for each in encoder.encode(frame)]
    return packets


class Loop:
    """An asyncio loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        async def rest() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.get_running_loop().shutdown_default_executor()

        self.call(rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Peer:
    """One page: a session of its own on a server."""

    def __init__(
        self,
        loop: Loop,
        server: ServerProcess,
        audio: MediaStreamTrack,
        video: MediaStreamTrack | None = None,
        video_codec: str = "VP8",
    ) -> None:
        self.mailbox = Mailbox()
        self._loop, self._server = loop, server
        session = server.request("POST", "/v1/sessions", {})
        self.session = str(json.loads(session)["id"])
        offer = loop.call(self._offer(audio, video, video_codec))
        answer = server.request(
            "POST", f"/v1/sessions/{self.session}/whip", offer.encode(), "application/sdp"
        )
        loop.call(self._pc.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer")))
        assert self.mailbox.wait(lambda message: message["event"] == "stream", patience_s=60)

    async def _offer(
        self, audio: MediaStreamTrack, video: MediaStreamTrack | None, codec: str
    ) -> str:
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.addTrack(audio)
        if video is not None:
            camera = self._pc.addTransceiver(video, direction="sendonly")
            from aiortc import RTCRtpSender

            known = RTCRtpSender.getCapabilities("video").codecs
            camera.setCodecPreferences([c for c in known if c.mimeType == f"video/{codec}"])
        channel = self._pc.createDataChannel("omnilive")
        channel.on("message", lambda text: self.mailbox.put(json.loads(text)))
        self._channel = channel
        self._pc.on("track", lambda track: asyncio.ensure_future(_drain(track)))
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return self._pc.localDescription.sdp

    @property
    def lost(self) -> str:
        """Why the connection is over; "" while it stands."""
        for _, message in self.mailbox.messages[-50:]:
            if message["event"] == "bye":
                return str(message["reason"])
        state = self._pc.connectionState
        return "" if state in ("connected", "connecting", "new") else f"The connection is {state}."

    def tell(self, command: str, **fields: object) -> None:
        text = json.dumps({"command": command, **fields})
        self._loop.loop.call_soon_threadsafe(self._channel.send, text)

    def leave(self) -> None:
        self._loop.call(self._pc.close())
        with contextlib.suppress(OSError):
            self._server.request("DELETE", f"/v1/sessions/{self.session}")


async def _drain(track: MediaStreamTrack) -> None:
    with contextlib.suppress(MediaStreamError):
        while True:
            await track.recv()


class ServerProcess:
    """`live_trace.py` in a process of its own."""

    def __init__(self, store: Path, trace: Path, *options: str) -> None:
        command = [sys.executable, str(ROOT / "benchmarks" / "live_trace.py")]
        command += ["--store", str(store), "--trace", str(trace), *options]
        self._trace = trace
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self._behind_ms = 0.0
        self.address, self.token = told["address"].rstrip("/"), told["token"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def request(
        self, method: str, path: str, body: Json | bytes | None = None, kind: str = ""
    ) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}"}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = kind or "application/json"
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return bytes(response.read())

    def mark(self, name: str) -> None:
        """Let the server note what it has used up until now."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        self._behind_ms = float(json.loads(self._process.stdout.readline())["behind_ms"])

    def behind_ms(self) -> float:
        """How far perception was behind at the last mark."""
        return self._behind_ms

    def stop(self) -> dict[str, list[list[Any]]]:
        """End it; returns its marks."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait(120) != 0:
            raise RuntimeError(f"the server ended with {self._process.returncode}")
        rows: dict[str, list[list[Any]]] = json.loads(self._trace.read_text(encoding="utf-8"))
        return rows


def percentiles(values: list[float], shares: tuple[float, ...] = (50, 90, 95, 99)) -> list[float]:
    return [float(np.percentile(values, share)) for share in shares] if values else []


def positions_of_speech(samples: Samples) -> Iterator[tuple[int, int]]:
    """Yield begin and end of what is louder than hiss, pauses of 1 s and more apart."""
    loud = np.flatnonzero(np.abs(samples) > LOUD)
    if not loud.size:
        return
    breaks = np.flatnonzero(np.diff(loud) > SAMPLE_RATE)
    starts = np.concatenate([loud[:1], loud[breaks + 1]])
    ends = np.concatenate([loud[breaks], loud[-1:]])
    yield from zip(starts.tolist(), ends.tolist(), strict=True)

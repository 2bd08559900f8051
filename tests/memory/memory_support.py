"""A small world for the tests of memory: one stream, clips of ten seconds, what one pushes in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from omnilive.cancel import Cancel
from omnilive.events import (
    NS_PER_S,
    Clip,
    ClipMemory,
    Event,
    MediaPacket,
    Question,
    Retrieval,
    SceneText,
    SoundEvent,
    StreamEnded,
    StreamStarted,
    TextLine,
    UpTo,
    Utterance,
    VideoFrame,
    Voice,
    Watermark,
    moment_id,
)
from omnilive.memory.embedding import WordLlamaEmbedder
from omnilive.memory.learned import LearnedMemory
from omnilive.memory.stage import Memory, MemoryConfig
from omnilive.memory.store import Store

S = NS_PER_S
WALL_NS = 1_700_000_000 * S  # 2023-11-14 23:13:20 in Berlin


@lru_cache(maxsize=1)
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


class World:
    """A store, a memory stage and one stream; `say`, `show`, `clip` push what perception would."""

    def __init__(
        self,
        directory: Path,
        *,
        live: bool = False,
        name: str = "talk",
        wall_ns: int = WALL_NS,
        config: MemoryConfig | None = None,
        voice: Voice = "ambient",
        learned: LearnedMemory | None = None,
    ) -> None:
        self.store = Store.open(directory, write=True, doing="omnilive watch talk")
        self.memory = Memory(self.store, config or MemoryConfig(), embedder(), learned=learned)
        self.remembered: list[ClipMemory] = []
        self.started = self.start(name, live=live, wall_ns=wall_ns, voice=voice)

    def start(
        self, name: str, *, live: bool, wall_ns: int, voice: Voice = "ambient"
    ) -> StreamStarted:
        started = self.store.begin_epoch(
            name,
            wall_ns=wall_ns,
            zone="Europe/Berlin",
            origin="live" if live else "creation",
            voice=voice,
            has_video=True,
            has_audio=True,
            live=live,
            source=name,
        )
        self.push(started)
        return started

    def push(self, event: Event) -> list[Event]:
        events = list(self.memory.push(event, Cancel()))
        self.remembered += [event for event in events if isinstance(event, ClipMemory)]
        return events

    def say(self, at_s: float, text: str, *, stream: int = 1, voice: Voice = "ambient") -> str:
        at_ns = round(at_s * S)
        public_id = moment_id("u", stream, at_ns)
        self.push(
            Utterance(
                id=public_id,
                stream=stream,
                start_ns=at_ns,
                end_ns=at_ns + 2 * S,
                text=text,
                voice=voice,
            )
        )
        return public_id

    def show(self, at_s: float, text: str, *, stream: int = 1) -> str:
        at_ns = round(at_s * S)
        public_id = moment_id("t", stream, at_ns)
        line = TextLine(text, 0.9, 0.1, 0.1, 0.5, 0.2)
        self.push(SceneText(id=public_id, stream=stream, at_ns=at_ns, lines=(line,)))
        return public_id

    def sound(self, at_s: float, label: str = "loud sound", *, stream: int = 1) -> str:
        at_ns = round(at_s * S)
        public_id = moment_id("s", stream, at_ns)
        self.push(
            SoundEvent(
                id=public_id,
                stream=stream,
                start_ns=at_ns,
                end_ns=at_ns + S,
                label=label,
                level_db=-6.0,
            )
        )
        return public_id

    def clip(
        self,
        start_s: float,
        *,
        length_s: float = 10.0,
        stream: int = 1,
        changed: bool = True,
        moving: tuple[tuple[int, int], ...] = (),
        heard: bool = True,
    ) -> str:
        start_ns, end_ns = round(start_s * S), round((start_s + length_s) * S)
        public_id = moment_id("c", stream, start_ns)
        shade = int(start_s) % 200
        pixels = np.full((48, 64, 3), shade, dtype=np.uint8)
        self.push(
            Clip(
                id=public_id,
                stream=stream,
                start_ns=start_ns,
                end_ns=end_ns,
                num_frames=10,
                changed=changed,
                motion=0.1 if moving else 0.0,
                moving=moving,
                descriptor=np.array([1.0, 0.0], dtype=np.float32),
                descriptor_model="test",
                pictures=(VideoFrame(stream=stream, at_ns=start_ns, pixels=pixels),),
            )
        )
        self.push(Watermark(stream=stream, sense="seeing", at_ns=end_ns))
        if heard:
            self.push(Watermark(stream=stream, sense="hearing", at_ns=end_ns))
        return public_id

    def record(self, at_s: float, data: bytes, *, stream: int = 1) -> None:
        at_ns = round(at_s * S)
        self.push(
            MediaPacket(
                stream=stream,
                track=0,
                codec="pcm_mulaw",
                kind="audio",
                at_ns=at_ns,
                decode_ns=at_ns,
                duration_ns=20_000_000,
                is_key=True,
                data=data,
                extradata=b"",
                sample_rate=8000,
                channels=1,
            )
        )

    def end(self, at_s: float, *, stream: int = 1, error: str = "") -> list[Event]:
        return self.push(StreamEnded(stream=stream, at_ns=round(at_s * S), error=error))

    def ask(
        self,
        text: str,
        *,
        needs: str = "past",
        up_to: tuple[UpTo, ...] = (),
        scope: str = "",
        stream: int = 0,
        utterance: str = "",
    ) -> Retrieval:
        question = Question(
            turn_id="q1",
            text=text,
            needs=needs,  # type: ignore[arg-type]
            up_to=up_to,
            scope=scope,
            stream=stream,
            utterance=utterance,
        )
        (found,) = [each for each in self.push(question) if isinstance(each, Retrieval)]
        return found

    def close(self) -> None:
        self.memory.close()
        self.store.close()


def worlds(directory: Path) -> Iterator[World]:
    world = World(directory)
    yield world
    world.close()


def raw_bytes(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())

"""What perfect senses would report of a synthetic world: events for memory, nothing rendered.

What a reader would not guess: the eyes look once a second, so a change of scene is seen at the
next whole second, as it would be by the real ones.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np

from omnilive.events import (
    NS_PER_S,
    Clip,
    Descriptor,
    Event,
    SceneText,
    SoundEvent,
    StreamEnded,
    TextLine,
    Tick,
    Utterance,
    VideoFrame,
    Voice,
    Watermark,
    Word,
    moment_id,
)
from omnilive.media.synthetic.painting import Painter
from omnilive.media.synthetic.records import Said, Scene, Silence, Sound, Text
from omnilive.media.synthetic.streaming import WALL_NS, started
from omnilive.media.synthetic.world import World

DESCRIPTOR_DIMENSION = 64
DESCRIPTOR_MODEL = "synthetic-64"
_LONGEST_CLIP_NS = 16 * NS_PER_S
_SHORTEST_CLIP_NS = 3 * NS_PER_S
_LONG_SILENCE_NS = 10 * NS_PER_S  # a shorter silence is not worth an event


def perceived_events(
    world: World,
    stream: int = 1,
    at_ns: int = 0,
    wall_ns: int = WALL_NS,
    name: str = "synthetic",
    voice: Voice = "ambient",
    picture_size: tuple[int, int] | None = None,
) -> Iterator[Event]:
    """Yield each event when perfect senses would know it, planned as it is read.

    Clips end at every change of scene and after 16 s; one in which nothing new is shown is
    unchanged. A tick comes every second and the watermarks after every clip.

    Args:
        world: what happens.
        stream: number of the stream.
        at_ns: stream time at which the world begins.
        wall_ns: UTC of that instant.
        name: of the stream.
        voice: whose voice the stream carries.
        picture_size: width and height of the clips' pictures; None: no pictures.
    """
    yield started(world, stream, at_ns, wall_ns, name, voice)
    senses = _Senses(world, stream, at_ns, voice, picture_size)
    waiting: list[tuple[int, int, int, Event]] = []  # when known, rank, tie-breaker, event
    pushed = 0
    open_silences: list[Silence] = []
    for index in range(world.num_segments):
        segment = world.segment(index)
        silences = [
            one for one in world.silences(index) if one.end_ns - one.start_ns >= _LONG_SILENCE_NS
        ]
        open_silences = [one for one in open_silences if one.end_ns > segment.start_ns] + silences
        # What is not reported before an instant, but began before it, holds the watermark back.
        heard = [*segment.said, *segment.sounds, *open_silences]
        known: list[tuple[int, int, Event]] = []
        known += [(one.end_ns, 0, senses.utterance(one)) for one in segment.said]
        known += [(one.end_ns, 0, senses.sound(one)) for one in segment.sounds]
        known += [(one.end_ns, 0, senses.sound(one)) for one in silences]
        for scene in segment.scenes:
            if scene.text is not None:
                known.append((_seen_ns(scene.start_ns), 3, senses.scene_text(scene.text)))
            for start_ns, end_ns in _clip_spans(scene, world.duration_ns):
                known.append((end_ns, 1, senses.clip(scene, start_ns, end_ns)))
                known.append((end_ns, 2, senses.watermark("seeing", end_ns)))
                if world.has_sound:
                    starts = [one.start_ns for one in heard if one.start_ns < end_ns < one.end_ns]
                    mark = senses.watermark("hearing", min([end_ns, *starts]))
                    known.append((end_ns, 2, mark))
        first, last = _seen_ns(segment.start_ns + 1), segment.end_ns
        for tick_ns in [*range(first, last, NS_PER_S), last]:
            tick = Tick(stream=stream, at_ns=at_ns + tick_ns, wall_ns=wall_ns + tick_ns)
            known.append((tick_ns, 4, tick))
        for when_ns, rank, event in known:
            heapq.heappush(waiting, (when_ns, rank, pushed, event))
            pushed += 1
        while waiting and waiting[0][0] <= segment.end_ns:
            yield heapq.heappop(waiting)[3]
    while waiting:
        yield heapq.heappop(waiting)[3]
    yield StreamEnded(stream=stream, at_ns=at_ns + world.duration_ns)


class _Senses:
    """Turns records of the log into events of one stream."""

    def __init__(
        self,
        world: World,
        stream: int,
        at_ns: int,
        voice: Voice,
        picture_size: tuple[int, int] | None,
    ) -> None:
        self._seed = world.seed & 0xFFFFFFFF
        self._stream = stream
        self._at_ns = at_ns
        self._voice = voice
        self._painter = Painter(world, picture_size) if picture_size else None

    def utterance(self, said: Said) -> Utterance:
        """Return what is heard of a sentence: all of it."""
        start_ns = self._at_ns + said.start_ns
        return Utterance(
            id=moment_id("u", self._stream, start_ns),
            stream=self._stream,
            start_ns=start_ns,
            end_ns=self._at_ns + said.end_ns,
            text=said.text,
            voice=self._voice,
            words=tuple(
                Word(word.text, self._at_ns + word.start_ns, self._at_ns + word.end_ns)
                for word in said.words
            ),
            words_exact=True,
        )

    def sound(self, record: Sound | Silence) -> SoundEvent:
        """Return what a level meter says of a sound or a silence."""
        start_ns = self._at_ns + record.start_ns
        loud = isinstance(record, Sound)
        return SoundEvent(
            id=moment_id("s", self._stream, start_ns),
            stream=self._stream,
            start_ns=start_ns,
            end_ns=self._at_ns + record.end_ns,
            label="loud sound" if loud else "silence",
            level_db=-9.0 if loud else -70.0,
        )

    def scene_text(self, text: Text) -> SceneText:
        """Return what is read in the picture."""
        seen_ns = self._at_ns + _seen_ns(text.start_ns)
        lines = tuple(
            TextLine(line, 1.0, 0.1, 0.14 + 0.16 * row, 0.9, 0.24 + 0.16 * row)
            for row, line in enumerate(text.all_lines)
        )
        return SceneText(
            id=moment_id("t", self._stream, seen_ns),
            stream=self._stream,
            at_ns=seen_ns,
            lines=lines,
        )

    def clip(self, scene: Scene, start_ns: int, end_ns: int) -> Clip:
        """Return one clip of a scene."""
        moving = [
            (max(start_ns, thing.moving[0]), min(end_ns, thing.moving[1]), thing.size)
            for thing in scene.things
            if thing.moving is not None and thing.moving[0] < end_ns and start_ns < thing.moving[1]
        ]
        moved = sum((to_ns - from_ns) * size * size for from_ns, to_ns, size in moving)
        return Clip(
            id=moment_id("c", self._stream, self._at_ns + start_ns),
            stream=self._stream,
            start_ns=self._at_ns + start_ns,
            end_ns=self._at_ns + end_ns,
            num_frames=max(1, -(-(end_ns - start_ns) // NS_PER_S)),
            changed=bool(moving) or start_ns == _seen_ns(scene.start_ns),
            motion=min(1.0, moved / (end_ns - start_ns)),
            moving=tuple(
                (self._at_ns + from_ns, self._at_ns + to_ns) for from_ns, to_ns, _ in moving
            ),
            descriptor=self._descriptor(scene, start_ns),
            descriptor_model=DESCRIPTOR_MODEL,
            pictures=self._pictures(start_ns),
        )

    def watermark(self, sense: str, at_ns: int) -> Watermark:
        """Return the promise that one sense has reported everything before an instant."""
        return Watermark(
            stream=self._stream,
            sense="hearing" if sense == "hearing" else "seeing",
            at_ns=self._at_ns + at_ns,
        )

    def _descriptor(self, scene: Scene, start_ns: int) -> Descriptor:
        """Return a vector that clips of one scene nearly share, and others do not."""
        own = np.random.default_rng((self._seed, 3, scene.index)).standard_normal(64)
        little = np.random.default_rng((self._seed, 4, start_ns)).standard_normal(64)
        vector = own + 0.1 * little
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def _pictures(self, start_ns: int) -> tuple[VideoFrame, ...]:
        if self._painter is None:
            return ()
        pixels = self._painter.frame(start_ns)
        return (VideoFrame(stream=self._stream, at_ns=self._at_ns + start_ns, pixels=pixels),)


def _seen_ns(at_ns: int) -> int:
    """Return the first look at or after an instant: the next whole second."""
    return -(-at_ns // NS_PER_S) * NS_PER_S


def _clip_spans(scene: Scene, duration_ns: int) -> list[tuple[int, int]]:
    """Cut what is seen of a scene into clips of at most 16 s, none of them too short."""
    start_ns, end_ns = _seen_ns(scene.start_ns), min(duration_ns, _seen_ns(scene.end_ns))
    spans: list[tuple[int, int]] = []
    while end_ns - start_ns > _LONGEST_CLIP_NS:
        left_ns = end_ns - start_ns - _LONGEST_CLIP_NS
        length_ns = _LONGEST_CLIP_NS
        if left_ns < _SHORTEST_CLIP_NS:
            length_ns -= -(-(_SHORTEST_CLIP_NS - left_ns) // NS_PER_S) * NS_PER_S
        spans.append((start_ns, start_ns + length_ns))
        start_ns += length_ns
    return [*spans, (start_ns, end_ns)]

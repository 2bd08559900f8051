"""What the memory benchmark watches and asks about: files, worlds, and stores that exist.

A subject is one stream with its questions. It is watched once, as fast as the machine can and
losing nothing, into a store of its own; a watch that was cut goes on (a file) or begins again (a
world), and one that was finished is not repeated.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from omnilive import api
from omnilive.errors import MediaError, UsageError
from omnilive.evaluation.memory_questions import MemoryQuestion
from omnilive.events import (
    NS_PER_S,
    Event,
    Pixels,
    StreamStarted,
    Tick,
    VideoFrame,
)
from omnilive.media.pictures import to_jpeg
from omnilive.media.reader import open_source, probe
from omnilive.media.source import parse_source
from omnilive.system import Config, System

Progress = Callable[[float], None]
_MAX_SIDE, _QUALITY = 960, 80  # of the newest picture, as live memory gives it
_LOOK_BACK_S = 4.0


class Subject(Protocol):
    """One stream and what is asked about it.

    Attributes:
        name: of the stream in its store.
        seed: of the world; None for a real video.
        questions: about it.
        store: directory of the memory that holds it.
    """

    name: str
    seed: int | None
    questions: tuple[MemoryQuestion, ...]
    store: Path

    def watch(self, config: Config, progress: Progress) -> None:
        """Watch it to its end, unless that was done; `progress` is told the share done."""
        ...

    def newest(self, at_s: float, config: Config) -> bytes:
        """Return the newest frame before a position as JPEG; b"" if there is none."""
        ...


@dataclass(slots=True)
class VideoSubject:
    """A video file."""

    name: str
    path: Path
    questions: tuple[MemoryQuestion, ...]
    store: Path
    seed: int | None = None

    def watch(self, config: Config, progress: Progress) -> None:
        """Watch the file; a watch that was cut goes on after its last remembered clip.

        Raises:
            MediaError: the file cannot be read, or a question is asked after its end.
            StoreError: the memory cannot be written.
        """
        done = _Done(self.store)
        if not done:
            self.store.parent.mkdir(parents=True, exist_ok=True)
            with api.watch(
                str(self.path), store=self.store, stream=self.name, config=config
            ) as running:
                for _ in running:
                    _, position_s, length_s = running.progress()[0]
                    progress(min(1.0, position_s / length_s) if length_s else 0.0)
                summary = running.summary()
            if summary.failures or summary.dropped:
                lost = {**summary.dropped, **summary.failures}
                raise MediaError(
                    f"{self.path.name} was not watched whole: "
                    f"{', '.join(f'{count} {name}' for name, count in lost.items())}."
                )
            done.set()
        progress(1.0)

    def newest(self, at_s: float, config: Config) -> bytes:
        """Return the newest frame before a position, as live memory would have kept it."""
        options = config.media.read_options(record=False, detect=None)
        reader = open_source(parse_source(str(self.path)), options)
        newest: VideoFrame | None = None
        try:
            from_ns = max(0, round((at_s - _LOOK_BACK_S) * NS_PER_S))
            events = reader.events(stream=1, at_ns=0, wall_ns=0, from_ns=from_ns)
            for event in events:
                if isinstance(event, Tick) and event.at_ns > at_s * NS_PER_S:
                    break
                if isinstance(event, VideoFrame) and event.at_ns < at_s * NS_PER_S:
                    newest = event
        finally:
            reader.close()
        return b"" if newest is None else _jpeg(newest.pixels)


class SyntheticStream(Protocol):
    """A world as the events of a source, and its picture at any instant."""

    duration_ns: int

    def events(self) -> Iterable[Event]:
        """Yield `StreamStarted`, the media in order of time, and `StreamEnded`."""
        ...

    def picture(self, at_ns: int) -> Pixels | None:
        """Return what is seen at an instant; None without pictures."""
        ...


@dataclass(slots=True)
class WorldSubject:
    """A synthetic world, perceived without being encoded."""

    name: str
    seed: int | None
    world: SyntheticStream
    questions: tuple[MemoryQuestion, ...]
    store: Path

    def watch(self, config: Config, progress: Progress) -> None:
        """Push the world through the stages; a watch that was cut begins again."""
        done = _Done(self.store)
        if not done:
            shutil.rmtree(self.store, ignore_errors=True)
            self.store.parent.mkdir(parents=True, exist_ok=True)
            system = System(
                config,
                self.store,
                write=True,
                doing="omnilive eval memory",
                now_wall_ns=time.time_ns(),
            )
            try:
                for event in self.world.events():
                    if isinstance(event, StreamStarted):
                        event = replace(event, name=self.name)
                    if isinstance(event, Tick):
                        progress(min(1.0, event.at_ns / self.world.duration_ns))
                    for _ in system.run([event]):
                        pass
                if lost := system.num_unremembered():
                    raise MediaError(f"{lost} clips of {self.name} were not remembered.")
            finally:
                system.close()
            done.set()
        progress(1.0)

    def newest(self, at_s: float, config: Config) -> bytes:
        """Return the frame that was newest at a position."""
        step_ns = round(config.media.frame_interval_s * NS_PER_S)
        last_ns = min(round(at_s * NS_PER_S), self.world.duration_ns) - 1
        pixels = self.world.picture(max(0, last_ns // step_ns * step_ns))
        return b"" if pixels is None else _jpeg(pixels)


@dataclass(slots=True)
class StoreSubject:
    """A stream of a memory that exists; it is only read."""

    name: str
    questions: tuple[MemoryQuestion, ...]
    store: Path
    seed: int | None = None

    def watch(self, config: Config, progress: Progress) -> None:
        """Nothing is watched."""
        progress(1.0)

    def newest(self, at_s: float, config: Config) -> bytes:
        """Return nothing: a store keeps no raw frames, so its newest clip's picture stands in."""
        return b""


def video_subjects(
    questions: Sequence[MemoryQuestion], videos: dict[str, Path], out: Path
) -> list[VideoSubject]:
    """Return a subject for each video, in the order in which they are asked about.

    Raises:
        MediaError: a video cannot be read.
        UsageError: a question is asked after its video's end.
    """
    for video, path in videos.items():
        duration_ns = probe(parse_source(str(path))).duration_ns
        for one in questions:
            late = duration_ns is not None and one.ask_time_s > duration_ns / NS_PER_S + 1
            if one.video == video and late and duration_ns is not None:
                raise UsageError(
                    f'The question "{one.id}" is asked at {one.ask_time_s:g} s, but its video '
                    f"ends at {duration_ns / NS_PER_S:.1f} s."
                )
    return [
        VideoSubject(
            name=f"video-{number}",
            path=path,
            questions=tuple(one for one in questions if one.video == video),
            store=out / "memories" / f"video-{number}",
        )
        for number, (video, path) in enumerate(videos.items(), 1)
    ]


def store_subjects(
    questions: Sequence[MemoryQuestion], store: Path, config: Config
) -> list[StoreSubject]:
    """Return a subject for each stream of a store that is asked about.

    A question's video is the stream's name, or the name that watching that file gave it.

    Raises:
        UsageError: there is no such stream.
        StoreError: the store cannot be read.
    """
    with api.open_store(store, config=config) as opened:
        names = {line.name for line in opened.store.timelines().values()}
    by_stream: dict[str, list[MemoryQuestion]] = {}
    for one in questions:
        name = one.video if one.video in names else parse_source(one.video).name
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise UsageError(f'The memory has no stream "{one.video}"; there are: {known}.')
        by_stream.setdefault(name, []).append(one)
    return [
        StoreSubject(name=name, questions=tuple(several), store=store)
        for name, several in by_stream.items()
    ]


class _Done:
    """A file beside a memory that says that its stream was watched to the end."""

    def __init__(self, store: Path) -> None:
        self._mark = store.with_name(store.name + ".done")

    def __bool__(self) -> bool:
        return self._mark.exists()

    def set(self) -> None:
        self._mark.touch()


def _jpeg(pixels: Pixels) -> bytes:
    return to_jpeg(pixels, max_side=_MAX_SIDE, quality=_QUALITY)

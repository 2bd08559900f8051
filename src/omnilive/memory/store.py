"""A store: one directory with a database, recordings and caches, and everything done to it.

One process writes, any number read. The classes and functions beside this file each know one
part; a `Store` only opens them together and keeps what is worth keeping between calls.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from omnilive.errors import StoreError, UnknownMoment
from omnilive.events import (
    NS_PER_S,
    ClipMemory,
    ClipTokens,
    Forget,
    Heard,
    Moment,
    Pin,
    StreamStarted,
    Voice,
    moment_id,
)
from omnilive.memory import (
    clips,
    commands,
    conversation,
    forgetting,
    listing,
    moments,
    playback,
    statistics,
    streams,
)
from omnilive.memory.blocks import BlockLimits
from omnilive.memory.budget import BudgetConfig
from omnilive.memory.clips import NewClip, NewMoment
from omnilive.memory.commands import Command
from omnilive.memory.conversation import NewTurn, Turn
from omnilive.memory.database import Database
from omnilive.memory.doomed import known
from omnilive.memory.embedding import TextEmbedder
from omnilive.memory.errands import Errands
from omnilive.memory.eviction import Evictor
from omnilive.memory.forget_request import ForgetRequest, Forgotten
from omnilive.memory.keeper import Keeper
from omnilive.memory.lock import WriterLock
from omnilive.memory.moments import KINDS, MomentQuery, Presenter
from omnilive.memory.opening import CACHE, SEGMENTS, prepare
from omnilive.memory.playback import PlayParts
from omnilive.memory.repair import Repaired, repair
from omnilive.memory.segments import RecordedFragment, Recordings
from omnilive.memory.statistics import StoreStatistics
from omnilive.memory.streams import ResumePoint, SourceFile
from omnilive.memory.timeline import Anchor, Timeline
from omnilive.memory.vector_cache import scrub
from omnilive.memory.verify import Progress, Verification, verify
from omnilive.memory.wordlists import SHOWN_TEXT

DEFAULT_LIMITS = BlockLimits(fan_out=32, gap_ns=600 * NS_PER_S, levels=0)


class Store:
    """An open store. Made by `Store.open`; one thread at a time, except where it is said."""

    def __init__(
        self, directory: Path, database: Database, lock: WriterLock | None, *, write: bool
    ) -> None:
        self.directory = directory
        self.database = database
        self.write = write
        self._lock = lock
        self._recordings = Recordings(database, directory / SEGMENTS)
        self._current: dict[int, Timeline] = {}
        self.errands = Errands(database, self._recordings, directory / CACHE)
        self._epochs = streams.KnownEpochs(database)
        self._timelines: tuple[int, dict[int, Timeline]] = (-1, {})
        self._plays = (0, False)

    @classmethod
    def open(
        cls,
        directory: Path | str,
        *,
        write: bool,
        create: bool = True,
        doing: str = "",
        now_wall_ns: int = 0,
    ) -> Store:
        """Open a store, for one writer or for reading.

        Args:
            directory: where it is; made (private to the user) when writing and `create`.
            write: whether to become its writer.
            create: whether to make a store where there is none (only when writing).
            doing: what this process does, as a user would say it (`omnilive watch door`).
            now_wall_ns: UTC, told to a second writer; 0 leaves it out.

        Raises:
            StoreBusy: another process writes to it.
            StoreTooNew: a newer version wrote it.
            StoreError: it is no store, damaged, or cannot be read or written.
        """
        directory = Path(directory).expanduser()
        prepare(directory, create=write and create)
        if not write:
            return cls(directory, Database(directory, write=False), None, write=False)
        if not os.access(directory, os.W_OK):
            raise StoreError(
                f"The store {directory} is read-only; give another --store or change its rights."
            )
        lock = WriterLock(directory)
        lock.acquire(doing, now_wall_ns)
        try:
            for name in (SEGMENTS, CACHE):
                (directory / name).mkdir(mode=0o700, exist_ok=True)
            store = cls(directory, Database(directory, write=True), lock, write=True)
            store._recordings.recover()
            scrub(store.database, directory / CACHE)
            store.carry_out_commands()
            while store.errands.is_busy:
                # What a crash cut off goes before anything else is done.
                store.carry_out_commands()
        except OSError as error:
            lock.release()
            raise StoreError(
                f"The store {directory} cannot be prepared: {error.strerror}."
            ) from error
        except BaseException:
            lock.release()
            raise
        return store

    def close(self) -> None:
        """Close the store. Safe to call twice."""
        self.database.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- streams ------------------------------------------------------------------------

    def begin_epoch(
        self,
        name: str,
        *,
        wall_ns: int,
        zone: str,
        origin: Literal["live", "creation", "watching", "given"],
        voice: Voice,
        has_video: bool,
        has_audio: bool,
        live: bool,
        source: str,
        file: SourceFile | None = None,
        file_start_ns: int = 0,
        at_ns: int | None = None,
    ) -> StreamStarted:
        """Open an epoch of the stream `name`; see `streams.begin_epoch`. Any thread may call it."""
        with self._own_connection() as database:
            return streams.begin_epoch(
                database,
                name,
                wall_ns=wall_ns,
                zone=zone,
                origin=origin,
                voice=voice,
                has_video=has_video,
                has_audio=has_audio,
                live=live,
                source=source,
                file=file,
                file_start_ns=file_start_ns,
                at_ns=at_ns,
            )

    def adopt(self, started: StreamStarted) -> None:
        """Take note that an epoch has begun, whoever opened it."""
        streams.adopt(self.database, started)
        self._current[started.stream] = streams.timeline_of(started)

    def add_anchor(self, stream: int, epoch: int, at_ns: int, wall_ns: int) -> None:
        """Keep a pair of stream time and wall time of a live epoch."""
        with self.database.transaction():
            streams.add_anchor(self.database, epoch, at_ns, wall_ns)
        line = self._current.get(stream)
        if line is not None and line.epochs[-1].id == epoch:
            # Two are enough here: what is committed now lies near the newest.
            last = line.epochs[-1]
            anchors = (*last.anchors[-1:], Anchor(at_ns, wall_ns))
            self._current[stream] = line._replace(epochs=(last._replace(anchors=anchors),))

    def end_epoch(self, epoch: int, at_ns: int, *, complete: bool) -> None:
        """Close an epoch; `complete` if its source came to its true end."""
        with self.database.transaction():
            streams.end_epoch(self.database, epoch, at_ns, complete=complete)

    def resume_point(self, name: str, fingerprint: str) -> ResumePoint:
        """Return how far a file has been watched into a stream. Any thread may call it."""
        with self._own_connection() as database:
            return streams.resume_point(database, name, fingerprint)

    def timelines(self) -> Mapping[int, Timeline]:
        """Return the streams and their epochs, read again only when something was committed."""
        generation = self.database.generation
        if self._timelines[0] != generation:
            self._timelines = (generation, self._epochs.timelines())
        return self._timelines[1]

    # --- remembering --------------------------------------------------------------------

    def commit_clip(
        self,
        clip: NewClip,
        fragment: RecordedFragment | None,
        *,
        embedder: TextEmbedder,
        limits: BlockLimits = DEFAULT_LIMITS,
        quiet_ns: int = 600 * NS_PER_S,
        segment_ns: int = 60 * NS_PER_S,
    ) -> ClipMemory:
        """Remember a clip with all that belongs to it, in one transaction.

        When this returns, the clip survives a crash. When it raises, nothing of it was
        remembered and the same call may be made again.
        """
        written = None
        if fragment is not None:
            written = self._recordings.write(clip.stream, fragment, segment_ns)
        done = clips.commit_clip(
            self.database,
            self._recordings,
            clip,
            written,
            embedder=embedder,
            limits=limits,
            quiet_ns=quiet_ns,
        )
        if written is not None:
            self._recordings.committed(clip.stream, written)
        current = self._current.get(clip.stream)
        is_current = current is not None and current.epochs[-1].id == clip.epoch
        lines = self._current if is_current else self.timelines()
        playable = written is not None or self._plays_file(clip.epoch)
        changed, motion = clip.changed, clip.motion
        if done.extended:
            row = self.database.row("SELECT changed, motion FROM node WHERE id = ?", (done.node,))
            assert row is not None
            changed, motion = bool(row[0]), float(row[1])
        public_id = moment_id("c", clip.stream, done.start_ns) if done.extended else clip.id
        return ClipMemory(
            id=public_id,
            stream=clip.stream,
            stream_name=lines[clip.stream].name,
            start_ns=done.start_ns,
            end_ns=clip.end_ns,
            at=lines[clip.stream].local_at(done.start_ns),
            moments=moments.present_new(done.rows, lines[clip.stream], public_id, playable),
            changed=changed,
            motion=motion,
            playable=playable,
            generation=self.database.generation,
            extended=done.extended,
        )

    def _plays_file(self, epoch: int) -> bool:
        """Whether an epoch plays from a user's file; looked up once an epoch."""
        if self._plays[0] != epoch:
            self._plays = (epoch, moments.file_is_unchanged(self.database, epoch))
        return self._plays[1]

    def end_recording(self, stream: int) -> None:
        """Let the stream's next fragment start a new file."""
        self._recordings.close_segment(stream)

    def add_late(
        self, stream: int, late: Sequence[NewMoment], embedder: TextEmbedder
    ) -> tuple[Moment, ...]:
        """Add moments to the clip they start in, which is already remembered."""
        added: tuple[Moment, ...] = ()
        for moment in late:
            node = self.database.value(
                "SELECT id FROM node WHERE stream = ? AND level = 0 AND start_ns <= ? "
                "ORDER BY start_ns DESC LIMIT 1",
                (stream, moment.start_ns),
            ) or self.database.value(
                "SELECT id FROM node WHERE stream = ? AND level = 0 ORDER BY start_ns LIMIT 1",
                (stream,),
            )
            if node is not None:
                rows = clips.add_moments(self.database, node, stream, [moment], embedder)
                added += Presenter(self.database, self.timelines()).present(rows)
        return added

    def set_caption(self, clip: str, text: str, embedder: TextEmbedder) -> bool:
        """Keep what a model says of a clip; False if there is no such clip with a picture."""
        try:
            node = moments.find(self.database, clip).node
        except UnknownMoment:
            return False
        return node is not None and clips.set_caption(self.database, node, text, embedder)

    def set_tokens(self, tokens: ClipTokens) -> bool:
        """Keep what the compressor made of a clip; False if there is no such clip any more."""
        try:
            node = moments.find(self.database, tokens.clip).node
        except UnknownMoment:
            return False
        return node is not None and clips.set_tokens(self.database, node, tokens)

    def mark_asked(self, utterance: str) -> None:
        """Note that an utterance was a question to us: it is never evidence for an answer."""
        try:
            found = moments.find(self.database, utterance)
        except UnknownMoment:
            return
        with self.database.transaction():
            self.database.run("UPDATE moment SET asked = 1 WHERE id = ?", (found.moment,))

    def add_turn(self, turn: NewTurn, pending: Collection[str] = ()) -> None:
        """Keep a finished turn of the conversation.

        One that cites what is neither remembered nor `pending` loses its words: that was forgotten
        while the answer was being given.
        """
        if not all(each in pending or known(self.database, each) for each in turn.citations):
            turn = turn.without_words()
        conversation.add_turn(self.database, turn)

    def note_heard(self, heard: Heard) -> bool:
        """Note how much of an answer was heard; False if its turn is not kept (yet)."""
        return conversation.note_heard(self.database, heard)

    # --- the budget ---------------------------------------------------------------------

    def keeper(self, config: BudgetConfig) -> Keeper:
        """Return what keeps this store within a budget; for its writer."""
        evictor = Evictor(self.database, self._recordings, self.directory / CACHE)
        return Keeper(self.database, evictor, config)

    # --- looking ------------------------------------------------------------------------

    def moments(self, query: MomentQuery | None = None) -> tuple[Moment, ...]:
        """Return moments in order of time (or newest first), without pictures."""
        rows = moments.select(self.database, query or MomentQuery())
        return Presenter(self.database, self.timelines()).present(rows)

    def newest(self, stream: int | None, limit: int) -> tuple[Moment, ...]:
        """Return the newest moments (of one stream, or of all), oldest first by the wall clock."""
        lines = self.timelines()
        chosen = {number: line for number, line in lines.items() if stream in (None, number)}
        rows = listing.newest_moments(self.database, chosen, limit)
        return Presenter(self.database, lines).present(rows)

    def get(self, public_id: str) -> Moment:
        """Return one moment with its picture; for a clip without picture, a bare moment.

        Raises:
            UnknownMoment: nothing has this id, or it was forgotten.
        """
        found = moments.find(self.database, public_id)
        presenter = Presenter(self.database, self.timelines())
        if found.moment is not None:
            rows = moments.by_ids(self.database, [found.moment])
            return presenter.present(rows, pictures=True)[0]
        return self._node_as_moment(presenter, public_id, found.node)

    def clips(self, stream: int | None, limit: int) -> tuple[Moment, ...]:
        """Return the newest clips (of one stream, or of all) with pictures, in order of time."""
        lines = self.timelines()
        presenter = Presenter(self.database, lines)
        rows = [
            row
            for number in ([stream] if stream is not None else lines)
            for row in self.database.rows(
                "SELECT stream, start_ns, id, name FROM node WHERE level = 0 AND stream = ? "
                "ORDER BY start_ns DESC LIMIT ?",
                (number, limit),
            )
        ]
        rows.sort(key=lambda row: (lines[row[0]].wall_at(row[1]), *row[:3]))
        return tuple(
            self._node_as_moment(presenter, name or moment_id("c", number, start_ns), node)
            for number, start_ns, node, name in rows[-limit:]
        )

    def turns(self, limit: int = 100) -> list[Turn]:
        """Return the newest turns of the conversation, oldest first."""
        return conversation.turns(self.database, limit)

    def play_parts(self, public_id: str) -> PlayParts:
        """Return what a moment can be played or exported from."""
        return playback.play_parts(self.database, self.directory / SEGMENTS, public_id)

    def stats(self) -> StoreStatistics:
        """Return what the store holds, in numbers."""
        segments = self.directory / SEGMENTS
        caches = self.directory / CACHE
        return statistics.store_statistics(self.database, self.timelines(), segments, caches)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads inside see one generation."""
        with self.database.snapshot():
            yield

    # --- keeping and forgetting ---------------------------------------------------------

    def pin(self, public_id: str, keep: bool = True) -> None:
        """Keep a moment for ever, or no longer."""
        forgetting.pin(self.database, public_id, keep)

    def forget(self, wanted: ForgetRequest | str) -> Forgotten:
        """Delete moments and everything derived from them; `wanted` may be one public id.

        It is written down first, so that a crash in the middle of it does not leave half: the next
        opening goes on with it.

        Raises:
            UnknownMoment: an id was given that nothing has.
            StoreError: an id is pinned, or the store cannot be written.
        """
        request = wanted if isinstance(wanted, ForgetRequest) else ForgetRequest(moments=(wanted,))
        return self.errands.forget(request, watching=bool(self._current))

    def carry_out(self, command: Command) -> Forgotten | None:
        """Do what a command says."""
        if isinstance(command, Pin):
            self.pin(command.moment, command.keep)
        elif isinstance(command, Forget):
            return self.forget(command.moment)
        elif isinstance(command, ForgetRequest):
            return self.forget(command)
        else:
            self.add_turn(command)
        return None

    def carry_out_commands(self) -> None:
        """Do what other processes asked for; of a long forgetting only one part a call."""
        self.errands.step(self.carry_out, watching=bool(self._current))

    def forgotten(self, number: int) -> Forgotten:
        """Return what a sent command to forget has removed."""
        return commands.report(self.database, number)

    def outcome(self, number: int) -> str | None:
        """Return how a sent command went: None not yet, "" done, else why it failed."""
        return commands.outcome(self.database, number)

    # --- checking -----------------------------------------------------------------------

    def verify(self, *, quick: bool = False, progress: Progress | None = None) -> Verification:
        """Return what is wrong with the store, also while another process writes it."""
        return verify(self.database, self.directory, quick=quick, progress=progress)

    def repair(self, embedder: TextEmbedder, progress: Progress | None = None) -> Repaired:
        """Make again what can be made again, and take out what is lost."""
        return repair(self.database, self.directory, self._recordings, embedder, progress)

    @contextmanager
    def _own_connection(self) -> Iterator[Database]:
        """A connection for this call alone: sources open epochs from threads of their own."""
        database = Database(self.directory, write=self.write)
        try:
            yield database
        finally:
            database.close()

    def _node_as_moment(self, presenter: Presenter, public_id: str, node: int | None) -> Moment:
        row = self.database.row(
            "SELECT n.stream, n.start_ns, n.end_ns, n.changed, coalesce(n.digest, m.text, ''), "
            "n.level "
            "FROM node n LEFT JOIN moment m ON m.node = n.id AND m.kind = ? WHERE n.id = ?",
            (KINDS.index("picture"), node),
        )
        assert row is not None
        assert node is not None
        stream, start_ns, end_ns, changed, text, level = row
        line = self.timelines()[stream]
        return Moment(
            id=public_id,
            clip=public_id,
            stream=stream,
            stream_name=line.name,
            kind="digest" if level else "picture",
            start_ns=start_ns,
            end_ns=end_ns,
            at=line.local_at(start_ns),
            text=text or (SHOWN_TEXT["picture"] if changed or level else "nothing new was seen"),
            playable=presenter.playable(node, stream, start_ns),
            picture=presenter.picture(node),
        )

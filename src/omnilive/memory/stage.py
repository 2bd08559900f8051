"""Memory as a stage: takes what was perceived, remembers it clip by clip, answers questions.

It commits before it yields, so whoever sees a `ClipMemory` may count on it. When the store
cannot take a clip (a full disk), the clip stays pending, the error goes up, and the next event
tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from omnilive.cancel import Cancel
from omnilive.errors import ConfigError, StoreError
from omnilive.events import (
    NS_PER_S,
    AnswerEnded,
    Caption,
    Clip,
    ClipMemory,
    ClipTokens,
    Event,
    Forget,
    Heard,
    MediaPacket,
    Moment,
    Notice,
    PartialUtterance,
    Pin,
    Question,
    Retrieval,
    SceneText,
    SoundEvent,
    StreamEnded,
    StreamGap,
    StreamStarted,
    Tick,
    Utterance,
    VideoFrame,
    Watermark,
)
from omnilive.memory.blocks import BlockLimits
from omnilive.memory.budget import BudgetConfig
from omnilive.memory.clip_tokens import check
from omnilive.memory.clips import NewClip
from omnilive.memory.compressor_config import CompressorConfig
from omnilive.memory.conversation import NewTurn
from omnilive.memory.embedding import TextEmbedder
from omnilive.memory.foresight import Foresight
from omnilive.memory.forget_request import ForgetRequest
from omnilive.memory.late_tokens import LateTokens
from omnilive.memory.learned import LearnedMemory
from omnilive.memory.look_alikes import PendingPicture
from omnilive.memory.newest import NewestFrames
from omnilive.memory.pending import PendingStream
from omnilive.memory.perceived import moment_of
from omnilive.memory.recall import Recall, RecallConfig
from omnilive.memory.segments import RecordedFragment
from omnilive.memory.store import Store
from omnilive.memory.streams import ANCHOR_INTERVAL_NS, timeline_of
from omnilive.memory.token_recall import TokenRecall


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryConfig:
    """How memory keeps what was perceived.

    Attributes:
        fan_out: clips in a block.
        block_gap_s: a gap longer than this closes a block, in seconds.
        levels: levels of blocks above the clips; 0: as many as there are clips for.
        quiet_s: how long a row of clips without anything new may grow, in seconds.
        segment_s: longest recording file, in seconds.
        thumbnail_px: longer side of a clip's picture.
        thumbnail_quality: its JPEG quality, 1 to 95.
        embedder: what makes text vectors; "wordllama" is the only one so far.
        min_motion: least mean share of the picture that must move to be remembered, 0..1.
        recall: how questions are answered.
        budget: what it may take on disk.
        compressor: the paper's memory: H, H-hat and H-bar.
    """

    fan_out: int = 32
    block_gap_s: float = 600.0
    levels: int = 0
    quiet_s: float = 600.0
    segment_s: float = 60.0
    thumbnail_px: int = 320
    thumbnail_quality: int = 70
    min_motion: float = 0.002
    embedder: str = "wordllama"
    recall: RecallConfig = field(default_factory=RecallConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    compressor: CompressorConfig = field(default_factory=CompressorConfig)


_MAX_HEARD = 32  # answers whose sound was over before they were kept


class Memory:
    """Remembers several streams at once in one store."""

    def __init__(
        self,
        store: Store,
        config: MemoryConfig,
        embedder: TextEmbedder,
        wall_clock: Callable[[], int] | None = None,
        learned: LearnedMemory | None = None,
    ) -> None:
        """Make the stage.

        Args:
            store: where to remember; one opened for reading only answers.
            config: how to remember.
            embedder: makes text vectors.
            wall_clock: UTC in ns, for "ten minutes ago" asked of a store that nobody writes; the
                newest instant remembered is "now" without it.
            learned: the paper's network; without it tokens are kept and not used.
        """
        self._store = store
        self._embedder = embedder
        self._config = config
        self._wall_clock = wall_clock
        self._tokens = (
            None if learned is None else TokenRecall(store, learned, self._config.compressor)
        )
        self._late = LateTokens(store)
        self._recall = Recall(store, embedder, self._config.recall, self._tokens)
        self._foresight = Foresight(store, self._recall)
        self._keeper = store.keeper(self._config.budget)
        self._streams: dict[int, PendingStream] = {}
        self._newest = NewestFrames()
        self._ending: list[PendingStream] = []
        self._turns: list[NewTurn] = []
        self._heard: dict[str, Heard] = {}  # of turns that are not kept yet, oldest first
        store.errands.on_forget = self._drop_pending
        if config.fan_out < 2:
            raise ConfigError("memory.fan_out must be at least 2: a block joins several.")
        self._limits = BlockLimits(
            fan_out=self._config.fan_out,
            gap_ns=round(self._config.block_gap_s * NS_PER_S),
            levels=self._config.levels,
        )

    @property
    def accepts(self) -> tuple[type[Event], ...]:
        """The event types memory wants."""
        return (
            StreamStarted,
            VideoFrame,
            MediaPacket,
            StreamGap,
            Tick,
            StreamEnded,
            PartialUtterance,
            Utterance,
            SoundEvent,
            SceneText,
            Clip,
            Watermark,
            Caption,
            ClipTokens,
            Question,
            AnswerEnded,
            Heard,
            Pin,
            Forget,
        )

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Take one event; yield what was remembered, or what a question finds."""
        if isinstance(event, VideoFrame):
            self._newest.take(event)
            return
        if isinstance(event, PartialUtterance):
            # With a wall clock "ten minutes ago" is another time by the time it is asked.
            if self._wall_clock is None:
                self._foresight.look(event, self._pending_moments())
            self._newest.foresee(event)
            return
        if isinstance(event, Question):
            self._note_asked(event)
            yield self._retrieve(event)
        elif isinstance(event, Pin):
            self._pin(event)
        elif isinstance(event, Forget):
            self._forget(event)
        elif isinstance(event, AnswerEnded):
            if self._store.write:
                self._turns.append(self._turn(event))
        elif isinstance(event, Heard):
            self._note_heard(event)
        elif isinstance(event, Caption):
            self._take_caption(event)
        elif isinstance(event, ClipTokens):
            self._take_tokens(event)
        elif isinstance(event, StreamStarted):
            self._start(event)
        else:
            self._take(event)
        yield from self._commit()
        self._integrate()

    def idle(self, wall_ns: int) -> Iterator[Event]:
        """Do what ticks set off, for a store that no live stream ticks at the moment.

        Args:
            wall_ns: UTC.
        """
        self._upkeep(wall_ns)
        yield from self._commit()

    def passed_ns(self, stream: int) -> int:
        """Return the stream time up to which memory knows what every sense perceived.

        A question whose bound lies beyond it may wait a little.
        """
        pending = self._streams.get(stream)
        if pending is None:
            return 0
        senses = ["seeing"] + (["hearing"] if pending.started.has_audio else [])
        return min(pending.watermarks.get(sense, 0) for sense in senses)

    @property
    def num_pending(self) -> int:
        """Clips that were perceived and are not committed."""
        return sum(len(each.clips) for each in (*self._ending, *self._streams.values()))

    def ready(self, event: Event) -> bool:
        """Whether a question may be answered yet: what was said before it has been heard.

        What is seen is reported as it is seen, but words come seconds after their sound, so it is
        hearing that a question waits for (the session bounds how long).
        """
        if not isinstance(event, Question):
            return True
        bounds = dict(event.up_to)
        return all(
            pending.watermarks.get("hearing", 0) >= min(bounds.get(stream, 0), pending.ticked_ns)
            for stream, pending in self._streams.items()
            if pending.started.has_audio
        )

    def close(self) -> None:
        """Let go of what is pending; the store belongs to whoever opened it."""
        self._foresight.forget()
        self._ending.clear()
        self._streams.clear()

    # --- taking -------------------------------------------------------------------------

    def _start(self, event: StreamStarted) -> None:
        self._store.adopt(event)
        before = self._streams.pop(event.stream, None)
        if before is not None:
            # What the epoch before perceived is kept, even if it was cut off without a word.
            before.ended_ns = event.at_ns if before.ended_ns is None else before.ended_ns
            self._ending.append(before)
        self._streams[event.stream] = PendingStream(
            started=event,
            line=timeline_of(event),
            thumbnail_px=self._config.thumbnail_px,
            thumbnail_quality=self._config.thumbnail_quality,
            min_motion=self._config.min_motion,
            committed_ns=event.at_ns,
        )

    def _take(self, event: Event) -> None:
        stream = getattr(event, "stream", 0)
        pending = self._streams.get(stream)
        moment = moment_of(event)
        if pending is None:
            # Words typed (stream 0) belong to the conversation, not to a stream.
            if moment is not None and stream in self._store.timelines():
                self._store.add_late(stream, [moment], self._embedder)
        elif moment is not None:
            pending.take_moment(moment)
        elif isinstance(event, MediaPacket):
            pending.take_packet(event)
        elif isinstance(event, Clip):
            pending.take_clip(event)
        elif isinstance(event, Watermark):
            newest = max(event.at_ns, pending.watermarks.get(event.sense, 0))
            pending.watermarks[event.sense] = newest
        elif isinstance(event, Tick):
            self._tick(pending, event)
        elif isinstance(event, StreamEnded):
            pending.ended_ns = event.at_ns
            pending.complete = not event.error

    def _tick(self, pending: PendingStream, event: Tick) -> None:
        pending.ticked_ns = event.at_ns
        started = pending.started
        if started.live and (
            pending.anchored_ns is None or event.at_ns - pending.anchored_ns >= ANCHOR_INTERVAL_NS
        ):
            self._store.add_anchor(event.stream, started.epoch, event.at_ns, event.wall_ns)
            pending.anchored_ns = event.at_ns
        self._upkeep(event.wall_ns if started.live else 0)

    def _upkeep(self, wall_ns: int) -> None:
        self._store.carry_out_commands()
        self._keeper.after_tick(wall_ns)

    def _take_caption(self, event: Caption) -> None:
        pending = self._streams.get(event.stream)
        if pending is not None and any(one.clip.id == event.clip for one in pending.clips):
            pending.captions[event.clip] = event.text
        else:
            self._store.set_caption(event.clip, event.text, self._embedder)

    def _take_tokens(self, event: ClipTokens) -> None:
        check(event)
        ends = [one for one in self._ending if one.started.stream == event.stream]
        running = self._streams.get(event.stream)
        if not any(one.take_tokens(event) for one in [*ends, *([running] if running else [])]):
            self._late.take(event)

    # --- remembering --------------------------------------------------------------------

    def _integrate(self) -> None:
        """Bring long-term memory along, after everything is remembered: it may take a while."""
        if self._tokens is not None:
            for stream in self._late.take_streams():
                self._tokens.keep_up(stream)

    def _commit(self) -> Iterator[ClipMemory | Notice]:
        while self._turns:
            open_ids = {each for one in self._pending_moments() for each in (one.id, one.clip)}
            self._store.add_turn(self._turns[0], open_ids)
            heard = self._heard.pop(self._turns[0].turn_id, None)
            del self._turns[0]
            if heard is not None:
                self._store.note_heard(heard)
        for pending in [*self._ending, *self._streams.values()]:
            stream = pending.started.stream
            self._commit_late(pending)
            while (clip := pending.ready()) is not None:
                memory = self._commit_clip(clip, pending.fragment())
                pending.committed(clip)
                if clip.tokens is not None:
                    self._late.note_stream(stream)
                self._recall.keep_up()
                yield memory
                self._keeper.after_clip()
            self._commit_late(pending)
            if pending.ended_ns is not None:
                self._store.end_epoch(
                    pending.started.epoch, pending.ended_ns, complete=pending.complete
                )
                self._store.end_recording(stream)
                if pending in self._ending:
                    self._ending.remove(pending)
                else:
                    del self._streams[stream]
                    self._newest.drop(stream)
        self._late.store()
        for text in [*self._keeper.notices(), *self._late.notices()]:
            yield Notice(stage="memory", text=text)

    def _commit_late(self, pending: PendingStream) -> None:
        late = pending.take_late()
        if late:
            self._store.add_late(pending.started.stream, late, self._embedder)
            pending.drop(late)

    def _commit_clip(self, clip: NewClip, fragment: RecordedFragment | None) -> ClipMemory:
        """Remember a clip; its recording only while there is room for it."""
        if fragment is not None and not self._keeper.may_record(clip.stream):
            fragment = None

        def commit(recording: RecordedFragment | None) -> ClipMemory:
            return self._store.commit_clip(
                clip,
                recording,
                embedder=self._embedder,
                limits=self._limits,
                quiet_ns=round(self._config.quiet_s * NS_PER_S),
                segment_ns=round(self._config.segment_s * NS_PER_S),
            )

        try:
            return commit(fragment)
        except StoreError as error:
            if fragment is None or not self._keeper.could_not_record(error):
                raise
            return commit(None)

    # --- answering ----------------------------------------------------------------------

    def _retrieve(self, question: Question) -> Retrieval:
        now_wall_ns = None if self._wall_clock is None else self._wall_clock()
        pictures = self._pending_pictures() if question.picture else []
        pending = self._pending_moments()
        found = self._foresight.take(question, pending)
        if found is None:
            found = self._recall.retrieve(question, pending, now_wall_ns, pictures)
        asked = frozenset(
            number
            for number, pending in self._streams.items()
            if question.scope in ("", pending.started.name)
        )
        newest = self._newest.jpeg(question, asked)
        return replace(found, latest_picture=newest) if newest else found

    def _pending_pictures(self) -> list[PendingPicture]:
        return [
            PendingPicture(one.clip.id, one.clip.descriptor_model, one.clip.descriptor)
            for pending in (*self._ending, *self._streams.values())
            for one in pending.clips
            if one.clip.descriptor is not None
        ]

    def _pending_moments(self) -> list[Moment]:
        open_ends = [*self._ending, *self._streams.values()]
        return [moment for pending in open_ends for moment in pending.values()]

    def _note_asked(self, question: Question) -> None:
        if not question.utterance or not question.stream or not self._store.write:
            return
        pending = self._streams.get(question.stream)
        if pending is not None and any(m.id == question.utterance for m in pending.moments):
            pending.mark_asked(question.utterance)
        else:
            self._store.mark_asked(question.utterance)

    def _turn(self, event: AnswerEnded) -> NewTurn:
        lines = [(pending.line, pending.committed_ns) for pending in self._streams.values()]
        return NewTurn(
            turn_id=event.turn_id,
            question=event.question,
            answer=event.text,
            outcome=event.outcome,
            known=event.known,
            citations=tuple(moment.id for moment in event.citations),
            wall_ns=max((line.wall_at(at_ns) for line, at_ns in lines), default=0),
        )

    def _note_heard(self, event: Heard) -> None:
        if not self._store.write or self._store.note_heard(event):
            return
        # The sound of a cut answer may be over before the answer is.
        self._heard[event.turn_id] = event
        if len(self._heard) > _MAX_HEARD:
            del self._heard[next(iter(self._heard))]

    def _pin(self, event: Pin) -> None:
        self._store.pin(event.moment, event.keep)

    def _forget(self, event: Forget) -> None:
        self._store.forget(event.moment)

    def _drop_pending(self, request: ForgetRequest) -> bool:
        """Drop what shall be forgotten before it is remembered; False if there was none of it."""
        self._newest.clear()
        self._foresight.forget()
        self._late.refuse(request, {n: p.newest_ns for n, p in self._streams.items()})
        dropped = False
        for pending in [*self._ending, *self._streams.values()]:
            stream = pending.started.stream
            for public_id in request.moments:
                dropped |= pending.forget(public_id)
            for span in request.spans:
                if span.stream == stream:
                    dropped |= pending.forget_span(span.start_ns, span.end_ns)
            if stream in request.streams:
                dropped |= pending.forget_span(0, pending.newest_ns)
        return dropped

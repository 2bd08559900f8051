"""A user's voice: what it has said so far while it speaks, and its turn when that is over.

The segmenter's short pause settles what was said; whether the turn is over is decided by the
silence that follows (`turn_end`). While an answer is being spoken, what is heard may be the answer:
a stretch of the system's own voice gets a turn of its own.

What recognition costs. A turn is recognised from its start again and again, because a small
recogniser does better on the whole; never more than `MAX_TIMES_HEARD` times its length and an
allowance of `FREE_BLOCKS` in all. Past that, only what is new is recognised, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from omnilive.cancel import Cancel
from omnilive.events import (
    Event,
    PartialUtterance,
    SpeechEnded,
    SpeechStarted,
    Utterance,
    Voice,
    moment_id,
)
from omnilive.perception.kept_sound import Said, WordFinder
from omnilive.perception.own_voice import OwnVoice
from omnilive.perception.recognition import place_words
from omnilive.perception.segmentation import Mark, Segment, Segmenter, VoiceEnded, VoiceStarted
from omnilive.perception.turn_end import TurnEndConfig
from omnilive.perception.voice_activity import BLOCK_NS

MAX_TIMES_HEARD = 4
FREE_BLOCKS = 94  # 3 s
_FIRST_PARTIAL = 15  # blocks: 480 ms
_SECOND_PARTIAL = 23  # 736 ms: a voice that lasts is known to last
_GROWTH = 1.5
# A voice that may be coming back when the silence is over is waited for this long.
_GRACE = 10
_LEAST_ROOM = 64  # a turn with less room than this (2 s) for another stretch is over


@dataclass(slots=True)
class _Turn:
    """What one voice has said since it began; numbers are of blocks."""

    start_ns: int
    first: int
    voice: Voice
    next_partial: int = _FIRST_PARTIAL
    end: int = 0
    end_ns: int = 0
    voiced: list[bool] = field(default_factory=list)
    parts: list[Said] = field(default_factory=list)
    heard: int = 0  # blocks given to the recogniser so far
    due: int | None = None  # silent from here on, the turn is over at this block

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.parts if part.text)


class UserTurns:
    """Turns the marks of a segmenter into the events of a user's stream.

    Args:
        stream: number of the stream.
        config: when a turn is over.
        segmenter: whose marks come; its pieces are bounded from here.
        max_blocks: a turn is cut at this length.
        finder: finds words.
        own: knows what the system itself is saying.
    """

    def __init__(
        self,
        stream: int,
        config: TurnEndConfig,
        segmenter: Segmenter,
        max_blocks: int,
        finder: WordFinder,
        own: OwnVoice,
    ) -> None:
        self._stream = stream
        self._config = config
        self._segmenter = segmenter
        self._max_blocks = max(max_blocks, 2 * _LEAST_ROOM)
        self._finder = finder
        self._own = own
        self._turn: _Turn | None = None
        self._voice: Voice = "user"
        self._num_blocks = 0
        self._given = 0  # sound before this block belongs to an earlier turn
        self._segmenter.bound(self._max_blocks)

    @property
    def open_ns(self) -> int | None:
        """Where the open turn began; None if there is none."""
        return self._turn.start_ns if self._turn is not None else None

    def take(self, mark: Mark, position_ns: int, cancel: Cancel) -> Iterator[Event]:
        """Yield what a mark means; `position_ns` is the end of the newest block."""
        if isinstance(mark, VoiceStarted):
            is_own = self._own.is_own(mark.start_ns, position_ns)
            yield from self._start(mark.start_ns, "own" if is_own else "user", position_ns)
        elif isinstance(mark, VoiceEnded):
            yield from self._fall_silent(mark, position_ns)
        elif self._segmenter.is_speaking:
            # Cut from endless talk: its turn is over and the voice is not.
            self._add(self._turn_of(mark), mark, cancel)
            yield from self._finish(position_ns)
        else:
            yield from self._settle(mark, position_ns, cancel)

    def after_block(self, position_ns: int, cancel: Cancel) -> Iterator[Event]:
        """Yield what is due now that one more block has been judged."""
        self._num_blocks += 1
        if self._segmenter.is_speaking:
            yield from self._switch(position_ns, cancel)
            yield from self._tell(position_ns, cancel)
        elif self._turn is not None and self._turn.due is not None:
            grace = _GRACE if self._segmenter.open_ns is not None else 0
            if self._num_blocks >= self._turn.due + grace:
                yield from self._finish(position_ns)

    def flush(self, position_ns: int, cancel: Cancel) -> Iterator[Event]:
        """End what is open: the sound breaks off here; numbers of blocks start again at 0."""
        del cancel
        yield from self._finish(position_ns)
        self._num_blocks = self._given = 0

    # --- a voice begins, pauses, ends -------------------------------------------------------

    def _start(self, start_ns: int, voice: Voice, position_ns: int) -> Iterator[Event]:
        first = self._segmenter.first_block
        turn = self._turn
        if turn is not None:
            room = self._max_blocks - (first - turn.first)
            if turn.voice != voice or room < _LEAST_ROOM:
                yield from self._finish(position_ns)
        self._voice = voice
        if self._turn is None:
            self._turn = _Turn(start_ns, first, voice)
        self._turn.due = None
        self._segmenter.bound(self._max_blocks - (first - self._turn.first))
        yield SpeechStarted(stream=self._stream, at_ns=start_ns, voice=voice)

    def _fall_silent(self, mark: VoiceEnded, position_ns: int) -> Iterator[Event]:
        at_ns = min(mark.end_ns, position_ns)
        yield SpeechEnded(
            stream=self._stream, start_ns=mark.start_ns, at_ns=at_ns, voice=self._voice
        )
        if not mark.has_rest:
            # Cut just before it stopped: nothing of it is left to settle.
            turn = self._turn or _Turn(at_ns, self._num_blocks, self._voice)
            turn.end, turn.end_ns = max(turn.end, turn.first), max(turn.end_ns, turn.start_ns)
            turn.due = self._num_blocks
            yield self._partial(turn, turn.text, position_ns, settled=True)

    def _settle(self, segment: Segment, position_ns: int, cancel: Cancel) -> Iterator[Event]:
        turn = self._turn_of(segment)
        self._judge_again(turn, segment, position_ns)
        self._add(turn, segment, cancel)
        turn.voice = self._voice_of(turn.text, turn.voice, turn.start_ns, turn.end_ns)
        # What the system said itself is not waited for.
        delay = self._config.delay_blocks("" if turn.voice == "own" else turn.text)
        turn.due = turn.end + delay
        yield self._partial(turn, turn.text, position_ns, settled=True)

    def _switch(self, position_ns: int, cancel: Cancel) -> Iterator[Event]:
        """A person began to talk over our own voice: from there on it is a turn of theirs."""
        if self._voice != "own":
            return
        since_ns = self._own.talked_over_since(position_ns)
        open_ns = self._segmenter.open_ns
        if since_ns is None or open_ns is None:
            return
        number = self._segmenter.first_block + max((since_ns - open_ns) // BLOCK_NS, 0)
        ours = self._segmenter.cut_before(number)
        begun_ns = self._segmenter.open_ns
        assert begun_ns is not None
        turn = self._turn or _Turn(open_ns, self._segmenter.first_block, "own")
        ended_ns = begun_ns if ours is None else ours.end_ns
        yield SpeechEnded(stream=self._stream, start_ns=open_ns, at_ns=ended_ns, voice="own")
        if ours is not None:
            self._add(turn, ours, cancel)
        turn.end, turn.end_ns = max(turn.end, turn.first), max(turn.end_ns, turn.start_ns)
        yield self._partial(turn, turn.text, position_ns, settled=True)
        self._turn = turn
        yield from self._finish(position_ns)
        yield from self._start(begun_ns, "user", position_ns)

    # --- while it speaks --------------------------------------------------------------------

    def _tell(self, position_ns: int, cancel: Cancel) -> Iterator[Event]:
        """Yield what was said so far, at lengths that grow."""
        first = self._turn.first if self._turn is not None else self._segmenter.first_block
        length = self._segmenter.end_block - first
        if length < (self._turn.next_partial if self._turn is not None else _FIRST_PARTIAL):
            return
        piece = self._segmenter.piece()
        if piece is None:
            return
        turn = self._turn_of(piece)
        self._judge_again(turn, piece, position_ns)
        is_first = turn.next_partial == _FIRST_PARTIAL and length < _SECOND_PARTIAL
        turn.next_partial = _SECOND_PARTIAL if is_first else int(_GROWTH * length) + 1
        text = turn.text
        end = piece.first_block + len(piece.voiced)
        if turn.voice != "own" and self._may_hear(turn, end):
            num_voiced = sum(turn.voiced) + sum(piece.voiced)
            text = self._find(turn, turn.first, end, turn.start_ns, num_voiced, cancel).text or text
        voice = self._voice_of(text, turn.voice, turn.start_ns, piece.end_ns)
        yield PartialUtterance(
            id=moment_id("u", self._stream, turn.start_ns),
            stream=self._stream,
            start_ns=turn.start_ns,
            end_ns=min(piece.end_ns, position_ns),
            text=text,
            voice=voice,
        )

    def _judge_again(self, turn: _Turn, piece: Segment, position_ns: int) -> None:
        """Call a turn our own if more of it has shown that it is: a faint echo shows late."""
        may_be = turn.voice == "user" and not turn.parts
        if may_be and self._own.is_own(piece.start_ns, position_ns):
            turn.voice = self._voice = "own"

    # --- words ------------------------------------------------------------------------------

    def _turn_of(self, segment: Segment) -> _Turn:
        """Return the open turn; after a cut one begins with the next thing that is known."""
        if self._turn is None:
            self._turn = _Turn(segment.start_ns, segment.first_block, self._voice)
        return self._turn

    def _add(self, turn: _Turn, segment: Segment, cancel: Cancel) -> None:
        """Add a stretch of voice to a turn, with its words."""
        end = segment.first_block + len(segment.voiced)
        turn.voiced += [False] * (segment.first_block - turn.first - len(turn.voiced))
        turn.voiced += segment.voiced
        turn.end, turn.end_ns = end, segment.end_ns
        turn.next_partial = max(turn.next_partial, int(_GROWTH * (end - turn.first)) + 1)
        if turn.voice == "own" and (words := self._own.words_in(segment.start_ns, turn.end_ns)):
            turn.parts.append(Said(words, (), False))
        elif self._may_hear(turn, end):
            num_voiced = sum(turn.voiced)
            turn.parts = [
                self._find(turn, turn.first, end, turn.start_ns, num_voiced, cancel, segment)
            ]
        else:
            num_voiced = sum(segment.voiced)
            turn.parts.append(
                self._find(
                    turn, segment.first_block, end, segment.start_ns, num_voiced, cancel, segment
                )
            )

    def _may_hear(self, turn: _Turn, end: int) -> bool:
        """Whether the whole turn may be recognised once more."""
        length = end - turn.first
        return turn.heard + length <= MAX_TIMES_HEARD * length + FREE_BLOCKS

    def _find(
        self,
        turn: _Turn,
        first: int,
        end: int,
        start_ns: int,
        num_blocks: int,
        cancel: Cancel,
        segment: Segment | None = None,
    ) -> Said:
        turn.heard += end - first
        return self._finder.find(
            first,
            end,
            start_ns,
            not_before=self._given,
            not_after=self._num_blocks if segment is None else segment.lent_until,
            num_blocks=num_blocks,
            cancel=cancel,
        )

    def _voice_of(self, text: str, voice: Voice, start_ns: int, end_ns: int) -> Voice:
        if voice == "user" and self._own.said_it(text, start_ns, end_ns):
            return "own"
        return voice

    def _partial(
        self, turn: _Turn, text: str, position_ns: int, *, settled: bool
    ) -> PartialUtterance:
        return PartialUtterance(
            id=moment_id("u", self._stream, turn.start_ns),
            stream=self._stream,
            start_ns=turn.start_ns,
            end_ns=min(turn.end_ns, position_ns),
            text=text,
            voice=turn.voice,
            settled=settled,
        )

    def _finish(self, position_ns: int) -> Iterator[Utterance]:
        """End the open turn; one without words leaves nothing."""
        turn, self._turn = self._turn, None
        self._segmenter.bound(self._max_blocks)
        if turn is None:
            return
        self._given = max(self._given, turn.end)
        if not turn.text:
            return
        timed = all(part.words for part in turn.parts if part.text)
        exact = timed and all(part.words_exact for part in turn.parts if part.text)
        words = tuple(word for part in turn.parts for word in part.words)
        yield Utterance(
            id=moment_id("u", self._stream, turn.start_ns),
            stream=self._stream,
            start_ns=turn.start_ns,
            # The last block of a run is filled up with zeros that nobody heard.
            end_ns=min(turn.end_ns, position_ns),
            text=turn.text,
            voice=turn.voice,
            words=words if timed else place_words(turn.text, turn.start_ns, BLOCK_NS, turn.voiced),
            words_exact=exact,
        )

"""What is still to be said, and which sample of the track said what.

Whoever paces the sound takes it from here, 20 ms at a time, and always gets as much as was asked
for: speech, or silence. Holding, resuming and cutting are exact to the sample. Every phrase
begins and ends with a fade of 5 ms, and so does every cut, so that nothing clicks.

A piece never holds sound of two phrases: the rest of a phrase's last piece is silence.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omnilive.events import AnswerAudio, Samples
from omnilive.media.resampling import resample

RATE = 48_000
PIECE_SAMPLES = RATE // 50

Pcm: TypeAlias = NDArray[np.int16]

_PER_MS = RATE // 1000
_FADE = 5 * _PER_MS
_PEAK = 32767.0
_KEPT = 10 * RATE  # sound that went out is kept so long, to be repeated
_MOST_BEHIND_MS = 5000.0
_NOTHING: Pcm = np.zeros(0, np.int16)
_MAX_RUNS = 1024
_MAX_CUT_TURNS = 64
_MAX_PAST_TURNS = 16  # whose phrases are still known to `heard`


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A piece of the track.

    Attributes:
        samples: mono sound at 48 kHz, as many samples as were asked for.
        index: number of its first sample in the track.
        turn_id: whose speech it is; "" is silence.
        phrase: number of the phrase in its turn, from 0; -1 in silence.
        offset: how many samples of the phrase went before.
        text: the phrase's words, in the phrase's first piece; "" in later ones.
    """

    samples: Pcm
    index: int
    turn_id: str
    phrase: int
    offset: int
    text: str


class Place(NamedTuple):
    """Where in an answer a sample of the track stands."""

    turn_id: str
    phrase: int
    offset: int


class HeardAmount(NamedTuple):
    """How much of an answer was heard."""

    text: str
    played_ms: int
    complete: bool


@dataclass(slots=True)
class _Phrase:
    text: str
    samples: Pcm
    length: int


@dataclass(slots=True)
class _Turn:
    turn_id: str
    phrases: list[_Phrase] = field(default_factory=list)
    phrase: int = 0  # the next sample to go out is this phrase's
    offset: int = 0
    finished: bool = False

    @property
    def is_drained(self) -> bool:
        return self.phrase >= len(self.phrases)


@dataclass(slots=True)
class _Run:
    """Samples of the track that are consecutive samples of one phrase."""

    index: int
    count: int
    place: Place


class Playout:
    """The spoken answers of one conversation, in the order in which they began.

    Thread-safe. Knows no clock: time is the number of samples taken.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: OrderedDict[str, _Turn] = OrderedDict()
        self._past: OrderedDict[str, _Turn] = OrderedDict()
        self._cut: OrderedDict[str, None] = OrderedDict()
        self._runs: deque[_Run] = deque(maxlen=_MAX_RUNS)
        self._index = 0
        self._held = False
        self._tail: Pcm = _NOTHING  # fades out what was cut or held
        self._tail_place = Place("", -1, 0)

    # --- what is to be said --------------------------------------------------------------

    def put(self, audio: AnswerAudio) -> None:
        """Add a phrase behind the others of its turn; of a cut turn nothing is taken."""
        sound = resample(audio.samples, audio.sample_rate, RATE)
        samples = _pcm(sound)
        with self._lock:
            if audio.turn_id in self._cut or not samples.size:
                return
            turn = self._queue.get(audio.turn_id)
            if turn is None:
                # A turn whose sound had gone out already may have one more phrase.
                turn = self._past.pop(audio.turn_id, None) or _Turn(audio.turn_id)
                self._queue[audio.turn_id] = turn
            turn.phrases.append(_Phrase(audio.text, samples, samples.size))

    def finish(self, turn_id: str) -> None:
        """Say that no more phrases of this turn will come."""
        with self._lock:
            turn = self._queue.get(turn_id) or self._past.get(turn_id)
            if turn is None:
                self._keep(_Turn(turn_id, finished=True))
                return
            turn.finished = True
            self._advance()

    # --- taking --------------------------------------------------------------------------

    def take(self, num_samples: int = PIECE_SAMPLES) -> Taken:
        """Return the next samples of the track: speech, or silence where there is none."""
        if num_samples < 1:
            raise ValueError("A piece holds at least one sample.")
        samples = np.zeros(num_samples, np.int16)
        with self._lock:
            index = self._index
            self._index += num_samples
            if self._tail.size:
                return self._take_tail(samples, index)
            turn = None if self._held else self._current()
            if turn is None:
                return Taken(samples, index, "", -1, 0, "")
            phrase = turn.phrases[turn.phrase]
            place = Place(turn.turn_id, turn.phrase, turn.offset)
            count = min(num_samples, phrase.length - turn.offset)
            samples[:count] = phrase.samples[turn.offset : turn.offset + count]
            self._note(index, count, place)
            turn.offset += count
            if turn.offset >= phrase.length:
                turn.phrase, turn.offset = turn.phrase + 1, 0
                _let_go(turn)
                self._advance()
            return Taken(samples, index, *place, phrase.text if place.offset == 0 else "")

    # --- holding and cutting -------------------------------------------------------------

    def hold(self, behind_ms: float = 0.0) -> None:
        """Fall silent and keep everything; `behind_ms` of what was taken is not played yet."""
        with self._lock:
            if self._held:
                return
            self._held = True
            self._fade_out()
            self._rewind(behind_ms)

    def resume(self) -> int:
        """Go on from the start of the unfinished phrase; returns its number, -1 without one."""
        with self._lock:
            self._held = False
            turn = self._current()
            return -1 if turn is None else turn.phrase

    def flush(self, turn_id: str) -> None:
        """Throw away what is left of a turn, now and later; what was taken is still known."""
        with self._lock:
            self._cut[turn_id] = None
            while len(self._cut) > _MAX_CUT_TURNS:
                self._cut.popitem(last=False)
            turn = self._queue.get(turn_id)
            if turn is None:
                return
            if next(iter(self._queue)) == turn_id:
                if not self._held:
                    self._fade_out()
                self._held = False  # what was held is gone
            del self._queue[turn_id]
            self._keep(turn)

    # --- asking --------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to be said."""
        with self._lock:
            return self._current() is None

    @property
    def is_held(self) -> bool:
        """Whether it is held."""
        with self._lock:
            return self._held

    @property
    def index(self) -> int:
        """Number of the next sample of the track."""
        with self._lock:
            return self._index

    @property
    def waiting_ms(self) -> int:
        """How much speech waits to be taken."""
        with self._lock:
            waiting = 0
            for turn in self._queue.values():
                waiting += sum(phrase.length for phrase in turn.phrases[turn.phrase :])
                waiting -= turn.offset
            return waiting // _PER_MS

    def is_over(self, turn_id: str) -> bool:
        """Whether nothing more of this turn will go out: it is finished and was taken, or cut."""
        with self._lock:
            if turn_id in self._cut:
                return True
            past = self._past.get(turn_id)
            return past is not None and past.finished

    def heard(self, turn_id: str, behind_ms: float = 0.0) -> HeardAmount:
        """Return how much of a turn was heard when `behind_ms` of the track is not played yet."""
        with self._lock:
            turn = self._queue.get(turn_id) or self._past.get(turn_id)
            if turn is None:
                return HeardAmount("", 0, False)
            phrase, offset = self._reached(turn_id, behind_ms)
            before = turn.phrases[:phrase]
            texts = [each.text for each in before]
            played = sum(each.length for each in before)
            if phrase < len(turn.phrases):
                cut = turn.phrases[phrase]
                texts.append(_share(cut.text, offset / cut.length))
                played += offset
            complete = turn.finished and phrase >= len(turn.phrases)
            text = " ".join(text.strip() for text in texts if text.strip())
            return HeardAmount(text, played // _PER_MS, complete)

    def place(self, index: int) -> Place | None:
        """Return where sample `index` of the track stands; None: silence, or too long ago."""
        with self._lock:
            for run in reversed(self._runs):
                if run.index <= index < run.index + run.count:
                    return run.place._replace(offset=run.place.offset + index - run.index)
                if run.index + run.count <= index:
                    break
            return None

    # --- behind the scenes (all under the lock) ------------------------------------------

    def _current(self) -> _Turn | None:
        """The turn that speaks next; a later one waits until an earlier one is finished."""
        for turn in self._queue.values():
            return None if turn.is_drained else turn
        return None

    def _advance(self) -> None:
        """Let go of the turns at the front that are finished and have gone out."""
        while self._queue:
            turn = next(iter(self._queue.values()))
            if not (turn.finished and turn.is_drained):
                return
            del self._queue[turn.turn_id]
            self._keep(turn)

    def _keep(self, turn: _Turn) -> None:
        """Remember what a past turn said; the newest may still sound at the listener's."""
        for older in self._past.values():
            for phrase in older.phrases:
                phrase.samples = _NOTHING
        self._past[turn.turn_id] = turn
        while len(self._past) > _MAX_PAST_TURNS:
            self._past.popitem(last=False)

    def _rewind(self, behind_ms: float) -> None:
        """Go back to the start of the phrase that the listener is hearing."""
        played = self._index - round(min(behind_ms, _MOST_BEHIND_MS) * _PER_MS)
        turn, number = self._current(), -1
        for run in self._runs:
            known = self._queue.get(run.place.turn_id) or self._past.get(run.place.turn_id)
            if run.index + run.count <= played or known is None or known.turn_id in self._cut:
                continue
            turn, number = known, run.place.phrase
            break
        if turn is None:
            return
        number = turn.phrase if number < 0 else number
        while number < turn.phrase and not turn.phrases[number].samples.size:
            number += 1
        if number >= len(turn.phrases):
            return
        turn.phrase, turn.offset = number, 0
        if self._past.pop(turn.turn_id, None) is not None:
            self._queue[turn.turn_id] = turn
        self._queue.move_to_end(turn.turn_id, last=False)

    def _reached(self, turn_id: str, behind_ms: float) -> tuple[int, int]:
        """The phrase that was being heard and how much of it, at the farthest."""
        limit = self._index - round(max(0.0, behind_ms) * _PER_MS)
        farthest = (0, 0)
        for run in self._runs:
            if run.place.turn_id == turn_id and run.index < limit:
                count = min(run.count, limit - run.index)
                farthest = max(farthest, (run.place.phrase, run.place.offset + count))
        turn = self._queue.get(turn_id) or self._past[turn_id]
        phrase, offset = farthest
        if phrase < len(turn.phrases) and offset >= turn.phrases[phrase].length:
            return phrase + 1, 0
        return farthest

    def _take_tail(self, samples: Pcm, index: int) -> Taken:
        count = min(samples.size, self._tail.size)
        samples[:count] = self._tail[:count]
        place = self._tail_place
        self._note(index, count, place)
        self._tail = self._tail[count:]
        self._tail_place = place._replace(offset=place.offset + count)
        return Taken(samples, index, *place, "")

    def _fade_out(self) -> None:
        """Let what is being said die away within 5 ms."""
        turn = self._current()
        if turn is None or turn.offset == 0:
            return
        phrase = turn.phrases[turn.phrase]
        tail = phrase.samples[turn.offset : turn.offset + _FADE]
        ramp = np.linspace(1.0, 0.0, tail.size, endpoint=False, dtype=np.float32)
        self._tail = (tail * ramp).astype(np.int16)
        self._tail_place = Place(turn.turn_id, turn.phrase, turn.offset)

    def _note(self, index: int, count: int, place: Place) -> None:
        last = self._runs[-1] if self._runs else None
        if (
            last is not None
            and last.index + last.count == index
            and last.place._replace(offset=last.place.offset + last.count) == place
        ):
            last.count += count
        else:
            self._runs.append(_Run(index, count, place))


def _pcm(sound: Samples) -> Pcm:
    """Return `sound` as 16 bit with a fade of 5 ms at each end."""
    faded = np.clip(sound, -1.0, 1.0).astype(np.float32)
    count = min(_FADE, faded.size // 2)
    ramp = np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)
    faded[:count] *= ramp
    faded[faded.size - count :] *= ramp[::-1]
    return np.round(faded * _PEAK).astype(np.int16)


def _let_go(turn: _Turn) -> None:
    """Drop the sound of phrases that went out so long ago that no listener is behind them."""
    behind = 0
    for phrase in reversed(turn.phrases[: turn.phrase]):
        if behind >= _KEPT:
            if not phrase.samples.size:
                return
            phrase.samples = _NOTHING
        behind += phrase.length


def _share(text: str, share: float) -> str:
    """Return the first words of a phrase, as many as its share that was heard."""
    if any(character > "\u2e7f" for character in text):  # Chinese is not written in words
        return text[: int(len(text) * share)]
    words = text.split()
    return " ".join(words[: int(len(words) * share)])

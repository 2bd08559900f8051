"""From probabilities to stretches of speech, with starts and ends dated back.

A decision comes late (a voice is confirmed after 200 ms, a pause after 500 ms) but the times
it reports are those of the blocks where the voice began and stopped. One call takes one block,
so how the sound was cut into chunks cannot be seen from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from omnilive.perception.voice_activity import BLOCK_NS, VoiceActivityConfig

# A voice that was there goes on down to this much below the threshold (Silero's own hysteresis).
HYSTERESIS = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceStarted:
    """A voice is confirmed; it began at `start_ns`."""

    start_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceEnded:
    """The voice that began at `start_ns` stopped at `end_ns`.

    `has_rest` is False where all of it was cut before: then no segment follows.
    """

    start_ns: int
    end_ns: int
    has_rest: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of speech to be recognised: the whole of it, or what was cut from endless talk.

    Attributes:
        start_ns, end_ns: stream time.
        first_block: number of its first block, counted from the last flush.
        voiced: whether each of its blocks is voiced; the first and the last one are.
        lent_until: number of the block where the next segment's sound begins.
    """

    start_ns: int
    end_ns: int
    first_block: int
    voiced: tuple[bool, ...]
    lent_until: int


Mark = VoiceStarted | VoiceEnded | Segment


@dataclass(frozen=True, slots=True)
class _Block:
    at_ns: int
    probability: float
    level: float


class Segmenter:
    """Finds the segments of one stream."""

    def __init__(self, config: VoiceActivityConfig) -> None:
        self._threshold = config.threshold
        self._off_threshold = max(config.threshold - HYSTERESIS, 0.01)
        self._min_silence = _blocks(config.min_silence_duration_ms)
        self._min_speech = _blocks(config.min_speech_duration_ms)
        self._max_speech = max(_blocks(config.max_speech_duration_s * 1000), 2 * self._min_speech)
        self._num_seen = 0
        self._confirmed = False
        self._reset()

    @property
    def open_ns(self) -> int | None:
        """Where the piece that is not reported yet began; None if nobody may be speaking."""
        return self._blocks[0].at_ns if self._blocks else None

    @property
    def is_speaking(self) -> bool:
        """Whether a voice is confirmed and has not ended."""
        return self._confirmed and bool(self._blocks)

    @property
    def first_block(self) -> int:
        """Number of the open piece's first block; meaningless if nothing is open."""
        return self._first_block

    @property
    def end_block(self) -> int:
        """Number of the block behind the open piece's last voiced one."""
        return self._first_block + self._last_voiced + 1

    def piece(self) -> Segment | None:
        """Return the open piece up to its last voiced block; None if there is none."""
        return self._segment(len(self._blocks))

    def bound(self, num_blocks: int) -> None:
        """Let the open piece, and those after it, last at most this long."""
        self._max_speech = max(num_blocks, 2 * self._min_speech)

    def cut_before(self, number: int) -> Segment | None:
        """Cut the open piece before a block, as if another voice began there.

        Returns:
            The first part; None if nothing in it was voiced. The rest is a confirmed voice.
        """
        at = min(max(number - self._first_block, 0), len(self._blocks) - 1)
        segment = self._segment(at)
        self._drop(at)
        self._voice_start_ns = self._blocks[0].at_ns
        return segment

    def push(self, at_ns: int, probability: float, level: float) -> list[Mark]:
        """Take the next block and return what is now known.

        Args:
            at_ns: stream time of the block's first sample.
            probability: that it is voiced.
            level: its root mean square; decides between cuts that are voiced alike.
        """
        number = self._num_seen
        self._num_seen += 1
        if not self._blocks:
            if probability < self._threshold:
                return []
            self._first_block = number
            self._voice_start_ns = at_ns
        self._blocks.append(_Block(at_ns, probability, level))
        if probability >= self._off_threshold:
            self._last_voiced = len(self._blocks) - 1
        self._num_voiced += probability >= self._threshold
        marks: list[Mark] = []
        if not self._confirmed and self._num_voiced >= self._min_speech:
            self._confirmed = True
            marks.append(VoiceStarted(start_ns=self._voice_start_ns))
        if len(self._blocks) - 1 - self._last_voiced >= self._min_silence:
            marks += self._close()
        elif len(self._blocks) >= self._max_speech:
            marks += self._cut()
        return marks

    def flush(self) -> list[Mark]:
        """Close what is open: the sound breaks off here; numbers of blocks start again at 0."""
        marks = self._close() if self._blocks else []
        self._num_seen = 0
        return marks

    def _reset(self) -> None:
        self._blocks: list[_Block] = []
        self._first_block = 0
        self._last_voiced = -1
        self._num_voiced = 0
        self._confirmed = False
        self._voice_start_ns = 0

    def _close(self) -> list[Mark]:
        marks: list[Mark] = []
        if self._confirmed:
            segment = self._segment(len(self._blocks))
            # After a cut the rest may be nothing but the pause.
            end_ns = self._blocks[0].at_ns if segment is None else segment.end_ns
            has_rest = segment is not None
            marks.append(
                VoiceEnded(start_ns=self._voice_start_ns, end_ns=end_ns, has_rest=has_rest)
            )
            if segment is not None:
                marks.append(segment)
        self._reset()
        return marks

    def _cut(self) -> list[Mark]:
        """Report the first part of endless talk; the voice itself goes on."""
        if not self._confirmed:
            self._reset()
            return []
        at = self._least_voiced()
        segment = self._segment(at)
        self._drop(at)
        return [] if segment is None else [segment]

    def _drop(self, num_blocks: int) -> None:
        self._blocks = self._blocks[num_blocks:]
        self._first_block += num_blocks
        self._last_voiced = max(self._last_voiced - num_blocks, -1)

    def _least_voiced(self) -> int:
        """Return the block of the second half before which a cut does least harm."""
        loudest = max(block.level for block in self._blocks) or 1.0
        # The level decides where the network is sure of a voice all the way through.
        harm = [block.probability + block.level / loudest for block in self._blocks]
        candidates = range(len(harm) // 2, len(harm) - 1)
        return min(candidates, key=lambda i: harm[i - 1] + 2 * harm[i] + harm[i + 1])

    def _segment(self, num_blocks: int) -> Segment | None:
        """Return the voiced part of the first blocks; None if nothing in them is voiced."""
        voiced = [block.probability >= self._off_threshold for block in self._blocks[:num_blocks]]
        if not any(voiced):
            return None
        first = voiced.index(True)
        end = num_blocks - voiced[::-1].index(True)
        return Segment(
            start_ns=self._blocks[first].at_ns,
            end_ns=self._blocks[end - 1].at_ns + BLOCK_NS,
            first_block=self._first_block + first,
            voiced=tuple(voiced[first:end]),
            lent_until=self._first_block + num_blocks,
        )


def _blocks(duration_ms: float) -> int:
    return max(ceil(duration_ms * 1_000_000 / BLOCK_NS), 1)

"""A stream of any age without its cost: a loop of clips behind one that is asked about.

The clip of interest is seen once; then others follow, as many as the time takes. They are a loop of
distinct clips, each shown at two times, and then all over again; the seconds in their text count
anew with each round, as live (`origin_s`). So a clip of the loop has one H and one H-hat for each
of its times, made once.

The stream begins with the block that the clip of interest is in, so the blocks behind it are those
of the loop, and each of them is integrated once. The frontier is that of `BlockState` over the
whole stream; a test holds it against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from torch import Tensor

from omnilive.evaluation.network_subject import Subject
from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.records import DailyQuestion, DailyScene
from omnilive.nn.memory_integration import FAN_OUT, BlockState, OpenBlock
from omnilive.nn.memory_network import EncodedClip
from omnilive.training.clip_pool import ClipPool
from omnilive.training.streams import placed

_ROUNDS = 2  # times at which each clip of the loop is shown


@dataclass(frozen=True)
class Loop:
    """Clips that follow one another for ever.

    Attributes:
        numbers: of the pool's clips.
        scenes: at their times.
        clips: as they are remembered.
        fan_out: clips of a block; the loop holds whole blocks.
    """

    numbers: tuple[int, ...]
    scenes: tuple[DailyScene, ...]
    clips: tuple[EncodedClip, ...]
    fan_out: int = FAN_OUT
    _blocks: dict[tuple[int, int], EncodedClip] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clips)

    @classmethod
    def make(
        cls, subject: Subject, pool: ClipPool, rng: Random, distinct: int, fan_out: int = FAN_OUT
    ) -> Loop:
        """Return a loop of `distinct` of the pool's clips (a whole number of blocks)."""
        assert distinct % fan_out == 0
        numbers = rng.sample(range(len(pool)), distinct) * _ROUNDS
        scenes = placed(pool.split, numbers, 0)
        clips = subject.encoded(pool, numbers, scenes)
        return cls(tuple(numbers), tuple(scenes), tuple(clips), fan_out)

    def block(self, subject: Subject, level: int, first: int) -> EncodedClip:
        """Return what stands for the block of a level (1: of clips) that begins with a block.

        Args:
            subject: whose memory integrates.
            level: 1 for a block of clips, 2 for one of such blocks, ...
            first: number of the first block of clips in it.
        """
        num_blocks = len(self) // self.fan_out
        key = (level, first % num_blocks)
        if key not in self._blocks:
            if level == 1:
                start = key[1] * self.fan_out
                children = list(self.clips[start : start + self.fan_out])
            else:
                step = self.fan_out ** (level - 2)
                children = [
                    self.block(subject, level - 1, key[1] + each * step)
                    for each in range(self.fan_out)
                ]
            whole = OpenBlock().grown(subject.memory, children)
            self._blocks[key] = whole.as_clip(subject.memory)
        return self._blocks[key]


@dataclass(frozen=True)
class Interest:
    """A clip of interest, in the place of one clip of the loop.

    Attributes:
        slot: its place in the loop.
        number: of the pool's clip.
        scene: at its time.
        clip: as it is remembered.
        questions: about it alone.
    """

    slot: int
    number: int
    scene: DailyScene
    clip: EncodedClip
    questions: tuple[DailyQuestion, ...]


def num_later(loop: Loop, slot: int, age_s: float) -> int:
    """Return how many clips of the loop fill a time after one of its slots."""
    lengths = [scene.end_ns - scene.start_ns for scene in loop.scenes]
    rounds, rest_ns = divmod(round(age_s * NS_PER_S), sum(lengths))
    order = [lengths[(slot + 1 + step) % len(loop)] for step in range(len(loop))]
    more = sum(1 for end_ns in accumulate(order) if end_ns <= rest_ns)
    return max(1, rounds * len(loop) + more)


def frontier(subject: Subject, loop: Loop, one: Interest, later: int) -> Tensor:
    """Return the long-term memory of [the block's earlier clips, the clip, `later` clips]."""
    network, fan_out = subject.memory, loop.fan_out
    start = one.slot // fan_out * fan_out
    total = one.slot - start + 1 + later
    count = (total - 1) // fan_out  # closed blocks; one closes when the next clip comes

    def block_of(begin: int, end: int) -> OpenBlock:
        clips = [
            one.clip if start + place == one.slot else loop.clips[(start + place) % len(loop)]
            for place in range(begin, end)
        ]
        return OpenBlock().grown(network, clips)

    levels = [block_of(count * fan_out, total)]
    head, level = block_of(0, min(fan_out, total)), 1  # the clip of interest is in it
    while count:
        span = fan_out ** (level - 1)
        later_ones = (
            loop.block(subject, level, start // fan_out + place * span) for place in range(1, count)
        )
        children = [head.as_clip(network), *later_ones]
        count //= fan_out  # levels above close as soon as they are full
        levels.append(OpenBlock().grown(network, children[count * fan_out :]))
        head, level = OpenBlock().grown(network, children[:fan_out]), level + 1
    return BlockState(tuple(levels), total, fan_out).long_term(network)


def seen_slots(loop: Loop, one: Interest, later: int) -> list[int]:
    """Return the slots of the loop that a stream has shown; its clip of interest aside."""
    start = one.slot // loop.fan_out * loop.fan_out
    before = set(range(start, one.slot))
    after = {(one.slot + 1 + step) % len(loop) for step in range(min(later, len(loop)))}
    return sorted(before | after)

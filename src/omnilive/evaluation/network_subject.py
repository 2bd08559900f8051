"""A checkpoint's networks as they are measured: clips encoded, questions found, clips selected.

Nothing here knows what is measured. The networks are those of a weights folder (`reasoning/`,
`memory/`), in float32 on the CPU; what they need of a clip is made once and kept (`ClipPool`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.media.synthetic.daily.questions import SEEN_KINDS, Asking
from omnilive.media.synthetic.daily.records import (
    DailyQuestion,
    DailyQuestionKind,
    DailyScene,
)
from omnilive.nn.memory_integration import BlockState
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork
from omnilive.nn.memory_retrieval import cosines
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.nn.tokenizer_internlm2 import InternLM2Tokenizer
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer
from omnilive.nn.weights_folder import need_module
from omnilive.training.clip_pool import ClipPool, make_pool
from omnilive.training.memory_passes import encode
from omnilive.training.painted_clips import painter
from omnilive.training.streams import LATEST_S, Stream, StreamSource, placed
from omnilive.training.tasks.build import picture_tiles

Say = Callable[[str], None]
_TOGETHER = 48  # clips that are encoded together
_LONGEST_CLIP_S = 8


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
        memory: compresses, integrates, finds.
        reasoning: answers.
        words: tokenizer of the memory.
        tokenizer: tokenizer of the reasoning module.
        min_cosine: a clip is selected above it.
        most_selected: at most so many clips are selected.
    """

    memory: MemoryNetwork
    reasoning: ReasoningNetwork
    words: Qwen2Tokenizer
    tokenizer: InternLM2Tokenizer
    min_cosine: float
    most_selected: int

    @classmethod
    def load(cls, weights: Path, *, min_cosine: float, most_selected: int) -> Subject:
        """Load a checkpoint.

        Raises:
            CheckpointError: the folder lacks a network, or one is damaged.
        """
        memory, reasoning = need_module(weights, "memory"), need_module(weights, "reasoning")
        return cls(
            MemoryNetwork.load(memory.path, dtype=torch.float32).requires_grad_(False),
            ReasoningNetwork.load(reasoning.path, dtype=torch.float32),
            Qwen2Tokenizer.load(memory.tokenizer),
            InternLM2Tokenizer(reasoning.tokenizer / "tokenizer.model"),
            min_cosine,
            most_selected,
        )

    def fingerprint(self) -> str:
        """Return a name for these weights."""
        return _digest([self.memory, self.reasoning])

    def pool(self, work: Path, split: Split, num_clips: int, say: Say) -> ClipPool:
        """Return clips of a split, made now unless `work` holds them for these towers."""
        towers = _digest([self.memory.model.vision_tower, self.reasoning.vit])
        folder = work / f"clips-{towers}-{split}-{num_clips}"
        if (folder / "pool.json").is_file():
            return ClipPool.open(folder)
        return make_pool(
            folder,
            split,
            num_clips,
            self.memory,
            self.reasoning,
            lambda frame: picture_tiles(frame, self.reasoning.config.tower.image_size),
            painter(split, 0),
            progress=lambda done, wanted: say(f"{split} clips: {done} of {wanted}"),
        )

    @torch.no_grad()
    def encoded(
        self, pool: ClipPool, numbers: Sequence[int], scenes: Sequence[DailyScene]
    ) -> list[EncodedClip]:
        """Return H and H-hat of clips at their times."""
        clips: list[EncodedClip] = []
        for start in range(0, len(numbers), _TOGETHER):
            few = slice(start, start + _TOGETHER)
            clips += encode(self.memory, self.words, pool, numbers[few], scenes[few])
        return clips

    def question_vectors(self, frontiers: Sequence[Tensor], texts: Sequence[str]) -> Tensor:
        """Return q of each question behind its long-term memory, (Q, C)."""
        return self.memory.question_vectors(frontiers, [self.words.encode(text) for text in texts])

    def nothing(self) -> Tensor:
        """Return the long-term memory of a stream that nothing was integrated of."""
        return torch.zeros(0, self.memory.config.decoder.width)

    def selected(self, found_K: Tensor) -> tuple[int, ...]:
        """Return the places of the best clips above the threshold, in order of place."""
        best = found_K.topk(min(self.most_selected, len(found_K)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return tuple(sorted(place for place, value in pairs if value > self.min_cosine))


@dataclass(frozen=True)
class Watched:
    """One stream that is over, as it is remembered.

    Attributes:
        name: of the stream; intervals draw whole streams.
        stream: clips and questions.
        clips: H and H-hat of each.
        frontier: long-term memory (rows, C).
    """

    name: str
    stream: Stream
    clips: tuple[EncodedClip, ...]
    frontier: Tensor

    def globals(self) -> Tensor:
        """Return H-hat of all clips, (K, C)."""
        return torch.stack([clip.global_memory for clip in self.clips])

    def found(self, subject: Subject, texts: Sequence[str]) -> Tensor:
        """Return the cosine of each question with each clip, (Q, K)."""
        vectors = subject.question_vectors([self.frontier] * len(texts), texts)
        return cosines(vectors, self.globals())

    def shown(self, question: DailyQuestion) -> tuple[int, ...]:
        """Return the places of the clips that show the answer."""
        at = {scene.start_ns: place for place, scene in enumerate(self.stream.scenes)}
        return tuple(at[span.start_ns] for span in question.evidence)


def watched(
    subject: Subject,
    pool: ClipPool,
    what: str,
    seeds: Iterable[int],
    num_streams: int,
    num_clips: int,
    num_questions: int,
    kinds: tuple[DailyQuestionKind, ...] = SEEN_KINDS,
) -> Iterator[Watched]:
    """Yield streams of `num_clips` clips, `num_streams` of each seed; half of them are hard."""
    source = StreamSource(pool.split, len(pool), num_clips, num_clips, num_questions=0)
    room_s = max(1, LATEST_S - _LONGEST_CLIP_S * num_clips)
    for seed in seeds:
        for number in range(num_streams):
            rng = Random(f"{what} {seed} {number}")
            numbers = source.numbers(rng)
            scenes = placed(pool.split, numbers, rng.randrange(room_s))
            questions = drawn(rng, Asking(scenes), num_questions, kinds)
            clips = subject.encoded(pool, numbers, scenes)
            frontier = BlockState().with_clips(subject.memory, clips).long_term(subject.memory)
            stream = Stream(tuple(numbers), tuple(scenes), questions)
            yield Watched(f"{what}-{seed}-{number}", stream, tuple(clips), frontier)


def drawn(
    rng: Random, asking: Asking, num_questions: int, kinds: Sequence[DailyQuestionKind]
) -> tuple[DailyQuestion, ...]:
    """Return at most so many questions, no text twice."""
    questions: dict[str, DailyQuestion] = {}
    for _ in range(4 * num_questions):
        if len(questions) == num_questions:
            break
        asked = asking.draw(rng, rng.choice(kinds))
        if asked is not None:
            questions.setdefault(asked.text, asked)
    return tuple(questions.values())


def present_questions(
    rng: Random, pool: ClipPool, number: int, num_questions: int = 6
) -> tuple[DailyQuestion, ...]:
    """Return what can be asked while a clip's picture is looked at ("What is this?")."""
    scene = pool.scene(number)
    visible_ns = int(pool.pictured_ns[number]) + 500_000_000
    asking = Asking([replace(scene)], asked_ns=visible_ns)
    return drawn(rng, asking, num_questions, ("reference_implicit",))


def _digest(networks: Sequence[nn.Module]) -> str:
    digest = hashlib.sha256()
    for network in networks:
        for name, held in sorted(network.state_dict().items()):
            digest.update(name.encode())
            digest.update(held.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]

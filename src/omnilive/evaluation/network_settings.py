"""How much a memory network benchmark measures."""

from __future__ import annotations

from dataclasses import dataclass

from omnilive.evaluation.memory_forms import FORMS, FormName
from omnilive.evaluation.network_ablations import TOKENS


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSettings:
    """How much is measured.

    Attributes:
        seeds: streams are drawn anew for each.
        test_clips, train_clips: clips that streams are drawn from.
        streams: of 32 clips, for each seed; longer ones are fewer.
        questions: of a stream, at most.
        few, many: clips among which a question has to find its own.
        many_streams, many_questions: streams of `many` clips for each seed, questions of each.
        lengths: of the streams that blocks are measured on.
        targets: clips that are asked about at every age, for each seed.
        distinct: clips of the loop that follows them, a multiple of 32.
        adapt_steps: of the language model, for every form and every number of tokens.
            For the latter the clip pass is trained before, half as long.
        adapt_seeds: each form is adapted once for each.
        forms: that are compared; the compressor is always one of them.
        cut_s: seconds of a stretch that is cut in two ways.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    test_clips: int = 2400
    train_clips: int = 1200
    streams: int = 16
    questions: int = 24
    few: int = 32
    many: int = 1000
    many_streams: int = 3
    many_questions: int = 150
    lengths: tuple[int, ...] = (48, 96, 128, 256, 1000)
    targets: int = 24
    distinct: int = 576
    adapt_steps: int = 400
    adapt_seeds: tuple[int, ...] = (0,)
    forms: tuple[FormName, ...] = FORMS
    tokens: tuple[int, ...] = TOKENS
    cut_s: int = 208


def quick_settings() -> BenchmarkSettings:
    """Return settings for a look at everything in a minute or two; its figures mean little."""
    return BenchmarkSettings(
        seeds=(0, 1),
        test_clips=176,
        train_clips=48,
        streams=2,
        questions=10,
        many=96,
        many_streams=1,
        many_questions=24,
        lengths=(48, 160),
        targets=3,
        distinct=64,
        adapt_steps=3,
        cut_s=104,
    )

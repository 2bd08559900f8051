"""What each part of the memory is worth: without it, or with less or more of it.

full             as live
no_global        clips are found by the mean of H instead of H-hat; nothing is trained again
no_integration   nothing stands in front of the question, and no overview in the prompt

P tokens a frame (`tokens`): the clip pass gives P rows a frame, from means over as many windows
of it; that needs no new weights. It is then trained by captioning for some steps, and the
language model adapted to it, for each P the same (P = 4 too).

clips of 8 s, whatever happens (`fixed`), against clips that are scenes (`adaptive`): the same
stretch of the world is painted once, seen by the tower, and cut in two ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch
from torch import Tensor

from omnilive.evaluation.memory_adaptation import Descent
from omnilive.evaluation.network_answers import NOTHING, Answers, Given, memory_of
from omnilive.evaluation.network_conditions import answered
from omnilive.evaluation.network_rows import Row
from omnilive.evaluation.network_subject import Say, Subject, drawn, watched
from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.captions import caption
from omnilive.media.synthetic.daily.painting import paint
from omnilive.media.synthetic.daily.planning import plan_stretch
from omnilive.media.synthetic.daily.questions import SEEN_KINDS, Asking
from omnilive.media.synthetic.daily.records import DailyQuestion, DailyScene
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.memory_integration import BlockState
from omnilive.nn.memory_network import EncodedClip, MemoryNetwork
from omnilive.nn.memory_retrieval import cosines
from omnilive.nn.memory_rows import ClipInput
from omnilive.nn.pool_projector import merge_patches
from omnilive.training.clip_pool import PAINTED, ClipPool, moved
from omnilive.training.memory_passes import Told, encode, telling_loss
from omnilive.training.streams import LATEST_S, text_of

FIXED_S = 8
TOKENS = (1, 4, 16)
_CAPTIONED = 16  # clips of a step
_SAY_EVERY = 25


def part_rows(
    subject: Subject,
    pool: ClipPool,
    *,
    seeds: Sequence[int],
    num_streams: int,
    num_clips: int,
    num_questions: int,
) -> Iterator[Row]:
    """Yield rows of the table `parts`."""
    answers = Answers(subject.reasoning, subject.tokenizer)
    what = f"parts{num_clips}"
    for one in watched(subject, pool, what, seeds, num_streams, num_clips, num_questions):
        questions = one.stream.questions
        if not questions:
            continue
        texts = [asked.text for asked in questions]
        found = one.found(subject, texts)
        means = torch.stack([clip.short_term.mean(dim=0) for clip in one.clips])
        vectors = subject.question_vectors([one.frontier] * len(texts), texts)
        bare = subject.question_vectors([subject.nothing()] * len(texts), texts)
        ways: dict[str, tuple[Tensor, Tensor | None]] = {
            "full": (found, one.frontier),
            "no_global": (cosines(vectors, means), one.frontier),
            "no_integration": (cosines(bare, one.globals()), None),
        }
        given: dict[str, list[Given]] = {"blind": [NOTHING] * len(texts)}
        for name, (cosines_QK, overview) in ways.items():
            given[f"{name}_right"] = [
                Given(_related(one.clips, subject.selected(each)), overview) for each in cosines_QK
            ]
        right = answered(answers, given, questions)
        for number, asked in enumerate(questions):
            shown = one.shown(asked)
            values = {name: own[number] for name, own in right.items()}
            if shown:
                for name, (cosines_QK, _) in ways.items():
                    values[f"{name}_recall"] = float(int(cosines_QK[number].argmax()) in shown)
            group = f"{num_clips} clips"
            yield Row("parts", one.name, number, group, asked.kind, bool(shown), values)


def _related(clips: Sequence[EncodedClip], places: Sequence[int]) -> Tensor | None:
    return memory_of([clips[place].short_term for place in places])


# --- tokens a frame ---------------------------------------------------------------------


def with_tokens(
    subject: Subject, pool: ClipPool, num_tokens: int, *, steps: int, seed: int, say: Say
) -> Subject:
    """Return a subject whose clip pass gives `num_tokens` rows a frame, after some captioning."""
    old = subject.memory
    network = MemoryNetwork(replace(old.config, num_slots=num_tokens))
    network.load_state_dict(old.state_dict())
    learned = []
    for name, parameter in network.named_parameters():
        parameter.requires_grad_("vision_tower" not in name)
        if parameter.requires_grad:
            learned.append(parameter)
    descend = Descent(learned, steps)
    for step in range(steps):
        rng = Random(f"tokens {seed} {step}")
        numbers = [rng.randrange(len(pool)) for _ in range(_CAPTIONED)]
        starts = [rng.randrange(LATEST_S) for _ in numbers]
        scenes = [
            moved(pool.scene(number), start_s * NS_PER_S)
            for number, start_s in zip(numbers, starts, strict=True)
        ]
        clips = encode(network, subject.words, pool, numbers, scenes)
        told = [
            Told(clip.short_term, caption(scene, start_s=start_s))
            for clip, scene, start_s in zip(clips, scenes, starts, strict=True)
        ]
        loss, right = telling_loss(network, subject.words, told)
        descend(step, loss)
        if (step + 1) % _SAY_EVERY == 0 or step + 1 == steps:
            say(f"{num_tokens} tokens, captioning {step + 1} of {steps}, right {right:.2f}")
    return replace(subject, memory=network.requires_grad_(False).eval())


# --- fixed clips ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cut:
    """One way to cut a stretch: clips, and what each one's questions are answered from."""

    clips: tuple[EncodedClip, ...]
    scenes: tuple[DailyScene, ...]
    frontier: Tensor


def cut_rows(
    subject: Subject,
    *,
    seeds: Sequence[int],
    num_streams: int,
    seconds: int,
    num_questions: int,
) -> Iterator[Row]:
    """Yield rows of the table `cuts`."""
    answers = Answers(subject.reasoning, subject.tokenizer)
    for seed in seeds:
        for number in range(num_streams):
            rng = Random(f"cuts {seed} {number}")
            start_ns = rng.randrange(LATEST_S - seconds) * NS_PER_S
            scenes = tuple(
                plan_stretch(
                    f"cuts {seed} {number}", "test", start_ns, start_ns + seconds * NS_PER_S
                )
            )
            questions = drawn(rng, Asking(scenes), num_questions, SEEN_KINDS)
            if not questions:
                continue
            frames = _looked_at(subject, scenes)
            ways = {
                "adaptive": _cut(subject, frames, scenes),
                "fixed": _cut(subject, frames, _every(scenes, FIXED_S)),
            }
            name = f"cuts-{seed}-{number}"
            yield from _compared(subject, answers, name, ways, questions)


def _looked_at(subject: Subject, scenes: Sequence[DailyScene]) -> tuple[list[int], Tensor]:
    """Return when frames were taken, and their merged patches, (T, N, E)."""
    network = subject.memory
    times: list[int] = []
    merged: list[Tensor] = []
    for scene in scenes:
        own = list(range(scene.start_ns + NS_PER_S // 2, scene.end_ns, NS_PER_S))
        painted = [paint(scene, at_ns, PAINTED) for at_ns in own]
        pixels = tower_pixels(painted, PixelPath.WHOLE, size=network.config.tower.image_size)
        with torch.no_grad():
            tower = network.model.vision_tower.vision_tower
            merged.append(merge_patches(tower(pixels, network.config.tower_layer)))
        times += own
    return times, torch.cat(merged)


def _every(scenes: Sequence[DailyScene], seconds: int) -> tuple[DailyScene, ...]:
    """Return stretches of so many seconds over the whole; the last may be shorter."""
    start_ns, end_ns = scenes[0].start_ns, scenes[-1].end_ns
    step = seconds * NS_PER_S
    return tuple(
        DailyScene(start_ns=at, end_ns=min(end_ns, at + step), place="", seed=0, groups=())
        for at in range(start_ns, end_ns, step)
    )


def _cut(subject: Subject, frames: tuple[list[int], Tensor], spans: tuple[DailyScene, ...]) -> _Cut:
    times, merged = frames
    starts = np.searchsorted(np.array(times), [span.start_ns for span in spans])
    bounds = [*starts.tolist(), len(times)]
    with torch.no_grad():
        features = subject.memory.model.mm_projector(merged)
    clips = subject.memory.compress_clips(
        [
            ClipInput(
                tuple(subject.words.encode(text_of(span))),
                features.frames(bounds[place], bounds[place + 1]),
            )
            for place, span in enumerate(spans)
        ]
    )
    frontier = BlockState().with_clips(subject.memory, clips).long_term(subject.memory)
    return _Cut(tuple(clips), spans, frontier)


def _compared(
    subject: Subject,
    answers: Answers,
    name: str,
    ways: dict[str, _Cut],
    questions: Sequence[DailyQuestion],
) -> Iterator[Row]:
    texts = [asked.text for asked in questions]
    given: dict[str, list[Given]] = {"blind": [NOTHING] * len(texts)}
    recall: dict[str, list[bool]] = {}
    shown = [bool(asked.evidence) for asked in questions]
    for way, cut in ways.items():
        vectors = subject.question_vectors([cut.frontier] * len(texts), texts)
        found = cosines(vectors, torch.stack([clip.global_memory for clip in cut.clips]))
        truth = [_touched(cut.scenes, asked) for asked in questions]
        given[f"{way}_right"] = [
            Given(_related(cut.clips, subject.selected(each)), cut.frontier) for each in found
        ]
        given[f"{way}_oracle"] = [
            Given(_related(cut.clips, places[-2:]), cut.frontier) for places in truth
        ]
        best = found.argmax(dim=1).tolist()
        recall[f"{way}_recall"] = [at in places for at, places in zip(best, truth, strict=True)]
    right = answered(answers, given, questions)
    for number, asked in enumerate(questions):
        values = {each: own[number] for each, own in right.items()}
        if shown[number]:
            values.update({each: float(own[number]) for each, own in recall.items()})
        yield Row("cuts", name, number, "", asked.kind, shown[number], values)


def _touched(spans: Sequence[DailyScene], asked: DailyQuestion) -> list[int]:
    """Return the clips that hold some of what shows the answer."""
    return [
        place
        for place, span in enumerate(spans)
        if any(one.start_ns < span.end_ns and span.start_ns < one.end_ns for one in asked.evidence)
    ]

"""The same few steps of training for every way to remember a clip, and what each then answers.

A copy of the language model learns to read a form (`memory_forms.py`) for as many steps as any
other, from the same checkpoint, on the same draws of the train split: questions about a clip that
is given, alone or beside another, and about one that is not. Vectors get a projector of their own,
which begins as the one for pictures (they are of the same kind); those of the compressor keep
theirs. The tower stays. Then the right clips of the test split are given, and the answers counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from omnilive.evaluation.memory_forms import Form, Held, given_of
from omnilive.evaluation.network_answers import NOTHING, Answers, Given
from omnilive.evaluation.network_rows import Row
from omnilive.evaluation.network_subject import Say, Subject, drawn
from omnilive.media.synthetic.daily.questions import SEEN_KINDS, Asking
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.training.clip_pool import ClipPool
from omnilive.training.contexts import ContextSource
from omnilive.training.prompt_rows import PromptRows, Shared
from omnilive.training.streams import LATEST_S, StreamSource, placed

RATE = 3e-4
_WARM_SHARE, _FINAL_SHARE = 0.1, 0.05
_CLIP_NORM = 1.0
_DECAY = 0.01
_SHORTEST, _LONGEST = 4, 8  # clips of a stream that questions are drawn from
_SAY_EVERY = 25
MOST_SHOWN = 2


def adapted(
    subject: Subject, form: Form, pool: ClipPool, *, steps: int, seed: int, say: Say
) -> Answers:
    """Return a copy of the language model that was trained on a form for some steps."""
    network = reader_of(subject.reasoning, form.width)
    rows = PromptRows(network, subject.tokenizer)
    pictured = tuple(int(each) for each in pool.pictured_ns)
    streams = StreamSource("train", len(pool), _SHORTEST, _LONGEST, num_questions=0)
    source = ContextSource(streams, pictured, 1)
    learned = [each for name, each in network.named_parameters() if not name.startswith("vit.")]
    for parameter in learned:
        parameter.requires_grad_(True)
    descend = Descent(learned, steps)
    for step in range(steps):
        prompts = _prompts(form, pool, source, seed, step)
        if prompts:
            loss, right, _ = rows.loss(prompts)
            descend(step, loss)
            if (step + 1) % _SAY_EVERY == 0 or step + 1 == steps:
                say(f"step {step + 1} of {steps}, right {float(right.float().mean()):.2f}")
    return Answers(network.requires_grad_(False).eval(), subject.tokenizer)


class Descent:
    """AdamW with a warm start and half a cosine.

    Args:
        parameters: that change.
        steps: of the whole.
        rate: the highest.
    """

    def __init__(self, parameters: list[nn.Parameter], steps: int, rate: float = RATE) -> None:
        self._parameters, self._steps, self._rate = parameters, steps, rate
        groups: list[dict[str, Any]] = [
            {"params": [each for each in parameters if each.ndim >= 2]},
            {"params": [each for each in parameters if each.ndim < 2], "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(
            groups,
            lr=rate,
            betas=(0.9, 0.98),
            weight_decay=_DECAY,
        )

    def __call__(self, step: int, loss: Tensor) -> None:
        """Change the parameters by the gradient of a loss."""
        warm = min(1.0, (step + 1) / max(1.0, _WARM_SHARE * self._steps))
        share = 0.5 * (1 + math.cos(math.pi * step / self._steps))
        for group in self._adam.param_groups:
            group["lr"] = self._rate * warm * (_FINAL_SHARE + (1 - _FINAL_SHARE) * share)
        self._adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, _CLIP_NORM)
        self._adam.step()


def reader_of(network: ReasoningNetwork, width: int) -> ReasoningNetwork:
    """Return a copy that takes memory of another width; a width below 1 changes nothing."""
    network = deepcopy(network)
    if width > 0:
        network.video_mem_proj = deepcopy(network.vision_proj)
        taken = network.video_mem_proj[0]
        assert isinstance(taken, nn.Linear)
        assert taken.in_features == width, "both towers are of one size"
        network.config = replace(network.config, memory_width=width)
    return network


def _prompts(
    form: Form, pool: ClipPool, source: ContextSource, seed: int, step: int
) -> list[Shared]:
    draw = source.draw(seed, step)
    stream, contexts = draw.streams[0], draw.contexts[0]
    kept = [one for one in contexts if one.what in ("past", "wrong") and one.branches]
    needed = sorted({place for one in kept for place in one.related})
    held: dict[int, Held] = {}
    if needed:
        numbers = [stream.numbers[place] for place in needed]
        scenes = [stream.scenes[place] for place in needed]
        held = dict(zip(needed, form.held(pool, numbers, scenes), strict=True))
    prompts = []
    for one in kept:
        given = given_of([held[place] for place in one.related])
        asked = [(branch.question, branch.answer) for branch in one.branches]
        prompts.append(given.shared(asked))
    return prompts


def form_rows(
    name: str,
    form: Form,
    answers: Answers,
    pool: ClipPool,
    *,
    seeds: Sequence[int],
    num_streams: int,
    num_clips: int,
    num_questions: int,
    table: str = "forms",
    group: str = "",
) -> Iterator[Row]:
    """Yield rows of what is answered from the right clips (`name`), and of the bytes they take.

    With the compressor also what is answered from nothing (`blind`) and from clips that do not
    show it (`shuffled`), by the same language model.
    """
    streams = StreamSource(pool.split, len(pool), num_clips, num_clips, num_questions=0)
    for seed in seeds:
        for number in range(num_streams):
            rng = Random(f"forms {seed} {number}")
            numbers = streams.numbers(rng)
            scenes = placed(pool.split, numbers, rng.randrange(LATEST_S - 8 * num_clips))
            at = {scene.start_ns: place for place, scene in enumerate(scenes)}
            asked = [
                (one, tuple(at[span.start_ns] for span in one.evidence)[-MOST_SHOWN:])
                for one in drawn(rng, Asking(scenes), num_questions, SEEN_KINDS)
                if one.evidence
            ]
            wrong = [_others(rng, len(scenes), places) for _, places in asked]
            needed = sorted({place for each in (*(p for _, p in asked), *wrong) for place in each})
            own = form.held(pool, [numbers[p] for p in needed], [scenes[p] for p in needed])
            held = dict(zip(needed, own, strict=True))
            made: dict[tuple[int, ...], Given] = {}

            def of(
                places: tuple[int, ...],
                made: dict[tuple[int, ...], Given] = made,
                held: dict[int, Held] = held,
            ) -> Given:
                if places not in made:
                    made[places] = given_of([held[place] for place in places])
                return made[places]

            conditions = {name: [of(places) for _, places in asked]}
            if name == "compressor":
                conditions["blind"] = [NOTHING] * len(asked)
                conditions["shuffled"] = [of(places) for places in wrong]
            right = {
                condition: answers.right(
                    [
                        (each, one.text, one.answer)
                        for each, (one, _) in zip(own_, asked, strict=True)
                    ]
                )
                for condition, own_ in conditions.items()
            }
            for place, (one, places) in enumerate(asked):
                values = {condition: float(hits[place]) for condition, hits in right.items()}
                size = sum(held[each].num_bytes for each in places) / len(places)
                yield Row(
                    table, f"{table}-{seed}-{number}", place, group, one.kind, True, values,
                    {f"{name}_bytes": round(size)},
                )  # fmt: skip


def _others(rng: Random, num_clips: int, places: Sequence[int]) -> tuple[int, ...]:
    free = [place for place in range(num_clips) if place not in places]
    return (rng.choice(free),) if free else ()


def aged_rows(
    name: str, form: Form, answers: Answers, pool: ClipPool, asked: Sequence[Row]
) -> Iterator[Row]:
    """Yield rows of `forms_by_age`: what is answered from the clips that were found at each age.

    Args:
        name: of the form.
        form: how clips are remembered.
        answers: who reads that.
        pool: of the clips.
        asked: rows of the table `ages`; the compressor found these clips for every form.
    """
    known: dict[tuple[int, int], Held] = {}
    made: dict[tuple[tuple[int, int], ...], Given] = {}
    questions = []
    for row in asked:
        clips = tuple((int(number), int(start_s)) for number, start_s in row.more["selected"])
        missing = [clip for clip in clips if clip not in known]
        if missing:
            scenes = [placed(pool.split, [number], start_s)[0] for number, start_s in missing]
            own = form.held(pool, [number for number, _ in missing], scenes)
            known.update(zip(missing, own, strict=True))
        if clips not in made:
            made[clips] = given_of([known[clip] for clip in clips])
        questions.append((made[clips], str(row.more["text"]), str(row.more["answer"])))
    for row, hit in zip(asked, answers.right(questions), strict=True):
        values = {name: float(hit)}
        yield Row("forms_by_age", row.stream, row.number, row.group, row.kind, True, values)

"""The texts that the small tokenizers are made from: all that the networks read, write and hear."""

from __future__ import annotations

from random import Random

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily import phrasebook
from omnilive.media.synthetic.daily.captions import caption, short_caption
from omnilive.media.synthetic.daily.catalogue import SOUNDS
from omnilive.media.synthetic.daily.planning import plan_stretch
from omnilive.media.synthetic.daily.questions import NOT_SEEN, SEEN_KINDS, Asking
from omnilive.nn.audio_questions import prompt_texts
from omnilive.nn.clip_text import TimeOrigin, clip_text
from omnilive.nn.instruction import instruction_question
from omnilive.nn.prompts import OVERVIEW_PHRASE, RELATED_PHRASE
from omnilive.training.sounds import SILENCE, SPEECH

_STRETCHES = 60


def memory_texts(seed: int = 0) -> list[str]:
    """Return captions, clips' texts and questions."""
    texts = []
    for number in range(_STRETCHES):
        rng = Random(f"texts {seed} {number}")
        scenes = list(plan_stretch(f"texts {seed} {number}", "train", 0, 200 * NS_PER_S))
        asking = Asking(scenes)
        for scene in scenes:
            start_s = rng.randrange(8000)
            texts += [caption(scene, start_s=start_s), short_caption(scene)]
            span = (start_s * NS_PER_S, (start_s + 7) * NS_PER_S)
            texts += [clip_text(*span, TimeOrigin("epoch", 0))]
            asked = asking.draw(
                rng, rng.choice((*SEEN_KINDS, "heard", "reference_implicit")), scene
            )
            texts += [asked.text] if asked else []
        texts += [phrasebook.line(rng).question for _ in range(10)]
        texts += [phrasebook.instructions(rng) for _ in range(10)]
    return texts


def reasoning_texts(seed: int = 0) -> list[str]:
    """Return prompts and answers, talk and questions about talk."""
    texts = memory_texts(seed)
    texts += [f"{OVERVIEW_PHRASE} {RELATED_PHRASE} user assistant system", NOT_SEEN] * 20
    texts += [f"at {second} seconds" for second in range(0, 8000, 7)]
    for number in range(_STRETCHES):
        rng = Random(f"answers {seed} {number}")
        scenes = list(plan_stretch(f"answers {seed} {number}", "train", 0, 200 * NS_PER_S))
        asking = Asking(scenes)
        for scene in scenes:
            asked = asking.draw(rng, rng.choice(SEEN_KINDS), scene)
            if asked is not None:
                texts += [f"Question: {asked.text}", asked.answer]
        for _ in range(12):
            line = phrasebook.line(rng)
            texts += [f'2026-11-22 18:29:31 speech: "{line.text}"', line.question, line.answer]
            talk = (phrasebook.instructions(rng), phrasebook.not_instructions(rng))
            texts += [instruction_question(each) for each in talk]
    return [*texts, *["Yes", "No"] * 20]


def audio_texts(seed: int = 0) -> list[str]:
    """Return what is said, the names of sounds, and the prompts of the audio module."""
    names = (*SOUNDS, SPEECH, SILENCE)
    return [*phrasebook.texts(6000, seed=seed), *(*prompt_texts(), *names) * 200]

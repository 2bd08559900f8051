"""Plans one segment of a world: its scenes, sentences and sounds.

What a reader would not guess: a segment depends on the seed and its number only, never on the
segments before it, so a day of world costs no more memory than a minute.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from omnilive.errors import ConfigError
from omnilive.events import NS_PER_S, Word
from omnilive.media.espeak import SpokenWord
from omnilive.media.synthetic.records import Said, Segment, Sound, SoundKind
from omnilive.media.synthetic.scenery import life_scenes, still_scene, talk_scenes
from omnilive.media.synthetic.script import Script, Slot
from omnilive.media.synthetic.vocabulary import FACTS, FILLERS, VOICES, Line
from omnilive.media.synthetic.voices import Voices

_MS = 1_000_000
_SECONDS_A_SENTENCE = 8
_MIN_GAP_NS = 1_200 * _MS


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """What kind of world it is."""

    kind: str = "life"  # "life", "talk" (speech and slides throughout) or "still" (a clock ticks)
    segment_s: int = 60  # about how long a segment is
    grain: int = 0  # noise in every frame, in steps of brightness either way (0..16)

    def __post_init__(self) -> None:
        if self.kind not in ("life", "talk", "still"):
            raise ConfigError(f"There is no world of kind {self.kind!r}: use life, talk or still.")
        if not 0 <= self.grain <= 16:
            raise ConfigError(f"grain is {self.grain}; it must be 0 to 16.")
        if not 30 <= self.segment_s <= 90:
            raise ConfigError(f"segment_s is {self.segment_s}; it must be 30 to 90.")


def num_places(segment_ns: int) -> int:
    """Return how many sentences a segment of a life holds."""
    return max(1, segment_ns // (_SECONDS_A_SENTENCE * NS_PER_S))


def plan_life(
    seed: int,
    index: int,
    span: tuple[int, int],
    places: int,
    script: Script,
    voices: Voices,
    is_last: bool,
) -> Segment:
    """Plan a segment in which people speak now and then, things move and sounds are heard."""
    rng = random.Random(f"life {seed} {index}")
    start_ns, end_ns = span
    scenes = life_scenes(rng, index, span, script.shown_in(index), is_last)
    items: list[_Item] = [
        _sentence(rng, script.line(Slot(index, place)), voices) for place in range(places)
    ]
    # The first segment always has a sound; the others often.
    if end_ns - start_ns >= 20 * NS_PER_S:
        for _ in range(1 if index == 0 else rng.choice((0, 1, 1, 2))):
            items.insert(rng.randint(0, len(items)), _sound(rng))
    said, sounds = _lay_out(rng, items, span)
    return Segment(start_ns=start_ns, end_ns=end_ns, scenes=scenes, said=said, sounds=sounds)


def plan_talk(seed: int, index: int, span: tuple[int, int], voices: Voices) -> Segment:
    """Plan a segment of a talk: one voice without long pauses, a slide every 20 to 60 s."""
    rng = random.Random(f"talk {seed} {index}")
    start_ns, end_ns = span
    lines = [fact.line for fact in FACTS if "{" not in fact.line.sentence] + list(FILLERS)
    voice = VOICES[seed % 3]
    said: list[Said] = []
    at_ns = start_ns + rng.randint(200, 600) * _MS
    while True:
        line = rng.choice([line for line in lines if voice not in line.avoid])
        item = _item(line, voice, voices)
        if at_ns + item.duration_ns > end_ns - 100 * _MS:
            break
        said.append(_said(item, at_ns))
        at_ns += item.duration_ns + rng.randint(300, 800) * _MS
    scenes = talk_scenes(rng, index, span)
    return Segment(start_ns=start_ns, end_ns=end_ns, scenes=scenes, said=tuple(said), sounds=())


def plan_still(seed: int, span: tuple[int, int]) -> Segment:
    """Plan a picture in which nothing changes but a clock."""
    rng = random.Random(f"still {seed}")
    return Segment(
        start_ns=span[0], end_ns=span[1], scenes=(still_scene(rng, span),), said=(), sounds=()
    )


@dataclass(frozen=True, kw_only=True)
class _Item:
    """Something to be heard, not yet placed in time."""

    duration_ns: int
    text: str = ""
    voice: str = ""
    words: tuple[SpokenWord, ...] = ()
    sound: SoundKind | None = None
    frequency_hz: float = 0.0
    amplitude: float = 0.0


def _sentence(rng: random.Random, line: Line, voices: Voices) -> _Item:
    voice = rng.choice([voice for voice in VOICES if voice not in line.avoid])
    return _item(line, voice, voices)


def _item(line: Line, voice: str, voices: Voices) -> _Item:
    timing = voices.timing(line.sentence, voice)
    return _Item(
        duration_ns=timing.duration_ns, text=line.sentence, voice=voice, words=timing.words
    )


def _said(item: _Item, at_ns: int) -> Said:
    return Said(
        start_ns=at_ns,
        end_ns=at_ns + item.duration_ns,
        text=item.text,
        voice=item.voice,
        words=tuple(
            Word(word.text, at_ns + round(word.start_s * 1e9), at_ns + round(word.end_s * 1e9))
            for word in item.words
        ),
    )


def _sound(rng: random.Random) -> _Item:
    kind: SoundKind = rng.choice(("tone", "alarm", "noise"))
    seconds = {"tone": (1, 2), "alarm": (2, 4), "noise": (0.6, 1.4)}[kind]
    return _Item(
        sound=kind,
        duration_ns=round(rng.uniform(*seconds) * 1000) * _MS,
        frequency_hz=float(rng.choice((440, 550, 660, 880))),
        amplitude=0.5,
    )


def _lay_out(
    rng: random.Random, items: list[_Item], span: tuple[int, int]
) -> tuple[tuple[Said, ...], tuple[Sound, ...]]:
    """Place the items in order, with pauses; one of the pauses is long."""
    start_ns, end_ns = span
    free_ns = end_ns - start_ns - sum(item.duration_ns for item in items)
    free_ns -= _MIN_GAP_NS * (len(items) + 1)
    while free_ns < 0 and len(items) > 1:  # only a very short world is so crowded
        item = items.pop(0)
        free_ns += item.duration_ns + _MIN_GAP_NS
    weights = [rng.uniform(0.5, 1.5) for _ in range(len(items) + 1)]
    if len(items) > 3:
        weights[rng.randrange(1, len(items))] += 0.3 * len(items)
    said: list[Said] = []
    sounds: list[Sound] = []
    at_ns = start_ns
    for item, weight in zip(items, weights, strict=False):
        pause_ns = _MIN_GAP_NS + max(0, int(free_ns * weight / sum(weights)))
        at_ns = (at_ns + pause_ns) // _MS * _MS
        if item.sound is None:
            said.append(_said(item, at_ns))
        else:
            sounds.append(
                Sound(
                    start_ns=at_ns,
                    end_ns=at_ns + item.duration_ns,
                    kind=item.sound,
                    frequency_hz=item.frequency_hz,
                    amplitude=item.amplitude,
                )
            )
        at_ns += item.duration_ns
    return tuple(said), tuple(sounds)

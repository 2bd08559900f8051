"""The synthetic world: streams of any length from a seed, with an exact log and questions."""

from omnilive.media.synthetic.perceiving import perceived_events
from omnilive.media.synthetic.planning import WorldConfig
from omnilive.media.synthetic.records import (
    Record,
    Said,
    Scene,
    Segment,
    Silence,
    Sound,
    Text,
    Thing,
    TruthSpan,
    WorldQuestion,
)
from omnilive.media.synthetic.rendering import render
from omnilive.media.synthetic.streaming import events
from omnilive.media.synthetic.world import World, still_with_clock, talk

__all__ = [
    "Record",
    "Said",
    "Scene",
    "Segment",
    "Silence",
    "Sound",
    "Text",
    "Thing",
    "TruthSpan",
    "World",
    "WorldConfig",
    "WorldQuestion",
    "events",
    "perceived_events",
    "render",
    "still_with_clock",
    "talk",
]

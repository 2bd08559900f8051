"""What people say in the daily world: to each other, and to the system.

A closed vocabulary, so that a recogniser can learn it from nothing. A sentence belongs to one
split only, by its words (`split_of_text`); the few that have nothing to fill in (`FIXED`) are
shared by all splits. Chance comes from a `random.Random` of the caller's.

    line(rng, split)              talk of others, with a question about it and its answer
    instructions(rng, split)      a question or request that is meant for the system
    not_instructions(rng, split)  talk that is not, questions between people among it
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from omnilive.media.synthetic.daily.catalogue import (
    COLOURS,
    KINDS,
    PLACES,
    SIZES,
    SOUNDS,
    TEXTURES,
    Split,
)
from omnilive.media.synthetic.daily.wording import in_place

NAMES = ("Anna", "Tom", "Sara", "David", "Maria", "Peter", "Lucy", "Oscar")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
AMOUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ITEMS = (
    "bread", "milk", "letter", "ticket", "money", "bag", "umbrella", "cup",
    "book", "ball", "key", "lamp", "hat", "phone", "camera", "bottle",
)  # fmt: skip
"""What people talk about; half of them are also seen."""
COUNTED = ("apples", "letters", "tickets", "cups", "books", "balls", "keys", "hats", "bottles")
SPOTS = (
    "in the drawer",
    "in the basket",
    "in the bag",
    "on the table",
    "on the shelf",
    "on the stairs",
    "under the bed",
    "under the chair",
    "behind the door",
    "behind the clock",
)
RIDES = ("train", "bus", "boat", "taxi")
DONE = ("moved", "rose", "fell", "grew", "shrank")
"""What a thing did, one verb for each of `catalogue.ACTIONS` (left and right are one)."""
TO_DO = ("move", "rise", "fall", "grow", "shrink")

_SPLITS: tuple[Split, ...] = ("train",) * 8 + ("validation", "test")
_WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody says to somebody, and what one may ask about it later.

    Attributes:
        text: the sentence.
        question: about it, as a person asks the system.
        answer: words that a right answer holds ("in the drawer", "Sara").
    """

    text: str
    question: str
    answer: str


_Filled: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


def split_of_text(text: str) -> Split:
    """Return the split that a sentence belongs to, by its words; 8 of 10 are for training."""
    return _SPLITS[zlib.crc32(" ".join(words_of(text)).encode()) % len(_SPLITS)]


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a sentence in lower case, without punctuation."""
    return tuple(_WORD.findall(text.lower()))


def line(rng: random.Random, split: Split = "train") -> Line:
    """Return talk of others whose sentence belongs to `split`."""
    while True:
        text, asked = rng.choice(_TALK)(rng)
        if split_of_text(text) == split:
            return Line(text, *rng.choice(asked))


def instructions(rng: random.Random, split: Split = "train") -> str:
    """Return a question or a request to the system."""
    return _of_split(rng, split, _INSTRUCTIONS)


def not_instructions(rng: random.Random, split: Split = "train") -> str:
    """Return something said that the system must not answer."""
    return _of_split(rng, split, _NOT_INSTRUCTIONS)


def _of_split(
    rng: random.Random, split: Split, makers: tuple[Callable[[random.Random], str], ...]
) -> str:
    while True:
        text = rng.choice(makers)(rng)
        if text in FIXED or split_of_text(text) == split:
            return text


def _put(rng: random.Random) -> _Filled:
    name, item, spot = rng.choice(NAMES), rng.choice(ITEMS), rng.choice(SPOTS)
    return f"{name} put the {item} {spot}.", (
        (f"Where did {name} put the {item}?", spot),
        (f"Who put the {item} {spot}?", name),
        (f"What did {name} put {spot}?", item),
    )


def _lost(rng: random.Random) -> _Filled:
    name, item, where = rng.choice(NAMES), rng.choice(ITEMS), in_place(rng.choice(PLACES))
    verb, plain = rng.choice((("lost", "lose"), ("found", "find"), ("left", "leave")))
    return f"{name} {verb} the {item} {where}.", (
        (f"Where did {name} {plain} the {item}?", where),
        (f"Who {verb} the {item} {where}?", name),
        (f"What did {name} {plain} {where}?", item),
    )


def _meet(rng: random.Random) -> _Filled:
    first, second = rng.sample(NAMES, 2)
    day = rng.choice(DAYS)
    return f"{first} will meet {second} on {day}.", (
        (f"When will {first} meet {second}?", day),
        (f"Who will {first} meet on {day}?", second),
    )


def _cost(rng: random.Random) -> _Filled:
    item, amount = rng.choice(ITEMS), rng.choice(AMOUNTS)
    return f"The {item} costs {amount} coins.", ((f"How much does the {item} cost?", amount),)


def _bought(rng: random.Random) -> _Filled:
    name, amount, things = rng.choice(NAMES), rng.choice(AMOUNTS), rng.choice(COUNTED)
    return f"{name} bought {amount} {things}.", (
        (f"How many {things} did {name} buy?", amount),
        (f"Who bought {amount} {things}?", name),
        (f"What did {name} buy?", things),
    )


def _leaves(rng: random.Random) -> _Filled:
    ride, amount, day = rng.choice(RIDES), rng.choice(AMOUNTS), rng.choice(DAYS)
    return f"On {day} the {ride} leaves at {amount}.", (
        (f"When does the {ride} leave on {day}?", amount),
        (f"What leaves at {amount} on {day}?", ride),
    )


def _bring(rng: random.Random) -> _Filled:
    name, item, day = rng.choice(NAMES), rng.choice(ITEMS), rng.choice(DAYS)
    return f"{name} will bring the {item} on {day}.", (
        (f"When will {name} bring the {item}?", day),
        (f"Who will bring the {item}?", name),
        (f"What will {name} bring on {day}?", item),
    )


def _wants(rng: random.Random) -> _Filled:
    name, colour, item = rng.choice(NAMES), rng.choice(tuple(COLOURS)), rng.choice(_SEEN_ITEMS)
    article = "an" if colour == "orange" else "a"
    return f"{name} wants {article} {colour} {item}.", (
        (f"What does {name} want?", f"{colour} {item}"),
        (f"Who wants {article} {colour} {item}?", name),
    )


def _gave(rng: random.Random) -> _Filled:
    first, second = rng.sample(NAMES, 2)
    item = rng.choice(ITEMS)
    return f"{first} gave the {item} to {second}.", (
        (f"Who gave the {item} to {second}?", first),
        (f"Who did {first} give the {item} to?", second),
        (f"What did {first} give to {second}?", item),
    )


def _opens(rng: random.Random) -> _Filled:
    place, amount, day = rng.choice(_OPENING), rng.choice(AMOUNTS), rng.choice(DAYS)
    return f"On {day} the {place} opens at {amount}.", (
        (f"When does the {place} open on {day}?", amount),
        (f"What opens at {amount} on {day}?", place),
    )


_BARE = frozenset({"rain", "knocking", "beeping", "clapping", "barking"})  # no "a" before them
_SEEN_ITEMS = tuple(item for item in ITEMS if item in {kind.name for kind in KINDS})
_OPENING = ("garden", "office", "beach", "station", "shop", "park")
_TALK = (_put, _lost, _meet, _cost, _bought, _leaves, _bring, _wants, _gave, _opens)


def _thing(rng: random.Random, *, plural: bool = False) -> str:
    """Return a thing as one names it: mostly with its colour, at times with more."""
    kind = rng.choice(KINDS)
    words = []
    if rng.random() < 0.2:
        words.append(rng.choice(SIZES))
    if rng.random() < 0.6:
        words.append(rng.choice(tuple(COLOURS)))
    if rng.random() < 0.2:
        words.append(rng.choice(TEXTURES))
    return " ".join((*words, kind.plural if plural else kind.name))


def _an(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _plain(template: str) -> Callable[[random.Random], str]:
    """Return a maker of sentences from a template.

    {thing}, {things}, {a_thing}, {kind}, {kinds}, {trait}, {use}, {place}, {where}, {sound},
    {a_sound}, {name}, {other}, {item}, {spot}, {day}, {amount}, {done}, {do}.
    """

    def made(rng: random.Random) -> str:
        name, other = rng.sample(NAMES, 2)
        kind, sound = rng.choice(KINDS), rng.choice(SOUNDS)
        return template.format(
            thing=_thing(rng),
            a_thing=_an(_thing(rng)),
            things=_thing(rng, plural=True),
            kind=kind.name,
            kinds=kind.plural,
            use=rng.choice(KINDS).use,
            place=rng.choice(PLACES),
            where=in_place(rng.choice(PLACES)),
            trait=rng.choice((*COLOURS, *TEXTURES, *SIZES)),
            sound=sound,
            a_sound=sound if sound in _BARE else _an(sound),
            name=name,
            other=other,
            item=rng.choice(ITEMS),
            spot=rng.choice(SPOTS),
            day=rng.choice(DAYS),
            amount=rng.choice(AMOUNTS),
            done=rng.choice(DONE),
            do=rng.choice(TO_DO),
        )

    return made


_INSTRUCTION_TEMPLATES = (
    "What colour was the {kind} {where}?",
    "What colour were the {kinds} {where}?",
    "Was the {kind} {where} plain, striped or dotted?",
    "Was the {kind} {where} small or large?",
    "What pattern did the {thing} have?",
    "What pattern did the {things} {where} have?",
    "How big was the {thing}?",
    "How big were the {things} {where}?",
    "How many {things} were there?",
    "How many {things} were there {where}?",
    "How many {things} have you seen?",
    "What came after the {thing}?",
    "What came before the {thing}?",
    "Which came first, the {kind} or the {thing}?",
    "Which came first, the {things} or the {thing}?",
    "When was the {thing} here?",
    "When was the {thing} there?",
    "When were the {things} there?",
    "When did you see the {things}?",
    "When did the {sound} start?",
    "Where was the {thing}?",
    "Where were the {things}?",
    "What did they say about the {item}?",
    "What did you hear {where}?",
    "Where did you hear the {sound}?",
    "Did you hear the {sound} {where}?",
    "Was {a_sound} heard?",
    "What was written {where}?",
    "What did the sign {where} say?",
    "What did the sign say when the {thing} was there?",
    "What did the sign say when the {things} were there?",
    "Did the {thing} {do}?",
    "What {done} {where}?",
    "What did the {thing} do?",
    "What did the {thing} do first?",
    "What did the {things} do last?",
    "Have you seen {a_thing}?",
    "Was there {a_thing} {where}?",
    "Was there a pair of {trait} glasses {where}?",
    "Where was the thing to {use}?",
    "When did you see something to {use}?",
    "What colour was the thing to {use}?",
    "What colour was the thing to {use} with something {trait} {where}?",
    "Where could one {use}?",
    "Where could one {use} with something {trait}?",
    "What have you seen to {use}?",
    "Tell me about the {thing}.",
    "Please tell me where the {thing} was.",
    "Show me the {thing}.",
    "Please show me the {place} again.",
)
FIXED = frozenset(
    (
        "What is this?",
        "What colour is this?",
        "What pattern is this?",
        "What is it for?",
        "Where is this?",
        "How many are there?",
        "What do you see?",
        "What do you hear?",
        "What is written here?",
        "What is it doing?",
        "Describe what you see.",
        "Have you seen this before?",
        "Good morning.",
        "See you later.",
        "I am late.",
        "That is fine with me.",
        "Let us go home.",
        "It is cold in here.",
    )
)
"""Sentences without anything to fill in, the same for every split."""
_ASKED = tuple(text for text in sorted(FIXED) if text.endswith("?")) + ("Describe what you see.",)
_PASSING = tuple(text for text in sorted(FIXED) if text not in _ASKED)


def _about_talk(rng: random.Random) -> str:
    return rng.choice(rng.choice(_TALK)(rng)[1])[0]


def _fixed_question(rng: random.Random) -> str:
    return rng.choice(_ASKED)


def _fixed_remark(rng: random.Random) -> str:
    return rng.choice(_PASSING)


def _talk(rng: random.Random) -> str:
    return rng.choice(_TALK)(rng)[0]


_INSTRUCTIONS = (
    *map(_plain, _INSTRUCTION_TEMPLATES),
    *(_about_talk,) * 10,
    *(_fixed_question,) * 5,
)

_PASSING_TEMPLATES = (
    "{name}, where did you put the {item}?",
    "{name}, have you seen the {item}?",
    "{name}, will you meet {other} on {day}?",
    "Did {other} give you the {item}, {name}?",
    "Is the {item} {spot}, {name}?",
    "How much was the {item}, {name}?",
    "{name}, please put the {item} {spot}.",
    "Please give the {item} to {other}, {name}.",
    "{name}, bring me the {item} on {day}.",
    "I will meet {name} {where}.",
    "I put the {item} {spot}.",
    "I have seen {name} {where}.",
    "We have {amount} {kinds} here.",
    "The {thing} is {where}.",
    "The {thing} was {where} on {day}.",
    "There is {a_thing} {where}.",
    "Good morning, {name}.",
    "See you on {day}, {name}.",
    "{name} is late again.",
    "{name} and {other} are {where}.",
)
_NOT_INSTRUCTIONS = (
    *map(_plain, _PASSING_TEMPLATES),
    *(_talk,) * 10,
    *(_fixed_remark,) * 2,
)


def all_words() -> tuple[str, ...]:
    """Return every word that somebody may say, as written, sorted."""
    written = {word for text in _everything() for word in re.findall(r"[A-Za-z']+", text)}
    return tuple(sorted(written))


def texts(num_texts: int, split: Split = "train", seed: int = 0) -> tuple[str, ...]:
    """Return sentences as they are said, half of them to the system; for a tokenizer."""
    rng = random.Random(f"texts {split} {seed}")
    makers = (instructions, not_instructions)
    return tuple(makers[number % 2](rng, split) for number in range(num_texts))


def _everything() -> Iterator[str]:
    """Yield texts that hold every word: all fillers, and every template once."""
    rng = random.Random(0)
    yield from FIXED
    for words in (NAMES, DAYS, AMOUNTS, ITEMS, COUNTED, SPOTS, RIDES, DONE, TO_DO):
        yield from words
    for seen in (tuple(COLOURS), TEXTURES, SIZES, PLACES, SOUNDS):
        yield from seen
    for kind in KINDS:
        yield from kind
    for maker in (*_INSTRUCTIONS, *_NOT_INSTRUCTIONS):
        yield maker(rng)
    for talk in _TALK:
        for _ in range(64):
            text, asked = talk(rng)
            yield text
            yield from (question for question, _ in asked)

"""What exists in the daily world: things and their uses, colours, places, actions, signs, sounds.

Every word here is one that a question may name and an answer may hold. A combination of kind,
colour and texture belongs to one split only (`split_of`), so that what is asked about in a test
was never painted in training.
"""

from __future__ import annotations

import zlib
from typing import Literal, NamedTuple, TypeAlias

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Kind(NamedTuple):
    """A kind of thing: its names, and what it is for ("something to keep off the rain")."""

    name: str
    plural: str
    use: str


KINDS = (
    Kind("umbrella", "umbrellas", "keep off the rain"),
    Kind("cup", "cups", "drink tea"),
    Kind("book", "books", "read a story"),
    Kind("ball", "balls", "kick around"),
    Kind("key", "keys", "open a lock"),
    Kind("lamp", "lamps", "light a room"),
    Kind("clock", "clocks", "tell the time"),
    Kind("chair", "chairs", "sit down"),
    Kind("bottle", "bottles", "carry water"),
    Kind("hat", "hats", "cover the head"),
    Kind("car", "cars", "drive to work"),
    Kind("boat", "boats", "cross a lake"),
    Kind("tree", "trees", "find shade"),
    Kind("fish", "fish", "fill an aquarium"),
    Kind("phone", "phones", "call somebody"),
    Kind("hammer", "hammers", "drive a nail"),
    Kind("ladder", "ladders", "climb up"),
    Kind("box", "boxes", "pack things"),
    Kind("candle", "candles", "make a flame"),
    Kind("envelope", "envelopes", "send a letter"),
    Kind("microwave", "microwaves", "heat food"),
    Kind("camera", "cameras", "take a picture"),
    Kind("guitar", "guitars", "play music"),
    Kind("glasses", "glasses", "see better"),
)
KIND_NAMES = tuple(kind.name for kind in KINDS)

COLOURS = {
    "red": (214, 40, 40),
    "green": (46, 160, 67),
    "blue": (40, 90, 220),
    "yellow": (245, 210, 50),
    "white": (245, 245, 245),
    "black": (30, 30, 30),
    "orange": (245, 130, 30),
    "purple": (140, 60, 190),
}
TEXTURES = ("plain", "striped", "dotted")
SIZES = ("small", "large")
NUMBERS = ("one", "two", "three", "four")
"""How many of a kind stand together, in words."""
PLACES = (
    "kitchen",
    "garden",
    "street",
    "office",
    "beach",
    "garage",
    "bedroom",
    "forest",
    "station",
    "shop",
    "bathroom",
    "park",
)
ACTIONS = ("moves left", "moves right", "rises", "falls", "grows", "shrinks")
SIGNS = (
    "OPEN", "EXIT", "SALE", "STOP", "TAXI", "BANK", "CAFE", "HOTEL", "MENU", "PUSH",
    "PULL", "LEFT", "RIGHT", "GATE", "ROOM", "FREE", "NEWS", "ZOO", "BUS", "TOLL",
    "LIFT", "WET", "HOT", "COLD", "PAY", "SLOW", "FAST", "CLUB", "GYM", "BAR",
    "POST", "MILK", "SOAP", "RICE", "FOOD", "WINE", "TOYS", "SHOES", "FILM", "PARK",
)  # fmt: skip
SOUNDS = (
    "bell",
    "alarm",
    "whistle",
    "knocking",
    "engine",
    "rain",
    "siren",
    "beeping",
    "clapping",
    "barking",
)


def split_of(kind: str, colour: str, texture: str) -> Split:
    """Return the split that a combination belongs to; 8 of 10 are for training."""
    number = zlib.crc32(f"{kind} {colour} {texture}".encode()) % 10
    return "train" if number < 8 else "validation" if number == 8 else "test"

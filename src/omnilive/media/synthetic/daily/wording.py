"""Things in words: "the small red striped cups in the kitchen", and what they do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, TypeAlias

from omnilive.media.synthetic.daily.catalogue import KINDS
from omnilive.media.synthetic.daily.records import Group

Trait: TypeAlias = Literal["size", "colour", "texture"]
TRAITS: tuple[Trait, ...] = ("size", "colour", "texture")
_PLURALS = {kind.name: kind.plural for kind in KINDS}
USES = {kind.name: kind.use for kind in KINDS}


def noun(kind: str, *, plural: bool) -> str:
    """Return the name of a kind, of one or of several."""
    return _PLURALS[kind] if plural else kind


def is_plural(group: Group) -> bool:
    """Whether people speak of it as of several."""
    return group.count > 1 or group.kind == "glasses"


def described(group: Group, traits: Collection[Trait], *, plural: bool | None = None) -> str:
    """Return "small red striped cup": the kind with some of its traits, in the usual order."""
    words = [getattr(group, trait) for trait in TRAITS if trait in traits]
    return " ".join(
        [*words, noun(group.kind, plural=is_plural(group) if plural is None else plural)]
    )


def in_place(place: str) -> str:
    """Return where something is, as people say it."""
    on = {"street": "on the", "beach": "on the", "station": "at the"}
    return f"{on.get(place, 'in the')} {place}"
